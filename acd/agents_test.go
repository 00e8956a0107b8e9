package acd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/acd/roster"
	"hotline/call"
	"hotline/postgres/pgtest"
)

// floor is a room of agents over a real database.
type floor struct {
	t      *testing.T
	pool   *pgxpool.Pool
	queues *Queues
	agents *Agents
	line   *Line
	popper *desks
	ids    []string
	caller Caller
	live   func(string) bool
}

// desks is what the agents' browsers do: each offer goes to a channel.
type desks struct {
	mu     sync.Mutex
	shown  chan Offer
	gone   []string // "offer why"
	broken map[string]bool
}

func (d *desks) Expect(Offer) {}

func (d *desks) Offer(_ context.Context, o Offer) error {
	d.mu.Lock()
	broken := d.broken[o.Agent]
	d.mu.Unlock()
	if broken {
		return errors.New("the socket is gone")
	}
	d.shown <- o
	return nil
}

func (d *desks) Withdraw(offer, _ string, why Gone) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = append(d.gone, offer+" "+string(why))
}

func newFloor(t *testing.T, agents int, settings func(*Settings)) *floor {
	t.Helper()
	t.Parallel() // each has a database of its own
	f := &floor{t: t, pool: pgtest.New(t), popper: &desks{shown: make(chan Offer, 10_000), broken: map[string]bool{}}}
	var err error
	if f.queues, err = OpenQueues(t.Context(), f.pool, quiet()); err != nil {
		t.Fatal(err)
	}
	f.queue("q", settings)
	r, err := roster.Open(t.Context(), f.pool, quiet(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range agents {
		f.ids = append(f.ids, f.account(fmt.Sprintf("agent-%02d", i), "agent"))
		if _, err := r.PutAgent(t.Context(), roster.Agent{ID: f.ids[i], Queues: []string{"q"}}); err != nil {
			t.Fatal(err)
		}
	}
	f.open()
	return f
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (f *floor) queue(name string, settings func(*Settings)) {
	f.t.Helper()
	s := DefaultSettings()
	if settings != nil {
		settings(&s)
	}
	if _, err := f.queues.Create(f.t.Context(), Queue{Name: name, Settings: s}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *floor) account(name, role string) string {
	f.t.Helper()
	id := hotline.NewID()
	_, err := f.pool.Exec(f.t.Context(), `insert into account (id, login, name, password_hash, role) values ($1, $2, $2, '', $3)`, id, name, role)
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// open makes agents and line anew, as a process does that starts.
func (f *floor) open() {
	f.t.Helper()
	var err error
	f.agents, err = OpenAgents(f.t.Context(), AgentsConfig{Pool: f.pool, Queues: f.queues, Node: "n1", Popper: f.popper, Log: quiet(), Live: f.live})
	if err != nil {
		f.t.Fatal(err)
	}
	f.line = NewLine(LineConfig{Queues: f.queues, Agents: f.agents, Caller: f.caller, Pool: f.pool, Log: quiet()})
}

// run lets agents and line live until stop.
func (f *floor) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	agents, line := f.agents, f.line
	wg.Go(func() { agents.Run(ctx) })
	wg.Go(func() { line.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

// ready lets an agent arrive with audio and go ready.
func (f *floor) ready(agents ...string) {
	f.t.Helper()
	for _, id := range agents {
		_, err := f.agents.Arrive(f.t.Context(), id, "tab-"+id)
		if err == nil {
			err = f.agents.Media(f.t.Context(), id, "tab-"+id, true)
		}
		if err == nil {
			_, err = f.agents.Ready(f.t.Context(), id)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *floor) join(w Waiter) *Place {
	f.t.Helper()
	if w.Queue == "" {
		w.Queue = "q"
	}
	w.CallID = hotline.NewID()
	if _, err := f.pool.Exec(f.t.Context(), `insert into call (id, node, direction, phase, caller, dialled, started_at) values ($1, 'n1', 'in', 'queued', $2, '4000', now())`, w.CallID, w.Caller); err != nil {
		f.t.Fatal(err)
	}
	return join(f.t, f.line, f.t.Context(), w)
}

const patience = 10 * time.Second

// offered waits for the next offer.
func (f *floor) offered() Offer {
	f.t.Helper()
	select {
	case o := <-f.popper.shown:
		return o
	case <-time.After(patience):
		f.t.Fatal("nobody was offered a call")
		return Offer{}
	}
}

func (f *floor) state(agent string) State {
	f.t.Helper()
	var s State
	if err := f.pool.QueryRow(f.t.Context(), `select state from agent where account_id = $1`, agent).Scan(&s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// until waits for something that others bring about.
func (f *floor) until(what string, ok func() bool) {
	f.t.Helper()
	sub := f.agents.Changes()
	defer sub.Close()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-sub.C():
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			f.t.Fatal("in vain: ", what)
		}
	}
}

func seat(agent string) call.AgentSeat { return call.AgentSeat{Agent: agent, Name: agent} }

func TestACallIsOfferedAnsweredAndWrappedUp(t *testing.T) {
	f := newFloor(t, 1, func(s *Settings) { s.Wrap.Mode = WrapOptional })
	defer f.run()()
	agent := f.ids[0]
	p := f.join(Waiter{Caller: "+8613800138000"})
	f.ready(agent)
	o := f.offered()
	if o.Agent != agent || o.CallID != p.waiter.CallID || o.Kind != KindQueue || o.Queue != "q" || o.RingFor != 20*time.Second {
		t.Fatalf("%+v", o)
	}
	f.until("ringing", func() bool { return f.state(agent) == Ringing })
	if !f.line.Waiting("q")[0].Offered || p.Position() != 1 {
		t.Error("a caller who is offered is not in the line, or not offered")
	}
	if err := f.agents.Answer(t.Context(), o.ID, seat("somebody")); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("somebody else answers: %v", err)
	}
	if err := f.agents.Answer(t.Context(), o.ID, seat(agent)); err != nil {
		t.Fatal(err)
	}
	<-p.Answered()
	taken, ok := p.Take()
	if !ok || taken.Seat.Agent != agent || taken.Offer.ID != o.ID {
		t.Fatalf("%+v, %v", taken, ok)
	}
	if _, again := p.Take(); again {
		t.Error("an agent was taken twice")
	}
	p.Leave(LeftAnswered)
	if s := f.state(agent); s != Talking {
		t.Errorf("the agent is %s", s)
	}
	if err := f.agents.Answer(t.Context(), o.ID, seat(agent)); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("answered twice: %v", err)
	}
	f.agents.Seated(o.CallID, []string{agent})
	f.agents.Seated(o.CallID, nil)
	f.until("after-call work", func() bool { g, _ := f.agents.Get(agent); return g.State == WrapUp })
	if w, ok := f.agents.Wrap(agent); !ok || w.CallID != o.CallID || w.Mode != WrapOptional || w.Deadline == nil {
		t.Errorf("%+v, %v", w, ok)
	}
	if _, err := f.agents.Ready(t.Context(), agent); err != nil || f.state(agent) != Ready {
		t.Errorf("%v, %s", err, f.state(agent))
	}
	f.history(agent, "ready reserved ringing talking wrap_up ready")
}

// history compares what the log says an agent did, in order.
func (f *floor) history(agent, want string) {
	f.t.Helper()
	var got string
	err := f.pool.QueryRow(f.t.Context(), `select string_agg(state, ' ' order by id) from agent_state_log where agent = $1`, agent).Scan(&got)
	if err != nil || got != want {
		f.t.Errorf("history %q, want %q (%v)", got, want, err)
	}
}

// set changes a queue's settings beyond what people may: a second of ringing.
func (f *floor) set(queue string, change func(*Settings)) {
	q, _ := f.queues.Lookup(queue)
	change(&q.Settings)
	f.queues.edit(func(m map[string]Queue) { m[queue] = q })
}

func TestWhoMayGoReady(t *testing.T) {
	f := newFloor(t, 1, nil)
	agent, ctx := f.ids[0], t.Context()
	r := f.agents.Roster()
	if _, err := r.PutReason(ctx, roster.Reason{Name: "lunch", MaxS: 60}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.agents.Ready(ctx, agent); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("ready without a browser: %v", err)
	}
	if _, err := f.agents.Arrive(ctx, agent, "tab"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.agents.Ready(ctx, agent); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("ready without audio: %v", err)
	}
	f.ready(agent)
	if _, err := f.agents.Pause(ctx, agent, "fishing"); hotline.KindOf(err) != hotline.Invalid {
		t.Errorf("a pause for no reason: %v", err)
	}
	g, err := f.agents.Pause(ctx, agent, "lunch")
	if err != nil || g.State != NotReady || g.Reason != "lunch" || g.Deadline == nil || g.Deadline.Sub(g.Since) != time.Minute {
		t.Errorf("%+v, %v", g, err)
	}
	if g, err = f.agents.Offline(ctx, agent); err != nil || g.State != Offline || g.Deadline != nil {
		t.Errorf("%+v, %v", g, err)
	}
	for id, want := range map[string]hotline.Kind{f.account("sup", "supervisor"): hotline.NotFound, f.account("new", "agent"): "", hotline.NewID(): hotline.NotFound, "x": hotline.NotFound} {
		if _, err := f.agents.Arrive(ctx, id, "tab"); hotline.KindOf(err) != want {
			t.Errorf("%s arrives: %v", id, err)
		}
	}
}
