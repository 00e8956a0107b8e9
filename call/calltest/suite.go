package calltest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/call"
)

// Edge is an edge under test, with real peers at its other side.
type Edge struct {
	// Start starts the edge; it stops when the test ends. Inbound legs go to a.
	Start func(t *testing.T, a call.Acceptor) Rig
	// Races is how many calls the test of colliding instants makes; 0 means 60.
	Races int
	// Slack is by how many goroutines a process may grow for reasons of its own (pools, caches); 0 means 10.
	Slack int
}

// Rig is a running edge.
type Rig interface {
	// DialIn lets a peer call the edge. It returns once the call is on its way.
	DialIn(ctx context.Context) (Peer, error)
	// Dialer is the edge's.
	Dialer() call.Dialer
	// Callee returns how to dial a peer that behaves as told, without ids, mailbox and time-out.
	Callee(b Behaviour) call.Dial
	// InUse counts what the edge holds for calls: legs, ports, transactions that belong to a leg. It is 0 when nobody calls.
	InUse() int
}

// Peer is the far end of an inbound leg.
type Peer interface {
	// Answered waits until the peer has seen the call answered.
	Answered(ctx context.Context) error
	// Hangup ends the call as its state asks: CANCEL or BYE. On an ended call it does nothing.
	Hangup()
	// Gone waits until the call has ended as the peer sees it.
	Gone(ctx context.Context) error
}

// Behaviour of a peer that is called.
type Behaviour struct {
	Answer  bool          // takes the call
	Refuse  bool          // is busy
	After   time.Duration // rings for so long before either; when it does neither, it rings for ever
	HangsUp time.Duration // so long after it has answered; 0: never
}

const patience = 15 * time.Second

// Run runs the conformance suite: points 1 to 7 and 9 of the contract of a leg. Point 8, reconciliation, is an edge's own to test.
func Run(t *testing.T, e Edge) {
	s := &suite{edge: e}
	for _, c := range []struct {
		name string
		test func(*testing.T, *bed)
	}{
		{"InboundHungUpByUs", s.inboundHungUpByUs},
		{"InboundHungUpByPeer", s.inboundHungUpByPeer},
		{"InboundCancelled", s.inboundCancelled},
		{"InboundRefused", s.inboundRefused},
		{"InboundNotAdmitted", s.inboundNotAdmitted},
		{"AnswerWithADeadContext", s.answerWithADeadContext},
		{"OutboundAnswered", s.outboundAnswered},
		{"OutboundRefused", s.outboundRefused},
		{"OutboundRingsInVain", s.outboundRingsInVain},
		{"OutboundHungUpAtAnyInstant", s.outboundHungUp},
		{"CollidingInstants", s.collidingInstants},
		{"NothingIsLeftOver", s.nothingIsLeftOver},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, e)
			c.test(t, b)
			b.settle(t)
		})
	}
}

type suite struct{ edge Edge }

// bed is a running edge with an acceptor that keeps what it is given.
type bed struct {
	rig   Rig
	calls chan *inbound

	mu     sync.Mutex
	refuse error
	legs   []*heard
}

// inbound is a leg that has come in.
type inbound struct {
	call.Leg
	*heard
}

// heard collects the events of one leg.
type heard struct {
	id      string
	mailbox *call.Mailbox
	mu      sync.Mutex
	events  []call.Event
}

func newBed(t *testing.T, e Edge) *bed {
	b := &bed{calls: make(chan *inbound, 1000)}
	b.rig = e.Start(t, b)
	return b
}

// Incoming implements call.Acceptor.
func (b *bed) Incoming(_ context.Context, leg call.Leg) (*call.Mailbox, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return nil, b.refuse
	}
	h := &heard{id: leg.Info().LegID, mailbox: call.NewMailbox()}
	b.legs = append(b.legs, h)
	b.calls <- &inbound{leg, h}
	return h.mailbox, nil
}

