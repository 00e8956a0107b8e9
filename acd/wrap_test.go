package acd

import (
	"context"
	"slices"
	"testing"
	"time"

	"hotline"
	"hotline/acd/roster"
	"hotline/call"
	"hotline/call/rows"
)

// talk lets an agent take the next call and returns its id.
func (f *floor) talk(agent string) string {
	f.t.Helper()
	f.ready(agent)
	p := f.join(Waiter{})
	o := f.offered()
	if err := f.agents.Answer(f.t.Context(), o.ID, seat(agent)); err != nil {
		f.t.Fatal(err)
	}
	if _, ok := p.Take(); !ok {
		f.t.Fatal("the agent has answered and cannot be taken")
	}
	p.Leave(LeftAnswered)
	return p.waiter.CallID
}

func (f *floor) end(agent, call string) {
	f.t.Helper()
	if err := f.agents.Ended(f.t.Context(), agent, call); err != nil {
		f.t.Fatal(err)
	}
}

// due puts the deadline of an agent's state into the past.
func (f *floor) due(agent string) {
	f.t.Helper()
	if _, err := f.pool.Exec(f.t.Context(), `update agent set deadline = now() - interval '1 second' where account_id = $1`, agent); err != nil {
		f.t.Fatal(err)
	}
}

// wrapFloor is one agent, codes of the queue and of another, and a reason to pause.
func wrapFloor(t *testing.T) (f *floor, is func(what string, want State)) {
	t.Helper()
	f = newFloor(t, 1, nil)
	other := "other"
	f.queue(other, nil)
	for _, c := range []roster.Code{{Name: "sold"}, {Name: "theirs", Queue: &other}} {
		if _, err := f.agents.Roster().PutCode(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.agents.Roster().PutReason(t.Context(), roster.Reason{Name: "lunch"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.run())
	return f, func(what string, want State) {
		t.Helper()
		if s := f.state(f.ids[0]); s != want {
			t.Errorf("%s: the agent is %s", what, s)
		}
	}
}

func TestOptionalAfterCallWork(t *testing.T) {
	f, is := wrapFloor(t)
	agent, ctx := f.ids[0], t.Context()
	f.set("q", func(s *Settings) { s.Wrap = Wrapping{Mode: WrapNone} })
	f.end(agent, f.talk(agent))
	is("none", Ready)

	f.set("q", func(s *Settings) { s.Wrap = Wrapping{Mode: WrapOptional, Seconds: 30} })
	id := f.talk(agent)
	f.end(agent, hotline.NewID())
	is("the end of another call", Talking)
	f.end("", id)
	f.end(agent, id)
	is("optional", WrapUp)
	w, err := f.agents.Extend(ctx, agent, 0)
	if err != nil || w.Deadline.Sub(w.Since) < 59*time.Second {
		t.Errorf("%+v, %v", w, err)
	}
	if _, err := f.agents.Extend(ctx, agent, time.Hour); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("extended by an hour: %v", err)
	}
	if err := f.agents.WrapUp(ctx, agent, hotline.NewID(), "sold", ""); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("another call was closed: %v", err)
	}
	if err := f.agents.WrapUp(ctx, agent, id, "theirs", ""); hotline.KindOf(err) != hotline.Invalid {
		t.Errorf("closed with a code of another queue: %v", err)
	}
	if err := f.agents.WrapUp(ctx, agent, id, "", ""); err != nil {
		t.Error(err)
	}
	is("done", Ready)
	if err := f.agents.WrapUp(ctx, agent, id, "sold", ""); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("closed twice: %v", err)
	}
}

