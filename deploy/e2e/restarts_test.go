//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processKilled: a crash in the middle of calls. What the callers lose is the call; nothing of what happened is lost.
func processKilled(h *house) {
	const inMenu, inQueue, inVoicemail, unfiled = "+8613811100021", "+8613811100022", "+8613811100023", "+8613811100024"
	menu := h.rings("4000", inMenu, 500)
	menu.press("2")
	queue := h.rings("4000", inQueue, 600)
	queue.press("21")
	voicemail := h.rings("4001", inVoicemail, 700)
	h.reaches(inQueue, "queued")
	h.reaches(inVoicemail, "voicemail")
	h.eventually(60*time.Second, "the message is recorded", func() bool { return h.recordingOf(inVoicemail, "voicemail") != nil })
	voicemail.stays(4 * time.Second)
	menu.hears(time.Second)
	goOn := h.stall() // what happens now is in the journal alone
	late := h.rings("4000", unfiled, 800)
	late.press("2")
	late.hears(3 * time.Second)
	killed := time.Now()
	h.kill()
	goOn()
	for _, p := range []*phone{menu, queue, voicemail, late} {
		p.drop()
	}
	h.start()
	h.wellAgain(30 * time.Second)
	if n := h.metric("hotline_rtp_ports_in_use"); n != 0 {
		h.t.Errorf("%v RTP ports are in use after the restart", n)
	}
	for _, c := range []struct {
		from     string
		answered time.Time
		segment  string
		tone     float64
	}{{inMenu, menu.answered, "menu", 500}, {inQueue, queue.answered, "queue", 600}, {inVoicemail, voicemail.answered, "voicemail", 700}, {unfiled, late.answered, "menu", 800}} {
		h.cut(c.from, c.answered, killed, c.segment)
		h.partial(c.from, c.answered, killed, c.tone)
	}
	h.oneCluster()
	h.settled()
	const again = "+8613811100025"
	next := h.rings("4000", again, 500)
	next.press("21")
	next.hears(2 * time.Second)
	h.reaches(again, "queued")
	next.hangup()
	h.wholly(again, "abandoned", "21")
}

// recordingOf returns the recording of a kind of a caller's newest call.
func (h *house) recordingOf(from, kind string) *recordingRow {
	h.t.Helper()
	calls := h.calls(from)
	if len(calls) == 0 {
		return nil
	}
	for _, r := range h.call(calls[0].ID).Recordings {
		if r.Kind == kind {
			return &r
		}
	}
	return nil
}

// cut checks that a call is closed as cut by the system, near the time of the kill, and that somebody will call back.
func (h *house) cut(from string, answered, killed time.Time, segment string) {
	h.t.Helper()
	_, c := h.filed(from)
	if c.Result != "cut_by_system" {
		h.t.Errorf("%s: result %q", from, c.Result)
	}
	h.timesFit(from, c)
	if last := c.Segments[len(c.Segments)-1]; last.Kind != segment {
		h.t.Errorf("%s: the last segment is %q, wanted %q", from, last.Kind, segment)
	}
	if off := c.EndedAt.Sub(killed); off < -3*time.Second || off > time.Second {
		h.t.Errorf("%s: ended %v from the kill", from, off)
	}
	if off := c.AnsweredAt.Sub(answered); off < -2*time.Second || off > 2*time.Second {
		h.t.Errorf("%s: answered %v from when the caller saw it", from, off)
	}
	for _, task := range h.ticket(c.Ticket).Tasks {
		if task.Kind == "callback" && task.Reason == "cut_by_system" && task.State == "open" && task.Phone == from {
			return
		}
	}
	h.t.Errorf("%s: no call-back task for the cut call: %+v", from, h.ticket(c.Ticket).Tasks)
}

