package sip

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestSippBurst is 600 calls at 200 a second from sipp, answered and hung up by the caller; none may fail, nothing may be left.
func TestSippBurst(t *testing.T) {
	need(t, "sipp", "sip-tester")
	r := newRig(t)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case l := <-r.legs:
				go l.Answer(context.Background())
			case <-stop:
				return
			}
		}
	}()
	defer close(stop)
	dir := t.TempDir()
	scenario := filepath.Join(dir, "caller.xml")
	if err := os.WriteFile(scenario, bytes.ReplaceAll([]byte(sippCaller), []byte("[media_port]"), []byte("40000")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sipp", "-sf", scenario, "-m", "600", "-r", "200", "-nd", "-nostdin", "-i", "127.0.0.1", "-timeout", "40s", r.edge.Addr("UDP").String())
	cmd.Dir = dir
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sipp: %v\n%s", err, out[max(0, len(out)-3000):])
	}
	t.Logf("600 calls in %v, %+v", time.Since(start), r.edge.Stats())
	r.gone()
}
