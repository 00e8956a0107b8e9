package ivr

import (
	"strings"
	"sync"
	"time"
)

// mayDial says whether number is on the outbound allow-list: an entry is a number, or a prefix that ends in "*". Nothing but digits
// and a leading "+" is ever dialled: no ";phone-context", no URI.
func mayDial(allow []string, number string) bool {
	if !dialable(number) {
		return false
	}
	for _, entry := range allow {
		if prefix, wild := strings.CutSuffix(entry, "*"); wild && len(prefix) > 1 && strings.HasPrefix(number, prefix) {
			return true
		}
		if entry == number {
			return true
		}
	}
	return false
}

func dialable(number string) bool {
	digits := strings.TrimPrefix(number, "+")
	if len(digits) < 2 || len(digits) > 20 {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// dayCap bounds how often a number is called in a day, so that a mistake or a fraud costs a known amount at most.
type dayCap struct {
	limit int
	now   func() time.Time
	mu    sync.Mutex
	day   string
	count map[string]int
}

func newDayCap(limit int, now func() time.Time) *dayCap {
	if limit <= 0 {
		limit = 500
	}
	return &dayCap{limit: limit, now: now}
}

// allow counts a call and says whether it may be made.
func (c *dayCap) allow(number string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if today := c.now().UTC().Format(time.DateOnly); today != c.day {
		c.day, c.count = today, map[string]int{}
	}
	if c.count[number] >= c.limit {
		return false
	}
	c.count[number]++
	return true
}
