package call

import "time"

// Facts about the work of agents.
const (
	FactWrapUp         FactKind = "call.wrapped"    // [WrappedUp]: after-call work is done
	FactCallbackResult FactKind = "callback.result" // [CallbackResult], under the call that was made
)

// WrappedUp closes an agent's after-call work.
type WrappedUp struct {
	Agent      string    `json:"agent"`
	AgentName  string    `json:"agent_name"`
	Queue      string    `json:"queue"`
	Code       string    `json:"code"`
	Note       string    `json:"note,omitempty"`
	Auto       bool      `json:"auto"` // the time was up
	DurationMS int64     `json:"duration_ms"`
	At         time.Time `json:"at"`
}

// CallbackResult is how an attempt to call a customer back went.
type CallbackResult struct {
	CallbackID string    `json:"callback_id"` // the call in which it was asked for
	Attempt    int       `json:"attempt"`
	Attempts   int       `json:"attempts"` // how many there are at most
	Agent      string    `json:"agent"`
	AgentName  string    `json:"agent_name"`
	Queue      string    `json:"queue"`
	Phone      string    `json:"phone"`
	Ticket     int64     `json:"ticket"`
	Result     string    `json:"result"` // answered, busy, no_answer, failed, cancelled
	At         time.Time `json:"at"`
}
