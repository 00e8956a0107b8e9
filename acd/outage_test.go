package acd

import (
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"hotline"
)

// away makes the database refuse everybody until the function that it returns is called.
func (f *floor) away() (back func()) {
	f.t.Helper()
	cfg := f.pool.Config().ConnConfig.Copy()
	name := cfg.Database
	u, err := url.Parse(cfg.ConnString())
	if err != nil {
		f.t.Fatal(err)
	}
	u.Path = "/postgres"
	admin, err := pgx.Connect(f.t.Context(), u.String())
	if err != nil {
		f.t.Fatal(err)
	}
	exec := func(sql string, args ...any) {
		if _, err := admin.Exec(f.t.Context(), sql, args...); err != nil {
			f.t.Fatal(err)
		}
	}
	exec(`alter database ` + name + ` allow_connections false`)
	exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, name)
	return func() {
		f.t.Helper()
		exec(`alter database ` + name + ` allow_connections true`)
		admin.Close(f.t.Context())
	}
}

// With the database away nobody new is set aside, callers wait as before, who rings may be answered, talk goes on, and the ends of
// calls are settled when it is back.
func TestTheDatabaseIsAway(t *testing.T) {
	f := newFloor(t, 4, nil)
	defer f.run()()
	a, b, c, d := f.ids[0], f.ids[1], f.ids[2], f.ids[3]
	talked := f.talk(a)
	rings, o := f.rung(b)
	second, declined := f.rung(c)
	if _, err := f.agents.Arrive(t.Context(), d, "tab"); err != nil {
		t.Fatal(err)
	}

	back := f.away()
	waits := join(t, f.line, t.Context(), Waiter{CallID: hotline.NewID(), Queue: "q", Caller: "+861"})
	if err := f.agents.Answer(t.Context(), o.ID, seat(b)); err != nil {
		t.Errorf("who rings cannot be answered: %v", err)
	}
	if _, ok := rings.Take(); !ok {
		t.Error("the agent who has answered cannot be taken")
	}
	rings.Leave(LeftAnswered)
	if err := f.agents.Decline(t.Context(), declined.ID, c, ""); err != nil {
		t.Errorf("declined: %v", err)
	}
	f.agents.Seated(talked, []string{a})
	f.agents.Seated(talked, nil)
	f.until("after-call work", func() bool { g, _ := f.agents.Get(a); return g.State == WrapUp })
	if _, err := f.agents.Arrive(t.Context(), b, "another tab"); err != nil {
		t.Errorf("an agent who talks cannot come back: %v", err)
	}
	if err := f.agents.Media(t.Context(), b, "another tab", true); err != nil {
		t.Error(err)
	}
	if _, err := f.agents.Ready(t.Context(), d); hotline.KindOf(err) == "" {
		t.Error("somebody went ready whom the database has not heard of")
	}
	if waits.Position() != 2 || second.Position() != 1 {
		t.Errorf("the line is %+v", f.line.Waiting("q"))
	}
	select {
	case o := <-f.popper.shown:
		t.Errorf("offered while the database is away: %+v", o)
	default:
	}

	back()
	f.until("settled", func() bool {
		f.agents.mu.Lock()
		defer f.agents.mu.Unlock()
		return len(f.agents.debts) == 0
	})
	f.settledAs(map[string]State{a: WrapUp, b: Talking})
	if g, _ := f.agents.Get(b); g.Session != "another tab" || !g.Media || g.Calls != 1 {
		t.Errorf("%+v", g)
	}
	// c declined the one: it is offered the other.
	if o := f.offered(); o.Agent != c || o.CallID != waits.waiter.CallID {
		t.Errorf("%+v", o)
	}
}

func (f *floor) settledAs(want map[string]State) {
	f.t.Helper()
	for agent, state := range want {
		if s := f.state(agent); s != state {
			f.t.Errorf("%s is %s, want %s", agent, s, state)
		}
	}
}

// rung joins a caller and waits until the agent is rung for it.
func (f *floor) rung(agent string) (*Place, Offer) {
	f.t.Helper()
	f.ready(agent)
	p := f.join(Waiter{})
	o := f.offered()
	f.until("ringing", func() bool { return f.state(agent) == Ringing })
	return p, o
}
