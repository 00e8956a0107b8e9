// Package contacts says who a caller may be and what was between us before: what an agent's screen shows while the phone rings, and
// the history beside a customer.
//
// It reads and never writes. What the asker may not see is left out in SQL. Start at [Read].
package contacts

import (
	"time"

	"hotline"
)

// Query asks for a [Pop].
type Query struct {
	Phone  string        // the other side's number as signalled; "" when it was withheld
	CallID string        // "" when there is no call yet
	Agent  string        // account that the call is offered to
	See    hotline.Scope // whose tickets they see; the ticket of the call itself is always shown
}

// Pop is what is known of a caller.
type Pop struct {
	Ticket   *Ticket   // of the call
	Matches  []Match   // who has the number, the surest first
	Open     []Ticket  // of those people, the one that changed last first
	Contacts []Contact // the last five on any channel
	Call     *Call     // as filed so far; nil while it is not
}

// Call is what the row of the call says.
type Call struct {
	ID        string
	Direction string
	Number    string
	Name      string
	Verified  bool // a trusted trunk asserts the number
	Withheld  bool
	Language  string
	Queue     string
	Path      []Step
	StartedAt time.Time
	Party     string // whom the ticket of the call belongs to; "" when that is nobody yet
}

// Step is a node of the flow that the caller has passed.
type Step struct {
	At     time.Time `json:"at"`
	Node   string    `json:"node"`
	Kind   string    `json:"kind"`
	Digits string    `json:"digits"`
}

// Ticket is a ticket in short.
type Ticket struct {
	Number    int64
	Subject   string
	State     string
	Queue     string
	UpdatedAt time.Time
}

// Match is somebody who has the number.
type Match struct {
	ID, Name, Company string
	VIP               bool
	Notes, Language   string
	Level             string // verified, known, maybe
}

// Contact is an earlier contact.
type Contact struct {
	ID        string
	Kind      string // call, voicemail, note, form, mail …
	Direction string
	At        time.Time
	Ticket    *int64
	Subject   string
	Summary   string
	Result    string
	CallID    *string
}
