package acd

import (
	"context"
	"log/slog"
	"time"
)

// Reason why a place was left. Each enter has exactly one.
type Reason string

// The reasons.
const (
	LeftAnswered  Reason = "answered"
	LeftAbandoned Reason = "abandoned"
	LeftTimeout   Reason = "timeout"
	LeftCallback  Reason = "callback"
	LeftVoicemail Reason = "voicemail"
	LeftOverflow  Reason = "overflow"
	LeftTransfer  Reason = "transfer"
	LeftCut       Reason = "cut" // by a fault: ours, or the caller's connection
)

// LineConfig configures a [Line].
type LineConfig struct {
	Queues *Queues
	Staff  Staff // nil: nobody works
	Log    *slog.Logger
}

// Line knows who waits where.
type Line struct{ cfg LineConfig }

// NewLine returns a line where nobody waits.
func NewLine(cfg LineConfig) *Line { return &Line{cfg: cfg} }

// Run keeps the line moving until ctx is done.
func (l *Line) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Waiter is somebody who joins a line.
type Waiter struct {
	CallID   string
	Caller   string // E.164; "" when withheld: then no place is kept
	Queue    string
	VIP      bool
	Priority time.Duration // added to the time waited
}

// Join puts a waiter in the line: at the end, or at the place it was cut off from less than 60 s ago.
func (l *Line) Join(ctx context.Context, w Waiter) (*Place, error) { return &Place{}, nil }

// Waiting returns who waits in a queue, the next first.
func (l *Line) Waiting(queue string) []Standing { return nil }

// Count returns how many wait in a queue.
func (l *Line) Count(queue string) int { return 0 }

// Standing is one entry of the line, as seen at a moment.
type Standing struct {
	CallID   string        `json:"call_id"`
	Caller   string        `json:"caller"`
	Queue    string        `json:"queue"`
	Position int           `json:"position"`
	Waited   time.Duration `json:"-"`
	JoinedAt time.Time     `json:"joined_at"`
	Callback bool          `json:"callback"` // nobody is on the line: the place is held for a call-back
}

// Place is a waiter's place in a line.
type Place struct{}

// Resumed says that the place was kept from an earlier call.
func (p *Place) Resumed() bool { return false }

// JoinedAt is since when the place is held.
func (p *Place) JoinedAt() time.Time { return time.Time{} }

// Position in the line, from 1; 0 after Leave.
func (p *Place) Position() int { return 0 }

// Expected returns how long the wait will probably be, and false when that is not known: nobody works.
func (p *Place) Expected() (time.Duration, bool) { return 0, false }

// Announce returns what may be said now: only what improved since it was said last.
func (p *Place) Announce() (Announcement, bool) { return Announcement{}, false }

// Announcement is what to tell a waiting caller. Position 0 and Wait 0 are not said.
type Announcement struct {
	Position int
	Wait     time.Duration // rounded up to a minute
}

// Reserve waits until an agent is there for this place. Without staff it waits until ctx is done.
func (p *Place) Reserve(ctx context.Context) (Reservation, error) {
	<-ctx.Done()
	return Reservation{}, context.Cause(ctx)
}

// Reservation is an agent set aside for a caller.
type Reservation struct {
	Agent string
}

// Leave gives the place up, with the reason. Only the first counts; it returns the reason that counts.
func (p *Place) Leave(why Reason) Reason { return why }

// KeepForCallback holds the place with nobody on the line, until Leave or the process ends.
func (p *Place) KeepForCallback() {}

// Staff is what the line must know of those who work.
type Staff interface {
	// Working returns how many work for the queue at all, busy or free.
	Working(queue string) int
	// Handling returns the mean time that one call of the queue takes; 0 if it is not known.
	Handling(queue string) time.Duration
	// Reserve sets an agent aside for the next of the queue, if one is free.
	Reserve(queue, callID string) (agent string, ok bool)
	// Release gives an agent back who was reserved in vain.
	Release(agent, callID string)
}
