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
	Node     string     `json:"node"`
	Team     string     `json:"team"`
	Queues   []string   `json:"queues"`
	Skills   Skills     `json:"skills"`
	Misses   int        `json:"misses"` // offers in a row that were not answered
	Calls    int        `json:"calls"`  // answered today
	Change   int64      `json:"change"` // counts up with the row

	wrap wrapNote // given during the call
	owes int      // statements that wait for the database: what is here is ahead of the row
}

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

// wrapNote is a wrap-up code with its note.
type wrapNote struct{ code, note string }

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

// free says that an agent may be offered a call by this node.
func (a *Agent) free(node string) bool {
	return a.State == Ready && a.Media && a.Session != "" && a.Node == node && a.owes == 0
}

// rung says that an agent has a live offer.
func (a *Agent) rung() bool { return a.State == Reserved || a.State == Ringing }

// busy says that a wish for another state waits for the end of a call.
func (a *Agent) busy() bool { return a.rung() || a.State == Talking || a.State == WrapUp }

// set puts an agent into a state, in memory: what a statement does to the row.
func (a *Agent) set(s State, reason string, now time.Time, for_ time.Duration) {
	a.State, a.Reason, a.Since, a.Deadline = s, reason, now, nil
	if for_ > 0 {
		until := now.Add(for_)
		a.Deadline = &until
	}
}

// release does to the copy what freeSQL does to the row.
func (a *Agent) release(now time.Time) {
	s, reason, limit := Ready, "", time.Duration(0)
	if a.After != nil {
		s, reason = a.After.State, a.After.Reason
	}
	switch {
	case s == NotReady:
		limit = maxPause
	case s == Ready && !a.Media:
		limit = mediaGrace
	}
	a.set(s, reason, now, limit)
	a.After, a.Lease, a.wrap = nil, Lease{}, wrapNote{}
}