// dialIn lets a peer call and returns both sides.
func (b *bed) dialIn(t *testing.T) (Peer, *inbound) {
	t.Helper()
	p, err := b.rig.DialIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case in := <-b.calls:
		return p, in
	case <-time.After(patience):
		t.Fatal("the call did not come in")
	}
	return nil, nil
}

// dialOut calls a peer.
func (b *bed) dialOut(t *testing.T, how Behaviour, timeout time.Duration) (call.Leg, *heard) {
	t.Helper()
	d := b.rig.Callee(how)
	d.CallID, d.LegID, d.Mailbox, d.Timeout = hotline.NewID(), hotline.NewID(), call.NewMailbox(), timeout
	h := &heard{id: d.LegID, mailbox: d.Mailbox}
	b.mu.Lock()
	b.legs = append(b.legs, h)
	b.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	leg, err := b.rig.Dialer().Dial(ctx, d)
	cancel() // does nothing once Dial has returned
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	if got := leg.Info(); got.LegID != d.LegID || got.CallID != d.CallID || got.Direction != call.Outbound {
		t.Errorf("the leg says of itself: %+v", got)
	}
	return leg, h
}

// wait returns the first event of a kind, taking those before it.
func (h *heard) wait(t *testing.T, kind call.EventKind) call.Event {
	t.Helper()
	e, err := h.next(patience, kind)
	if err != nil {
		t.Fatalf("waiting for %s: %v", kind, err)
	}
	return e
}

func (h *heard) next(d time.Duration, kind call.EventKind) (call.Event, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for {
		e, err := h.mailbox.Next(ctx)
		if err != nil {
			return e, fmt.Errorf("%w; there was %v", err, h.kinds())
		}
		h.mu.Lock()
		h.events = append(h.events, e)
		h.mu.Unlock()
		if e.Kind == kind {
			return e, nil
		}
	}
}

func (h *heard) kinds() []call.EventKind {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []call.EventKind
	for _, e := range h.events {
		list = append(list, e.Kind)
	}
	return list
}

// settle waits until the edge holds nothing any more, and then looks at all that was delivered: Ended once and last, no event of
// another leg, Answered at most once, and nothing after the end.
func (b *bed) settle(t *testing.T) {
	t.Helper()
	b.empty(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.legs {
		for e, ok := h.mailbox.Take(); ok; e, ok = h.mailbox.Take() {
			h.events = append(h.events, e)
		}
		answered := 0
		for i, e := range h.events {
			if e.LegID != h.id {
				t.Errorf("leg %s got an event of leg %s", h.id, e.LegID)
			}
			if e.At.IsZero() {
				t.Errorf("%s has no time", e.Kind)
			}
			if e.Kind == call.Answered {
				answered++
			}
			if (e.Kind == call.Ended) != (i == len(h.events)-1) {
				t.Errorf("Ended is not the last event, or there are two: %v", h.kinds())
				break
			}
			if e.Kind == call.Ended && e.Cause == (call.Cause{}) {
				t.Error("Ended has no cause")
			}
		}
		if len(h.events) == 0 {
			t.Errorf("leg %s never ended", h.id)
		}
		if answered > 1 {
			t.Errorf("Answered came %d times", answered)
		}
	}
}

// empty waits until the edge holds nothing.
func (b *bed) empty(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(3 * patience)
	for b.rig.InUse() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d things of calls are left over", b.rig.InUse())
		}
		runtime.Gosched()
		<-time.After(5 * time.Millisecond)
	}
}

// dead checks that commands on an ended leg say so.
func dead(t *testing.T, l call.Leg) {
	t.Helper()
	ctx := t.Context()
	if err := l.Answer(ctx); !errors.Is(err, call.ErrGone) {
		t.Errorf("Answer on an ended leg: %v", err)
	}
	if err := l.Progress(ctx, false); !errors.Is(err, call.ErrGone) {
		t.Errorf("Progress on an ended leg: %v", err)
	}
	if err := l.Hangup(ctx, call.CauseNormal); err != nil {
		t.Errorf("Hangup on an ended leg: %v", err)
	}
}

