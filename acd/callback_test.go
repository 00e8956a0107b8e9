package acd

import (
	"context"
	"errors"
	"testing"
	"time"

	"hotline"
	"hotline/call"
)

// trunk is a Caller that notes what is dialled.
type trunk struct {
	dialled chan CallbackDial
	fail    error
}

func (x *trunk) Callback(_ context.Context, d CallbackDial) error {
	if x.fail != nil {
		return x.fail
	}
	x.dialled <- d
	return nil
}

// asked lets a caller ask for a call-back and hang up.
func (f *floor) asked(j *call.Journal, phone string) string {
	f.t.Helper()
	p := f.join(Waiter{Caller: phone})
	p.KeepForCallback()
	if err := j.File(p.waiter.CallID, call.FactCallbackAsked, call.CallbackAsked{Phone: phone, Queue: "q", Position: 1, JoinedAt: p.JoinedAt()}); err != nil {
		f.t.Fatal(err)
	}
	return p.waiter.CallID
}

func (f *floor) callback(id string) Callback {
	f.t.Helper()
	for _, state := range []string{"", "done", "failed", "cancelled"} {
		list, err := f.line.Callbacks(f.t.Context(), state, "q", 0)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, c := range list {
			if c.ID == id {
				return c
			}
		}
	}
	return Callback{}
}

// result files how an attempt went, as the script of the call does.
func (f *floor) result(j *call.Journal, d CallbackDial, result string) {
	f.t.Helper()
	if err := j.File(d.CallID, call.FactCallbackResult, call.CallbackResult{CallbackID: d.ID, Attempt: d.Attempt, Attempts: d.Attempts, Queue: d.Queue, Phone: d.Phone, Result: result, At: time.Now()}); err != nil {
		f.t.Fatal(err)
	}
}

// accept lets the agent take the call-back that is offered, and returns what is dialled.
func (f *floor) accept(x *trunk, id string) CallbackDial {
	f.t.Helper()
	o := f.offered()
	if o.Kind != KindCallback || o.CallID != id || o.Phone != "+8613800138000" {
		f.t.Fatalf("%+v", o)
	}
	if err := f.agents.Answer(f.t.Context(), o.ID, seat(o.Agent)); err != nil {
		f.t.Fatal(err)
	}
	select {
	case d := <-x.dialled:
		return d
	case <-time.After(patience):
		f.t.Fatal("nobody was dialled")
		return CallbackDial{}
	}
}

// A customer is called back in the place that was kept, with an agent; not reached, later again; reached, never again.
func TestCallbacks(t *testing.T) {
	f := newFloor(t, 1, nil)
	x := &trunk{dialled: make(chan CallbackDial, 10)}
	f.caller = x
	j, _ := f.journal()
	f.set("q", func(s *Settings) { s.Wrap.Mode, s.Callbacks = WrapNone, Callbacks{Attempts: 2, RetryS: 1} })
	defer f.run()()
	id := f.asked(j, "+8613800138000")
	behind := f.join(Waiter{Caller: "+862"})
	f.until("the row", func() bool { return f.callback(id).State == "open" && f.callback(id).Position == 1 })
	agent := f.ids[0]
	f.ready(agent)
	accept := func() CallbackDial { t.Helper(); return f.accept(x, id) }
	d := accept()
	if d.ID != id || d.Seat.Agent != agent || d.Attempt != 1 || d.Attempts != 2 || d.CallID == id || d.Queue != "q" {
		t.Errorf("%+v", d)
	}
	if g, _ := f.agents.Get(agent); g.State != Talking || g.Lease.Call != d.CallID || g.Lease.Kind != KindCallback {
		t.Errorf("%+v", g)
	}
	if err := f.line.CancelCallback(t.Context(), id); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("given up while it is made: %v", err)
	}
	// Busy: the agent takes who waits behind meanwhile, then it is tried once more.
	f.result(j, d, "busy")
	f.end(agent, d.CallID)
	o := f.offered()
	if o.CallID != behind.waiter.CallID {
		t.Fatalf("%+v", o)
	}
	if err := f.agents.Answer(t.Context(), o.ID, seat(agent)); err != nil {
		t.Fatal(err)
	}
	behind.Take()
	behind.Leave(LeftAnswered)
	f.end(agent, o.CallID)
	d = accept()
	if d.Attempt != 2 {
		t.Errorf("%+v", d)
	}
	f.result(j, d, "answered")
	f.until("done", func() bool { return f.callback(id).State == "done" })
	f.end(agent, d.CallID)
	f.until("the place is given up", func() bool { return len(f.line.Waiting("q")) == 0 })
	if c := f.callback(id); c.Attempts != 2 || c.LastResult != "answered" || c.Agent != agent || c.DoneAt == nil {
		t.Errorf("%+v", c)
	}
}

