// Package board makes the live figures that supervisors watch, from what is in memory and from the segments of today's calls.
//
// It owns no row. Start at [Board.Snapshot]; the formulas are in [Figures].
package board

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/acd"
)

// Config configures a [Board].
type Config struct {
	Pool     *pgxpool.Pool
	Queues   *acd.Queues
	Line     *acd.Line
	Agents   *acd.Agents
	Location *time.Location // where days begin; nil is time.Local
	Log      *slog.Logger
}

// Board is the figures.
type Board struct {
	cfg     Config
	changes acd.Announcer
	agents  *acd.Changes
	line    *acd.Changes

	mu    sync.Mutex // over today; never held while the database is asked
	today day
}

// New returns a board.
func New(cfg Config) *Board {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.Location = cmp.Or(cfg.Location, time.Local)
	return &Board{cfg: cfg, agents: cfg.Agents.Changes(), line: cfg.Line.Changes()}
}

// Queue is a queue as a supervisor sees it.
type Queue struct {
	Name         string            `json:"name"`
	Title        map[string]string `json:"title"`
	Waiting      int               `json:"waiting"`       // with somebody on the line
	Callbacks    int               `json:"callbacks"`     // that wait in the line
	LongestSince *time.Time        `json:"longest_since"` // since when the one waits who waits longest; null: nobody
	Today        Figures           `json:"today"`
	Agents       map[acd.State]int `json:"agents"` // by state; those offline are left out
}

// Agent is an agent as a supervisor sees it.
type Agent struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Team      string     `json:"team"`
	State     acd.State  `json:"state"`
	Reason    string     `json:"reason"`
	Since     time.Time  `json:"since"`
	Deadline  *time.Time `json:"deadline"`
	Queue     string     `json:"queue"`
	CallID    string     `json:"call_id"`
	Queues    []string   `json:"queues"`
	Calls     int        `json:"calls"`     // answered today
	Occupancy *float64   `json:"occupancy"` // handling / (handling + ready), today; null: neither
}

// Snapshot is the whole board.
type Snapshot struct {
	At     time.Time `json:"at"`
	Queues []Queue   `json:"queues"`
	Agents []Agent   `json:"agents"`
}

const (
	fresh = 2 * time.Second // figures of the day are not read again before
	every = 5 * time.Second // and while somebody watches, at least so often
)

// Run tells those who watch what has changed, until ctx is done.
func (b *Board) Run(ctx context.Context) error {
	defer b.agents.Close()
	defer b.line.Close()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-b.agents.C():
			b.agentsChanged(b.agents.Take())
		case <-b.line.C():
			for _, q := range b.line.Take() {
				b.changes.Announce("queue:" + q)
			}
		case <-t.C:
			if b.changes.Watched() {
				b.refresh(ctx, time.Now())
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *Board) agentsChanged(ids []string) {
	var names []string
	for _, id := range ids {
		names = append(names, "agent:"+id)
		if g, ok := b.cfg.Agents.Get(id); ok {
			for _, q := range g.Queues {
				names = append(names, "queue:"+q)
			}
		}
	}
	b.changes.Announce(names...)
}

// Watch subscribes to the board: "queue:NAME" and "agent:ID" of what has changed. What is gone is no more found then.
func (b *Board) Watch() *acd.Changes { return b.changes.Subscribe() }

// Snapshot returns the board as it is. With the database away the figures of today are those that were read last.
func (b *Board) Snapshot(ctx context.Context) (Snapshot, error) {
	now := time.Now()
	b.mu.Lock()
	stale := now.Sub(b.today.read) >= fresh
	b.mu.Unlock()
	if stale {
		b.refresh(ctx, now)
	}
	s := Snapshot{At: now, Queues: []Queue{}, Agents: []Agent{}}
	agents := b.cfg.Agents.List()
	for _, q := range b.cfg.Queues.All() {
		s.Queues = append(s.Queues, b.queue(q, agents))
	}
	for _, g := range agents {
		s.Agents = append(s.Agents, b.agent(g, now))
	}
	return s, nil
}

// Queue returns one queue of the board.
func (b *Board) Queue(name string) (Queue, bool) {
	q, ok := b.cfg.Queues.Lookup(name)
	if !ok {
		return Queue{}, false
	}
	return b.queue(q, b.cfg.Agents.List()), true
}

// Agent returns one agent of the board.
func (b *Board) Agent(id string) (Agent, bool) {
	g, ok := b.cfg.Agents.Get(id)
	if !ok {
		return Agent{}, false
	}
	return b.agent(g, time.Now()), true
}

func (b *Board) queue(q acd.Queue, agents []acd.Agent) Queue {
	out := Queue{Name: q.Name, Title: q.Title, Agents: map[acd.State]int{}}
	for _, w := range b.cfg.Line.Waiting(q.Name) {
		if w.Callback {
			out.Callbacks++
			continue
		}
		out.Waiting++
		if since := w.JoinedAt; out.LongestSince == nil || since.Before(*out.LongestSince) {
			out.LongestSince = &since
		}
	}
	for _, g := range agents {
		if g.State != acd.Offline && slices.Contains(g.Queues, q.Name) {
			out.Agents[g.State]++
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out.Today = b.today.counts[q.Name].figures(q.Settings.Offering)
	return out
}

func (b *Board) agent(g acd.Agent, now time.Time) Agent {
	out := Agent{
		ID: g.ID, Name: g.Name, Team: g.Team, State: g.State, Reason: g.Reason, Since: g.Since, Deadline: g.Deadline,
		Queue: g.Lease.Queue, CallID: g.Lease.Call, Queues: g.Queues, Calls: g.Calls,
	}
	if out.Queues == nil {
		out.Queues = []string{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out.Occupancy = b.today.busy[g.ID].occupancy(g, b.today.begin, now)
	return out
}
