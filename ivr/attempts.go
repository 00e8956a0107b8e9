package ivr

import (
	"sync"
	"time"
)

const (
	attemptWindow = time.Hour
	maxAttempts   = 10  // secret inputs of one caller in a window
	maxAnonymous  = 200 // secret inputs of all callers without a number, at one node, in a window
	maxKept       = 50_000
)

// attempts limits how often secrets may be tried, over all calls: a caller's number is easily hung up and dialled again.
type attempts struct {
	now  func() time.Time
	mu   sync.Mutex
	kept map[string]*window
}

type window struct {
	begin time.Time
	count int
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, kept: map[string]*window{}}
}

// allow counts one attempt and says whether it may be made.
func (a *attempts) allow(node, caller string) bool {
	limit := maxAttempts
	if caller == "" {
		limit = maxAnonymous
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	key := node + "\x00" + caller
	w := a.kept[key]
	if w == nil || now.Sub(w.begin) >= attemptWindow {
		if len(a.kept) >= maxKept {
			a.sweep(now)
		}
		if w == nil && len(a.kept) >= maxKept {
			return false // a flood of invented callers: nobody may try until some windows are over
		}
		w = &window{begin: now}
		a.kept[key] = w
	}
	if w.count >= limit {
		return false
	}
	w.count++
	return true
}

func (a *attempts) sweep(now time.Time) {
	for k, w := range a.kept {
		if now.Sub(w.begin) >= attemptWindow {
			delete(a.kept, k)
		}
	}
}