// An attempt that cannot begin counts too; after the last one it is given up.
func TestACallbackThatCannotBeMade(t *testing.T) {
	f := newFloor(t, 1, nil)
	f.caller = &trunk{fail: errors.New("no trunk")}
	j, _ := f.journal()
	f.set("q", func(s *Settings) { s.Wrap.Mode, s.Callbacks = WrapNone, Callbacks{Attempts: 2, RetryS: 1} })
	defer f.run()()
	id := f.asked(j, "+861")
	f.ready(f.ids[0])
	for range 2 {
		o := f.offered()
		if err := f.agents.Answer(t.Context(), o.ID, seat(f.ids[0])); err != nil {
			t.Fatal(err)
		}
		f.until("free", func() bool { return f.state(f.ids[0]) == Ready })
	}
	f.until("given up", func() bool { return f.callback(id).State == "failed" })
	if c := f.callback(id); c.Attempts != 2 || c.LastResult != "failed" {
		t.Errorf("%+v", c)
	}
	f.until("the place is given up", func() bool { return len(f.line.Waiting("q")) == 0 })
}

// Call-backs survive the process, in their order, also one that was being made; a task that was done by hand ends one.
func TestCallbacksOverARestart(t *testing.T) {
	f := newFloor(t, 1, nil)
	x := &trunk{dialled: make(chan CallbackDial, 10)}
	f.caller, f.live = x, func(string) bool { return false }
	j, _ := f.journal()
	f.set("q", func(s *Settings) { s.Callbacks = Callbacks{Attempts: 3, RetryS: 1} })
	stop := f.run()
	first, second, third := f.asked(j, "+861"), f.asked(j, "+862"), f.asked(j, "+863")
	f.until("the rows", func() bool { return f.callback(third).Position == 3 })
	f.ready(f.ids[0])
	o := f.offered()
	if err := f.agents.Answer(t.Context(), o.ID, seat(f.ids[0])); err != nil {
		t.Fatal(err)
	}
	if d := <-x.dialled; d.ID != first {
		t.Fatalf("%+v", d)
	}
	stop()

	if _, err := f.pool.Exec(t.Context(), `update callback_attempt set at = at - interval '1 minute'`); err != nil {
		t.Fatal(err)
	}
	f.open()
	defer f.run()()
	if g, _ := f.agents.Get(f.ids[0]); g.State != Ready || g.Session != "" || g.Media {
		t.Errorf("after the restart: %+v", g)
	}
	f.until("they are back", func() bool { return len(f.line.Waiting("q")) == 3 })
	f.until("the attempt is lost", func() bool { return f.callback(first).LastResult == "lost" })
	if list := f.line.Waiting("q"); list[0].CallID != first || list[1].CallID != second || !list[1].Callback {
		t.Errorf("%+v", list)
	}
	if err := f.line.CancelCallback(t.Context(), second); err != nil {
		t.Error(err)
	}
	if err := f.line.CancelCallback(t.Context(), second); hotline.KindOf(err) != hotline.Conflict {
		t.Error(err)
	}
	if err := f.line.CancelCallback(t.Context(), "x"); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
	_, err := f.pool.Exec(t.Context(), `with t as (insert into ticket (subject, created_at, updated_at) values ('s', now(), now()) returning number)
		insert into task (id, kind, ticket, call_id, reason, due_at, state, done_at, created_at) select $1, 'callback', number, $2, 'asked', now(), 'done', now(), now() from t`, hotline.NewID(), third)
	if err != nil {
		t.Fatal(err)
	}
	f.until("only the first is left", func() bool { list := f.line.Waiting("q"); return len(list) == 1 && list[0].CallID == first })
	f.ready(f.ids[0])
	if o := f.offered(); o.CallID != first || o.Kind != KindCallback {
		t.Errorf("%+v", o)
	}
}
