// Package live is the live board as data: what a supervisor sees, who may see which row of it, and what has changed since it was
// looked at last. It asks nobody and sends nothing. Start at [Board.Rows] and [Compare].
package live

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"hotline"
	"hotline/acd/board"
)

// Person is somebody to be called or shown by name.
type Person struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state,omitempty"`
}

// Board is the whole board: queues and agents as acd has them, and the calls in progress.
type Board struct {
	At     time.Time     `json:"at"`
	Queues []board.Queue `json:"queues"`
	Agents []board.Agent `json:"agents"`
	Calls  []Call        `json:"calls"`
}

// Call is a call in progress as a supervisor sees it.
type Call struct {
	ID          string       `json:"id"`
	Queue       string       `json:"queue"`
	Direction   string       `json:"direction"`
	Caller      Caller       `json:"caller"`
	Agent       *Person      `json:"agent"`
	Number      string       `json:"number"` // outside, with whom the caller talks; "" is nobody
	Phase       string       `json:"phase"`  // ringing, menu, queued, voicemail, transfer; of a conversation as its agent sees it
	StartedAt   time.Time    `json:"started_at"`
	Since       time.Time    `json:"since"` // of the phase
	Supervisors []Supervisor `json:"supervisors"`
}

// Caller is who calls or is called.
type Caller struct {
	Number string `json:"number"`
	Name   string `json:"name"`
}

// Supervisor is who listens.
type Supervisor struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Mode string `json:"mode"`
}

// Kind says what a row is about.
type Kind string

// The kinds.
const (
	KindQueue Kind = "queue"
	KindAgent Kind = "agent"
	KindCall  Kind = "call"
)

// Row is a row of the board, encoded once for all who may see it.
type Row struct {
	Kind Kind
	ID   string
	Data []byte

	queues []string // whoever sees one of these sees the row
	people []string // and whoever sees what these do
}

func (r Row) key() string { return string(r.Kind) + ":" + r.ID }

// SeenBy says whether a row is in scope.
func (r Row) SeenBy(see hotline.Scope) bool {
	return see.All || slices.ContainsFunc(r.queues, see.Sees) ||
		slices.ContainsFunc(r.people, func(p string) bool { return p == see.Account || slices.Contains(see.People, p) })
}

func queueRow(q board.Queue) Row { return Row{Kind: KindQueue, ID: q.Name, queues: []string{q.Name}} }

func agentRow(a board.Agent) Row {
	return Row{Kind: KindAgent, ID: a.ID, queues: a.Queues, people: []string{a.ID}}
}

func callRow(c Call) Row {
	r := Row{Kind: KindCall, ID: c.ID, queues: []string{c.Queue}}
	if c.Agent != nil {
		r.people = []string{c.Agent.ID}
	}
	return r
}

// Narrow leaves out what is not in scope.
func (b Board) Narrow(see hotline.Scope) Board {
	return Board{At: b.At,
		Queues: only(b.Queues, func(q board.Queue) bool { return queueRow(q).SeenBy(see) }),
		Agents: only(b.Agents, func(a board.Agent) bool { return agentRow(a).SeenBy(see) }),
		Calls:  only(b.Calls, func(c Call) bool { return callRow(c).SeenBy(see) }),
	}
}

// only returns those that fit; never nil, which JSON would show as null.
func only[T any](list []T, fits func(T) bool) []T {
	out := []T{}
	for _, v := range list {
		if fits(v) {
			out = append(out, v)
		}
	}
	return out
}

// Rows are all rows of a board, encoded.
func (b Board) Rows() []Row {
	rows := make([]Row, 0, len(b.Queues)+len(b.Agents)+len(b.Calls))
	add := func(r Row, data any) {
		r.Data, _ = json.Marshal(data)
		rows = append(rows, r)
	}
	for _, q := range b.Queues {
		add(queueRow(q), q)
	}
	for _, a := range b.Agents {
		add(agentRow(a), a)
	}
	for _, c := range b.Calls {
		add(callRow(c), c)
	}
	return rows
}

// Changes are what is different between two looks at the board.
type Changes struct {
	Changed []Row          // new, or another than before
	lost    map[string]Row // as they were, that some who saw them may see no more
	now     map[string]Row
}

// Compare compares a board with how it was; the zero value of Changes is an empty board.
func Compare(before Changes, rows []Row) Changes {
	c := Changes{lost: maps.Clone(before.now), now: make(map[string]Row, len(rows))}
	for _, r := range rows {
		was, known := before.now[r.key()]
		if !known || !bytes.Equal(was.Data, r.Data) {
			c.Changed = append(c.Changed, r)
		}
		if known && slices.Equal(was.queues, r.queues) && slices.Equal(was.people, r.people) {
			delete(c.lost, r.key())
		}
		c.now[r.key()] = r
	}
	return c
}

// Never says that the board was not looked at yet.
func (c Changes) Never() bool { return c.now == nil }

// Empty says that nothing has changed.
func (c Changes) Empty() bool { return len(c.Changed)+len(c.lost) == 0 }

// Gone are the rows that are there no more, or have moved out of somebody's sight.
func (c Changes) Gone(see hotline.Scope) []Row {
	var gone []Row
	for key, was := range c.lost {
		is, still := c.now[key]
		if was.SeenBy(see) && (!still || !is.SeenBy(see)) {
			gone = append(gone, was)
		}
	}
	return gone
}
