package acd

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"hotline/acd/roster"
	"hotline/call"
)

// AgentsConfig configures [Agents].
type AgentsConfig struct {
	Pool    *pgxpool.Pool
	Queues  *Queues
	Journal *call.Journal          // where segments and codes are filed; nil: nowhere
	Node    string                 // of this process, the same after a restart
	Live    func(call string) bool // whether a call is alive here; nil: leases are not compared
	Popper  Popper                 // shows offers to browsers; nil: nobody is rung
	Log     *slog.Logger
}

// Agents are those who take calls: their rows, with a copy in memory. SQL settles who has whom; the copy says whom it is worth to
// ask for, and goes on alone while the database is away.
type Agents struct {
	cfg     AgentsConfig
	roster  *roster.Roster
	changes Announcer
	work    chan struct{} // capacity 1: there are jobs
	alarm   chan struct{} // capacity 1: a deadline may be nearer than was thought

	mu        sync.Mutex
	copy      map[string]*Agent
	offers    map[string]*ringing
	over      []string // offers that ended lately
	seats     map[string][]string
	held      map[string]bool // are about to be rung
	handling  map[string]*handling
	missing   map[string]missing // by agent
	debts     []debt
	restUntil time.Time
	jobs      []func(context.Context)
}

// OpenAgents reads the agents and frees those whom the process before left with calls that are dead. The journal must not run yet.
func OpenAgents(ctx context.Context, cfg AgentsConfig) (*Agents, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	a := &Agents{
		cfg: cfg, work: make(chan struct{}, 1), alarm: make(chan struct{}, 1), copy: map[string]*Agent{}, offers: map[string]*ringing{},
		seats: map[string][]string{}, handling: map[string]*handling{}, held: map[string]bool{}, missing: map[string]missing{},
	}
	var err error
	if a.roster, err = roster.Open(ctx, cfg.Pool, cfg.Log, a.rosterChanged); err != nil {
		return nil, err
	}
	if err := a.reconcile(ctx); err != nil {
		return nil, err
	}
	if cfg.Journal != nil {
		cfg.Journal.On(call.FactCallEnded, a.onCallEnded)
		cfg.Journal.On(call.FactCallbackAsked, a.onCallbackAsked)
		cfg.Journal.On(call.FactCallbackResult, a.onCallbackResult)
	}
	return a, a.refresh(ctx, true)
}

// rosterChanged makes who is new an agent here before those who hire hear that it was done: else the first who logs in is told that
// there is no such agent.
func (a *Agents) rosterChanged() {
	if r := a.roster; r != nil && slices.ContainsFunc(r.Agents(), func(p roster.Agent) bool { return !a.knows(p.ID) }) {
		ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
		defer cancel()
		if err := a.refresh(ctx, false); err != nil {
			a.cfg.Log.Debug("a new agent is known in a moment", "error", err)
		}
	}
	a.changes.Announce()
}

func (a *Agents) knows(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.copy[id] != nil
}

// Roster is who the agents are: teams, skills, members of queues, reasons of pauses and codes.
func (a *Agents) Roster() *roster.Roster { return a.roster }

// reconcile takes away what the process before this one, on the same node, held: its tabs are gone and its calls are dead. Who was in
// a call is ready as soon as the browser is back; in one whose leg may have outlived the process the agent stays until that is decided.
func (a *Agents) reconcile(ctx context.Context) error {
	now := time.Now()
	kept, err := a.undecided(ctx)
	if err != nil {
		return err
	}
	var noted []Agent // with a code that was given during the call
	b := &pgx.Batch{}
	b.Queue(`select `+agentColumns+` from agent a where a.node = @node and a.state = 'talking' and a.lease_call <> all(@kept::uuid[]) and (a.wrap_code <> '' or a.wrap_note <> '')`,
		pgx.NamedArgs{"node": a.cfg.Node, "today": today(now), "kept": kept}).Query(func(rows pgx.Rows) (err error) {
		noted, err = pgx.CollectRows(rows, scanAgent)
		return err
	})
	b.Queue(`update work_offer set state = 'withdrawn', reason = 'restart', ended_at = $2 where node = $1 and state = 'live'`, a.cfg.Node, now)
	b.Queue(`update agent a set media = false, session = '',
		deadline = case when a.state = 'ready' then @now::timestamptz + interval '1 minute' else a.deadline end where a.node = @node`,
		pgx.NamedArgs{"node": a.cfg.Node, "now": now})
	b.Queue(`update agent a set `+freeSQL+` where a.node = @node and (a.state in ('reserved', 'ringing') or a.state = 'talking' and a.lease_call <> all(@kept::uuid[]))`,
		pgx.NamedArgs{"node": a.cfg.Node, "now": now, "kept": kept})
	if err := a.cfg.Pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("free the agents of the process before: %w", err)
	}
	for _, g := range noted {
		a.wrapped(g, now, now, g.wrap, true)
	}
	return nil
}

