package asterisk

import (
	"context"
	"testing"
	"time"

	"hotline/call"
	"hotline/media"
	"hotline/sip/caller"
)

func newCaller(t testing.TB, c caller.Config) *caller.Client {
	t.Helper()
	c.Log = silent()
	p, err := caller.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// calls lets a phone call our number; the phone's side comes when it is answered.
func (p *plant) dials(t testing.TB, phone *caller.Client, inv caller.Invite) (answered <-chan *caller.Call) {
	ch := make(chan *caller.Call, 1)
	if inv.To == "" {
		inv.To = "sip:4000@" + p.a.SIPAddr.String()
	}
	if inv.From == "" {
		inv.From = "+8613800138000"
	}
	go func() {
		c, err := phone.Call(context.Background(), inv)
		if err != nil {
			t.Errorf("the call: %v", err)
		}
		ch <- c
	}()
	return ch
}

// A caller hears a prompt and is heard, presses keys, holds and hangs up.
func TestInbound(t *testing.T) {
	p := newPlant(t, freeUDP(t))
	r := p.newRig(t)
	phone := newCaller(t, caller.Config{})
	up := p.dials(t, phone, caller.Invite{Name: "Li Lei"})
	l := r.leg()
	i := l.Info()
	if i.Caller.Number != "+8613800138000" || i.Caller.Display != "Li Lei" || !i.Caller.Verified || i.Caller.Withheld || i.Dialled != "4000" || i.Flow != "main" ||
		i.Language != "en" || i.Edge != Name || i.TrunkID != p.trunk.ID || i.ForeignID == "" || i.Remote == "" || !i.Outlives {
		t.Errorf("info %+v", i)
	}
	if err := l.Progress(t.Context(), false); err != nil {
		t.Error(err)
	}
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	next(t, l.box, call.Answered)
	c := <-up
	l.Audio().Play(media.Tone(440, 5*time.Second, 0.5), media.PlayOptions{})
	r.hears(c.Stream(), 440)
	c.Stream().Play(media.Tone(700, 5*time.Second, 0.5), media.PlayOptions{})
	r.hears(l.Audio(), 700)
	if err := c.Press(t.Context(), "5#"); err != nil {
		t.Error(err)
	}
	for _, want := range "5#" {
		if e := next(t, l.box, call.DigitPressed); e.Digit != byte(want) {
			t.Errorf("digit %c, want %c", e.Digit, want)
		}
	}
	if err := c.Hold(t.Context(), true); err != nil {
		t.Error(err)
	}
	next(t, l.box, call.Held)
	if err := c.Hold(t.Context(), false); err != nil {
		t.Error(err)
	}
	next(t, l.box, call.Resumed)
	c.Hangup(t.Context())
	if e := next(t, l.box, call.Ended); e.Cause.By != "peer" || e.Cause.Q850 != 16 || e.Cause.SIP != 0 {
		t.Errorf("cause %+v", e.Cause)
	}
	r.gone()
}
