package acd

import (
	"context"
	"time"

	"hotline/call"
)

// Caller dials customers who asked to be called back.
type Caller interface {
	// Callback begins the call c.CallID with the agent in it and returns; the agent hears how it goes. How it went is filed as the fact
	// call.FactCallbackResult. An error means that no call was begun.
	Callback(ctx context.Context, c CallbackDial) error
}

// CallbackDial is one attempt to call a customer back.
type CallbackDial struct {
	ID       string // of the call-back: the call in which it was asked for
	CallID   string // of the new call
	Seat     call.AgentSeat
	Phone    string
	Queue    string
	Ticket   int64
	Attempt  int
	Attempts int // how many there will be at most
}

// Callback is a call-back that was asked for.
type Callback struct {
	ID         string     `json:"id"` // the call in which it was asked for
	Phone      string     `json:"phone"`
	Queue      string     `json:"queue"`
	Ticket     int64      `json:"ticket"`
	State      string     `json:"state"` // open, dialling, done, failed, cancelled
	Attempts   int        `json:"attempts"`
	LastResult string     `json:"last_result"`
	Agent      string     `json:"agent"` // of the last attempt
	AskedAt    time.Time  `json:"asked_at"`
	JoinedAt   time.Time  `json:"joined_at"`
	NextAt     time.Time  `json:"next_at"`
	DoneAt     *time.Time `json:"done_at"`
	Position   int        `json:"position"` // in the line; 0 while it waits for the next attempt
}

// Callbacks returns the call-backs of a state ("" is all that are not over) and queue ("" is all), the oldest first.
func (l *Line) Callbacks(ctx context.Context, state, queue string, limit int) ([]Callback, error) {
	return nil, nil
}

// CancelCallback gives a call-back up.
func (l *Line) CancelCallback(ctx context.Context, id string) error { return nil }
