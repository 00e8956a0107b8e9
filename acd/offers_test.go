package acd

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
)

// Two agents take one call, many times: exactly one has it, the other is told, and is free (abuse 49).
func TestManyAgentsAnswerOneCall(t *testing.T) {
	f := newFloor(t, 6, func(s *Settings) { s.Offering.Strategy, s.Wrap.Mode = RingAll, WrapNone })
	defer f.run()()
	f.ready(f.ids...)
	for range 15 {
		p := f.join(Waiter{})
		var offers []Offer
		for range f.ids {
			offers = append(offers, f.offered())
		}
		results := make([]error, len(offers))
		var wg sync.WaitGroup
		for i, o := range offers {
			wg.Go(func() { results[i] = f.agents.Answer(t.Context(), o.ID, seat(o.Agent)) })
		}
		wg.Wait()
		winner := ""
		for i, err := range results {
			switch {
			case err == nil && winner == "":
				winner = offers[i].Agent
			case hotline.KindOf(err) != hotline.Conflict:
				t.Fatalf("%s: %v, and %q won", offers[i].Agent, err, winner)
			}
		}
		taken, ok := p.Take()
		if !ok || taken.Seat.Agent != winner {
			t.Fatalf("%q won, %q was taken", winner, taken.Seat.Agent)
		}
		p.Leave(LeftAnswered)
		var talking, ready, answered, live int
		err := f.pool.QueryRow(t.Context(), `select count(*) filter (where state = 'talking'), count(*) filter (where state = 'ready'),
			(select count(*) from work_offer where call_id = $1 and state = 'answered'), (select count(*) from work_offer where state = 'live') from agent`,
			p.waiter.CallID).Scan(&talking, &ready, &answered, &live)
		if err != nil || talking != 1 || ready != len(f.ids)-1 || answered != 1 || live != 0 {
			t.Fatalf("%d talk, %d are ready, %d have answered, %d offers live (%v)", talking, ready, answered, live, err)
		}
		if err := f.agents.Ended(t.Context(), winner, p.waiter.CallID); err != nil {
			t.Fatal(err)
		}
	}
}

// Two processes want one agent, and two agents are wanted for one call: SQL lets one have it.
func TestTwoProcessesRace(t *testing.T) {
	f := newFloor(t, 2, nil)
	f.ready(f.ids...)
	first := f.agents
	second := &Agents{cfg: first.cfg, roster: first.roster, work: make(chan struct{}, 1), alarm: make(chan struct{}, 1), copy: map[string]*Agent{}, offers: map[string]*ringing{}, seats: map[string][]string{}, handling: map[string]*handling{}, held: map[string]bool{}, missing: map[string]missing{}}
	if err := second.refresh(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	race := func(one, two Offer, a, b string) (won int) {
		var wg sync.WaitGroup
		n := make([]int, 2)
		ask := func(i int, on *Agents, o Offer, agent string) {
			wg.Go(func() {
				o.Kind, o.Queue, o.RingFor, o.At = KindQueue, "q", time.Minute, time.Now()
				var err error
				if n[i], err = on.ring(t.Context(), &round{id: hotline.NewID(), asker: &direct{no: make(chan Gone, 1)}}, o, []string{agent}); err != nil && hotline.KindOf(err) != hotline.Conflict {
					t.Error(err)
				}
			})
		}
		ask(0, first, one, a)
		ask(1, second, two, b)
		wg.Wait()
		return n[0] + n[1]
	}
	free := func() {
		_, err := f.pool.Exec(t.Context(), `update work_offer set state = 'withdrawn', ended_at = now() where state = 'live'`)
		if err == nil {
			_, err = f.pool.Exec(t.Context(), `update agent set state = 'ready', lease_call = null, lease_offer = null, deadline = null`)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		if won := race(Offer{CallID: hotline.NewID()}, Offer{CallID: hotline.NewID()}, f.ids[0], f.ids[0]); won != 1 {
			t.Fatalf("one agent was set aside for %d calls", won)
		}
		free()
		call := hotline.NewID()
		if won := race(Offer{CallID: call}, Offer{CallID: call}, f.ids[0], f.ids[1]); won != 1 {
			t.Fatalf("%d agents were set aside for one call", won)
		}
		free()
	}
}

func TestHowOffersEnd(t *testing.T) {
	f := newFloor(t, 2, nil)
	f.set("q", func(s *Settings) { s.Offering.RingS, s.Offering.MaxMisses = 1, 2 })
	defer f.run()()
	a, b := f.ids[0], f.ids[1]
	f.ready(a)
	f.ready(b)
	f.join(Waiter{})

	// Declined: the other one is rung, and the one who declined is free at once and has missed nothing.
	o := f.offered()
	if o.Agent != a {
		t.Fatalf("not the one who is idle longest: %+v", o)
	}
	if err := f.agents.Decline(t.Context(), o.ID, b, "busy"); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("somebody else declines: %v", err)
	}
	if err := f.agents.Decline(t.Context(), o.ID, a, "lunch"); err != nil {
		t.Fatal(err)
	}
	if err := f.agents.Decline(t.Context(), o.ID, a, "lunch"); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("declined twice: %v", err)
	}
	if o = f.offered(); o.Agent != b {
		t.Fatalf("offered again to who declined: %+v", o)
	}
	// Not answered: missed once; nobody else may be rung now.
	f.until("not answered", func() bool { g, _ := f.agents.Get(b); return g.Misses == 1 && g.State == Ready })
	if g, _ := f.agents.Get(a); g.Misses != 0 || g.State != Ready {
		t.Errorf("a decline counts as missed: %+v", g)
	}
	if s := f.line.Waiting("q"); len(s) != 1 || s[0].Offered {
		t.Errorf("a call is offered to those who did not take it: %+v", s)
	}
	f.ends("declined no_answer")
}

