package asterisk

import (
	"context"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
	"hotline/sip/caller"
	"hotline/trunks/callout"
	"hotline/trunks/routes"
	"hotline/trunks/siptest"
)

// dial calls out and returns the leg with its mailbox.
func (r *rig) dial(d call.Dial) (call.Leg, *call.Mailbox) {
	r.t.Helper()
	d.CallID, d.LegID, d.Mailbox = hotline.NewID(), hotline.NewID(), call.NewMailbox()
	l, err := r.dialer.Dial(context.Background(), d)
	if err != nil {
		r.t.Fatal(err)
	}
	return l, d.Mailbox
}

// byRoutes lets calls go out by the outbound routes too.
func (r *rig) byRoutes(ringWithin time.Duration) {
	r.t.Helper()
	d, err := callout.New(callout.Config{Directory: r.dir, Routes: r.book, Engine: r.eng, Asterisk: r.edge, RingWithin: ringWithin, Log: silent()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.dialer = d
}

// A number is dialled: it rings, is answered, both hear each other, keys arrive, and it hangs up.
func TestOutbound(t *testing.T) {
	at := freePort(t)
	p := newPlant(t, at)
	r := p.newRig(t)
	phone := newCaller(t, caller.Config{Wait: true, Port: at.Port()})
	up := make(chan *caller.Call, 1)
	rang := make(chan string, 1)
	go func() {
		c, err := phone.Take(context.Background(), caller.Taking{Ring: 100 * time.Millisecond, OnRing: func(from, to string) { rang <- from + " " + to }})
		if err != nil {
			t.Errorf("take: %v", err)
		}
		up <- c
	}()
	l, box := r.dial(call.Dial{To: "+4930123456", TrunkID: p.trunk.ID, From: call.Party{Number: "+861012345678", Display: "Hotline"}})
	next(t, box, call.Ringing)
	next(t, box, call.Answered)
	c := <-up
	if who := <-rang; !strings.Contains(who, "+861012345678") || !strings.Contains(who, "+4930123456") {
		t.Errorf("it rings for %q", who)
	}
	l.Audio().Play(media.Tone(440, 5*time.Second, 0.5), media.PlayOptions{})
	r.hears(c.Stream(), 440)
	c.Stream().Play(media.Tone(700, 5*time.Second, 0.5), media.PlayOptions{})
	r.hears(l.Audio(), 700)
	if err := c.Press(t.Context(), "7"); err != nil {
		t.Error(err)
	}
	if e := next(t, box, call.DigitPressed); e.Digit != '7' {
		t.Errorf("digit %c", e.Digit)
	}
	c.Hangup(t.Context())
	if e := next(t, box, call.Ended); e.Cause.By != "peer" || e.Cause.Q850 != 16 {
		t.Errorf("cause %+v", e.Cause)
	}
	r.gone()
}

// Who calls is shown, or is not.
func TestCallerShown(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	b := newRobot(t, r)
	d := b.Callee(calltest.Behaviour{Refuse: true})
	for _, from := range []call.Party{{Number: "+861012345678", Display: "小王"}, {Number: "+861012345678", Withheld: true}, {}} {
		d.From = from
		_, box := r.dial(d)
		for e := (call.Event{}); e.Kind != call.Ended; {
			e, _ = box.Next(t.Context())
		}
		m := b.Invited()[len(b.Invited())-1]
		shown, asserted := siptest.Header(m, "From"), siptest.Header(m, "P-Asserted-Identity")
		if hidden := from.Withheld || from.Number == ""; hidden != !strings.Contains(shown, "+861012345678") {
			t.Errorf("%+v is shown as %s (asserted %s)", from, shown, asserted)
		}
		if from.Withheld && (!strings.Contains(siptest.Header(m, "Privacy"), "id") || !strings.Contains(asserted, "+861012345678")) {
			t.Errorf("a trusted trunk is told %q, Privacy %q", asserted, siptest.Header(m, "Privacy"))
		}
		if from.Display != "" && !strings.Contains(shown, from.Display) {
			t.Errorf("the name is shown as %s", shown)
		}
	}
	r.gone()
}

// A trunk that cannot be reached is followed by the next of the route; what the called says is final.
func TestFailOver(t *testing.T) {
	p := newPlant(t, freePort(t))
	if _, err := p.book.CreateRoute(t.Context(), routes.Route{Name: "all", Enabled: true, Trunks: []string{p.far.ID, p.trunk.ID},
		Settings: routes.Settings{Prefixes: []string{"7", "+49"}, CallerID: "+861012340000"}}); err != nil {
		t.Fatal(err)
	}
	r := p.newRig(t)
	r.byRoutes(300 * time.Millisecond)
	b := newRobot(t, r)
	d := b.Callee(calltest.Behaviour{Answer: true, HangsUp: 20 * time.Millisecond})
	d.TrunkID = ""
	l, box := r.dial(d)
	if i := l.Info(); i.TrunkID != p.far.ID {
		t.Errorf("the first trunk is %s", i.TrunkName)
	}
	next(t, box, call.Ringing)
	if i := l.Info(); i.TrunkID != p.trunk.ID || i.ForeignID == prefix+i.LegID {
		t.Errorf("after the fail-over: %+v", i)
	}
	next(t, box, call.Answered)
	next(t, box, call.Ended)
	if m := b.Invited()[0]; !strings.Contains(siptest.Header(m, "From"), "+861012340000") {
		t.Errorf("the route's caller ID is not shown: %s", siptest.Header(m, "From"))
	}
	busy := b.Callee(calltest.Behaviour{Refuse: true})
	busy.TrunkID = ""
	_, box = r.dial(busy)
	for e := (call.Event{}); e.Kind != call.Ended; {
		if e, _ = box.Next(t.Context()); e.Kind == call.Ended && (e.Cause.SIP != 486 || e.Cause.By != "peer") {
			t.Errorf("cause %+v", e.Cause)
		}
	}
	if _, err := r.dialer.Dial(t.Context(), call.Dial{To: "+1900", Mailbox: call.NewMailbox()}); hotline.KindOf(err) != hotline.Denied {
		t.Errorf("a number without a route: %v", err)
	}
	if u := p.book.Usage(); u.Live != 0 {
		t.Errorf("leases are left over: %+v", u)
	}
	r.gone()
}
