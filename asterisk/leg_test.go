package asterisk

import (
	"context"
	"strings"
	"testing"
	"time"

	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
	"hotline/sip/caller"
	"hotline/trunks"
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
	p := newPlant(t, freePort(t))
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

// dual is the audio of a key.
func dual(low, high float64, d time.Duration) *media.Prompt {
	a, b := media.Tone(low, d, 0.3).PCM(), media.Tone(high, d, 0.3).PCM()
	pcm := make([]int16, len(a))
	for i := range pcm {
		pcm[i] = a[i] + b[i]
	}
	return media.NewPrompt(pcm)
}

// A trunk that sends keys as audio only: they are heard while they are down, once.
func TestKeysInTheAudio(t *testing.T) {
	p := newPlant(t, freePort(t), func(s *trunks.TrunkSettings) { s.DTMF = "inband" })
	r := p.newRig(t)
	l, c := r.talking(newCaller(t, caller.Config{}))
	long := c.Stream().Play(dual(770, 1336, 3*time.Second), media.PlayOptions{})
	if e := next(t, l.box, call.DigitPressed); e.Digit != '5' {
		t.Errorf("digit %c", e.Digit)
	}
	select {
	case <-long.Done():
		t.Error("the key was reported at its release")
	default:
	}
	<-long.Done()
	c.Stream().Play(dual(697, 1209, 100*time.Millisecond), media.PlayOptions{})
	e := next(t, l.box, call.DigitPressed)
	for e.Digit == '5' { // a machine that stands still for a moment tears so long a key in two
		e = next(t, l.box, call.DigitPressed)
	}
	c.Stream().Play(dual(697, 1336, 100*time.Millisecond), media.PlayOptions{})
	if second := next(t, l.box, call.DigitPressed); e.Digit != '1' || second.Digit != '2' {
		t.Errorf("digits %c and %c, want 1 and 2, each once", e.Digit, second.Digit)
	}
	c.Hangup(t.Context())
	next(t, l.box, call.Ended)
	r.gone()
}

// Keys that come as telephone-event come at their release, and are not in the audio as well.
func TestKeysByEvent(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	l, c := r.talking(newCaller(t, caller.Config{}))
	tap := &calltest.Ears{}
	defer l.Audio().Tap(tap)()
	for _, d := range "1590" {
		began := time.Now()
		if err := c.Stream().SendDigits(t.Context(), string(d), 200*time.Millisecond, 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if e := next(t, l.box, call.DigitPressed); e.Digit != byte(d) {
			t.Errorf("digit %c, want %c", e.Digit, d)
		} else {
			t.Logf("%c came %v after it went down; it was released after 200 ms", d, e.At.Sub(began).Round(time.Millisecond))
		}
	}
	if level := media.Level(tap.PCM()); level > -50 {
		t.Errorf("keys are in the audio too: %g dBm0", level)
	}
	c.Hangup(t.Context())
	next(t, l.box, call.Ended)
	r.gone()
}

// A trunk that speaks A-law has its audio in A-law all the way.
func TestALaw(t *testing.T) {
	p := newPlant(t, freePort(t), func(s *trunks.TrunkSettings) { s.Codecs = []string{"PCMA"} })
	r := p.newRig(t)
	l, c := r.talking(newCaller(t, caller.Config{}))
	l.Audio().Play(media.Tone(440, 5*time.Second, 0.5), media.PlayOptions{})
	r.hears(c.Stream(), 440)
	if q := l.Audio().Quality(); q.Codec != media.PCMA.String() {
		t.Errorf("codec %s", q.Codec)
	}
	for id := range r.edge.listed(t).channels {
		if shown := p.a.CLI("core", "show", "channel", id); strings.Contains(shown, "Transcode: Yes") {
			t.Errorf("Asterisk transcodes:\n%s", shown)
		}
	}
	c.Hangup(t.Context())
	next(t, l.box, call.Ended)
	r.gone()
}

// listed is what the first node has.
func (e *Edge) listed(t testing.TB) *listing {
	t.Helper()
	found, err := e.nodes[0].list(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Before the answer the caller hears that it rings, or what we play.
func TestEarlyMedia(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	progress := make(chan caller.Progress, 10)
	up := p.dials(t, newCaller(t, caller.Config{}), caller.Invite{OnProgress: func(p caller.Progress) { progress <- p }})
	l := r.leg()
	told := func(status int, early bool) {
		t.Helper()
		for {
			select {
			case p := <-progress:
				if p.Status == status && p.Early == early {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("the caller is not told %d", status)
			}
		}
	}
	if err := l.Progress(t.Context(), false); err != nil {
		t.Error(err)
	}
	told(180, false)
	if err := l.Progress(t.Context(), true); err != nil {
		t.Error(err)
	}
	told(183, true)
	if err := l.Answer(t.Context()); err != nil {
		t.Error(err)
	}
	(<-up).Hangup(t.Context())
	next(t, l.box, call.Answered)
	next(t, l.box, call.Ended)
	r.gone()
}
