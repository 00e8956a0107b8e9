package call

import (
	"context"
	"sync/atomic"
	"time"
)

// Left is a call that a process left open when it was killed, while the backend of its edge kept the caller's leg. All of it comes
// from the call's rows.
type Left struct {
	Info       Info // of the caller's leg, as it was: the ids stay what they are
	Phase      Phase
	Queue      string
	Language   string
	AnsweredAt *time.Time
	Since      time.Time // when the stretch began that it was in
	Alive      time.Time // when the process was last seen alive
	Stage      Stage
	Others     []*LeftLeg // numbers that were dialled and are connected or ring

	claimed atomic.Bool
}

// Kept is the column call.resume: what is needed to go on with a call.
type Kept struct {
	Info Info `json:"info"`
	Stage
}

// Stage is where a script was; it is kept with the row of a call whose leg outlives the process.
type Stage struct {
	Flow    string            `json:"flow,omitempty"`
	Version int64             `json:"version,omitempty"`
	Node    string            `json:"node,omitempty"` // of the flow, where the call is; "" is its start
	Vars    map[string]string `json:"vars,omitempty"`
	Place   *Standing         `json:"place,omitempty"` // in the line, while it is queued
	Agent   string            `json:"agent,omitempty"` // who talks with the caller
	Held    bool              `json:"held,omitempty"`  // the agent had put the caller on hold
}

// Standing is what a place in a line is worth.
type Standing struct {
	JoinedAt time.Time `json:"joined_at"`
	Rank     time.Time `json:"rank"` // less priority
}

// LeftLeg is a number that the call was connected with.
type LeftLeg struct {
	LegID      string
	Edge       string
	ForeignID  string
	Number     string
	StartedAt  time.Time
	AnsweredAt *time.Time
	Mailbox    *Mailbox // where the edge is to deliver what comes of it
	Leg        Leg      // set by the edge before the caller's leg is given back; nil: it is gone
}

// Claim says what becomes of the call, once: whoever gets true carries it on or closes it.
func (l *Left) Claim() bool { return l.claimed.CompareAndSwap(false, true) }

// Claimed says whether that is decided.
func (l *Left) Claimed() bool { return l.claimed.Load() }

// Adopter is an edge whose backend keeps legs when this process dies.
type Adopter interface {
	// Adopt is called exactly once after each start, with the calls that were left open on this edge, the oldest first; also when there
	// are none. For each whose leg is alive the edge makes a leg with Left.Info, in which Resume is the Left, and gives it to its
	// [Acceptor] as it does with one that comes in: an error means that the leg is to be hung up. It returns when each is decided, or
	// when ctx ends; what nobody has claimed by then is closed as cut.
	Adopt(ctx context.Context, left []*Left) error
}
