package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// launch starts a command. up is closed when a line of its standard output holds ready.
func launch(cmd *exec.Cmd, ready string) (_ *process, up <-chan struct{}, _ error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	told := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), ready) {
				close(told)
				break
			}
		}
		io.Copy(io.Discard, out)
		cmd.Wait()
		close(p.done)
	}()
	return p, told, nil
}

// spawn starts a command and waits until a line of its standard output holds ready.
func spawn(ctx context.Context, cmd *exec.Cmd, ready string) (*process, error) {
	p, up, err := launch(cmd, ready)
	if err != nil {
		return nil, err
	}
	select {
	case <-up:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s stopped before it was ready", cmd.Path)
	case <-time.After(2 * time.Minute):
		p.stop()
		return nil, fmt.Errorf("%s was not ready within two minutes", cmd.Path)
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	}
}

func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// cpu is the processor time that the process has used: user and system.
func (p *process) cpu() time.Duration { return cpuOf(p.cmd.Process.Pid) }

// ownCPU is that of the bench: the load generator.
func ownCPU() time.Duration { return cpuOf(os.Getpid()) }

func cpuOf(pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// rss is the resident memory of the process in kB.
func (p *process) rss() float64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.ParseFloat(fields[0], 64)
	return kb
}

// families is the processor time of a process, and that of all that it has started, its database for one.
func families(pid int) (own, children time.Duration) {
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		child, _ := strconv.Atoi(strings.Split(file, "/")[2])
		_, rest, _ := strings.Cut(string(raw), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 {
			parents[child], _ = strconv.Atoi(fields[1])
		}
	}
	for child := range parents {
		for up := parents[child]; up > 1; up = parents[up] {
			if up == pid {
				children += cpuOf(child)
				break
			}
		}
	}
	return cpuOf(pid), children
}

// product is a running Hotline.
type product struct {
	fresh float64 // kB resident before the first call
	*process
	dir, sip string
	path     string   // of the binary
	env      []string // that it runs with
	api      *client
}

// startProduct starts the demonstration, with more of its environment.
func startProduct(ctx context.Context, binary string, more ...string) (*product, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, errors.New("no binary: run make build")
	}
	dir, err := os.MkdirTemp("", "hotline-bench-")
	if err != nil {
		return nil, err
	}
	os.Chmod(dir, 0o755)
	http, sip := freeAddr(), freeAddr()
	env := append(os.Environ(), "HOTLINE_HTTP_ADDR="+http, "HOTLINE_SIP_ADDR="+sip, "HOTLINE_WEBRTC_ADDR=127.0.0.1:0", "HOTLINE_DATA_DIR="+dir,
		"HOTLINE_RTP_PORTS=12000-31999", "HOTLINE_MAX_CALLS=9000", "HOTLINE_LOG_LEVEL=error")
	env = append(env, more...)
	cmd := exec.CommandContext(ctx, path, "serve", "--demo")
	cmd.Env, cmd.Stderr = env, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it has a database to stop
	p, err := spawn(ctx, cmd, "Ctrl-C")
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	token := exec.CommandContext(ctx, path, "token", "create", "--name", "bench", "--role", "admin")
	token.Env, token.Stderr = env, os.Stderr
	secret, err := token.Output()
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("hotline token create: %w", err)
	}
	return &product{process: p, dir: dir, sip: sip, env: env, path: path, api: &client{base: "http://" + http, token: strings.TrimSpace(string(secret))}}, nil
}

// settle waits until every call is filed.
func (p *product) settle(ctx context.Context) error {
	_, err := p.api.settle(ctx)
	return err
}

func (p *product) close() {
	p.stop()
	os.RemoveAll(p.dir)
}

// freeAddr returns a loopback address whose port is free for TCP and UDP.
func freeAddr() string {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			continue
		}
		addr := l.Addr().String()
		l.Close()
		u, err := net.ListenPacket("udp", addr)
		if err == nil {
			u.Close()
			return addr
		}
	}
}
