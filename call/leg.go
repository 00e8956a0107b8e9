package call

import (
	"context"
	"time"

	"hotline/media"
)

// Leg is one signalling dialog and the one audio stream that goes with it, whatever edge carries it.
//
// The contract, held by the conformance suite (package calltest): the Ended event is delivered exactly once and last; events of a
// leg are in order; a command on an ended leg returns [ErrGone]; cancelling a command's context leaves nothing half-made; every
// state that is not final has a deadline.
type Leg interface {
	// Info describes the leg. It never changes.
	Info() Info
	// Audio is the leg's stream. It exists from the start; before the peer's media is negotiated it is silent.
	Audio() *media.Stream
	// Progress tells the peer that something happens: 180, or 183 with early media.
	Progress(ctx context.Context, early bool) error
	// Answer takes the call. It returns when audio may be played: the 200 is sent and the peer's media address is known (from the
	// offer, or from the ACK when the INVITE had none). Answering twice is no error.
	Answer(ctx context.Context) error
	// Hangup ends the leg: a final response, CANCEL or BYE as the state asks. On an ended leg it returns nil.
	Hangup(ctx context.Context, cause Cause) error
}

// Transferrer is a [Leg] that can ask its peer to call somebody else (REFER, RFC 3515).
type Transferrer interface {
	// Refer sends the peer to target (a SIP URI) and returns when the peer has reported the outcome.
	Refer(ctx context.Context, target string) error
}

// Direction of a leg or call, as seen by Hotline.
type Direction string

// The directions.
const (
	Inbound  Direction = "in"
	Outbound Direction = "out"
)

// Party is one end of a leg as the signalling names it.
type Party struct {
	Number   string `json:"number"`          // E.164 with "+", or an extension or short code as dialled; "" when withheld
	Display  string `json:"display"`         // display name, control characters removed, at most 128 characters
	URI      string `json:"uri"`             // as received, at most 1 kB
	Verified bool   `json:"verified"`        // asserted by a trusted trunk (RFC 3325)
	Withheld bool   `json:"withheld"`        // asked for privacy (RFC 3323) or anonymous
	Agent    string `json:"agent,omitempty"` // the account, when it is an agent of ours
}

// Info is what is known of a leg when it is made.
type Info struct {
	LegID      string    `json:"leg_id"`
	CallID     string    `json:"call_id"` // Hotline's call, not the SIP Call-ID
	Direction  Direction `json:"direction"`
	Edge       string    `json:"edge"`       // "sip", "asterisk"
	ForeignID  string    `json:"foreign_id"` // SIP Call-ID, Asterisk channel id
	TrunkID    string    `json:"trunk_id"`
	TrunkName  string    `json:"trunk_name"`
	Caller     Party     `json:"caller"`             // the other end: who calls, or who is called
	Diverted   string    `json:"diverted,omitempty"` // numbers it was diverted from, the last first, separated by commas (RFC 5806, RFC 7044)
	Dialled    string    `json:"dialled"`            // our own end: the number row that matched, E.164 or extension; outbound: the number that is shown
	Flow       string    `json:"flow"`               // name of the flow the number points to
	Queue      string    `json:"queue"`              // default queue of the number, may be ""
	Language   string    `json:"language"`           // default language of the number: "zh-CN" or "en"
	Remote     string    `json:"remote"`             // signalling address of the peer, "ip:port"
	ReceivedAt time.Time `json:"received_at"`
	Ticket     int64     `json:"ticket,omitempty"` // outbound: the ticket that it belongs to, 0 for none
	Agent      string    `json:"agent,omitempty"`  // outbound: the agent for whom it is made

	Outlives bool  `json:"outlives,omitempty"` // the edge's backend keeps the leg when this process dies: see [Adopter]
	Resume   *Left `json:"-"`                  // set on a leg that an [Adopter] gives back: what the process before left of its call
}

// Acceptor takes inbound legs: the [Switchboard].
type Acceptor interface {
	// Incoming takes a leg that has been validated and admitted by the edge. It returns at once with the mailbox to which the edge
	// delivers the leg's events from then on, or with an error whose [hotline.Kind] the edge turns into a final response.
	Incoming(ctx context.Context, leg Leg) (*Mailbox, error)
}

// Dialer makes outbound legs: an edge.
type Dialer interface {
	// Dial registers the ids and the mailbox, sends the INVITE and returns. What comes of it arrives as events: Ringing, Answered,
	// Ended. Cancelling ctx after Dial has returned does nothing: use [Leg.Hangup].
	Dial(ctx context.Context, d Dial) (Leg, error)
}

// Dial says whom to call.
type Dial struct {
	CallID  string
	LegID   string
	TrunkID string // the trunk to use; "": those of the outbound routes
	To      string // number or SIP URI
	From    Party  // what the other end sees; without a number it is for the dialler to say. Agent: on whose behalf, routes have caps for them
	Mailbox *Mailbox
	Timeout time.Duration // ring time; 0 means 60 s

	// Of package trunks/callout, which tries one trunk after the other.
	Audio *media.Stream // the leg's stream: it is lent, and stays open; nil: the edge opens one
	Exact bool          // To is sent as it stands: a route has rewritten it
	Hurry bool          // another trunk waits: no longer than needed for this one
}
