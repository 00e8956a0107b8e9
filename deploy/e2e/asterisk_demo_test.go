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
)

// TestRunAsterisk is make run-asterisk: the product over an Asterisk that it has configured itself, a call through it, and both ended by one
// signal. An Asterisk that dies ends the product too.
func TestRunAsterisk(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "demo-") // Asterisk's control socket wants a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	rtp, web, sip := rtpBlock(), freePort(t, "tcp"), fmt.Sprintf("127.0.0.1:%d", freePort(t, "udp"))
	log := &logFile{}
	start := func() (cmd *exec.Cmd, ended chan error) {
		t.Helper()
		cmd = exec.Command("../asterisk/demo.sh")
		cmd.Env = append(os.Environ(), "HOTLINE_DATA_DIR="+dir, fmt.Sprintf("HOTLINE_HTTP_ADDR=127.0.0.1:%d", web), fmt.Sprintf("HOTLINE_SIP_ADDR=127.0.0.1:%d", freePort(t, "udp")),
			"HOTLINE_WEBRTC_ADDR=127.0.0.1:0", fmt.Sprintf("HOTLINE_RTP_PORTS=%d-%d", rtp, rtp+499), fmt.Sprintf("HOTLINE_DEMO_RTP=%d-%d", rtp+500, rtp+999),
			"HOTLINE_DEMO_SIP="+sip, fmt.Sprintf("HOTLINE_DEMO_ARI=127.0.0.1:%d", freePort(t, "tcp")))
		cmd.Stderr, cmd.SysProcAttr = log, &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		ready, ended := make(chan bool), make(chan error, 1)
		go func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), "Ready.") {
					close(ready)
				}
			}
			ended <- cmd.Wait()
		}()
		select {
		case <-ready:
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, log.String())
		case <-time.After(time.Minute):
			t.Fatalf("it does not start:\n%s", log.String())
		}
		return cmd, ended
	}
	over := func(ended chan error) error {
		t.Helper()
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Minute):
			t.Fatalf("it does not end:\n%s", log.String())
			return nil
		}
	}
	cmd, ended := start()
	said, err := exec.Command(product(t), "call", "--to", "sip:4000@"+sip, "--send", "w2,1,w3", "--once", "--duration", "20s").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "answered in") || !strings.Contains(string(said), "hears speech") {
		t.Errorf("the call: %v\n%s", err, said)
	}
	asterisk := asteriskOf(t, cmd.Process.Pid)
	cmd.Process.Signal(syscall.SIGTERM)
	if err := over(ended); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log.String())
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", asterisk)); err == nil {
		t.Error("Asterisk is left over")
	}
	cmd, ended = start()
	syscall.Kill(asteriskOf(t, cmd.Process.Pid), syscall.SIGKILL)
	if err := over(ended); err == nil || !strings.Contains(log.String(), "Asterisk has ended") {
		t.Errorf("when Asterisk dies: %v\n%s", err, log.String())
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
