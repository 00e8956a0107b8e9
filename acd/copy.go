package acd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/postgres"
)

// agentColumns are what scanAgent reads. The table is called a.
const agentColumns = `a.account_id::text, a.state, a.reason, a.since, a.deadline, coalesce(a.lease_call::text, ''), coalesce(a.lease_offer::text, ''),
	a.lease_kind, a.lease_queue, a.after_state, a.after_reason, a.wrap_code, a.wrap_note, a.session, a.media, a.node, a.misses,
	case when a.calls_on = @today then a.calls else 0 end, a.change`

func scanAgent(r pgx.CollectableRow) (a Agent, err error) {
	var after After
	err = r.Scan(&a.ID, &a.State, &a.Reason, &a.Since, &a.Deadline, &a.Lease.Call, &a.Lease.Offer, &a.Lease.Kind, &a.Lease.Queue,
		&after.State, &after.Reason, &a.wrap.code, &a.wrap.note, &a.Session, &a.Media, &a.Node, &a.Misses, &a.Calls, &a.Change)
	if after.State != "" {
		a.After = &after
	}
	return a, err
}

const (
	statementTimeout = 2 * time.Second
	awayFor          = 500 * time.Millisecond // after a failure the database is not asked again for so long
)

// change is one statement about agents: it names the state it begins in, so that of two who race one wins, and returns the rows as
// they are after it.
type change struct {
	agents []string // whose rows it may write
	sql    string
	args   pgx.NamedArgs
	guess  func(*Agent) // the same for the copy, while the database is away; nil: then it is refused
}

// debt is a change that waits for the database.
type debt struct {
	change
	since time.Time
}

// apply makes a change. No row means that none was in the state for it. When the database is away and the change has a guess, the
// copy is changed and the statement is owed.
func (a *Agents) apply(ctx context.Context, c change) ([]Agent, error) {
	ctx = context.WithoutCancel(ctx)
	if a.owing(c.agents) || a.resting() {
		return a.owe(c, nil)
	}
	list, err := a.run(ctx, c)
	if postgres.Away(err) {
		a.rest()
		return a.owe(c, err)
	}
	if err != nil {
		return nil, err
	}
	a.take(list)
	return a.dress(list), nil
}

// run runs the statement of a change.
func (a *Agents) run(ctx context.Context, c change) ([]Agent, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	args := pgx.NamedArgs{"today": today(time.Now()), "node": a.cfg.Node}
	maps.Copy(args, c.args)
	rows, err := a.cfg.Pool.Query(ctx, c.sql, args)
	if err != nil {
		return nil, fmt.Errorf("agents: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanAgent)
	if err != nil {
		return nil, fmt.Errorf("agents: %w", err)
	}
	return list, nil
}

// today is the day that calls are counted on.
func today(now time.Time) time.Time {
	y, m, d := now.Local().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func (a *Agents) owing(ids []string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(ids, func(id string) bool { return a.copy[id] != nil && a.copy[id].owes > 0 })
}

// resting says that the database was away a moment ago.
func (a *Agents) resting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.restUntil)
}

func (a *Agents) rest() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.restUntil = time.Now().Add(awayFor)
}

// owe changes the copy and keeps the statement for later.
func (a *Agents) owe(c change, cause error) ([]Agent, error) {
	if c.guess == nil {
		if cause == nil {
			cause = errors.New("it was away a moment ago")
		}
		return nil, hotline.Errorf(hotline.Unavailable, "agent.database", "the database is away; try again in a moment: %w", cause)
	}
	var list []Agent
	a.mu.Lock()
	for _, id := range c.agents {
		if g := a.copy[id]; g != nil {
			g.owes++
			before := *g
			c.guess(g)
			if !same(before, *g) {
				list = append(list, *g)
			}
		}
	}
	a.debts = append(a.debts, debt{change: c, since: time.Now()})
	a.mu.Unlock()
	a.announce(list)
	return a.dress(list), nil
}

// same says that a guess has left an agent as it was: the change did not apply to it.
func same(x, y Agent) bool {
	return x.State == y.State && x.Since.Equal(y.Since) && x.Session == y.Session && x.Media == y.Media && x.Lease == y.Lease && x.wrap == y.wrap
}

