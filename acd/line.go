package acd

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
)

// Reason why a place was left. Each enter has exactly one.
type Reason string

// The reasons.
const (
	LeftAnswered  Reason = "answered"
	LeftAbandoned Reason = "abandoned"
	LeftTimeout   Reason = "timeout"
	LeftCallback  Reason = "callback"
	LeftVoicemail Reason = "voicemail"
	LeftOverflow  Reason = "overflow"
	LeftTransfer  Reason = "transfer"
	LeftCut       Reason = "cut" // by a fault: ours, or the caller's connection
)

// keptFor is how long the place of a caller who was cut off is kept.
const keptFor = time.Minute

// LineConfig configures a [Line].
type LineConfig struct {
	Queues *Queues       // nil: every queue has the default settings
	Agents *Agents       // nil: nobody works
	Caller Caller        // dials for call-backs; nil: they wait for somebody to make them by hand
	Pool   *pgxpool.Pool // nil: what was kept before a restart is not looked for, nor who calls
	Log    *slog.Logger
}

// Line knows who waits where, and offers them to agents. It is in memory: a place lives as long as its call, which lives in this
// process; call-backs are rows as well.
type Line struct {
	cfg     LineConfig
	kick    chan struct{} // capacity 1: somebody came or is free
	changes Announcer
	staff   staff // nil: nobody works

	mu      sync.Mutex
	waiting map[string][]*Place // by queue, the next first
	kept    map[caller][]kept
	turns   map[string]map[string]uint64 // of agents, by queue, for round robin
	jobs    []func(context.Context)
	seq     uint64
	stats   LineStats
}

// LineStats count those who came and went.
type LineStats struct {
	Entered uint64            `json:"entered"`
	Left    map[Reason]uint64 `json:"left"`
	Resumed uint64            `json:"resumed"` // got a kept place back
	Full    uint64            `json:"full"`    // did not get in
}

// caller is who may have a place back.
type caller struct{ number, queue string }

// kept is a place kept for somebody who was cut off.
type kept struct {
	rank     time.Time
	seq      uint64
	joinedAt time.Time
	until    time.Time
}

// NewLine returns a line where nobody waits.
func NewLine(cfg LineConfig) *Line {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	l := &Line{
		cfg: cfg, kick: make(chan struct{}, 1), waiting: map[string][]*Place{}, kept: map[caller][]kept{}, turns: map[string]map[string]uint64{},
		stats: LineStats{Left: map[Reason]uint64{}},
	}
	if cfg.Agents != nil {
		l.staff = cfg.Agents
	}
	return l
}

// staff is what an expected wait is made of.
type staff interface {
	working(queue string) int           // how many work for the queue, busy or free
	handles(queue string) time.Duration // the mean time that a call of the queue takes; 0 if it is not known
}

// Waiter is somebody who joins a line.
type Waiter struct {
	CallID   string
	Caller   string // E.164; "" when withheld: then no place is kept
	Queue    string
	VIP      bool          // told; else it is looked up by PartyID or Caller
	Priority time.Duration // added to the time waited
	Skills   Skills        // required, beside those of the queue
	PartyID  string        // who calls, if it is known
	Sticky   string        // the agent to try first; "": looked up when the queue wants it
	Language string        // "en", "zh-CN": a skill that is named like it is required, at level 1
	Front    bool          // before all others: who was parked, or whose agent was lost

	Held *call.Standing // a place that was left by a process which died, and that is taken again
}

// Join puts a waiter in the line: at the end, or at the place it was cut off from less than a minute ago. When ctx ends, the place is
// left: with the hang-up of the caller as abandoned, else as cut. The error is of kind Unavailable when the queue is full.
func (l *Line) Join(ctx context.Context, w Waiter) (*Place, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s := l.settings(w.Queue)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	back, resumed := kept{}, w.Held != nil
	if resumed {
		back = kept{rank: w.Held.Rank, joinedAt: w.Held.JoinedAt, seq: l.seq + 1}
	} else {
		back, resumed = l.takeKept(w, now)
	}
	if !resumed && s.MaxWaiting > 0 && len(l.waiting[w.Queue]) >= s.MaxWaiting {
		l.stats.Full++
		return nil, hotline.Errorf(hotline.Unavailable, "queue.full", "%d wait in the queue %q, which is all it takes", s.MaxWaiting, w.Queue)
	}
	p := l.place(w, s, now)
	p.resumed = resumed
	if resumed {
		p.joinedAt = back.joinedAt
		if !back.rank.After(p.rank) {
			p.rank, p.seq = back.rank, back.seq
		}
		l.stats.Resumed++
	}
	l.stats.Entered++
	l.insert(p)
	p.stop = context.AfterFunc(ctx, func() { p.Leave(reasonOf(context.Cause(ctx))) })
	l.wake()
	return p, nil
}

// place makes a place. l.mu is held.
func (l *Line) place(w Waiter, s Settings, now time.Time) *Place {
	priority := w.Priority
	if w.VIP {
		priority += seconds(s.VIPPriorityS)
	}
	if w.Front {
		priority += frontPriority
	}
	l.seq++
	return &Place{
		line: l, waiter: w, settings: s, seq: l.seq, joinedAt: now, entered: now, rank: now.Add(-priority), changed: make(chan struct{}, 1),
		stop: func() bool { return false }, answered: make(chan struct{}), seek: seek{known: l.cfg.Pool == nil || !worthLooking(w, s)},
	}
}

