// Package tasks is how a leg's state belongs to one goroutine: what happens to the leg is a queue of functions that this goroutine runs.
//
// It owns the [Queue] and nothing else; every edge's leg has one. Nothing is dropped and posting never waits: what can be refused is
// refused before it gets here.
package tasks

import (
	"context"
	"sync"
	"time"

	"hotline/call"
)

// Queue is what happens to a leg, in order, run by one goroutine.
type Queue struct {
	mu     sync.Mutex
	queue  []func()
	closed bool
	wake   chan struct{} // capacity 1
}

// New returns an empty queue.
func New() *Queue { return &Queue{wake: make(chan struct{}, 1)} }

// Do appends f. It returns false when the queue is closed, and then f is never run.
func (q *Queue) Do(f func()) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.queue = append(q.queue, f)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// Depth returns how much is waiting.
func (q *Queue) Depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue)
}

// Run runs what is queued until one of the functions has called [Queue.Close].
func (q *Queue) Run() {
	for range q.wake {
		for {
			q.mu.Lock()
			if q.closed {
				q.mu.Unlock()
				return
			}
			if len(q.queue) == 0 {
				q.mu.Unlock()
				break
			}
			f := q.queue[0]
			q.queue[0] = nil
			q.queue = q.queue[1:]
			q.mu.Unlock()
			f()
		}
	}
}

// Close drops what is left. It is called by what the queue runs, so nobody else is running.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.queue = nil
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// After queues f later, unless stop is called before. stop belongs to the goroutine that runs the queue.
func (q *Queue) After(d time.Duration, f func()) (stop func()) {
	var stopped bool
	t := time.AfterFunc(d, func() {
		q.Do(func() {
			if !stopped {
				f()
			}
		})
	})
	return func() { stopped = true; t.Stop() }
}

// Command runs f on the queue's goroutine and waits for its reply. f may keep reply and call it later, once. When the leg is over, which
// is asked on that goroutine, or done is closed before there is a reply, the error is [call.ErrGone].
func (q *Queue) Command(ctx context.Context, done <-chan struct{}, over func() bool, f func(reply func(error))) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ch := make(chan error, 1)
	reply := func(err error) {
		select {
		case ch <- err:
		default:
		}
	}
	ok := q.Do(func() {
		if over() {
			reply(call.ErrGone)
			return
		}
		f(reply)
	})
	if !ok {
		return call.ErrGone
	}
	select {
	case err := <-ch:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		select {
		case err := <-ch:
			return err
		default:
			return call.ErrGone
		}
	}
}
