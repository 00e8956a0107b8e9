package acd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"hotline"
	"hotline/call"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func join(t *testing.T, l *Line, ctx context.Context, w Waiter) *Place {
	t.Helper()
	if w.CallID == "" {
		w.CallID = hotline.NewID()
	}
	p, err := l.Join(ctx, w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func positions(ps ...*Place) []int {
	var list []int
	for _, p := range ps {
		list = append(list, p.Position())
	}
	return list
}

func TestOrderIsWaitedPlusPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLine(LineConfig{})
		ctx := t.Context()
		a := join(t, l, ctx, Waiter{Queue: "q"})
		time.Sleep(20 * time.Second)
		b := join(t, l, ctx, Waiter{Queue: "q"})
		c := join(t, l, ctx, Waiter{Queue: "q", Priority: 10 * time.Second})
		d := join(t, l, ctx, Waiter{Queue: "q", Priority: 30 * time.Second})
		if got := positions(a, b, c, d); !slices.Equal(got, []int{2, 4, 3, 1}) {
			t.Errorf("positions %v", got)
		}
		// No starvation: one who has waited for longer than the priority is before all with it.
		time.Sleep(time.Minute)
		if late := join(t, l, ctx, Waiter{Queue: "q", Priority: 30 * time.Second}); late.Position() != 5 {
			t.Errorf("a late one with priority is at %d", late.Position())
		}
		if other := join(t, l, ctx, Waiter{Queue: "other"}); other.Position() != 1 {
			t.Errorf("the queues are mixed: %d", other.Position())
		}
		list := l.Waiting("q")
		if len(list) != 5 || list[1].Waited != 80*time.Second || list[1].Position != 2 || l.Count("q") != 5 {
			t.Errorf("%+v", list)
		}
		d.Leave(LeftAnswered)
		select {
		case <-b.Changed():
		default:
			t.Error("nobody was told that the line has moved")
		}
		if got := positions(a, b, c, d); !slices.Equal(got, []int{1, 3, 2, 0}) {
			t.Errorf("positions %v", got)
		}
	})
}

func TestOnlyTheFirstReasonCounts(t *testing.T) {
	l := NewLine(LineConfig{})
	ctx, hangup := context.WithCancelCause(t.Context())
	p := join(t, l, ctx, Waiter{Queue: "q"})
	if why := p.Leave(LeftVoicemail); why != LeftVoicemail {
		t.Error(why)
	}
	if why := p.Leave(LeftAbandoned); why != LeftVoicemail {
		t.Error(why)
	}
	hangup(call.ErrHangup)
	if s := l.Stats(); s.Entered != 1 || len(s.Left) != 1 || s.Left[LeftVoicemail] != 1 {
		t.Errorf("%+v", s)
	}
	if _, err := l.Join(ctx, Waiter{Queue: "q"}); !errors.Is(err, call.ErrHangup) {
		t.Errorf("somebody who has hung up joins: %v", err)
	}
}

// A script that forgets to leave leaves all the same when its call ends.
func TestTheEndOfACallLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLine(LineConfig{})
		for cause, want := range map[error]Reason{call.ErrHangup: LeftAbandoned, call.ErrShutdown: LeftCut, call.ErrMediaLost: LeftCut} {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := join(t, l, ctx, Waiter{Queue: "q"})
			cancel(cause)
			synctest.Wait()
			if why := p.Leave(LeftOverflow); why != want {
				t.Errorf("%v: left as %s", cause, why)
			}
		}
	})
}

func TestAPlaceIsKeptForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLine(LineConfig{})
		ctx := t.Context()
		w := Waiter{Queue: "q", Caller: "+8613800138000"}
		first := join(t, l, ctx, w)
		time.Sleep(5 * time.Second)
		second := join(t, l, ctx, Waiter{Queue: "q", Caller: "+861"})
		first.Leave(LeftAbandoned)
		time.Sleep(59 * time.Second)
		if p := join(t, l, ctx, Waiter{Queue: "q", Caller: "+862"}); p.Resumed() || p.Position() != 2 {
			t.Error("somebody else got the place")
		}
		if p := join(t, l, ctx, Waiter{Queue: "other", Caller: w.Caller}); p.Resumed() {
			t.Error("the place is kept in another queue")
		}
		back := join(t, l, ctx, w)
		if !back.Resumed() || back.Position() != 1 || second.Position() != 2 || back.Waited() != 64*time.Second {
			t.Errorf("resumed %v at %d after %v", back.Resumed(), back.Position(), back.Waited())
		}
		if twin := join(t, l, ctx, w); twin.Resumed() || twin.Position() != 4 {
			t.Error("the place was given twice")
		}
		back.Leave(LeftCut)
		time.Sleep(61 * time.Second)
		if p := join(t, l, ctx, w); p.Resumed() {
			t.Error("it was kept for too long")
		}
		for _, why := range []Reason{LeftAnswered, LeftVoicemail, LeftTimeout} {
			p := join(t, l, ctx, Waiter{Queue: "q", Caller: "+863"})
			p.Leave(why)
			if p := join(t, l, ctx, Waiter{Queue: "q", Caller: "+863"}); p.Resumed() {
				t.Errorf("a place was kept for one who left as %s", why)
			} else {
				p.Leave(LeftAnswered)
			}
		}
		hidden := join(t, l, ctx, Waiter{Queue: "q"})
		hidden.Leave(LeftAbandoned)
		if p := join(t, l, ctx, Waiter{Queue: "q"}); p.Resumed() {
			t.Error("one withheld number got the place of another")
		}
		l.forget(time.Now().Add(time.Hour))
		if len(l.kept) != 0 {
			t.Errorf("kept for ever: %v", l.kept)
		}
	})
}

// Two people share a number and are both cut off: each gets a place back, and the better one goes to who rings first.
func TestTwoOfOneNumberAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLine(LineConfig{})
		ctx := t.Context()
		w := Waiter{Queue: "q", Caller: "+8675528880000"}
		a := join(t, l, ctx, w)
		time.Sleep(2 * time.Minute) // so that the second is no return of the first
		b := join(t, l, ctx, w)
		join(t, l, ctx, Waiter{Queue: "q", Caller: "+861"})
		b.Leave(LeftCut)
		a.Leave(LeftCut)
		time.Sleep(time.Second)
		if x, y, z := join(t, l, ctx, w), join(t, l, ctx, w), join(t, l, ctx, w); !slices.Equal(positions(x, y, z), []int{1, 2, 4}) || z.Resumed() {
			t.Errorf("positions %v", positions(x, y, z))
		}
	})
}

// The caller rings again before the end of the old call was noticed (no BYE came): the new call gets the place when it is.
func TestTheNewCallOvertakesTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLine(LineConfig{})
		ctx := t.Context()
		w := Waiter{Queue: "q", Caller: "+8613800138000"}
		old := join(t, l, ctx, w)
		time.Sleep(time.Minute)
		other := join(t, l, ctx, Waiter{Queue: "q", Caller: "+861"})
		time.Sleep(time.Minute)
		again := join(t, l, ctx, w)
		if again.Position() != 3 {
			t.Fatal("two calls have one place")
		}
		time.Sleep(20 * time.Second)
		old.Leave(LeftCut)
		if !again.Resumed() || again.Position() != 1 || other.Position() != 2 {
			t.Errorf("positions %v", positions(old, again, other))
		}
		if third := join(t, l, ctx, w); third.Resumed() {
			t.Error("the place was given twice")
		}
	})
}

