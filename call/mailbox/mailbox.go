// Package mailbox is an ordered queue of events from many to one.
package mailbox

import (
	"context"
	"sync"
)

// Of is an ordered queue of events without a limit: nothing of a call is dropped; overload is refused at admission.
// Many may post; one goroutine, the call's, takes.
type Of[E any] struct {
	mu     sync.Mutex
	events []E
	ready  chan struct{} // capacity 1: something is there
	watch  func(E)       // sees each event as it is posted
}

// New returns an empty mailbox. watch sees each event as it is posted, in the poster's goroutine; nil: nobody does.
func New[E any](watch func(E)) *Of[E] { return &Of[E]{ready: make(chan struct{}, 1), watch: watch} }

// Post appends e. It never blocks.
func (m *Of[E]) Post(e E) {
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
func (m *Of[E]) Take() (e E, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.events) == 0 {
		return e, false
	}
	e = m.events[0]
	m.events = m.events[1:]
	return e, true
}

// Ready is signalled when events may be there to [Of.Take]; after a signal, take until there are none.
func (m *Of[E]) Ready() <-chan struct{} { return m.ready }

// Next waits for the oldest event.
func (m *Of[E]) Next(ctx context.Context) (e E, err error) {
	for {
		if e, ok := m.Take(); ok {
			return e, nil
		}
		select {
		case <-m.ready:
		case <-ctx.Done():
			return e, context.Cause(ctx)
		}
	}
}