// Who does not answer several times in a row is not responding, until they say that they are there.
func TestNotResponding(t *testing.T) {
	f := newFloor(t, 2, nil)
	f.set("q", func(s *Settings) { s.Offering.RingS, s.Offering.MaxMisses = 1, 1 })
	defer f.run()()
	a, b := f.ids[0], f.ids[1]
	f.ready(a)
	p := f.join(Waiter{})
	f.offered()
	f.until("not responding", func() bool { return f.state(a) == NotResponding })
	p.Leave(LeftAbandoned)
	if g, err := f.agents.Ready(t.Context(), a); err != nil || g.State != Ready || g.Misses != 0 {
		t.Errorf("%+v, %v", g, err)
	}
	f.ready(b)
	// A browser that cannot be reached: the next one at once, and it counts for nothing.
	f.set("q", func(s *Settings) { s.Offering.RingS = 60 })
	f.popper.mu.Lock()
	f.popper.broken[a] = true
	f.popper.mu.Unlock()
	last := f.join(Waiter{})
	o := f.offered()
	if o.Agent != b {
		t.Fatalf("%+v", o)
	}
	if g, _ := f.agents.Get(a); g.Misses != 0 || g.State != Ready {
		t.Errorf("a failure counts as missed: %+v", g)
	}
	// The caller hangs up while it rings.
	last.Leave(LeftAbandoned)
	f.until("free again", func() bool { return f.state(b) == Ready })
	if err := f.agents.Answer(t.Context(), o.ID, seat(b)); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("a call that is gone is answered: %v", err)
	}
	f.ends("no_answer withdrawn failed")
}

// ends checks which ends offers have had.
func (f *floor) ends(want string) {
	f.t.Helper()
	var got string
	if err := f.pool.QueryRow(f.t.Context(), `select string_agg(distinct state, ' ') from work_offer`).Scan(&got); err != nil {
		f.t.Fatal(err)
	}
	for _, w := range strings.Fields(want) {
		if !strings.Contains(got, w) {
			f.t.Errorf("offers ended as %q, none as %s", got, w)
		}
	}
}

// A call is not offered again to an agent who declined it before the back-off is over; then it is.
func TestBackOff(t *testing.T) {
	f := newFloor(t, 1, nil)
	f.set("q", func(s *Settings) { s.Offering.BackOffS = 1 })
	defer f.run()()
	f.ready(f.ids[0])
	f.join(Waiter{})
	o := f.offered()
	if err := f.agents.Decline(t.Context(), o.ID, o.Agent, ""); err != nil {
		t.Fatal(err)
	}
	declined := time.Now()
	again := f.offered()
	if again.CallID != o.CallID || again.At.Sub(declined) < 900*time.Millisecond {
		t.Errorf("offered again after %v", again.At.Sub(declined))
	}
}

// The agent answers and the caller is gone before the script has taken the agent.
func TestTheCallerLeavesAsTheAgentAnswers(t *testing.T) {
	f := newFloor(t, 1, nil)
	defer f.run()()
	agent := f.ids[0]
	f.ready(agent)
	p := f.join(Waiter{})
	o := f.offered()
	if err := f.agents.Answer(t.Context(), o.ID, seat(agent)); err != nil {
		t.Fatal(err)
	}
	if why := p.Leave(LeftAbandoned); why != LeftAbandoned {
		t.Error(why)
	}
	if _, ok := p.Take(); ok {
		t.Error("an agent was taken by who is gone")
	}
	f.until("free", func() bool { return f.state(agent) == Ready })
	f.popper.mu.Lock()
	defer f.popper.mu.Unlock()
	if !slices.Contains(f.popper.gone, o.ID+" caller_left") {
		t.Errorf("the browser was not told: %v", f.popper.gone)
	}
}

func TestALostBrowserLosesItsOffer(t *testing.T) {
	f := newFloor(t, 2, nil)
	defer f.run()()
	f.ready(f.ids[0])
	f.ready(f.ids[1])
	f.join(Waiter{})
	o := f.offered()
	if err := f.agents.Leave(t.Context(), o.Agent, "an older tab"); err != nil || f.state(o.Agent) == Ready {
		t.Errorf("another tab took the offer away: %v", err)
	}
	if err := f.agents.Leave(t.Context(), o.Agent, "tab-"+o.Agent); err != nil {
		t.Fatal(err)
	}
	if next := f.offered(); next.Agent == o.Agent || next.CallID != o.CallID {
		t.Errorf("%+v", next)
	}
	if g, _ := f.agents.Get(o.Agent); g.State != Ready || g.Media || g.Deadline == nil {
		t.Errorf("%+v", g)
	}
	// It does not come back: it is sent home.
	_, err := f.pool.Exec(t.Context(), `update agent set deadline = now() where account_id = $1`, o.Agent)
	if err != nil {
		t.Fatal(err)
	}
	f.until("offline", func() bool { return f.state(o.Agent) == Offline })
}
