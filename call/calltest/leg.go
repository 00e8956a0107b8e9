// Package calltest holds what every edge must give: the conformance suite of a leg ([Run]), and a leg without signalling ([NewLeg]) for
// the tests of scripts.
//
// The suite is the contract of [call.Leg] as tests; an edge's own tests call it with a real peer behind a small interface. The leg
// has no SIP, but real RTP on loopback, with a peer that hears, speaks and presses keys.
package calltest

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/media"
)

// NewEngine returns an engine on loopback that runs until the test ends.
func NewEngine(t testing.TB) *media.Engine {
	t.Helper()
	e, err := media.NewEngine(media.Config{BindIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("media: %v", err)
		}
	})
	return e
}

// Leg is an inbound leg whose signalling is method calls. Its audio is a real stream, and the [Phone] at its other end is real RTP.
type Leg struct {
	Phone *Phone

	info   call.Info
	stream *media.Stream

	negotiate func() error // of an outbound leg when it is answered, or early

	mu       sync.Mutex
	mailbox  *call.Mailbox
	before   []call.Event // posted before there was a mailbox
	ringing  bool
	answered chan struct{}
	ended    chan struct{}
	cause    call.Cause
	ReferTo  func(target string) error // what the peer says to a REFER; nil refuses. Set it before the call
	told     chan int                  // what becomes of the wish of the peer
}

// NewLeg makes a leg. Empty ids and times of info are filled in.
func NewLeg(t testing.TB, e *media.Engine, info call.Info) *Leg {
	t.Helper()
	l := &Leg{info: fill(info), answered: make(chan struct{}), ended: make(chan struct{})}
	l.Phone, l.stream, l.negotiate = connect(t, e, l.info.LegID, l.heard)
	if l.info.Direction == call.Inbound {
		if err := l.negotiate(); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func fill(i call.Info) call.Info {
	for _, s := range []*string{&i.LegID, &i.CallID} {
		if *s == "" {
			*s = hotline.NewID()
		}
	}
	if i.Direction == "" {
		i.Direction = call.Inbound
	}
	if i.Edge == "" {
		i.Edge = "test"
	}
	if i.ReceivedAt.IsZero() {
		i.ReceivedAt = time.Now()
	}
	return i
}

// Ring offers the leg to whoever takes calls.
func (l *Leg) Ring(ctx context.Context, a call.Acceptor) error {
	m, err := a.Incoming(ctx, l)
	if err != nil {
		l.stream.Close()
		return err
	}
	l.Attach(m)
	return nil
}

// Attach gives the leg its mailbox. [Leg.Ring] does that for an inbound leg; for an outbound one it is [call.Dial.Mailbox].
func (l *Leg) Attach(m *call.Mailbox) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mailbox = m
	for _, e := range l.before {
		m.Post(e)
	}
	l.before = nil
}

// post delivers an event; l.mu is held.
func (l *Leg) post(e call.Event) {
	e.LegID, e.At = l.info.LegID, time.Now()
	if l.mailbox == nil {
		l.before = append(l.before, e)
		return
	}
	l.mailbox.Post(e)
}

// heard turns what happens on the stream into events of the leg, as an edge does.
func (l *Leg) heard(e media.StreamEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone() {
		return
	}
	switch e.Kind {
	case media.DigitDown:
		l.post(call.Event{Kind: call.DigitPressed, Digit: e.Digit})
	case media.MediaLost:
		l.post(call.Event{Kind: call.MediaLost})
	case media.MediaBack:
		l.post(call.Event{Kind: call.MediaBack})
	}
}

func (l *Leg) gone() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// Info implements call.Leg.
func (l *Leg) Info() call.Info { return l.info }

// Audio implements call.Leg.
func (l *Leg) Audio() *media.Stream { return l.stream }

// Progress implements call.Leg. With an outbound leg it is the far end that rings; early is with audio of its own.
func (l *Leg) Progress(ctx context.Context, early bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone() {
		return call.ErrGone
	}
	l.ringing = true
	if early {
		if err := l.negotiate(); err != nil {
			return err
		}
	}
	if l.info.Direction == call.Outbound {
		l.post(call.Event{Kind: call.Ringing})
	}
	return nil
}

// Answer implements call.Leg.
func (l *Leg) Answer(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone() {
		return call.ErrGone
	}
	select {
	case <-l.answered:
	default:
		if err := l.negotiate(); err != nil {
			return err
		}
		close(l.answered)
		l.post(call.Event{Kind: call.Answered})
	}
	return nil
}

// Hangup implements call.Leg.
func (l *Leg) Hangup(ctx context.Context, cause call.Cause) error {
	l.end(cause)
	return nil
}

// Refer implements call.Transferrer.
func (l *Leg) Refer(ctx context.Context, target string) error {
	if l.gone() {
		return call.ErrGone
	}
	if l.ReferTo == nil {
		return fmt.Errorf("603 declined")
	}
	return l.ReferTo(target)
}

func (l *Leg) end(cause call.Cause) {
	l.mu.Lock()
	if l.gone() {
		l.mu.Unlock()
		return
	}
	l.cause = cause
	l.post(call.Event{Kind: call.Ended, Cause: cause})
	close(l.ended)
	l.mu.Unlock()
	l.stream.Close()
	l.Phone.close()
}

// HangUp is the caller's hanging up.
func (l *Leg) HangUp() { l.end(call.CausePeerHangup) }

// Hold is the caller's putting us on hold, and taking us back.
func (l *Leg) Hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind := call.Resumed
	if on {
		kind = call.Held
	}
	l.post(call.Event{Kind: kind})
}

// Answered is closed when the call is answered.
func (l *Leg) Answered() <-chan struct{} { return l.answered }

// Ended is closed when the leg has ended.
func (l *Leg) Ended() <-chan struct{} { return l.ended }

// Cause returns why the leg ended.
func (l *Leg) Cause() call.Cause {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// Refers is the peer's wish to be replaced by somebody else. What it is told becomes of it comes through the channel.
func (l *Leg) Refers(target string) <-chan int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = make(chan int, 1)
	l.post(call.Event{Kind: call.TransferAsked, Target: target})
	return l.told
}

// Joins is the peer's wish to have its two parties talk with each other, as [Leg.Refers].
func (l *Leg) Joins(second call.Second) <-chan int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = make(chan int, 1)
	l.post(call.Event{Kind: call.TransferAsked, Target: "601", Second: &second})
	return l.told
}

// ReportTransfer is what the peer is told.
func (l *Leg) ReportTransfer(_ context.Context, code int, _ string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told <- code
	return nil
}
