package sip

import "sync"

// tasks is the mailbox of a leg: what happens to it, in order, run by one goroutine. Nothing is dropped and posting never waits;
// what can be refused is refused before it gets here.
type tasks struct {
	mu     sync.Mutex
	queue  []func()
	closed bool
	wake   chan struct{} // capacity 1
}

func newTasks() *tasks { return &tasks{wake: make(chan struct{}, 1)} }

// do appends f. It returns false when the leg is gone, and then f is never run.
func (t *tasks) do(f func()) bool {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return false
	}
	t.queue = append(t.queue, f)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return true
}

// depth returns how much is waiting.
func (t *tasks) depth() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue)
}

// run runs tasks until one of them has called close.
func (t *tasks) run() {
	for range t.wake {
		for {
			t.mu.Lock()
			if t.closed {
				t.mu.Unlock()
				return
			}
			if len(t.queue) == 0 {
				t.mu.Unlock()
				break
			}
			f := t.queue[0]
			t.queue[0] = nil
			t.queue = t.queue[1:]
			t.mu.Unlock()
			f()
		}
	}
}

// close drops what is left. It is called by a task, so nobody else is running.
func (t *tasks) close() {
	t.mu.Lock()
	t.closed = true
	t.queue = nil
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
