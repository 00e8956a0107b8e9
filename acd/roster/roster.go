// Package roster knows who the agents are: their teams, skills and queues, the reasons of their pauses and the codes that they close
// calls with. All of it is edited by people, kept in tables, and read from a copy in memory.
//
// What an agent does at a moment is acd's. Start at [Open].
package roster

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
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

// Skill is something that agents can do at levels from 1 to 5.
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
	pool *pgxpool.Pool
	log  *slog.Logger
}

// Open reads the roster.
func Open(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*Roster, error) {
	return &Roster{pool: pool, log: cmp.Or(log, slog.Default())}, nil
}

// Agents returns all agents by name, from memory.
func (r *Roster) Agents() []Agent { return nil }

// Agent returns one, from memory.
func (r *Roster) Agent(id string) (Agent, bool) { return Agent{}, false }

// PutAgent makes an account an agent, or changes one whose version is a.Version (0: whatever it is). Login, Name, Role and Disabled
// are not written.
func (r *Roster) PutAgent(ctx context.Context, a Agent) (Agent, error) { return a, nil }

// DeleteAgent lets an account be no agent any more.
func (r *Roster) DeleteAgent(ctx context.Context, id string) error { return nil }

// Members returns the agents of a queue, by name, from memory.
func (r *Roster) Members(queue string) []Agent { return nil }

// SetMembers replaces the agents of a queue.
func (r *Roster) SetMembers(ctx context.Context, queue string, agents []string) error { return nil }

// Teams returns all teams, by name, from memory.
func (r *Roster) Teams() []Team { return nil }

// PutTeam makes a team or changes it; version 0 makes one or overwrites.
func (r *Roster) PutTeam(ctx context.Context, t Team) (Team, error) { return t, nil }

// DeleteTeam removes a team; its agents are in none.
func (r *Roster) DeleteTeam(ctx context.Context, name string, version int64) error { return nil }

// Skills returns all skills, by name, from memory.
func (r *Roster) Skills() []Skill { return nil }

// PutSkill makes a skill or changes it.
func (r *Roster) PutSkill(ctx context.Context, s Skill) (Skill, error) { return s, nil }

// DeleteSkill removes a skill, from agents too.
func (r *Roster) DeleteSkill(ctx context.Context, name string, version int64) error { return nil }

// Reasons returns the reasons of pauses in their order, from memory.
func (r *Roster) Reasons() []Reason { return nil }

// PutReason makes a reason or changes it.
func (r *Roster) PutReason(ctx context.Context, p Reason) (Reason, error) { return p, nil }

// DeleteReason removes a reason. Who pauses for it goes on.
func (r *Roster) DeleteReason(ctx context.Context, name string, version int64) error { return nil }

// Codes returns all wrap-up codes in their order, from memory.
func (r *Roster) Codes() []Code { return nil }

// CodesOf returns the codes of a queue, those of all queues among them.
func (r *Roster) CodesOf(queue string) []Code { return nil }

// PutCode makes a code or changes it.
func (r *Roster) PutCode(ctx context.Context, c Code) (Code, error) { return c, nil }

// DeleteCode removes a code. Calls that were closed with it keep it.
func (r *Roster) DeleteCode(ctx context.Context, name string, version int64) error { return nil }