func TestACallbackKeepsThePlace(t *testing.T) {
	l := NewLine(LineConfig{})
	ctx, hangup := context.WithCancelCause(t.Context())
	a := join(t, l, ctx, Waiter{Queue: "q", Caller: "+861"})
	b := join(t, l, t.Context(), Waiter{Queue: "q", Caller: "+862"})
	a.KeepForCallback()
	a.KeepForCallback()
	hangup(call.ErrHangup)
	if why := a.Leave(LeftAbandoned); why != LeftCallback {
		t.Error(why)
	}
	if a.Position() != 1 || b.Position() != 2 || l.Count("q") != 1 || !l.Waiting("q")[0].Callback {
		t.Errorf("%+v", l.Waiting("q"))
	}
	if again := join(t, l, t.Context(), Waiter{Queue: "q", Caller: "+861"}); again.Resumed() {
		t.Error("the place that is held for the call-back was given away")
	}
	l.CallbackDone(a.waiter.CallID)
	l.CallbackDone("unknown")
	if b.Position() != 1 {
		t.Errorf("b is at %d", b.Position())
	}
	if s := l.Stats(); s.Left[LeftCallback] != 1 || s.Left[LeftAbandoned] != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAnnouncementsOnlyImprove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		staff := newStaff(2)
		l := NewLine(LineConfig{Staff: staff})
		ctx := t.Context()
		var ahead []*Place
		for range 5 {
			ahead = append(ahead, join(t, l, ctx, Waiter{Queue: "q"}))
		}
		p := join(t, l, ctx, Waiter{Queue: "q"})
		// 5 ahead, 2 agents in the middle of theirs, 3 minutes each: (5 + 2·½)/2 · 3 = 9 minutes.
		if a, ok := p.Announce(); !ok || a != (Announcement{6, 9 * time.Minute}) {
			t.Errorf("%+v", a)
		}
		if a, ok := p.Announce(); ok {
			t.Errorf("the same was said twice: %+v", a)
		}
		join(t, l, ctx, Waiter{Queue: "q", Priority: time.Hour})
		if a, ok := p.Announce(); ok || p.Position() != 7 {
			t.Errorf("it became worse, and that was said: %+v", a)
		}
		ahead[0].Leave(LeftAbandoned)
		if a, ok := p.Announce(); ok {
			t.Errorf("no better than what was said: %+v", a)
		}
		ahead[1].Leave(LeftAbandoned)
		if a, ok := p.Announce(); !ok || a != (Announcement{5, 8 * time.Minute}) {
			t.Errorf("%+v", a)
		}
		staff.working = 0
		ahead[2].Leave(LeftAbandoned)
		if a, ok := p.Announce(); !ok || a != (Announcement{4, 0}) {
			t.Errorf("nobody works, and a wait is told: %+v", a)
		}
		p.Leave(LeftTimeout)
		if a, ok := p.Announce(); ok {
			t.Errorf("to one who has left: %+v", a)
		}
		alone := join(t, NewLine(LineConfig{}), ctx, Waiter{Queue: "q"})
		if a, ok := alone.Announce(); !ok || a != (Announcement{1, 0}) {
			t.Errorf("without staff: %+v", a)
		}
	})
}

// staff is a Staff of n agents who work for every queue.
type staff struct {
	mu      sync.Mutex
	working int
	free    []string
	busy    map[string]string // agent: call
	wrong   []string
}

func newStaff(n int) *staff {
	s := &staff{working: n, busy: map[string]string{}}
	for i := range n {
		s.free = append(s.free, fmt.Sprint("agent-", i))
	}
	return s
}

func (s *staff) Working(string) int            { return s.working }
func (s *staff) Handling(string) time.Duration { return 0 }

func (s *staff) Reserve(_, callID string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return "", false
	}
	agent := s.free[0]
	s.free = s.free[1:]
	s.busy[agent] = callID
	return agent, true
}

func (s *staff) Release(agent, callID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[agent] != callID {
		s.wrong = append(s.wrong, fmt.Sprintf("%s was released by %s, and was %q's", agent, callID, s.busy[agent]))
		return
	}
	delete(s.busy, agent)
	s.free = append(s.free, agent)
}

