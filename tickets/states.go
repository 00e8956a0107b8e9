package tickets

import (
	"slices"

	"hotline"
)

// State of a ticket; the column ticket.state.
type State string

// The states.
const (
	StateNew      State = "new"      // nobody has looked at it
	StateOpen     State = "open"     // being worked on
	StatePending  State = "pending"  // waits for the customer
	StateResolved State = "resolved" // done; the customer's next contact opens it again
	StateClosed   State = "closed"   // done for good; the next contact makes a new ticket
)

// States in the order of a ticket's life.
var States = []State{StateNew, StateOpen, StatePending, StateResolved, StateClosed}

// transitions is the one place that says what may follow what. Closed is final: who closes by mistake makes a new ticket, so that
// what was reported as closed stays so.
var transitions = map[State][]State{
	StateNew:      {StateOpen, StatePending, StateResolved, StateClosed},
	StateOpen:     {StatePending, StateResolved, StateClosed},
	StatePending:  {StateOpen, StateResolved, StateClosed},
	StateResolved: {StateOpen, StateClosed},
	StateClosed:   {},
}

// May says whether a ticket may go from one state to another. Staying is no transition.
func May(from, to State) bool { return slices.Contains(transitions[from], to) }

// Valid says whether s is a state.
func (s State) Valid() bool { return slices.Contains(States, s) }

// ended says whether a ticket in this state has resolved_at.
func (s State) ended() bool { return s == StateResolved || s == StateClosed }

// checkTransition refuses what the map does not allow.
func checkTransition(from, to State) error {
	if !to.Valid() {
		return invalid("state", "tickets.state", "%q is no state; it must be one of new, open, pending, resolved, closed", to)
	}
	if !May(from, to) {
		return hotline.Errorf(hotline.Conflict, "tickets.transition", "a ticket that is %s cannot become %s", from, to)
	}
	return nil
}

// invalid is an error about one field of the input.
func invalid(field, code, format string, args ...any) error {
	e := hotline.Errorf(hotline.Invalid, code, format, args...)
	e.Field = field
	return e
}
