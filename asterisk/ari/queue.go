package ari

import "sync"

// queue keeps events in order between the reader, which must never wait, and the dispatcher.
type queue struct {
	mu     sync.Mutex
	items  []queued
	closed bool
	wake   chan struct{} // capacity 1
}

// queued is an event and the message that it came in.
type queued struct {
	event Event
	data  []byte
}

// backlog is how many events may wait. Beyond it the dispatcher stands still: the connection is given up and everything listed anew,
// which is how nothing is lost.
const backlog = 100_000

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// push appends an event. It returns false when too many wait.
func (q *queue) push(item queued) bool {
	q.mu.Lock()
	full := len(q.items) >= backlog
	if !full {
		q.items = append(q.items, item)
	}
	q.mu.Unlock()
	q.poke()
	return !full
}

// close lets take end when all is taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for events and returns all that are there; nil when the queue is closed and empty.
func (q *queue) take() []queued {
	for {
		q.mu.Lock()
		items, closed := q.items, q.closed
		q.items = nil
		q.mu.Unlock()
		if len(items) > 0 || closed {
			return items
		}
		<-q.wake
	}
}
