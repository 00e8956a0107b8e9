package acd

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

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
		staff := &fixedStaff{2}
		l := NewLine(LineConfig{})
		l.staff = staff
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
		staff.n = 0
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

// fixedStaff is n who work, of whose calls nothing is known yet.
type fixedStaff struct{ n int }

func (s *fixedStaff) working(string) int           { return s.n }
func (s *fixedStaff) handles(string) time.Duration { return 0 }
