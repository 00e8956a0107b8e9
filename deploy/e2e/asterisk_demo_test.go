//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hotline/testport"
)

// demo is deploy/asterisk/demo.sh with a folder and ports of its own.
type demo struct {
	t    *testing.T
	sip  string
	env  []string
	log  *logFile
	cmd  *exec.Cmd
	over chan error // told once when the script has ended
}

func newDemo(t *testing.T) *demo {
	dir, err := os.MkdirTemp("", "demo-") // Asterisk's control socket wants a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	rtp := testport.Block(1000)
	d := &demo{t: t, sip: fmt.Sprintf("127.0.0.1:%d", testport.Free(t, "udp")), log: &logFile{}}
	d.env = append(os.Environ(), "HOTLINE_DATA_DIR="+dir, fmt.Sprintf("HOTLINE_HTTP_ADDR=127.0.0.1:%d", testport.Free(t, "tcp")),
		fmt.Sprintf("HOTLINE_SIP_ADDR=127.0.0.1:%d", testport.Free(t, "udp")), "HOTLINE_WEBRTC_ADDR=127.0.0.1:0",
		fmt.Sprintf("HOTLINE_RTP_PORTS=%d-%d", rtp, rtp+499), fmt.Sprintf("HOTLINE_DEMO_RTP=%d-%d", rtp+500, rtp+999),
		"HOTLINE_DEMO_SIP="+d.sip, fmt.Sprintf("HOTLINE_DEMO_ARI=127.0.0.1:%d", testport.Free(t, "tcp")))
	return d
}

// start runs the script and returns when it says that it is ready.
func (d *demo) start() {
	d.t.Helper()
	cmd := exec.Command("../asterisk/demo.sh")
	cmd.Env, cmd.Stderr, cmd.SysProcAttr = d.env, d.log, &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	ready, over := make(chan bool), make(chan error, 1)
	d.cmd, d.over = cmd, over
	go func() { // ends with the script
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "Ready.") {
				close(ready)
			}
		}
		over <- cmd.Wait()
	}()
	select {
	case <-ready:
	case err := <-over:
		d.t.Fatalf("it ended: %v\n%s", err, d.log.String())
	case <-time.After(time.Minute):
		d.t.Fatalf("it does not start:\n%s", d.log.String())
	}
}

// ended waits for the end of the script.
func (d *demo) ended() error {
	d.t.Helper()
	select {
	case err := <-d.over:
		return err
	case <-time.After(time.Minute):
		d.t.Fatalf("it does not end:\n%s", d.log.String())
		return nil
	}
}

// TestRunAsterisk is make run-asterisk: the product over an Asterisk that it has configured itself, a call through it, and both ended by one
// signal. An Asterisk that dies ends the product too.
func TestRunAsterisk(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.start()
	said, err := exec.Command(product(t), "call", "--to", "sip:4000@"+d.sip, "--send", "w2,1,w3", "--once", "--duration", "20s").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "answered in") || !strings.Contains(string(said), "hears speech") {
		t.Errorf("the call: %v\n%s", err, said)
	}
	asterisk := asteriskOf(t, d.cmd.Process.Pid)
	d.cmd.Process.Signal(syscall.SIGTERM)
	if err := d.ended(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, d.log.String())
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", asterisk)); err == nil {
		t.Error("Asterisk is left over")
	}
	d.start()
	syscall.Kill(asteriskOf(t, d.cmd.Process.Pid), syscall.SIGKILL)
	if err := d.ended(); err == nil || !strings.Contains(d.log.String(), "Asterisk has ended") {
		t.Errorf("when Asterisk dies: %v\n%s", err, d.log.String())
	}
}

// asteriskOf finds the child of the script that is Asterisk.
func asteriskOf(t *testing.T, script int) int {
	t.Helper()
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range found {
		raw, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(raw), ") ")
		f := strings.Fields(rest)
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if len(f) > 1 && f[1] == strconv.Itoa(script) && strings.Contains(string(line), "usr/sbin/asterisk") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	t.Fatal("no Asterisk runs below the script")
	return 0
}