// pay makes the changes that are owed, in their order, and says whether none is left.
func (a *Agents) pay(ctx context.Context) bool {
	for {
		a.mu.Lock()
		if len(a.debts) == 0 {
			a.mu.Unlock()
			return true
		}
		d := a.debts[0]
		a.mu.Unlock()
		list, err := a.run(ctx, d.change)
		if err == nil {
			list, err = a.read(ctx, d.agents)
		}
		if postgres.Away(err) || ctx.Err() != nil {
			a.rest()
			return false
		}
		if err != nil {
			a.cfg.Log.Error("a change of an agent could not be made after the database was away", "agents", d.agents, "error", err)
		}
		a.mu.Lock()
		a.debts = a.debts[1:]
		for _, id := range d.agents {
			if g := a.copy[id]; g != nil && g.owes > 0 {
				g.owes--
			}
		}
		a.mu.Unlock()
		a.take(list)
	}
}

// read reads rows; all of them when ids is nil.
func (a *Agents) read(ctx context.Context, ids []string) ([]Agent, error) {
	return a.run(ctx, change{
		sql: `select ` + agentColumns + ` from agent a where @ids::uuid[] is null or a.account_id = any(@ids::uuid[])`, args: pgx.NamedArgs{"ids": ids},
	})
}

// take puts rows into the copy, unless it has newer ones.
func (a *Agents) take(list []Agent) {
	var fresh []Agent
	a.mu.Lock()
	for _, row := range list {
		old := a.copy[row.ID]
		if old != nil && (old.owes > 0 || old.Change > row.Change || old.Change == row.Change && same(*old, row)) {
			continue
		}
		a.copy[row.ID] = &row
		fresh = append(fresh, row)
	}
	a.mu.Unlock()
	a.announce(fresh)
}

// refresh reads what has changed: all of it now and then, for rows that are gone.
func (a *Agents) refresh(ctx context.Context, whole bool) error {
	c := change{sql: `select ` + agentColumns + ` from agent a where a.changed_at > now() - interval '5 seconds'`}
	if whole {
		c.sql = `select ` + agentColumns + ` from agent a`
	}
	list, err := a.run(ctx, c)
	if err != nil {
		return err
	}
	a.take(list)
	if !whole {
		return nil
	}
	there := map[string]bool{}
	for _, row := range list {
		there[row.ID] = true
	}
	var gone []Agent
	a.mu.Lock()
	for id, g := range a.copy {
		if !there[id] && g.owes == 0 {
			gone = append(gone, *g)
			delete(a.copy, id)
		}
	}
	a.mu.Unlock()
	a.announce(gone)
	return nil
}

// announce tells those who subscribed.
func (a *Agents) announce(list []Agent) {
	if len(list) == 0 {
		return
	}
	ids := make([]string, len(list))
	for i, g := range list {
		ids[i] = g.ID
	}
	a.changes.Announce(ids...)
}

// dress adds what the roster knows.
func (a *Agents) dress(list []Agent) []Agent {
	for i := range list {
		p, _ := a.roster.Agent(list[i].ID)
		list[i].Name, list[i].Team, list[i].Queues, list[i].Skills = p.Name, p.Team, p.Queues, p.Skills
	}
	return list
}

// Get returns an agent, from memory.
func (a *Agents) Get(agent string) (Agent, bool) {
	a.mu.Lock()
	g := a.copy[agent]
	if g == nil {
		a.mu.Unlock()
		return Agent{}, false
	}
	out := *g
	a.mu.Unlock()
	return a.dress([]Agent{out})[0], true
}

// List returns all agents, from memory, by name.
func (a *Agents) List() []Agent {
	a.mu.Lock()
	list := make([]Agent, 0, len(a.copy))
	for _, g := range a.copy {
		list = append(list, *g)
	}
	a.mu.Unlock()
	a.dress(list)
	slices.SortFunc(list, func(x, y Agent) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID)) })
	return list
}

// Changes subscribes to agents: their ids, whenever a row has changed.
func (a *Agents) Changes() *Changes { return a.changes.Subscribe() }