// worthLooking says that it makes a difference who calls.
func worthLooking(w Waiter, s Settings) bool {
	return (w.Caller != "" || w.PartyID != "") && (s.VIPPriorityS > 0 && !w.VIP || s.Offering.StickyS > 0 && w.Sticky == "")
}

// frontPriority is more than anybody waits, or has priority.
const frontPriority = 1000 * time.Hour

// reasonOf is why a place is left whose call has ended.
func reasonOf(cause error) Reason {
	switch {
	case errors.Is(cause, call.ErrHangup):
		return LeftAbandoned
	case errors.Is(cause, call.ErrGiven):
		return LeftTransfer
	}
	return LeftCut
}

func (l *Line) settings(queue string) Settings {
	if l.cfg.Queues != nil {
		if q, ok := l.cfg.Queues.Lookup(queue); ok {
			return q.Settings
		}
	}
	return DefaultSettings()
}

// insert puts p where its rank says: seconds waited + priority seconds is the same order as that of the moments at which those with
// no priority would have come. Callers of one moment keep the order in which they came. l.mu is held.
func (l *Line) insert(p *Place) {
	list := l.waiting[p.waiter.Queue]
	at, _ := slices.BinarySearchFunc(list, p, byRank)
	l.waiting[p.waiter.Queue] = slices.Insert(list, at, p)
	for _, behind := range l.waiting[p.waiter.Queue][at:] {
		behind.signal()
	}
	l.changes.Announce(p.waiter.Queue)
}

func byRank(a, b *Place) int { return cmp.Or(a.rank.Compare(b.rank), cmp.Compare(a.seq, b.seq)) }

// remove takes p out. l.mu is held.
func (l *Line) remove(p *Place) {
	list := l.waiting[p.waiter.Queue]
	at := slices.Index(list, p)
	if at < 0 {
		return
	}
	for _, behind := range list[at+1:] {
		behind.signal()
	}
	l.changes.Announce(p.waiter.Queue)
	if list = slices.Delete(list, at, at+1); len(list) == 0 {
		delete(l.waiting, p.waiter.Queue)
		return
	}
	l.waiting[p.waiter.Queue] = list
}

// keep remembers the place of a caller who was cut off. When the caller has rung again already, before the old call's end was
// noticed, the new call gets the place at once. l.mu is held.
func (l *Line) keep(p *Place, now time.Time) {
	w := p.waiter
	if w.Caller == "" {
		return
	}
	k := kept{rank: p.rank, seq: p.seq, joinedAt: p.joinedAt, until: now.Add(keptFor)}
	for _, other := range l.waiting[w.Queue] {
		o := other.waiter
		if o.Caller == w.Caller && !other.resumed && !other.callback && other.entered.After(p.entered) && now.Sub(other.entered) < keptFor {
			l.remove(other)
			other.resumed, other.joinedAt = true, k.joinedAt
			if !k.rank.After(other.rank) {
				other.rank, other.seq = k.rank, k.seq
			}
			l.stats.Resumed++
			l.insert(other)
			return
		}
	}
	id := caller{w.Caller, w.Queue}
	l.kept[id] = append(l.kept[id], k)
}

// takeKept returns the best place kept for a caller. Each is given back once: of two who share a number and were both cut off, each
// gets one. l.mu is held.
func (l *Line) takeKept(w Waiter, now time.Time) (kept, bool) {
	id := caller{w.Caller, w.Queue}
	list := slices.DeleteFunc(l.kept[id], func(k kept) bool { return now.After(k.until) })
	if len(list) == 0 || w.Caller == "" {
		delete(l.kept, id)
		return kept{}, false
	}
	best := slices.MinFunc(list, func(a, b kept) int { return a.rank.Compare(b.rank) })
	list = slices.DeleteFunc(list, func(k kept) bool { return k == best })
	if len(list) == 0 {
		delete(l.kept, id)
	} else {
		l.kept[id] = list
	}
	return best, true
}

// Standing is one entry of the line, as seen at a moment.
type Standing struct {
	CallID   string        `json:"call_id"`
	Caller   string        `json:"caller"`
	Queue    string        `json:"queue"`
	Position int           `json:"position"`
	Waited   time.Duration `json:"-"`
	JoinedAt time.Time     `json:"joined_at"`
	Callback bool          `json:"callback"` // nobody is on the line: the place is held for a call-back
	Offered  bool          `json:"offered"`  // an agent is being rung
}

// Waiting returns who waits in a queue, the next first.
func (l *Line) Waiting(queue string) []Standing {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Standing, 0, len(l.waiting[queue]))
	for i, p := range l.waiting[queue] {
		list = append(list, Standing{
			CallID: p.waiter.CallID, Caller: p.waiter.Caller, Queue: queue, Position: i + 1, Waited: now.Sub(p.joinedAt),
			JoinedAt: p.joinedAt, Callback: p.callback, Offered: p.seek.round != nil,
		})
	}
	return list
}

// Queues returns the queues in which somebody waits.
func (l *Line) Queues() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.waiting))
}

// Changes subscribes to the line: the queues in which somebody came, went or is rung for.
func (l *Line) Changes() *Changes { return l.changes.Subscribe() }

// Count returns how many wait in a queue with somebody on the line.
func (l *Line) Count(queue string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, p := range l.waiting[queue] {
		if !p.callback {
			n++
		}
	}
	return n
}

// Stats returns how many came and went.
func (l *Line) Stats() LineStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Left = make(map[Reason]uint64, len(l.stats.Left))
	for r, n := range l.stats.Left {
		s.Left[r] = n
	}
	return s
}

// wake lets the matcher look.
func (l *Line) wake() { signal(l.kick) }