// partial checks that the recordings of a call that was cut play up to the cut.
func (h *house) partial(from string, answered, killed time.Time, hertz float64) {
	h.t.Helper()
	var recordings []recordingRow
	h.eventually(20*time.Second, "the recordings of "+from+" are repaired", func() bool {
		recordings = h.call(h.calls(from)[0].ID).Recordings
		for _, r := range recordings {
			if r.State != "partial" {
				return false
			}
		}
		return len(recordings) > 0
	})
	for _, r := range recordings {
		left, right := h.sound(r.ID)
		played := time.Duration(len(left)) * time.Second / 8000
		if off := played - time.Duration(r.DurationMS)*time.Millisecond; off < -20*time.Millisecond || off > 20*time.Millisecond {
			h.t.Errorf("%s: %s recording plays %v, its row says %d ms", from, r.Kind, played, r.DurationMS)
		}
		if share := bestTone(left, hertz); share < 0.8 {
			h.t.Errorf("%s: the caller's tone is %.2f of the %s recording", from, share, r.Kind)
		}
		if r.Kind == "voicemail" {
			continue
		}
		if loudest(right) < 500 {
			h.t.Errorf("%s: nothing of what the caller heard is recorded", from)
		}
		if missing := killed.Sub(answered) - played; missing < -time.Second || missing > 2500*time.Millisecond {
			h.t.Errorf("%s: recorded %v of %v", from, played, killed.Sub(answered))
		}
	}
}

// oneCluster checks that one PostgreSQL server runs on the data folder, and that it is a child of the product.
func (h *house) oneCluster() {
	h.t.Helper()
	data := filepath.Join(h.dir, "postgres", "data")
	postmasters := 0
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if cwd, err := os.Readlink(link); err != nil || cwd != data {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(link), "stat"))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if parent := strings.Fields(rest)[1]; parent == fmt.Sprint(h.cmd.Process.Pid) {
			postmasters++
		} else if parent != fmt.Sprint(h.cluster()[0]) {
			h.t.Errorf("%s is a PostgreSQL process of parent %s", link, parent)
		}
	}
	if postmasters != 1 {
		h.t.Errorf("%d PostgreSQL servers are children of the product", postmasters)
	}
}

// signalDrains: the call that is up goes on, no new one is taken, and the process ends in peace with the last call.
func signalDrains(h *house) {
	const from = "+8613811100031"
	up := h.rings("4000", from, 500)
	up.press("21")
	h.reaches(from, "queued")
	h.cmd.Process.Signal(syscall.SIGTERM)
	h.eventually(15*time.Second, "a new call is refused", func() bool {
		p, err := h.tryRing("4000", "+8613811100032", 600)
		if err == nil {
			p.hangup() // it came before the signal was seen
		}
		return err != nil && strings.Contains(err.Error(), "503")
	})
	answer := ask(h.t, socket(h.t), h.sip, "4000", "+8613811100033", 5*time.Second)
	if !strings.HasPrefix(answer, "SIP/2.0 503 ") {
		h.t.Errorf("a new call is answered %s", answer)
	}
	if !strings.Contains(answer, "\r\nRetry-After: ") {
		h.t.Errorf("the refusal does not say when to try again:\n%s", answer)
	}
	if status, body := h.ready(); status != 503 || !strings.Contains(body, `"calls":false`) {
		h.t.Errorf("readyz says %d %s while the product drains", status, body)
	}
	up.hears(3 * time.Second)
	up.press("2") // to the voicemail: keys are still obeyed
	h.reaches(from, "voicemail")
	up.hears(time.Second)
	up.hangup()
	h.stopsBy(20*time.Second, "the last call has ended")
	h.start()
	h.wholly(from, "abandoned", "212")
}

// secondSignalStops: who does not want to wait gets the calls ended with BYE.
func secondSignalStops(h *house) {
	const from = "+8613811100041"
	up := h.rings("4000", from, 500)
	up.press("21")
	h.reaches(from, "queued")
	h.cmd.Process.Signal(syscall.SIGTERM)
	up.hears(2 * time.Second)
	h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-up.call.Ended:
	case <-time.After(15 * time.Second):
		h.t.Error("the caller got no BYE")
	}
	h.stopsBy(20*time.Second, "a second SIGTERM")
	h.start()
	_, c := h.filed(from)
	h.timesFit(from, c)
	if c.Result != "cut_by_system" {
		h.t.Errorf("result %q", c.Result)
	}
	if r := h.recordingOf(from, "call"); r == nil || r.State != "complete" {
		h.t.Errorf("recording %+v", r)
	}
	h.settled()
}

// stopsBy waits until the process has ended with status 0.
func (h *house) stopsBy(limit time.Duration, after string) {
	h.t.Helper()
	select {
	case <-h.exited:
	case <-time.After(limit):
		h.cmd.Process.Signal(syscall.SIGQUIT) // says what every goroutine waits for
		<-h.exited
		h.t.Fatalf("the process still runs %s after %s\n%s", limit, after, tail(h.log.String(), 30_000))
	}
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		h.t.Errorf("exit status %d after %s\n%s", code, after, tail(h.log.String(), 2000))
	}
}

func socket(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