// With a code that must be given; a pause that was asked for during the call follows.
func TestMandatoryAfterCallWork(t *testing.T) {
	f, is := wrapFloor(t)
	agent, ctx := f.ids[0], t.Context()
	f.set("q", func(s *Settings) { s.Wrap = Wrapping{Mode: WrapMandatory, Seconds: 900} })
	id := f.talk(agent)
	if g, err := f.agents.Pause(ctx, agent, "lunch"); err != nil || g.State != Talking || g.After == nil {
		t.Errorf("%+v, %v", g, err)
	}
	f.end(agent, id)
	if _, err := f.agents.Ready(ctx, agent); hotline.KindOf(err) != hotline.Invalid {
		t.Errorf("ready without the code: %v", err)
	}
	is("mandatory", WrapUp)
	if err := f.agents.WrapUp(ctx, agent, id, "sold", "happy"); err != nil {
		t.Error(err)
	}
	if g, _ := f.agents.Get(agent); g.State != NotReady || g.Reason != "lunch" || g.After != nil || g.Deadline == nil {
		t.Errorf("%+v", g)
	}
	// Forgotten: taken out.
	f.end(agent, f.talk(agent))
	f.due(agent)
	f.until("taken out", func() bool { g, _ := f.agents.Get(agent); return g.State == NotReady && g.Reason == NoCode })
	// The code is given during the call: nothing is left to do.
	id = f.talk(agent)
	if err := f.agents.WrapUp(ctx, agent, id, "sold", "quick"); err != nil {
		t.Error(err)
	}
	is("during the call", Talking)
	f.end(agent, id)
	is("closed already", Ready)
}

// The default code when the time is up. A colleague's question is no call of theirs; what was a question and became their call is.
func TestTimedAfterCallWork(t *testing.T) {
	f, is := wrapFloor(t)
	agent := f.ids[0]
	f.set("q", func(s *Settings) { s.Wrap = Wrapping{Mode: WrapTimed, Seconds: 30, DefaultCode: "sold"} })
	f.end(agent, f.talk(agent))
	is("timed", WrapUp)
	f.due(agent)
	f.until("the time is up", func() bool { return f.state(agent) == Ready })

	taken := f.ask(agent, KindConsult)
	f.end(agent, taken.Offer.CallID)
	is("a question", Ready)
	taken = f.ask(agent, KindConsult)
	f.agents.Seated(taken.Offer.CallID, []string{"somebody", agent})
	f.agents.Seated(taken.Offer.CallID, []string{agent})
	f.until("their call", func() bool { g, _ := f.agents.Get(agent); return g.Lease.Kind == KindDirect })
	f.agents.Seated(taken.Offer.CallID, nil)
	f.until("after-call work", func() bool { return f.state(agent) == WrapUp })
}

// ask lets an agent answer an offer of no line.
func (f *floor) ask(agent string, kind Kind) Taken {
	f.t.Helper()
	f.ready(agent)
	type result struct {
		t   Taken
		err error
	}
	done := make(chan result, 1)
	go func() {
		t, err := f.line.OfferTo(f.t.Context(), hotline.NewID(), agent, kind, "q", "boss")
		done <- result{t, err}
	}()
	o := f.offered()
	if o.Kind != kind || o.From != "boss" {
		f.t.Fatalf("%+v", o)
	}
	if err := f.agents.Answer(f.t.Context(), o.ID, seat(agent)); err != nil {
		f.t.Fatal(err)
	}
	r := <-done
	if r.err != nil {
		f.t.Fatal(r.err)
	}
	return r.t
}

// Segments of offers and after-call work, and the code, are filed under the call.
func TestCodesAreFiled(t *testing.T) {
	f := newFloor(t, 1, func(s *Settings) { s.Wrap = Wrapping{Mode: WrapMandatory} })
	journal, facts := f.journal()
	if _, err := f.agents.Roster().PutCode(t.Context(), roster.Code{Name: "sold"}); err != nil {
		t.Fatal(err)
	}
	defer f.run()()
	agent := f.ids[0]
	id := f.talk(agent)
	f.end(agent, id)
	if err := f.agents.WrapUp(t.Context(), agent, id, "sold", "happy"); err != nil {
		t.Fatal(err)
	}
	if err := journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	offer, wrap := -1, -1
	for i, x := range facts() {
		var s call.Segment
		var w call.WrappedUp
		switch {
		case x.CallID != id:
			t.Errorf("filed under %s: %+v", x.CallID, x)
		case x.Kind == call.FactSegment && x.Decode(&s) == nil && s.Kind == call.SegmentOffer && s.Reason == "answered" && s.Agent == agent && s.Queue == "q":
			offer = i
		case x.Kind == call.FactSegment && s.Kind == call.SegmentWrap && s.Reason == "done":
		case x.Kind == call.FactWrapUp && x.Decode(&w) == nil && w.Code == "sold" && w.Note == "happy" && w.Agent == agent && w.AgentName == "agent-00" && !w.Auto:
			wrap = i
		default:
			t.Errorf("%s %s", x.Kind, x.Data)
		}
	}
	if offer != 0 || wrap != 2 {
		t.Errorf("offer at %d, code at %d of %+v", offer, wrap, facts())
	}
}

