package acd

import (
	"time"

	"hotline/call"
)

// State is what an agent does.
type State string

// The states. Every one but Offline and Ready has a deadline; those of a call have a lease on it too.
const (
	Offline       State = "offline"
	Ready         State = "ready"
	NotReady      State = "not_ready"      // a pause, with a reason
	Reserved      State = "reserved"       // set aside for a call; the browser does not know yet
	Ringing       State = "ringing"        // the browser rings
	Talking       State = "talking"        // in a call, or dialling one
	WrapUp        State = "wrap_up"        // after-call work
	NotResponding State = "not_responding" // did not answer several times in a row
)

// Agent is somebody who takes calls, as the row stands.
type Agent struct {
	ID       string     `json:"id"` // of the account
	Name     string     `json:"name"`
	State    State      `json:"state"`
	Reason   string     `json:"reason"` // of a pause
	Since    time.Time  `json:"since"`
	Deadline *time.Time `json:"deadline"` // when the state ends by itself
	Lease    Lease      `json:"lease"`    // what a reserved, ringing, talking or wrapping agent is busy with
	After    *After     `json:"after"`    // asked for when the call and its after-call work are over
	Session  string     `json:"session"`  // the browser tab that has the softphone; "" when none has
	Media    bool       `json:"media"`    // the tab's audio is up
	Team     string     `json:"team"`
	Queues   []string   `json:"queues"`
	Skills   Skills     `json:"skills"`
	Capacity int        `json:"capacity"`
	Misses   int        `json:"misses"` // offers in a row that were not answered
	Calls    int        `json:"calls"`  // answered on the day CallsOn
	CallsOn  time.Time  `json:"-"`
	Node     string     `json:"node"`
	Version  int64      `json:"version"`
	ReadyAt  time.Time  `json:"-"` // since when idle, for the longest idle
	Disabled bool       `json:"-"` // the account is closed
}

// Skills are levels from 1 to 5 by the name of the skill.
type Skills = map[string]int

// Lease is what an agent is busy with.
type Lease struct {
	Call  string `json:"call_id"`
	Offer string `json:"offer_id"`
	Kind  Kind   `json:"kind"`
	Queue string `json:"queue"`
}

// After is the state that follows a call.
type After struct {
	State  State  `json:"state"`
	Reason string `json:"reason"`
}

// Wrap is the after-call work that an agent has to do.
type Wrap struct {
	CallID      string     `json:"call_id"`
	Queue       string     `json:"queue"`
	Mode        WrapMode   `json:"mode"`
	Deadline    *time.Time `json:"deadline"`
	DefaultCode string     `json:"default_code"`
}

// Kind says why an agent is rung.
type Kind string

// The kinds of offers, and of leases.
const (
	KindQueue    Kind = "queue"    // the next of a line
	KindDirect   Kind = "direct"   // a call that is transferred to this very agent
	KindConsult  Kind = "consult"  // a colleague asks
	KindCallback Kind = "callback" // a customer is to be called back
	KindDialled  Kind = "dialled"  // the agent dials (a lease only)
)

// Offer is a call that an agent is asked to take.
type Offer struct {
	ID      string
	Kind    Kind
	CallID  string // for a call-back the call in which it was asked for
	Agent   string
	Queue   string
	RingFor time.Duration
	At      time.Time
	Waited  time.Duration
	From    string // the agent who transfers or asks; "" otherwise
	Phone   string // of a call-back
	Ticket  int64  // of a call-back
}

// Taken is an offer that an agent has accepted.
type Taken struct {
	Offer Offer
	Seat  call.AgentSeat
}

// Gone says why an offer is over for an agent.
type Gone string

// Why offers end.
const (
	GoneAnswered  Gone = "answered"    // by this agent
	GoneElsewhere Gone = "elsewhere"   // by a colleague
	GoneWithdrawn Gone = "withdrawn"   // taken back: the agent left, a supervisor, a fault
	GoneTimeout   Gone = "timeout"     // not answered
	GoneCaller    Gone = "caller_left" // hung up, timed out or went another way
	GoneDeclined  Gone = "declined"
	GoneFailed    Gone = "failed" // could not be shown
)
