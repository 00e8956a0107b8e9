//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
	"hotline/sip/caller"
	"hotline/testport"
)

// proxy starts Kamailio with the configuration that users get, in front of Asterisks. Its callers are at 127.0.0.3.
func (h *house) proxy(nodes []*asterisktest.Asterisk) string {
	h.t.Helper()
	kamailio := need(h.t, "kamailio", "kamailio")
	dir := h.t.TempDir()
	list := ""
	for _, a := range nodes {
		list += fmt.Sprintf("1 sip:%s\n", a.SIPAddr)
	}
	for name, text := range map[string]string{"dispatcher.list": list, "address.list": "1 127.0.0.3 32\n2 127.0.0.1 32\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
	cfg, err := filepath.Abs("../kamailio/kamailio.cfg")
	if err != nil {
		h.t.Fatal(err)
	}
	at := fmt.Sprintf("127.0.0.1:%d", testport.Free(h.t, "udp"))
	log := &logFile{}
	cmd := exec.Command(kamailio, "-f", cfg, "-DD", "-E", "-m", "64", "-Y", dir, "-A", "LISTEN=udp:"+at,
		"-A", fmt.Sprintf("NODES=%q", filepath.Join(dir, "dispatcher.list")), "-A", fmt.Sprintf("ADDRESSES=%q", filepath.Join(dir, "address.list")),
		"-A", fmt.Sprintf("CONTROL=%q", "unix:"+filepath.Join(dir, "ctl")))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { // ends with the process, which the test ends
		cmd.Wait()
		close(exited)
	}()
	h.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-exited
		}
		if h.t.Failed() {
			h.t.Logf("what Kamailio printed:\n%s", tail(log.String(), 6_000))
		}
	})
	return at
}

// carrier is who calls through the proxy.
type carrier struct {
	*house
	phone *caller.Client
	to    string // of the proxy
	seen  int
}

// call calls once; it is answered, whichever node has it.
func (c *carrier) call() *line {
	c.t.Helper()
	c.seen++
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	up, err := c.phone.Call(ctx, caller.Invite{To: "sip:4000@" + c.to, From: fmt.Sprintf("+86138001382%02d", c.seen)})
	if err != nil {
		c.t.Fatalf("call %d is not answered: %v", c.seen, err)
	}
	l := talkOn(c.t, up, otherHz)
	l.hearsMusic(otherHz) // the greeting: this call has a Hotline behind it
	return l
}

// callers counts the callers that an Asterisk has.
func (h *house) callers(a *ari.Requester) (n int) {
	list, err := a.Channels(context.Background())
	if err != nil {
		return -1
	}
	for _, c := range list {
		if c.Dialplan.App == "Stasis" && c.Dialplan.Context == "hotline-enter" {
			n++
		}
	}
	return n
}

// drain empties a node, or lets it take calls again.
func (h *house) drain(node string, on bool) {
	h.t.Helper()
	if status := h.api("PUT", "/api/v1/asterisks/"+node+"/drain", map[string]any{"draining": on}, nil); status/100 != 2 {
		h.t.Fatalf("drain %s %t: %d", node, on, status)
	}
}

// TestKamailio puts two Asterisks behind a dispatcher: calls are spread; a drained node keeps its calls and gets no new ones; when a node
// dies its new calls are answered by the other; and it has its share again when it is back.
func TestKamailio(t *testing.T) {
	t.Parallel()
	h, pbx := newAsteriskHouse(t, asterisktest.Options{}, 2)
	c := &carrier{house: h, phone: telephone(t, caller.Config{IP: netip.MustParseAddr("127.0.0.3")}), to: h.proxy(pbx)}
	one, two := asks(t, pbx[0]), asks(t, pbx[1])
	quit, refused := c.knocks() // all the while: a stranger gets no answer at all
	has := func(what string, first, second int) {
		t.Helper()
		if !soon(10*time.Second, func() bool { return h.callers(one) == first && h.callers(two) == second }) {
			t.Fatalf("%s: %d and %d calls, want %d and %d", what, h.callers(one), h.callers(two), first, second)
		}
	}
	var lines []*line
	call := func(n int) {
		t.Helper()
		for range n {
			lines = append(lines, c.call())
		}
	}
	call(4)
	has("spread", 2, 2)
	h.drain("pbx1", true)
	call(2)
	has("drained", 2, 4)
	lines[0].press("2") // who is on the drained node goes on: a key, and English is heard
	lines[0].passes(time.Second)
	h.drain("pbx1", false)
	call(2)
	has("back", 3, 5)
	for _, l := range lines {
		l.hangup() // the BYE finds its node by the route
	}
	has("hung up", 0, 0)

	pbx[1].Kill()
	call(3)
	if n := h.callers(one); n < 3 {
		t.Errorf("%d calls at the node that lives, want 3", n)
	}
	pbx[1].Restart()
	h.registered(pbx[1])
	if !soon(patient, func() bool { call(1); return h.callers(two) > 0 }) {
		t.Error("the node that is back gets no call")
	}
	for _, l := range lines {
		l.hangup()
	}
	for _, a := range pbx {
		h.nothingLeft(a)
	}
	quit()
	if err := <-refused; err == nil {
		t.Error("a stranger is answered")
	}
	if len(h.calls(unknown)) > 0 {
		t.Error("a stranger's call is filed")
	}
}

// unknown is the number of a stranger.
const unknown = "+8613800138299"

// knocks lets a stranger call until he is told to stop.
func (c *carrier) knocks() (stop func(), answered <-chan error) {
	stranger, refused := telephone(c.t, caller.Config{IP: netip.MustParseAddr("127.0.0.4")}), make(chan error, 1)
	ctx, quit := context.WithCancel(context.Background())
	c.t.Cleanup(quit)
	go func() { // ends with ctx, at the latest
		_, err := stranger.Call(ctx, caller.Invite{To: "sip:4000@" + c.to, From: unknown})
		refused <- err
	}()
	return quit, refused
}
