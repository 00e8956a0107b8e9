// Package board makes the live figures that supervisors watch, from what is in memory and from the segments of today's calls.
//
// It owns no row. Start at [Board.Snapshot].
package board

import (
	"context"
	"log/slog"
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
type Board struct{ cfg Config }

// New returns a board. It shows today's figures when it runs.
func New(cfg Config) *Board { return &Board{cfg: cfg} }

// Run keeps the figures of today fresh until ctx is done.
func (b *Board) Run(ctx context.Context) error { <-ctx.Done(); return nil }

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

// Figures are those of a queue since the day began, by the formulas of docs/metrics.
type Figures struct {
	Offered       int      `json:"offered"`
	Answered      int      `json:"answered"`
	AnsweredInT   int      `json:"answered_in_t"`
	Abandoned     int      `json:"abandoned"`
	ShortAbandons int      `json:"short_abandons"`
	Callbacks     int      `json:"callbacks"`
	Voicemails    int      `json:"voicemails"`
	Timeouts      int      `json:"timeouts"`
	ServiceLevel  *float64 `json:"service_level"` // 0–1; null: nobody was answered or abandoned
	AbandonRate   *float64 `json:"abandon_rate"`
	ASAMS         *int64   `json:"asa_ms"` // average speed of answer
	AHTMS         *int64   `json:"aht_ms"` // average handling time
	ThresholdS    int      `json:"threshold_s"`
	ShortS        int      `json:"short_s"`
	Formula       string   `json:"formula"`
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
	Occupancy *float64   `json:"occupancy"` // handling / (handling + ready), today
}

// Snapshot is the whole board.
type Snapshot struct {
	At     time.Time `json:"at"`
	Queues []Queue   `json:"queues"`
	Agents []Agent   `json:"agents"`
}

// Snapshot returns the board as it is.
func (b *Board) Snapshot(ctx context.Context) (Snapshot, error) { return Snapshot{}, nil }

// Watch subscribes to the board: "queue:NAME" and "agent:ID" of what has changed.
func (b *Board) Watch() *acd.Changes { return nil }

// Queue returns one queue of the board.
func (b *Board) Queue(name string) (Queue, bool) { return Queue{}, false }

// Agent returns one agent of the board.
func (b *Board) Agent(id string) (Agent, bool) { return Agent{}, false }
