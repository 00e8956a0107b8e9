// Package roster knows who the agents are: their teams, skills and queues, the reasons of their pauses and the codes that they close
// calls with. All of it is edited by people, kept in tables, and read from a copy in memory.
//
// What an agent does at a moment is acd's. Start at [Open].
package roster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
)

// Title is what something is called, by language: "en", "zh-CN".
type Title = map[string]string

// Team is some agents and who watches over them.
type Team struct {
	Name        string   `json:"name"`
	Title       Title    `json:"title"`
	Supervisors []string `json:"supervisors"` // accounts
	Version     int64    `json:"version"`
}

// Skill is something that agents can do at levels from 1 to 5. One that is named like a language, "en" or "zh-cn", is asked for by
// callers who chose that language.
type Skill struct {
	Name    string `json:"name"`
	Title   Title  `json:"title"`
	Version int64  `json:"version"`
}

// Reason is why an agent pauses.
type Reason struct {
	Name    string `json:"name"`
	Title   Title  `json:"title"`
	MaxS    int    `json:"max_s"` // after so long the agent is sent home; 0 is 12 hours
	Order   int    `json:"order"`
	Version int64  `json:"version"`
}

// Code closes a call.
type Code struct {
	Name    string  `json:"name"`
	Title   Title   `json:"title"`
	Queue   *string `json:"queue"` // null: of all queues
	Order   int     `json:"order"`
	Version int64   `json:"version"`
}

// Agent is who an agent is.
type Agent struct {
	ID       string         `json:"id"` // of the account
	Login    string         `json:"login"`
	Name     string         `json:"name"`
	Role     string         `json:"role"`
	Team     string         `json:"team"` // "": none
	Queues   []string       `json:"queues"`
	Skills   map[string]int `json:"skills"`
	Capacity int            `json:"capacity"`
	Disabled bool           `json:"disabled"`
	Version  int64          `json:"version"`
}

// Roster is the tables with their copy.
type Roster struct {
	pool    *pgxpool.Pool
	log     *slog.Logger
	changed func()
	copy    atomic.Pointer[sheet]
}

// sheet is a copy of the tables. It is never changed.
type sheet struct {
	agents  []Agent
	byID    map[string]Agent
	members map[string][]Agent
	teams   []Team
	skills  []Skill
	reasons []Reason
	codes   []Code
}

// Open reads the roster. changed is called, if it is not nil, whenever another copy is in place.
func Open(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger, changed func()) (*Roster, error) {
	r := &Roster{pool: pool, log: cmp.Or(log, slog.Default()), changed: changed}
	r.copy.Store(&sheet{})
	return r, r.Reload(ctx)
}

const refreshEvery = 5 * time.Second // at most so long another node's change takes to be seen

