package asterisk

import (
	"sync"
	"time"

	"hotline/trunks"
	"hotline/trunks/rate"
)

// lines counts the calls of each trunk, and how fast new ones come.
type lines struct {
	mu    sync.Mutex
	calls map[string]int
	fresh map[string]*rate.Bucket
}

// admit says whether a trunk may bring one more call now.
func (l *lines) admit(t *trunks.Trunk) bool {
	if t.Settings.MaxCPS <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fresh == nil {
		l.fresh = map[string]*rate.Bucket{}
	}
	b := l.fresh[t.ID]
	if b == nil {
		b = &rate.Bucket{}
		l.fresh[t.ID] = b
	}
	return b.Take(time.Now(), float64(t.Settings.MaxCPS), float64(t.Settings.MaxCPS))
}

// begin takes a line of a trunk, if it has one free.
func (l *lines) begin(t *trunks.Trunk) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil {
		l.calls = map[string]int{}
	}
	if t.Settings.MaxCalls > 0 && l.calls[t.ID] >= t.Settings.MaxCalls {
		return false
	}
	l.calls[t.ID]++
	return true
}

// take counts a call that is there already.
func (l *lines) take(t *trunks.Trunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil {
		l.calls = map[string]int{}
	}
	l.calls[t.ID]++
}

// end gives it back.
func (l *lines) end(t *trunks.Trunk) {
	if t == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[t.ID]--; l.calls[t.ID] <= 0 {
		delete(l.calls, t.ID)
	}
}

func (l *lines) count(trunkID string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[trunkID]
}
