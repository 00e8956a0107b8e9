package call

import (
	"context"
	"errors"
	"sync"
	"time"
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
	Digit  byte   // DigitPressed: 0-9 * # A-D
	Cause  Cause  // Ended
	Target string // TransferAsked: the Refer-To URI
}

// Mailbox is an ordered queue of events without a limit: nothing of a call is dropped; overload is refused at admission.
// Many may post; one goroutine, the call's, takes.
type Mailbox struct {
	mu     sync.Mutex
	events []Event
	ready  chan struct{} // capacity 1: something is there
	watch  func(Event)   // sees each event as it is posted; set before the mailbox is given away
}

// NewMailbox returns an empty mailbox.
func NewMailbox() *Mailbox { return &Mailbox{ready: make(chan struct{}, 1)} }

// Post appends e. It never blocks.
func (m *Mailbox) Post(e Event) {
	m.mu.Lock()
	m.events = append(m.events, e)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
	if m.watch != nil {
		m.watch(e)
	}
}

// Take returns the oldest event if there is one.
func (m *Mailbox) Take() (Event, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.events) == 0 {
		return Event{}, false
	}
	e := m.events[0]
	m.events = m.events[1:]
	return e, true
}

// Ready is signalled when events may be there to [Mailbox.Take]; after a signal, take until there are none.
func (m *Mailbox) Ready() <-chan struct{} { return m.ready }

// Next waits for the oldest event.
func (m *Mailbox) Next(ctx context.Context) (Event, error) {
	for {
		if e, ok := m.Take(); ok {
			return e, nil
		}
		select {
		case <-m.ready:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}
