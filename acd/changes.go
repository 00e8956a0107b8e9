package acd

import (
	"maps"
	"slices"
	"sync"
)

// Changes is a subscription. It holds which things have changed since they were taken, each once: a slow reader misses nothing and
// costs nothing.
type Changes struct {
	c     chan struct{} // capacity 1
	from  *Announcer
	dirty map[string]bool // the announcer's lock is over it
}

// C is signalled when something has changed.
func (c *Changes) C() <-chan struct{} { return c.c }

// Take returns what has changed since it was called last, in order.
func (c *Changes) Take() []string {
	c.from.mu.Lock()
	defer c.from.mu.Unlock()
	names := slices.Sorted(maps.Keys(c.dirty))
	clear(c.dirty)
	return names
}

// Close ends the subscription.
func (c *Changes) Close() {
	c.from.mu.Lock()
	defer c.from.mu.Unlock()
	delete(c.from.to, c)
}

// Announcer tells subscriptions. Its zero value is ready.
type Announcer struct {
	mu sync.Mutex
	to map[*Changes]bool
}

// Subscribe returns a new subscription.
func (a *Announcer) Subscribe() *Changes {
	c := &Changes{c: make(chan struct{}, 1), from: a, dirty: map[string]bool{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.to == nil {
		a.to = map[*Changes]bool{}
	}
	a.to[c] = true
	return c
}

// Watched says whether anybody subscribes.
func (a *Announcer) Watched() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.to) > 0
}

// Announce notes a change with every subscription. It never blocks.
func (a *Announcer) Announce(names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.to {
		for _, n := range names {
			c.dirty[n] = true
		}
		signal(c.c)
	}
}
