package routes

import (
	"maps"
	"slices"
	"time"

	"hotline"
)

// share is what one agent, or everybody, has used of a day.
type share struct {
	calls, seconds           int64 // as last read, with what is on its way
	unsavedCalls, unsavedSec int64 // not yet in the database
}

// Attempt is one trunk to be tried.
type Attempt struct {
	Route     string // name
	TrunkID   string
	Number    string // to be dialled there
	Rewritten bool   // the route says how it is dialled: it goes out exactly so
	CallerID  string // "" when the route has none
	routeID   string
}

// Lease is the right to make one call. End gives it back, exactly once counted.
type Lease struct {
	Attempts []Attempt
	Longest  time.Duration // how long the call may last; 0: no limit

	book     *Book
	agent    string
	route    string
	answered time.Time
	ended    bool
}

func (b *Book) today() string { return b.now().Local().Format(time.DateOnly) }

// turn begins a new day when it is time; b.mu is held. The last seconds of yesterday that were not written yet are dropped: nobody
// asks yesterday's caps any more.
func (b *Book) turn() {
	if today := b.today(); today != b.day {
		b.day, b.used, b.told = today, map[string]*share{}, map[string]bool{}
	}
}

func (b *Book) shareOf(agent string) *share {
	s := b.used[agent]
	if s == nil {
		s = &share{}
		b.used[agent] = s
	}
	return s
}

// take hands over what is not saved yet.
func (b *Book) take() (day string, unsaved map[string]share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	unsaved = map[string]share{}
	for agent, s := range b.used {
		if s.unsavedCalls != 0 || s.unsavedSec != 0 {
			unsaved[agent] = share{calls: s.unsavedCalls, seconds: s.unsavedSec}
			s.unsavedCalls, s.unsavedSec = 0, 0
		}
	}
	return b.day, unsaved
}

// putBack takes back what could not be saved.
func (b *Book) putBack(day string, unsaved map[string]share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.day != day {
		return
	}
	for agent, u := range unsaved {
		s := b.shareOf(agent)
		s.unsavedCalls += u.calls
		s.unsavedSec += u.seconds
	}
}

// settle takes the totals of all nodes, and adds what was used here since they were read.
func (b *Book) settle(day string, totals map[string]share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.day != day {
		return
	}
	for agent, t := range totals {
		s := b.shareOf(agent)
		s.calls, s.seconds = t.calls+s.unsavedCalls, t.seconds+s.unsavedSec
	}
}

// spend counts for an agent and for all; b.mu is held.
func (b *Book) spend(agent string, calls, seconds int64) {
	for _, who := range slices.Compact([]string{"", agent}) {
		s := b.shareOf(who)
		s.calls += calls
		s.seconds += seconds
		s.unsavedCalls += calls
		s.unsavedSec += seconds
	}
}

// talking is how many seconds are being used by calls that are up; b.mu is held.
func (b *Book) talking(agent string) int64 {
	var sum int64
	for l := range b.live {
		if !l.answered.IsZero() && (agent == "" || l.agent == agent) {
			sum += int64(b.now().Sub(l.answered).Seconds())
		}
	}
	return sum
}

// within refuses a call that is above a cap; b.mu is held. Each cap that is reached alarms once a day, and once before, at four
// fifths.
func (b *Book) within(l Limits, agent string) error {
	caps := []struct {
		name       string
		who        string
		used, most int64
	}{
		{"calls_per_day", "", b.shareOf("").calls, int64(l.CallsPerDay)},
		{"minutes_per_day", "", b.shareOf("").seconds + b.talking(""), 60 * int64(l.MinutesPerDay)},
	}
	if agent != "" {
		s := b.shareOf(agent)
		caps = append(caps, []struct {
			name       string
			who        string
			used, most int64
		}{
			{"agent_calls_per_day", agent, s.calls, int64(l.AgentCallsPerDay)},
			{"agent_minutes_per_day", agent, s.seconds + b.talking(agent), 60 * int64(l.AgentMinutesPerDay)},
		}...)
	}
	for _, c := range caps {
		if c.most == 0 {
			continue
		}
		if c.used >= c.most {
			b.alarm("an outbound cap is reached; calls are refused until tomorrow", c.name, c.who)
			return hotline.Errorf(hotline.Unavailable, "dial.cap_"+c.name, "the cap %s of outbound calls is reached; it begins anew at midnight, or an administrator raises it", c.name)
		}
		if c.used*5 >= c.most*4 {
			b.alarm("four fifths of an outbound cap are used", c.name, c.who)
		}
	}
	return nil
}

// alarm writes once a day; b.mu is held.
func (b *Book) alarm(what, name, agent string) {
	key := what + name + agent
	if b.told[key] {
		return
	}
	b.told[key] = true
	b.log.Warn(what, "event", "alarm", "cap", name, "agent", agent)
}

// Answered tells that the call is talking: from now on it uses minutes.
func (l *Lease) Answered() {
	if l == nil {
		return
	}
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	if !l.ended && l.answered.IsZero() {
		l.answered = l.book.now()
	}
}

// End gives the lease back. Ending twice does nothing.
func (l *Lease) End() {
	if l == nil {
		return
	}
	b := l.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	delete(b.live, l)
	if b.onRoute[l.route]--; b.onRoute[l.route] <= 0 {
		delete(b.onRoute, l.route)
	}
	if l.answered.IsZero() {
		return
	}
	b.turn()
	b.spend(l.agent, 0, max(1, int64(b.now().Sub(l.answered).Round(time.Second).Seconds())))
}

// Usage returns what was used today.
func (b *Book) Usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	all := b.shareOf("")
	u := Usage{Day: b.day, Calls: all.calls, Minutes: minutes(all.seconds + b.talking("")), Refused: b.refused, Live: len(b.live), Agents: []AgentUsage{}}
	for _, agent := range slices.Sorted(maps.Keys(b.used)) {
		if s := b.used[agent]; agent != "" {
			u.Agents = append(u.Agents, AgentUsage{Agent: agent, Calls: s.calls, Minutes: minutes(s.seconds + b.talking(agent))})
		}
	}
	slices.SortStableFunc(u.Agents, func(x, y AgentUsage) int { return int(y.Calls - x.Calls) })
	return u
}

func minutes(seconds int64) int64 { return (seconds + 59) / 60 }