// Run keeps the copy in memory fresh until ctx is done.
func (r *Roster) Run(ctx context.Context) error {
	t := time.NewTicker(refreshEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := r.Reload(ctx); err != nil && ctx.Err() == nil {
				r.log.Debug("the roster could not be read; the copy in memory stands", "error", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Reload reads the tables again.
func (r *Roster) Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshEvery)
	defer cancel()
	s := &sheet{byID: map[string]Agent{}, members: map[string][]Agent{}}
	b := &pgx.Batch{}
	b.Queue(agentSQL + ` order by b.name, b.id`).Query(func(rows pgx.Rows) (err error) {
		s.agents, err = pgx.CollectRows(rows, pgx.RowToStructByName[Agent])
		return err
	})
	b.Queue(teamSQL + ` order by name`).Query(func(rows pgx.Rows) (err error) {
		s.teams, err = pgx.CollectRows(rows, pgx.RowToStructByName[Team])
		return err
	})
	b.Queue(`select name, title, version from skill order by name`).Query(func(rows pgx.Rows) (err error) {
		s.skills, err = pgx.CollectRows(rows, pgx.RowToStructByName[Skill])
		return err
	})
	b.Queue(`select name, title, max_s, position as "order", version from pause_reason order by position, name`).Query(func(rows pgx.Rows) (err error) {
		s.reasons, err = pgx.CollectRows(rows, pgx.RowToStructByName[Reason])
		return err
	})
	b.Queue(`select name, title, queue, position as "order", version from wrap_code order by position, name`).Query(func(rows pgx.Rows) (err error) {
		s.codes, err = pgx.CollectRows(rows, pgx.RowToStructByName[Code])
		return err
	})
	if err := r.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("roster: %w", err)
	}
	for _, a := range s.agents {
		s.byID[a.ID] = a
		for _, q := range a.Queues {
			s.members[q] = append(s.members[q], a)
		}
	}
	r.copy.Store(s)
	if r.changed != nil {
		r.changed()
	}
	return nil
}

// Agents returns all agents by name, from memory.
func (r *Roster) Agents() []Agent { return slices.Clone(r.copy.Load().agents) }

// Agent returns one, from memory.
func (r *Roster) Agent(id string) (Agent, bool) {
	a, ok := r.copy.Load().byID[id]
	return a, ok
}

// Members returns the agents of a queue, by name, from memory.
func (r *Roster) Members(queue string) []Agent { return slices.Clone(r.copy.Load().members[queue]) }

// Teams returns all teams, by name, from memory.
func (r *Roster) Teams() []Team { return slices.Clone(r.copy.Load().teams) }

// Skills returns all skills, by name, from memory.
func (r *Roster) Skills() []Skill { return slices.Clone(r.copy.Load().skills) }

// Has says whether there is such a skill.
func (r *Roster) Has(skill string) bool {
	return slices.ContainsFunc(r.copy.Load().skills, func(s Skill) bool { return s.Name == skill })
}

// Reasons returns the reasons of pauses in their order, from memory.
func (r *Roster) Reasons() []Reason { return slices.Clone(r.copy.Load().reasons) }

// Reason returns one, from memory.
func (r *Roster) Reason(name string) (Reason, bool) {
	list := r.copy.Load().reasons
	at := slices.IndexFunc(list, func(p Reason) bool { return p.Name == name })
	if at < 0 {
		return Reason{}, false
	}
	return list[at], true
}

// Codes returns all wrap-up codes in their order, from memory.
func (r *Roster) Codes() []Code { return slices.Clone(r.copy.Load().codes) }

// CodesOf returns the codes of a queue in their order, those of all queues among them.
func (r *Roster) CodesOf(queue string) []Code {
	return slices.DeleteFunc(r.Codes(), func(c Code) bool { return c.Queue != nil && *c.Queue != queue })
}

// Supervised returns the teams and the queues that an account watches over: those of which it is a supervisor, and the queues that
// the agents of these teams work for.
func (r *Roster) Supervised(account string) (teams, queues []string) {
	s := r.copy.Load()
	for _, t := range s.teams {
		if slices.Contains(t.Supervisors, account) {
			teams = append(teams, t.Name)
		}
	}
	for _, a := range s.agents {
		if a.Team != "" && slices.Contains(teams, a.Team) {
			queues = append(queues, a.Queues...)
		}
	}
	slices.Sort(queues)
	return teams, slices.Compact(queues)
}

// write runs statements in one transaction and reads everything again.
func (r *Roster) write(ctx context.Context, f func(pgx.Tx) error) error {
	if err := pgx.BeginFunc(ctx, r.pool, f); err != nil {
		return refused(err)
	}
	return r.Reload(ctx)
}

// one runs a statement that returns the version of the row it wrote.
func one(ctx context.Context, tx pgx.Tx, what, name, sql string, args ...any) (version int64, err error) {
	err = tx.QueryRow(ctx, sql, args...).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, hotline.Errorf(hotline.Conflict, "roster.version", "%s %q was changed or removed by somebody else; load it again", what, name)
	}
	return version, err
}