// journal gives the floor a journal, and what is applied of it. Rows of calls are not written: there are none.
func (f *floor) journal() (*call.Journal, func() []call.Fact) {
	f.t.Helper()
	j, err := rows.OpenJournal(call.JournalConfig{Dir: f.t.TempDir(), Pool: f.pool, Log: quiet()})
	if err != nil {
		f.t.Fatal(err)
	}
	if f.agents, err = OpenAgents(f.t.Context(), AgentsConfig{Pool: f.pool, Queues: f.queues, Journal: j, Node: "n1", Popper: f.popper, Log: quiet(), Live: f.live}); err != nil {
		f.t.Fatal(err)
	}
	f.line = NewLine(LineConfig{Queues: f.queues, Agents: f.agents, Caller: f.caller, Pool: f.pool, Log: quiet()})
	heard := newHeard(j, call.FactSegment, call.FactWrapUp)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	f.t.Cleanup(func() { cancel(); <-done; j.Close() })
	return j, heard
}

func code(err error) string {
	e, _ := err.(*hotline.Error)
	if e == nil {
		return ""
	}
	return e.Code
}

// direct asks one agent.
func (f *floor) direct(ctx context.Context, who string) error {
	_, err := f.line.OfferTo(ctx, hotline.NewID(), who, KindDirect, "q", "boss")
	return err
}

// The direct offer: to one agent, who may be away, busy, or refuse; and who asks may hang up.
func TestOfferTo(t *testing.T) {
	f := newFloor(t, 1, func(s *Settings) { s.Wrap.Mode = WrapNone })
	f.set("q", func(s *Settings) { s.Offering.RingS = 1 })
	defer f.run()()
	agent := f.ids[0]
	if err := f.direct(t.Context(), hotline.NewID()); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
	if err := f.direct(t.Context(), agent); code(err) != "agent.away" {
		t.Error(err)
	}
	f.ready(agent)
	if err := f.direct(t.Context(), agent); code(err) != "agent.no_answer" {
		t.Error(err)
	}
	f.offered()
	f.set("q", func(s *Settings) { s.Offering.RingS = 60 })
	declined := make(chan error, 1)
	go func() { declined <- f.direct(t.Context(), agent) }()
	o := f.offered()
	if err := f.direct(t.Context(), agent); code(err) != "agent.busy" {
		t.Error(err)
	}
	if err := f.agents.Decline(t.Context(), o.ID, agent, ""); err != nil {
		t.Error(err)
	}
	if err := <-declined; code(err) != "agent.declined" {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- f.direct(ctx, agent) }()
	o = f.offered()
	cancel(call.ErrHangup)
	if err := <-gone; err != call.ErrHangup {
		t.Error(err)
	}
	f.until("free", func() bool { return f.state(agent) == Ready })
	if err := f.agents.Answer(t.Context(), o.ID, seat(agent)); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("answered when nobody asks any more: %v", err)
	}
}

