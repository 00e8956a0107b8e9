package calltest

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotline/call"
	"hotline/media"
)

// The leg without signalling meets the contract too.
func TestTheLegMeetsTheContract(t *testing.T) {
	Run(t, Edge{Start: func(t *testing.T, a call.Acceptor) Rig {
		return &rig{t: t, engine: NewEngine(t), acceptor: a}
	}})
}

// rig is an edge whose network is a method call.
type rig struct {
	t        *testing.T
	engine   *media.Engine
	acceptor call.Acceptor
	inUse    atomic.Int64
	wg       sync.WaitGroup
}

func (r *rig) InUse() int          { return int(r.inUse.Load()) }
func (r *rig) Dialer() call.Dialer { return r }

func (r *rig) leg(i call.Info) *Leg {
	l := NewLeg(r.t, r.engine, i)
	r.inUse.Add(1)
	r.wg.Go(func() { <-l.Ended(); r.inUse.Add(-1) })
	return l
}

func (r *rig) DialIn(ctx context.Context) (Peer, error) {
	l := r.leg(call.Info{})
	if err := l.Ring(ctx, r.acceptor); err != nil {
		l.HangUp() // refused
	}
	return peer{l}, nil
}

type peer struct{ *Leg }

func (p peer) Hangup() { p.HangUp() }

func (p peer) Answered(ctx context.Context) error { return until(ctx, p.Leg.Answered()) }
func (p peer) Gone(ctx context.Context) error     { return until(ctx, p.Ended()) }

func until(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *rig) Callee(b Behaviour) call.Dial {
	to := map[Behaviour]string{{}: "rings"}[b]
	switch {
	case b.Refuse:
		to = "busy"
	case b.Answer:
		to = b.After.String() + " " + b.HangsUp.String()
	}
	return call.Dial{To: to}
}

func (r *rig) Dial(_ context.Context, d call.Dial) (call.Leg, error) {
	l := r.leg(call.Info{LegID: d.LegID, CallID: d.CallID, Direction: call.Outbound})
	l.mailbox = d.Mailbox
	r.wg.Go(func() { r.callee(l, d) })
	return l, nil
}

func (r *rig) callee(l *Leg, d call.Dial) {
	l.mu.Lock()
	if !l.gone() {
		l.post(call.Event{Kind: call.Ringing})
	}
	l.mu.Unlock()
	switch d.To {
	case "rings":
		wait(l, d.Timeout)
		l.end(call.CauseNoAnswer)
		return
	case "busy":
		l.end(call.Cause{Q850: 17, SIP: 486, By: "peer"})
		return
	}
	var after, hangsUp time.Duration
	for i, part := range []*time.Duration{&after, &hangsUp} {
		*part, _ = time.ParseDuration(field(d.To, i))
	}
	wait(l, after)
	l.Answer(context.Background())
	if hangsUp > 0 {
		wait(l, hangsUp)
		l.HangUp()
	}
}

func field(s string, n int) string {
	start := 0
	for i := range s {
		if s[i] == ' ' {
			if n == 0 {
				return s[:i]
			}
			start = i + 1
		}
	}
	return s[start:]
}

func wait(l *Leg, d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.Ended():
	}
}

// The phone at the other end is real RTP: it hears what is played, its keys arrive, and what it says is heard.
func TestThePhoneHearsAndPresses(t *testing.T) {
	l := NewLeg(t, NewEngine(t), call.Info{})
	b := &bed{calls: make(chan *inbound, 1)}
	if err := l.Ring(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	in := <-b.calls
	if err := in.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	ears := make(earsTap, 500)
	defer in.Audio().Tap(ears)()
	in.Audio().Play(media.Tone(440, 2*time.Second, 0.3), media.PlayOptions{})
	if !l.Phone.HearsTone(440, 5*time.Second) {
		t.Error("the phone does not hear what is played")
	}
	l.Phone.Press("1#")
	for _, want := range "1#" {
		if e := in.wait(t, call.DigitPressed); e.Digit != byte(want) {
			t.Errorf("%c was pressed, %c came", want, e.Digit)
		}
	}
	pcm := make([]int16, 8000)
	for i := range pcm {
		pcm[i] = int16(9000 * math.Sin(2*math.Pi*600*float64(i)/8000))
	}
	l.Phone.Say(pcm)
	deadline := time.After(5 * time.Second)
	for {
		select {
		case frame := <-ears:
			if media.Goertzel(frame, 8000, 600) > 0.02 {
				l.HangUp()
				in.wait(t, call.Ended)
				return
			}
		case <-deadline:
			t.Fatal("what the phone says is not heard")
		}
	}
}

type earsTap chan []int16

func (e earsTap) Frame(in, _ []int16) {
	select {
	case e <- append([]int16(nil), in...):
	default:
	}
}