// undecided returns the calls with agents in them that may go on: their rows say that their legs may be alive, or wait in the journal.
func (a *Agents) undecided(ctx context.Context) ([]string, error) {
	rows, err := a.cfg.Pool.Query(ctx, `
		select distinct a.lease_call::text from agent a left join call k on k.id = a.lease_call
		where a.node = $1 and a.state = 'talking' and a.lease_call is not null and (k.id is null or k.ended_at is null and k.resume is not null)`, a.cfg.Node)
	if err != nil {
		return nil, fmt.Errorf("agents of the process before: %w", err)
	}
	calls, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("agents of the process before: %w", err)
	}
	return slices.DeleteFunc(calls, func(id string) bool { return a.cfg.Live == nil || !a.cfg.Live(id) }), nil
}

const (
	workers    = 4
	wholeEvery = 30 * time.Second
	missingFor = 3 // sweeps for which a leased call must not be found
)

// missing is a call that an agent is in and that was not found: it is about to begin, or dead.
type missing struct {
	call   string
	sweeps int
}

// Run keeps deadlines and leases until ctx is done.
func (a *Agents) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.roster.Run(ctx) })
	for range workers {
		g.Go(func() error { a.serve(ctx); return nil })
	}
	g.Go(func() error { a.tend(ctx); return nil })
	return g.Wait()
}

// do lets a worker run f soon.
func (a *Agents) do(f func(context.Context)) {
	a.mu.Lock()
	a.jobs = append(a.jobs, f)
	a.mu.Unlock()
	signal(a.work)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// serve runs jobs until ctx is done and none is left.
func (a *Agents) serve(ctx context.Context) {
	for {
		for a.job(context.WithoutCancel(ctx)) {
		}
		select {
		case <-a.work:
		case <-ctx.Done():
			for a.job(context.WithoutCancel(ctx)) {
			}
			return
		}
	}
}

func (a *Agents) job(ctx context.Context) bool {
	a.mu.Lock()
	if len(a.jobs) == 0 {
		a.mu.Unlock()
		return false
	}
	f := a.jobs[0]
	a.jobs = a.jobs[1:]
	more := len(a.jobs) > 0
	a.mu.Unlock()
	if more {
		signal(a.work)
	}
	f(ctx)
	return true
}

// nudge lets tend look at the deadlines again.
func (a *Agents) nudge() { signal(a.alarm) }

// tend ends what is due, pays debts, and reads what other nodes have changed.
func (a *Agents) tend(ctx context.Context) {
	whole := time.Now()
	swept := time.Time{}
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-a.alarm:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		a.expire(ctx, now)
		if now.Sub(swept) >= tick {
			swept = now
			if a.pay(ctx) {
				full := now.Sub(whole) >= wholeEvery
				if err := a.refresh(ctx, full); err != nil && ctx.Err() == nil {
					a.cfg.Log.Debug("the agents could not be read; the copy in memory stands", "error", err)
				} else if full {
					whole = now
				}
				a.sweep(ctx, time.Now())
			}
		}
		t.Reset(min(tick, max(time.Millisecond, time.Until(a.nextDue()))))
	}
}

// nextDue is when the next offer is over.
func (a *Agents) nextDue() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := time.Now().Add(tick)
	for _, o := range a.offers {
		if o.until.Before(next) && !o.expiring {
			next = o.until
		}
	}
	return next
}

// expire ends the offers that were not answered in time.
func (a *Agents) expire(ctx context.Context, now time.Time) {
	a.mu.Lock()
	var due []string
	for id, o := range a.offers {
		if !now.Before(o.until) && !o.round.claimed && !o.expiring {
			o.expiring = true
			due = append(due, id)
		}
	}
	a.mu.Unlock()
	for _, id := range due {
		a.do(func(ctx context.Context) { a.drop(ctx, id, outcome{why: GoneTimeout}) })
	}
}

