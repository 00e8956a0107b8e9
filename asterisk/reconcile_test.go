package asterisk

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
	"hotline/sip/caller"
)

// wire is the line between the edge and Asterisk's ARI, which can be cut.
type wire struct {
	l    net.Listener
	to   string
	wg   sync.WaitGroup
	mu   sync.Mutex
	cut  bool
	ends map[net.Conn]bool
}

func newWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{l: l, to: strings.TrimPrefix(to, "http://"), ends: map[net.Conn]bool{}}
	w.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() { l.Close(); w.break_(true); w.wg.Wait() })
	return w
}

func (w *wire) url() string { return "http://" + w.l.Addr().String() }

func (w *wire) carry(c net.Conn) {
	defer c.Close()
	far, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer far.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	w.ends[c], w.ends[far] = true, true
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(far, c); far.Close() })
	both.Go(func() { _, _ = io.Copy(c, far); c.Close() })
	both.Wait()
	w.mu.Lock()
	delete(w.ends, c)
	delete(w.ends, far)
	w.mu.Unlock()
}

// break_ cuts what goes on; with stay, nothing gets through any more until it is mended.
func (w *wire) break_(stay bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = stay
	for c := range w.ends {
		c.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

// talking sets a call up.
func (r *rig) talking(phone *caller.Client) (*caught, *caller.Call) {
	r.t.Helper()
	up := r.dials(r.t, phone, caller.Invite{})
	l := r.leg()
	if err := l.Answer(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	next(r.t, l.box, call.Answered)
	return l, <-up
}

// The socket is cut and comes back: who talks talks on, who has gone meanwhile is gone, and what happens next is heard of.
func TestReconnectKeepsCalls(t *testing.T) {
	p := newPlant(t, freePort(t))
	w := newWire(t, p.a.URL)
	r := p.newRig(t, func(c *Config) { c.Nodes[0].URL = w.url() })
	phone := newCaller(t, caller.Config{})
	stays, c := r.talking(phone)
	goes, gone := r.talking(phone)
	w.break_(true)
	r.until("the loss is noticed", func() bool { return !r.edge.Ready() })
	gone.Hangup(t.Context())
	if _, err := r.edge.Dial(t.Context(), call.Dial{To: "7001", TrunkID: p.trunk.ID, Mailbox: call.NewMailbox()}); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("dialling without an Asterisk: %v", err)
	}
	stays.Audio().Play(media.Tone(440, 20*time.Second, 0.5), media.PlayOptions{})
	r.hears(c.Stream(), 440) // audio needs no ARI
	w.mend()
	if e := next(t, goes.box, call.Ended); e.Cause != call.CauseBackendLost {
		t.Errorf("who has gone meanwhile: %+v", e.Cause)
	}
	r.until("it is connected again", r.edge.Ready)
	if err := c.Press(t.Context(), "3"); err != nil {
		t.Error(err)
	}
	next(t, stays.box, call.DigitPressed)
	r.until("one call was lost and one is left", func() bool { s := r.edge.Nodes()[0]; return s.Lost == 1 && s.Reconnects > 0 && s.Calls == 1 })
	if err := stays.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	next(t, stays.box, call.Ended)
	r.gone()
}

// Asterisk dies: its calls end with cause "backend lost", and new ones come when it is back.
func TestAsteriskDies(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	phone := newCaller(t, caller.Config{})
	l, c := r.talking(phone)
	p.a.Kill()
	began := time.Now()
	if e := next(t, l.box, call.Ended); e.Cause != call.CauseBackendLost {
		t.Errorf("cause %+v", e.Cause)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end of a call whose Asterisk died was noticed after %v", took)
	}
	c.Hangup(shortly(t))
	p.a.Restart()
	r.until("it is connected again", r.edge.Ready)
	l, c = r.talking(phone)
	c.Hangup(t.Context())
	next(t, l.box, call.Ended)
	r.gone()
}

func shortly(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// What is in our name and nobody's is taken away at the start; callers of the process before are adopted or begin anew.
func TestAdoptAfterRestart(t *testing.T) {
	p := newPlant(t, freePort(t))
	w := newWire(t, p.a.URL)
	r := p.newRig(t, func(c *Config) { c.Nodes[0].URL = w.url() })
	phone := newCaller(t, caller.Config{})
	kept, c1 := r.talking(phone)
	_, c2 := r.talking(phone)
	info := kept.Info()
	w.break_(true) // as good as a kill -9: what the edge still wants to do reaches nobody
	r.stop()
	r2 := p.newRig(t)
	select {
	case l := <-r2.legs:
		t.Fatalf("a call was given on before it was known whose it is: %+v", l.Info())
	default:
	}
	left := &call.Left{Info: info, Phase: call.PhaseTalking}
	dead := &call.Left{Info: info}
	dead.Info.ForeignID = "1700000000.1"
	if err := r2.edge.Adopt(t.Context(), []*call.Left{left, dead}); err != nil {
		t.Fatal(err)
	}
	l := r2.leg()
	if i := l.Info(); i.LegID != info.LegID || i.CallID != info.CallID || i.Resume != left || i.ForeignID != info.ForeignID {
		t.Errorf("the adopted leg says of itself %+v", i)
	}
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Audio().Play(media.Tone(440, 5*time.Second, 0.5), media.PlayOptions{})
	r2.hears(c1.Stream(), 440)
	anew := r2.leg()
	if i := anew.Info(); i.Resume != nil || i.LegID == info.LegID || i.Caller.Number != "+8613800138000" || i.Dialled != "4000" {
		t.Errorf("a caller without a call of before begins a new one: %+v", i)
	}
	if err := anew.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	c1.Hangup(t.Context())
	c2.Hangup(t.Context())
	for e := (call.Event{}); e.Kind != call.Ended; {
		e, _ = l.box.Next(t.Context())
	}
	for e := (call.Event{}); e.Kind != call.Ended; {
		e, _ = anew.box.Next(t.Context())
	}
	if s := r2.edge.Nodes()[0]; s.Adopted != 1 || s.Swept == 0 {
		t.Errorf("%+v", s)
	}
	r2.gone()
}

// Bridges and channels in our name that no leg owns are taken away, others are left alone.
func TestStrangersAreSwept(t *testing.T) {
	p := newPlant(t, freePort(t))
	other, err := ari.NewRequester(p.node())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, id := range []string{bridgePrefix + "nobody", "somebodys"} {
		if _, err := other.CreateBridge(t.Context(), id, "mixing"); err != nil {
			t.Fatal(err)
		}
	}
	r := p.newRig(t)
	r.until("our bridge is swept", func() bool { return strings.Join(r.edge.held(), " ") == "somebodys" })
	if err := r.edge.Adopt(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExternalMedia(t.Context(), ari.ExternalMedia{ID: mediaPrefix + "nobody", Host: "127.0.0.1:9", Format: "ulaw"}); err != nil {
		t.Fatal(err)
	}
	r.until("our channel is swept", func() bool { return strings.Join(r.edge.held(), " ") == "somebodys" })
}

// Calls out live on through a reconnect as well: one that talks, and one that is answered while nobody listens.
func TestReconnectKeepsCallsOut(t *testing.T) {
	p := newPlant(t, freePort(t))
	w := newWire(t, p.a.URL)
	r := p.newRig(t, func(c *Config) { c.Nodes[0].URL = w.url() })
	b := newRobot(t, r)
	talks, box := r.dial(b.Callee(calltest.Behaviour{Answer: true}))
	next(t, box, call.Ringing)
	next(t, box, call.Answered)
	_, late := r.dial(b.Callee(calltest.Behaviour{Answer: true, After: 300 * time.Millisecond}))
	next(t, late, call.Ringing)
	goes, gone := r.dial(b.Callee(calltest.Behaviour{Answer: true, HangsUp: 300 * time.Millisecond}))
	next(t, gone, call.Ringing)
	next(t, gone, call.Answered)
	w.break_(true)
	r.until("the loss is noticed", func() bool { return !r.edge.Ready() })
	own, err := ari.NewRequester(p.node())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	r.until("one is answered and one has gone meanwhile", func() bool {
		list, _ := own.Channels(t.Context())
		up, there := 0, false
		for _, c := range list {
			if strings.HasPrefix(c.Name, "PJSIP/") && c.State == "Up" {
				up++
			}
			there = there || c.ID == goes.Info().ForeignID
		}
		return up == 2 && !there
	})
	w.mend()
	next(t, late, call.Answered)
	if e := next(t, gone, call.Ended); e.Cause != call.CauseBackendLost {
		t.Errorf("who has gone meanwhile: %+v", e.Cause)
	}
	r.until("it is connected again", func() bool { s := r.edge.Nodes()[0]; return s.Connected && s.Calls == 2 && s.Lost == 1 })
	if err := talks.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	next(t, box, call.Ended)
}
