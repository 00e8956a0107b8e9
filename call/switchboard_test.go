package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

// board is a running switchboard with what it filed.
type board struct {
	*call.Switchboard
	mu    sync.Mutex
	facts map[call.FactKind]int
	last  call.CallEnded
	stop  func()

	segments []call.Segment
}

func (b *board) File(_ string, kind call.FactKind, payload any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.facts[kind]++
	if e, ok := payload.(call.CallEnded); ok {
		b.last = e
	}
	if s, ok := payload.(call.Segment); ok {
		b.segments = append(b.segments, s)
	}
	if _, err := json.Marshal(payload); err != nil {
		return err
	}
	return nil
}

func (b *board) count(k call.FactKind) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.facts[k]
}

func newBoard(t *testing.T, limit int, script call.Script) *board {
	t.Helper()
	b := &board{facts: map[call.FactKind]int{}}
	b.Switchboard = call.NewSwitchboard(call.Config{
		Journal: b, Node: "n", MaxCalls: limit, Log: slog.New(slog.DiscardHandler),
		Route: func(_ context.Context, i call.Info) (call.Script, error) {
			if i.Dialled == "unknown" {
				return nil, hotline.Errorf(hotline.NotFound, "test.unknown", "nothing answers there")
			}
			return script, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

func ring(t *testing.T, e *media.Engine, b *board) *calltest.Leg {
	t.Helper()
	l := calltest.NewLeg(t, e, call.Info{Dialled: "4000", Language: "en"})
	for { // until it runs
		err := l.Ring(t.Context(), b)
		if err == nil {
			return l
		}
		if b.Refused().Draining == 0 || t.Context().Err() != nil {
			t.Fatal(err)
		}
		l = calltest.NewLeg(t, e, call.Info{Dialled: "4000", Language: "en"})
		runtime.Gosched()
	}
}

func forever(ctx context.Context, c *call.Call) error {
	if err := c.Answer(ctx); err != nil {
		return err
	}
	_, err := c.Await(ctx, call.AwaitOptions{})
	return err
}

func ended(t *testing.T, l *calltest.Leg) {
	t.Helper()
	select {
	case <-l.Ended():
	case <-time.After(10 * time.Second):
		t.Fatal("the leg did not end")
	}
}

func TestAdmission(t *testing.T) {
	e := calltest.NewEngine(t)
	b := newBoard(t, 2, forever)
	first, second := ring(t, e, b), ring(t, e, b)
	err := calltest.NewLeg(t, e, call.Info{}).Ring(t.Context(), b)
	if hotline.KindOf(err) != hotline.Unavailable || b.Refused().Full != 1 {
		t.Errorf("a third of two: %v", err)
	}
	if live, limit := b.Count(); live != 2 || limit != 2 {
		t.Errorf("%d of %d", live, limit)
	}
	first.HangUp()
	deadline := time.After(5 * time.Second)
	for live := 2; live > 1; live, _ = b.Count() {
		select {
		case <-deadline:
			t.Fatal("the line is not free")
		case <-time.After(time.Millisecond):
		}
	}
	if err := calltest.NewLeg(t, e, call.Info{Dialled: "unknown"}).Ring(t.Context(), b); hotline.KindOf(err) != hotline.NotFound || b.Refused().Route != 1 {
		t.Errorf("an unknown number: %v", err)
	}
	if err := calltest.NewLeg(t, e, second.Info()).Ring(t.Context(), b); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("the same call twice: %v", err)
	}
	if calls := b.Calls(); len(calls) != 1 || calls[0].ID != second.Info().CallID || calls[0].Info.Dialled != "4000" || calls[0].Language != "en" {
		t.Errorf("%+v", calls)
	}
	if n := b.count(call.FactCallStarted); n != 2 {
		t.Errorf("%d calls were filed", n)
	}
}

func TestDrain(t *testing.T) {
	e := calltest.NewEngine(t)
	b := newBoard(t, 0, forever)
	l := ring(t, e, b)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a call going on: %v", err)
	}
	if err := calltest.NewLeg(t, e, call.Info{}).Ring(t.Context(), b); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("a new call is taken: %v", err)
	}
	drained := make(chan error, 1)
	go func() { drained <- b.Drain(t.Context()) }()
	l.HangUp()
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if err := b.Drain(t.Context()); err != nil || b.last.Result != call.ResultAbandoned {
		t.Errorf("%v, %+v", err, b.last)
	}
}

func TestTheEndOfTheProcessEndsCalls(t *testing.T) {
	e := calltest.NewEngine(t)
	b := newBoard(t, 0, forever)
	l := ring(t, e, b)
	<-l.Answered()
	b.stop()
	ended(t, l)
	if b.last.Result != call.ResultCutBySystem || l.Cause() != call.CauseShutdown || b.count(call.FactSegment) != 2 {
		t.Errorf("%+v, %+v", b.last, l.Cause())
	}
}

// With real audio: a key stops the prompt, the digit comes, the filler is heard, and what is said is recorded.
func TestACallWithRealAudio(t *testing.T) {
	e := calltest.NewEngine(t)
	got := make(chan call.Collected, 1)
	said := make(chan call.Recorded, 1)
	b := newBoard(t, 0, func(ctx context.Context, c *call.Call) error {
		if err := c.Answer(ctx); err != nil {
			return err
		}
		d, err := c.Collect(ctx, call.Collect{Prompts: []*media.Prompt{media.Tone(600, time.Minute, 0.3)}, Max: 1})
		if err != nil {
			return err
		}
		got <- d
		r, err := c.Record(ctx, call.Record{Sink: &sink{}, Max: 20 * time.Second})
		said <- r
		return err
	})
	l := ring(t, e, b)
	if !l.Phone.HearsTone(600, 5*time.Second) {
		t.Fatal("the prompt is not heard")
	}
	l.Phone.Press("7")
	if d := <-got; d.Digits != "7" {
		t.Errorf("%+v", d)
	}
	if !l.Phone.HearsTone(1000, 5*time.Second) {
		t.Fatal("there is no beep")
	}
	if !l.Phone.WaitHeard(5*time.Second, func(pcm []int16) bool { return len(pcm) > 4800 && media.Level(pcm[len(pcm)-4800:]) < -50 }) {
		t.Fatal("the beep does not end")
	} // and some silence after it: people draw breath, and by then the recording has begun
	l.Phone.Say(media.Tone(700, time.Second, 0.3).PCM())
	tail := len(l.Phone.Heard()) + 12000
	l.Phone.WaitHeard(5*time.Second, func(pcm []int16) bool { return len(pcm) > tail })
	l.HangUp()
	if r := <-said; r.Reason != call.RecordHangup || r.Voice < 800*time.Millisecond || r.Voice > 1100*time.Millisecond || r.Duration > 2*time.Second {
		t.Errorf("%+v", r)
	}
}

type sink struct{}

func (*sink) Frame(_, _ []int16) {}

// Real audio, many callers who hang up whenever they like: ports, goroutines and calls are back where they began.
func TestNothingIsLeftOver(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) }) // after the engine has ended
	e := calltest.NewEngine(t)
	prompt := media.Tone(500, 60*time.Millisecond, 0.2)
	b := newBoard(t, 0, func(ctx context.Context, c *call.Call) error {
		if err := c.Answer(ctx); err != nil {
			return err
		}
		for range 3 {
			if _, err := c.Collect(ctx, call.Collect{Prompts: []*media.Prompt{prompt}, Max: 1, First: 30 * time.Millisecond}); err != nil {
				return err
			}
		}
		_, err := c.Record(ctx, call.Record{Sink: &sink{}, NoBeep: true, Max: 50 * time.Millisecond})
		return err
	})
	const calls = 300
	var wg sync.WaitGroup
	for range calls {
		l := ring(t, e, b)
		wg.Go(func() {
			if rand.IntN(2) == 0 {
				l.Phone.Press("1")
			}
			select {
			case <-time.After(rand.N(400 * time.Millisecond)):
				l.HangUp()
			case <-l.Ended():
			}
		})
		<-time.After(time.Millisecond)
	}
	wg.Wait()
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []call.FactKind{call.FactCallStarted, call.FactCallEnded, call.FactLegEnded} {
		if n := b.count(k); n != calls {
			t.Errorf("%d facts %s of %d calls", n, k, calls)
		}
	}
	deadline := time.After(10 * time.Second)
	for s := e.Stats(); s.Streams > 0 || s.PortsInUse > 0; s = e.Stats() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%+v", s)
		}
	}
}