// sweep ends states whose deadline has passed, and leases on what is not there.
func (a *Agents) sweep(ctx context.Context, now time.Time) {
	a.mu.Lock()
	var due []Agent
	for _, g := range a.copy {
		lost := a.lostLease(g, now)
		if g.owes == 0 && g.Node == a.cfg.Node && (lost || g.Deadline != nil && !now.Before(*g.Deadline)) {
			due = append(due, *g)
		}
	}
	a.mu.Unlock()
	for _, g := range due {
		if err := a.overdue(ctx, g, now); err != nil {
			a.cfg.Log.Warn("the end of an agent's state could not be written; it is tried again", "agent", g.ID, "state", g.State, "error", err)
		}
	}
}

// lostLease says that an agent is busy with what is not there: an offer that nobody holds, a call that is dead. a.mu is held.
func (a *Agents) lostLease(g *Agent, now time.Time) bool {
	switch {
	case g.rung():
		return a.offers[g.Lease.Offer] == nil && now.Sub(g.Since) > leaseSlack
	case g.State == Talking && a.cfg.Live != nil && !a.cfg.Live(g.Lease.Call):
		m := a.missing[g.ID]
		if m.call != g.Lease.Call {
			m = missing{call: g.Lease.Call}
		}
		m.sweeps++
		a.missing[g.ID] = m
		return m.sweeps >= missingFor
	}
	delete(a.missing, g.ID)
	return false
}

// overdue ends the state of an agent whose time is up.
func (a *Agents) overdue(ctx context.Context, g Agent, now time.Time) error {
	switch g.State {
	case Reserved, Ringing:
		o := &ringing{Offer: Offer{ID: g.Lease.Offer, Agent: g.ID, CallID: g.Lease.Call, Queue: g.Lease.Queue}}
		return a.releaseRow(ctx, o, outcome{why: GoneFailed, reason: "lost"}, now)
	case Talking:
		if a.cfg.Live != nil && !a.cfg.Live(g.Lease.Call) {
			return a.ended(ctx, g)
		}
		_, err := a.apply(ctx, change{agents: []string{g.ID},
			sql:  `update agent a set deadline = @until where a.account_id = @agent and a.lease_call = @call and a.state = 'talking' returning ` + agentColumns,
			args: pgx.NamedArgs{"agent": g.ID, "call": g.Lease.Call, "until": now.Add(maxTalk)}})
		return err
	case WrapUp:
		return a.wrapDue(ctx, g)
	}
	next, reason, limit := Offline, "", time.Duration(0)
	if g.State == Ready && g.Session != "" {
		next, reason, limit = NotReady, NoMedia, maxPause
	}
	_, err := a.apply(ctx, change{agents: []string{g.ID},
		sql: `update agent a set state = @next, reason = @reason, since = @now, deadline = @deadline
			where a.account_id = @agent and a.state = @state and a.deadline <= @now returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": g.ID, "state": g.State, "next": next, "reason": reason, "now": now, "deadline": deadline(now, limit)}})
	return err
}

// wrapDue ends after-call work whose time is up: with the default code, or, where the agent must choose one, by taking the agent out
// until one is chosen.
func (a *Agents) wrapDue(ctx context.Context, g Agent) error {
	w := a.wrapping(g.Lease.Queue)
	n := g.wrap
	n.code = cmp.Or(n.code, w.DefaultCode)
	if w.Mode == WrapMandatory && n.code == "" && g.After == nil {
		if _, err := a.wish(ctx, g.ID, NotReady, NoCode); err != nil {
			return err
		}
	}
	return a.finishWrap(ctx, g, n, true)
}

// working returns how many work for a queue, busy or free.
func (a *Agents) working(queue string) int {
	members := a.roster.Members(queue)
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, p := range members {
		if g := a.copy[p.ID]; g != nil && (g.busy() || g.State == Ready) {
			n++
		}
	}
	return n
}

// handles returns the mean time that a call of a queue has taken lately; 0 if none has.
func (a *Agents) handles(queue string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.handling[queue]; h != nil {
		return h.talk + h.wrap
	}
	return 0
}