func runLine(t *testing.T, l *Line) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestThoseWhoWaitMeetThoseWhoAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(1)
		l := NewLine(LineConfig{Staff: s})
		defer runLine(t, l)()
		a := join(t, l, t.Context(), Waiter{Queue: "q"})
		r, err := a.Reserve(t.Context())
		if err != nil || r.Agent != "agent-0" || a.Position() != 1 || !l.Waiting("q")[0].Offered {
			t.Fatalf("%+v, %v", r, err)
		}
		b := join(t, l, t.Context(), Waiter{Queue: "q"})
		short, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, call.ErrMaxWait)
		defer cancel()
		if _, err := b.Reserve(short); !errors.Is(err, call.ErrMaxWait) {
			t.Errorf("%v", err)
		}
		r.Release() // declined: the same caller is still the next
		r.Release()
		if r, err = a.Reserve(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.Leave(LeftAnswered)
		if len(s.free) != 0 {
			t.Error("an agent who talks is free")
		}
		s.Release(r.Agent, a.waiter.CallID) // the call is over
		if r, err := b.Reserve(t.Context()); err != nil || r.Agent != "agent-0" {
			t.Errorf("%+v, %v", r, err)
		}
		b.Leave(LeftAbandoned) // while the agent is being rung
		if len(s.free) != 1 || len(s.wrong) > 0 {
			t.Errorf("free %v, wrong %v", s.free, s.wrong)
		}
	})
}

// Random callers and agents: an agent is with one caller at a time, whoever is free meets whoever waits, each enter has one leave,
// and nothing is left over.
func TestRandomCallers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		agents := rapid.IntRange(0, 4).Draw(rt, "agents")
		plans := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) plan {
			return plan{
				at:     time.Duration(rapid.IntRange(0, 20).Draw(rt, "at")) * time.Second,
				for_:   time.Duration(rapid.IntRange(0, 20).Draw(rt, "patience")) * time.Second,
				talk:   time.Duration(rapid.IntRange(0, 5).Draw(rt, "talk")) * time.Second,
				queue:  rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "queue"),
				number: rapid.SampledFrom([]string{"", "+1", "+2", "+3"}).Draw(rt, "number"),
				how:    rapid.SampledFrom([]Reason{LeftAbandoned, LeftCut, LeftCallback, LeftTimeout}).Draw(rt, "how"),
				refuse: rapid.Bool().Draw(rt, "decline"),
			}
		}), 1, 25).Draw(rt, "callers")
		synctest.Test(t, func(t *testing.T) {
			s := newStaff(agents)
			l := NewLine(LineConfig{Staff: s})
			stop := runLine(t, l)
			var wg sync.WaitGroup
			for i, p := range plans {
				wg.Go(func() { p.live(t, l, s, fmt.Sprint("call-", i)) })
			}
			wg.Wait()
			stop()
			st := l.Stats()
			var left uint64
			for n := range maps.Values(st.Left) {
				left += n
			}
			if st.Entered != uint64(len(plans)) || left != st.Entered {
				t.Errorf("%d entered, %d left: %v", st.Entered, left, st.Left)
			}
			for i := range plans {
				l.CallbackDone(fmt.Sprint("call-", i))
			}
			l.forget(time.Now().Add(2 * time.Minute))
			if len(s.free) != agents || len(s.wrong) > 0 || len(l.waiting) > 0 || len(l.kept) > 0 {
				t.Errorf("left over: free %v of %d, wrong %v, waiting %v, kept %v", s.free, agents, s.wrong, l.waiting, l.kept)
			}
		})
	})
}

type plan struct {
	at, for_, talk time.Duration
	queue, number  string
	how            Reason
	refuse         bool // the agent declines once
}

func (p plan) live(t *testing.T, l *Line, s *staff, id string) {
	time.Sleep(p.at)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	place, err := l.Join(ctx, Waiter{CallID: id, Queue: p.queue, Caller: p.number})
	if err != nil {
		t.Error(err)
		return
	}
	patience, stop := context.WithTimeout(ctx, p.for_)
	defer stop()
	r, err := place.Reserve(patience)
	if err == nil && p.refuse {
		r.Release()
		r, err = place.Reserve(patience)
	}
	if err == nil {
		if place.Leave(LeftAnswered) == LeftAnswered {
			time.Sleep(p.talk)
			s.Release(r.Agent, id)
		}
		return
	}
	switch p.how {
	case LeftAbandoned:
		cancel(call.ErrHangup)
	case LeftCut:
		cancel(call.ErrShutdown)
	case LeftCallback:
		place.KeepForCallback()
		return
	}
	place.Leave(p.how)
}