// Whoever of a queue is free, one after the other.
func TestOfferToQueue(t *testing.T) {
	f := newFloor(t, 2, nil)
	defer f.run()()
	if _, err := f.line.OfferToQueue(t.Context(), hotline.NewID(), "q", KindConsult, "boss"); code(err) != "agent.away" {
		t.Error(err)
	}
	f.ready(f.ids...)
	found := make(chan Taken, 1)
	go func() {
		taken, err := f.line.OfferToQueue(t.Context(), hotline.NewID(), "q", KindConsult, "boss")
		if err != nil {
			t.Error(err)
		}
		found <- taken
	}()
	first := f.offered()
	if err := f.agents.Decline(t.Context(), first.ID, first.Agent, ""); err != nil {
		t.Error(err)
	}
	second := f.offered()
	if err := f.agents.Answer(t.Context(), second.ID, seat(second.Agent)); err != nil {
		t.Error(err)
	}
	if taken := <-found; taken.Seat.Agent != second.Agent || first.Agent == second.Agent {
		t.Errorf("%+v", taken)
	}
}

// Dialling takes an agent out of the line's reach, from a pause too, to which it returns.
func TestAnAgentWhoDials(t *testing.T) {
	f := newFloor(t, 1, func(s *Settings) { s.Wrap.Mode = WrapNone })
	defer f.run()()
	agent, ctx := f.ids[0], t.Context()
	l := Lease{Call: hotline.NewID(), Kind: KindDialled, Queue: "q"}
	if err := f.agents.Talking(ctx, agent, l); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("dials without a browser: %v", err)
	}
	f.ready(agent)
	if _, err := f.agents.Pause(ctx, agent, ""); err != nil {
		t.Fatal(err)
	}
	if err := f.agents.Talking(ctx, agent, l); err != nil {
		t.Fatal(err)
	}
	if err := f.agents.Talking(ctx, agent, Lease{Call: hotline.NewID(), Kind: KindDialled}); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("dials twice: %v", err)
	}
	if g, _ := f.agents.Get(agent); g.State != Talking || g.Lease != l {
		t.Errorf("%+v", g)
	}
	f.end(agent, l.Call)
	if g, _ := f.agents.Get(agent); g.State != NotReady {
		t.Errorf("%+v", g)
	}
}

// The leases of calls that are dead end by themselves, and by the fact of the call's end.
func TestLeasesOfDeadCalls(t *testing.T) {
	f := newFloor(t, 2, func(s *Settings) { s.Wrap.Mode = WrapNone })
	alive := map[string]bool{}
	f.live = func(id string) bool { f.popper.mu.Lock(); defer f.popper.mu.Unlock(); return alive[id] }
	journal, _ := f.journal()
	defer f.run()()
	f.set("q", func(s *Settings) { s.Wrap.Mode = WrapNone })
	a := f.talk(f.ids[0])
	f.until("dead", func() bool { return f.state(f.ids[0]) == Ready })
	if _, err := f.agents.Offline(t.Context(), f.ids[0]); err != nil {
		t.Fatal(err)
	}
	b := f.talk(f.ids[1])
	f.popper.mu.Lock()
	alive[a], alive[b] = true, true
	f.popper.mu.Unlock()
	if err := journal.File(b, call.FactCallEnded, call.CallEnded{Result: call.ResultAnswered}); err != nil {
		t.Fatal(err)
	}
	f.until("the call's end", func() bool { g, _ := f.agents.Get(f.ids[1]); return g.State == Ready })
	if !slices.Contains([]State{Offline}, f.state(f.ids[0])) {
		t.Error("somebody else was freed")
	}
}

// An agent who goes on from one call to another has after-call work for the second alone.
func TestAnAgentGoesOnInAnotherCall(t *testing.T) {
	f, is := wrapFloor(t)
	agent, ctx := f.ids[0], t.Context()
	f.set("q", func(s *Settings) { s.Wrap = Wrapping{Mode: WrapOptional, Seconds: 30} })
	first, second := f.talk(agent), hotline.NewID()
	if err := f.agents.Moved(ctx, agent, hotline.NewID(), second); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("from a call that it is not in: %v", err)
	}
	if err := f.agents.Moved(ctx, agent, first, second); err != nil {
		t.Fatal(err)
	}
	f.agents.Seated(first, nil)
	f.end("", first)
	is("after the first call", Talking)
	f.end("", second)
	is("after the second", WrapUp)
	if w, ok := f.agents.Wrap(agent); !ok || w.CallID != second || w.Queue != "q" {
		t.Errorf("%+v", w)
	}
}
