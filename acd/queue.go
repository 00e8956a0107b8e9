// Package acd knows the queues and those who wait in them.
//
// It owns the settings of queues, the line of waiting callers with their places and expected waits, and why each of them left. It
// plays no audio and hangs nobody up: the script of a caller does, with what it learns from its [Place]. Agents are met through the
// small interface [Staff].
//
// Start at [Line.Join].
package acd

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Action is what a way out of a queue leads to.
type Action string

// The actions.
const (
	ToVoicemail Action = "voicemail"
	ToCallback  Action = "callback"
	ToNext      Action = "next"   // the flow's next node
	ToHangup    Action = "hangup" // say goodbye
)

// Settings of a queue; the column queue.settings. The zero value of a field means its default.
type Settings struct {
	Music            string            `json:"music"`             // name of a prompt; "" is the built-in music
	Announcement     string            `json:"announcement"`      // name of a prompt said with each announcement; "" is none
	AnnounceEveryS   int               `json:"announce_every_s"`  // 30; how often an announcement is considered
	AnnouncePosition bool              `json:"announce_position"` // say the position, if it improved
	AnnounceWait     bool              `json:"announce_wait"`     // say the expected wait, if it is known and improved
	MaxWaitS         int               `json:"max_wait_s"`        // 900
	OnMaxWait        Action            `json:"on_max_wait"`       // voicemail
	MaxWaiting       int               `json:"max_waiting"`       // 0: no limit
	OnFull           Action            `json:"on_full"`           // voicemail
	ExitKeys         map[string]Action `json:"exit_keys"`         // "1": "callback"
	CallbackAfterS   int               `json:"callback_after_s"`  // offer a call-back after so long; 0: only by key
	CallbackOffer    bool              `json:"callback_offer"`    // whether a call-back is offered
	VIPPriorityS     int               `json:"vip_priority_s"`    // seconds a VIP is put ahead
	HandlingTimeS    int               `json:"handling_time_s"`   // 180; assumed until it is measured
}

// Queue is one queue.
type Queue struct {
	Name      string            `json:"name"`
	Title     map[string]string `json:"title"` // by language: "en", "zh-CN"
	Settings  Settings          `json:"settings"`
	Version   int64             `json:"version"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
}

// Queues are the rows of queues, with a copy in memory so that callers can wait while the database is away.
type Queues struct{ pool *pgxpool.Pool }

// OpenQueues reads the queues.
func OpenQueues(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*Queues, error) {
	return &Queues{pool: pool}, nil
}

// Run keeps the copy in memory fresh until ctx is done.
func (q *Queues) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Lookup returns a queue from memory.
func (q *Queues) Lookup(name string) (Queue, bool) { return Queue{}, false }

// List returns all queues by name.
func (q *Queues) List(ctx context.Context) ([]Queue, error) { return nil, nil }

// Get returns a queue.
func (q *Queues) Get(ctx context.Context, name string) (Queue, error) { return Queue{}, nil }

// Create adds a queue.
func (q *Queues) Create(ctx context.Context, queue Queue) (Queue, error) { return Queue{}, nil }

// Update replaces title and settings of the queue of that name if its version is still queue.Version.
func (q *Queues) Update(ctx context.Context, queue Queue) (Queue, error) { return Queue{}, nil }

// Delete removes a queue that no number points to.
func (q *Queues) Delete(ctx context.Context, name string, version int64) error { return nil }
