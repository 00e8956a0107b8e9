package login

import (
	"net/netip"
	"sync"
	"time"
)

// Throttled is the answer to an attempt that came too early. The attempt was not looked at: even the right password waits.
type Throttled struct{ RetryAfter time.Duration }

func (*Throttled) Error() string { return "too many attempts, try again later" }

// pace is how many tries are free and how the wait grows afterwards.
type pace struct {
	free      int
	base, max time.Duration
}

// The paces. Nobody is ever locked out: the longest wait is a minute, and what strangers do to a login slows only strangers down.
var (
	pairPace   = pace{free: 5, base: time.Second, max: time.Minute}                 // one source at one login: guessing a password
	sourcePace = pace{free: 30, base: time.Second, max: time.Minute}                // one source at many logins: spraying
	loginPace  = pace{free: 60, base: 500 * time.Millisecond, max: 2 * time.Second} // many unknown sources at one login
)

const (
	forgetAfter  = 15 * time.Minute
	maxThrottled = 20_000 // entries a table; the memory of a flood is bounded
)

// tries is what is remembered of one key.
type tries struct {
	count int
	last  time.Time
	next  time.Time
}

// throttle remembers attempts by source and login, in memory: a restart forgives, which an attacker cannot cause.
type throttle struct {
	mu     sync.Mutex
	tables [3]map[string]*tries // pair, source, login
	now    func() time.Time
}

func newThrottle(now func() time.Time) *throttle {
	t := &throttle{now: now}
	for i := range t.tables {
		t.tables[i] = map[string]*tries{}
	}
	return t
}

// attempt is one try to log in: what is counted for it.
type attempt struct {
	keys  [3]string // an empty key is not counted
	paces [3]pace
}

// newAttempt names the counters of an attempt. A source from which the login is known to work is not slowed by strangers.
func newAttempt(source, login string, known bool) attempt {
	a := attempt{paces: [3]pace{pairPace, sourcePace, loginPace}}
	a.keys = [3]string{source + " " + login, source, login}
	if known {
		a.keys[2] = ""
	}
	return a
}

// take counts the attempt, before anything is checked, so that a thousand at once do not slip through together; it returns how
// long to wait if the attempt comes too early, and counts nothing then.
func (t *throttle) take(a attempt) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	var wait time.Duration
	for i, key := range a.keys {
		if e := t.tables[i][key]; key != "" && e != nil && now.Sub(e.last) <= forgetAfter {
			wait = max(wait, e.next.Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	for i, key := range a.keys {
		if key != "" {
			t.entry(i, key, now).count1(a.paces[i], now)
		}
	}
	return 0
}

func (e *tries) count1(p pace, now time.Time) {
	e.count++
	e.last = now
	if over := e.count - p.free; over >= 0 {
		wait := p.max
		if over < 16 {
			wait = min(p.max, p.base<<over)
		}
		e.next = now.Add(wait)
	}
}

// forgive takes back what a successful attempt counted: the pair is clean again, source and login lose one try.
func (t *throttle) forgive(a attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.tables[0], a.keys[0])
	for i := 1; i < len(a.keys); i++ {
		e := t.tables[i][a.keys[i]]
		if e == nil {
			continue
		}
		if e.count--; e.count < a.paces[i].free {
			e.next = time.Time{}
		}
	}
}

func (t *throttle) entry(table int, key string, now time.Time) *tries {
	m := t.tables[table]
	e := m[key]
	if e == nil || now.Sub(e.last) > forgetAfter {
		if len(m) >= maxThrottled {
			t.evict(m, now)
		}
		e = &tries{}
		m[key] = e
	}
	return e
}

// evict makes room for a while, so that a flood does not pay for it with every attempt: what is forgotten anyway goes, then any.
func (t *throttle) evict(m map[string]*tries, now time.Time) {
	for k, e := range m {
		if now.Sub(e.last) > forgetAfter {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < maxThrottled*9/10 {
			return
		}
		delete(m, k)
	}
}

// source is what counts as one origin: an IPv4 address, or the /64 that one IPv6 subscriber owns.
func source(remote netip.Addr) string {
	remote = remote.Unmap()
	if remote.Is6() {
		p, _ := remote.WithZone("").Prefix(64)
		return p.String()
	}
	return remote.String()
}
