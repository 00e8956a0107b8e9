package call

import (
	"errors"
	"time"

	"hotline/call/mailbox"
)

// ErrGone is returned by a command on a leg that has ended. It is no alarm.
var ErrGone = errors.New("leg has ended")

// EventKind names what happened on a leg.
type EventKind string

// The events of a leg. Ended is the last, exactly once.
const (
	Ringing       EventKind = "ringing"        // outbound: 180 or 183
	Answered      EventKind = "answered"       // outbound: 200; inbound: our 200 was acknowledged
	DigitPressed  EventKind = "digit"          // at key-down
	Held          EventKind = "held"           // the peer put us on hold (RFC 3264, section 8.4)
	Resumed       EventKind = "resumed"        // and took us back
	MediaLost     EventKind = "media_lost"     // no RTP for the watchdog's time
	MediaBack     EventKind = "media_back"     // RTP again
	TransferAsked EventKind = "transfer_asked" // the peer sent REFER
	Ended         EventKind = "ended"
)

// Event is something that happened on a leg.
type Event struct {
	LegID  string
	Kind   EventKind
	At     time.Time
	Digit  byte    // DigitPressed: 0-9 * # A-D
	Cause  Cause   // Ended
	Target string  // TransferAsked: the Refer-To URI
	Second *Second // TransferAsked: who is to be joined with the caller; nil: whoever Target names
}

// Mailbox holds the events of a call until its goroutine takes them; see package mailbox.
type Mailbox = mailbox.Of[Event]

// NewMailbox returns an empty mailbox.
func NewMailbox() *Mailbox { return mailbox.New[Event](nil) }
