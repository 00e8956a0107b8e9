package ari

import (
	"slices"
	"sync"
)

// owner takes the events of what it watches.
type owner struct{ take func(Event) }

// watchers knows who owns which channel or bridge.
type watchers struct {
	mu   sync.RWMutex
	byID map[string][]*owner
}

// Watch gives the events of a channel or bridge to f instead of to [Handler].Event, in their order, until stop is called. It is to
// be registered before the command that makes the channel goes out. f must not block. One call of it may still run when stop returns.
func (c *Client) Watch(id string, f func(Event)) (stop func()) {
	return c.WatchAll([]string{id}, f)
}

// WatchAll is [Client.Watch] for several ids that have one owner: an event that names some of them is given to it once.
func (c *Client) WatchAll(ids []string, f func(Event)) (stop func()) {
	w, o, ids := &c.watchers, &owner{f}, slices.Clone(ids)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.byID[id] = append(w.byID[id], o)
	}
	return sync.OnceFunc(func() { w.drop(o, ids) })
}

func (w *watchers) drop(o *owner, ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		left := slices.DeleteFunc(slices.Clone(w.byID[id]), func(other *owner) bool { return other == o })
		if len(left) == 0 {
			delete(w.byID, id)
		} else {
			w.byID[id] = left
		}
	}
}

// of returns the owners of what an event is about, each once.
func (w *watchers) of(e *Event) []*owner {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var found []*owner
	for _, id := range e.ids() {
		for _, o := range w.byID[id] {
			if !slices.Contains(found, o) {
				found = append(found, o)
			}
		}
	}
	return found
}