func within(t *testing.T, what string, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f(ctx); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func (s *suite) inboundHungUpByUs(t *testing.T, b *bed) {
	p, in := b.dialIn(t)
	if i := in.Info(); i.LegID == "" || i.CallID == "" || i.Direction != call.Inbound || i.Edge == "" || i.ReceivedAt.IsZero() || in.Audio() == nil {
		t.Errorf("the leg says of itself: %+v", i)
	}
	within(t, "Progress", func(ctx context.Context) error { return in.Progress(ctx, false) })
	within(t, "Answer", in.Answer)
	within(t, "Answer again", in.Answer)
	within(t, "the peer's answer", p.Answered)
	in.wait(t, call.Answered)
	within(t, "Hangup", func(ctx context.Context) error { return in.Hangup(ctx, call.CauseNormal) })
	within(t, "the peer's end", p.Gone)
	if c := in.wait(t, call.Ended).Cause; c.By == "peer" {
		t.Errorf("we hung up, and the cause is %+v", c)
	}
	dead(t, in)
}

func (s *suite) inboundHungUpByPeer(t *testing.T, b *bed) {
	p, in := b.dialIn(t)
	within(t, "Answer", in.Answer)
	within(t, "the peer's answer", p.Answered)
	p.Hangup()
	if c := in.wait(t, call.Ended).Cause; c.By != "peer" || c.Q850 != 16 {
		t.Errorf("the peer hung up, and the cause is %+v", c)
	}
	dead(t, in)
}

func (s *suite) inboundCancelled(t *testing.T, b *bed) {
	for _, ring := range []bool{false, true} {
		p, in := b.dialIn(t)
		if ring {
			within(t, "Progress", func(ctx context.Context) error { return in.Progress(ctx, false) })
		}
		p.Hangup()
		if c := in.wait(t, call.Ended).Cause; c.By != "peer" {
			t.Errorf("the peer cancelled, and the cause is %+v", c)
		}
		within(t, "the peer's end", p.Gone)
		dead(t, in)
	}
}

func (s *suite) inboundRefused(t *testing.T, b *bed) {
	for _, cause := range []call.Cause{call.CauseBusy, call.CauseRejected, call.CauseShutdown, call.CauseNormal} {
		p, in := b.dialIn(t)
		within(t, "Hangup", func(ctx context.Context) error { return in.Hangup(ctx, cause) })
		within(t, "the peer's end", p.Gone)
		in.wait(t, call.Ended)
		dead(t, in)
	}
}

func (s *suite) inboundNotAdmitted(t *testing.T, b *bed) {
	for _, kind := range []hotline.Kind{hotline.Unavailable, hotline.NotFound, hotline.Denied, hotline.Internal} {
		b.mu.Lock()
		b.refuse = hotline.Errorf(kind, "test.refused", "not now")
		b.mu.Unlock()
		p, err := b.rig.DialIn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		within(t, "the peer's end", p.Gone)
	}
}

func (s *suite) answerWithADeadContext(t *testing.T, b *bed) {
	p, in := b.dialIn(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// It may have answered or not; either way the leg is whole, and hanging up ends it at both sides.
	if err := in.Answer(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Answer: %v", err)
	}
	within(t, "Hangup", func(ctx context.Context) error { return in.Hangup(ctx, call.CauseNormal) })
	within(t, "the peer's end", p.Gone)
	in.wait(t, call.Ended)
}

func (s *suite) outboundAnswered(t *testing.T, b *bed) {
	leg, h := b.dialOut(t, Behaviour{Answer: true, After: 100 * time.Millisecond}, 0)
	h.wait(t, call.Answered)
	within(t, "Hangup", func(ctx context.Context) error { return leg.Hangup(ctx, call.CauseNormal) })
	h.wait(t, call.Ended)
	dead(t, leg)
	leg, h = b.dialOut(t, Behaviour{Answer: true, HangsUp: 50 * time.Millisecond}, 0)
	h.wait(t, call.Answered)
	if c := h.wait(t, call.Ended).Cause; c.By != "peer" {
		t.Errorf("the peer hung up, and the cause is %+v", c)
	}
	dead(t, leg)
}

func (s *suite) outboundRefused(t *testing.T, b *bed) {
	leg, h := b.dialOut(t, Behaviour{Refuse: true}, 0)
	if c := h.wait(t, call.Ended).Cause; c.By != "peer" || c.SIP < 300 && c.Q850 != 17 {
		t.Errorf("the peer was busy, and the cause is %+v", c)
	}
	dead(t, leg)
}

func (s *suite) outboundRingsInVain(t *testing.T, b *bed) {
	began := time.Now()
	leg, h := b.dialOut(t, Behaviour{}, time.Second)
	h.wait(t, call.Ringing)
	h.wait(t, call.Ended)
	if took := time.Since(began); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("it rang for %v, not for a second", took)
	}
	dead(t, leg)
}

func (s *suite) outboundHungUp(t *testing.T, b *bed) {
	var wg sync.WaitGroup
	for i := range s.races() {
		leg, h := b.dialOut(t, Behaviour{Answer: true, After: time.Duration(i%4) * 2 * time.Millisecond, HangsUp: time.Duration(i%3) * 4 * time.Millisecond}, 0)
		wg.Go(func() {
			<-time.After(rand.N(12 * time.Millisecond))
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := leg.Hangup(ctx, call.CauseNormal); err != nil {
				t.Errorf("Hangup: %v", err)
			}
			if _, err := h.next(patience, call.Ended); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func (s *suite) races() int {
	if s.edge.Races > 0 {
		return s.edge.Races
	}
	return 60
}

// collidingInstants lets both sides do what they want at once.
func (s *suite) collidingInstants(t *testing.T, b *bed) {
	var wg sync.WaitGroup
	for range s.races() {
		p, in := b.dialIn(t)
		wg.Go(func() { <-time.After(rand.N(8 * time.Millisecond)); p.Hangup() })
		wg.Go(func() { race(t, in) })
	}
	wg.Wait()
}

func race(t *testing.T, in *inbound) {
	<-time.After(rand.N(4 * time.Millisecond))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	doomed, doom := context.WithTimeout(ctx, rand.N(6*time.Millisecond))
	defer doom()
	for _, f := range []func() error{
		func() error { return in.Progress(doomed, false) },
		func() error { return in.Answer(doomed) },
		func() error { <-time.After(rand.N(4 * time.Millisecond)); return in.Hangup(ctx, call.CauseNormal) },
	} {
		if err := f(); err != nil && !errors.Is(err, call.ErrGone) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in a race: %v", err)
		}
	}
	if _, err := in.next(patience, call.Ended); err != nil {
		t.Error(err)
	}
}

// nothingIsLeftOver makes calls one after the other and compares goroutines.
func (s *suite) nothingIsLeftOver(t *testing.T, b *bed) {
	one := func() {
		p, in := b.dialIn(t)
		within(t, "Answer", in.Answer)
		within(t, "the peer's answer", p.Answered)
		within(t, "Hangup", func(ctx context.Context) error { return in.Hangup(ctx, call.CauseNormal) })
		in.wait(t, call.Ended)
		within(t, "the peer's end", p.Gone)
	}
	one() // what is made once is not counted
	b.empty(t)
	before := runtime.NumGoroutine()
	for range s.races() {
		one()
	}
	b.empty(t)
	slack := s.edge.Slack
	if slack == 0 {
		slack = 10
	}
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before+slack && time.Now().Before(deadline) {
		<-time.After(20 * time.Millisecond)
	}
	if now := runtime.NumGoroutine(); now > before+slack {
		t.Errorf("%d goroutines before %d calls, %d after", before, s.races(), now)
	}
}
