package acd

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"hotline"
)

const (
	tick       = time.Second // a change that nobody told of is seen then
	askEvery   = time.Second
	restoreFor = time.Minute // calls that nobody gives back are closed after half of it
)

// maxRounds is how many rounds are begun at a time.
const maxRounds = 16

// Run keeps the line moving until ctx is done: on every change and every second, those who wait meet those who are free.
func (l *Line) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	var rounds errgroup.Group
	rounds.SetLimit(maxRounds)
	defer rounds.Wait()
	var freed <-chan struct{}
	if l.cfg.Agents != nil {
		sub := l.cfg.Agents.Changes()
		defer sub.Close()
		freed = sub.C()
	}
	ask := l.asking()
	for {
		l.start(ctx, &rounds)
		ask(ctx, &rounds)
		select {
		case <-l.kick:
		case <-freed:
		case <-t.C:
			l.forget(time.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// asking returns what asks the database now and then for call-backs and, at first, for those whom the end of the last process cut off;
// beside the matcher, which never waits for it.
func (l *Line) asking() func(context.Context, *errgroup.Group) {
	began, asked := time.Now(), time.Time{}
	restored := map[string]bool{}
	var busy atomic.Bool
	return func(ctx context.Context, rounds *errgroup.Group) {
		now := time.Now()
		if l.cfg.Pool == nil || now.Sub(asked) < askEvery || !busy.CompareAndSwap(false, true) {
			return
		}
		asked = now
		if !rounds.TryGo(func() error {
			defer busy.Store(false)
			l.syncCallbacks(ctx)
			if now.Sub(began) < restoreFor {
				l.restore(ctx, began, restored)
			}
			return nil
		}) {
			busy.Store(false)
		}
	}
}

// start begins what is to be done now, each in a goroutine of rounds. What finds no room is begun when one of them ends.
func (l *Line) start(ctx context.Context, rounds *errgroup.Group) {
	for _, p := range l.strangers() {
		if !rounds.TryGo(func() error { l.look(ctx, p); return nil }) {
			l.unlook(p)
			return
		}
	}
	for _, job := range l.takeJobs() {
		if !rounds.TryGo(func() error { defer l.wake(); job(ctx); return nil }) {
			l.mu.Lock()
			l.jobs = append(l.jobs, job)
			l.mu.Unlock()
		}
	}
	for _, m := range l.match(time.Now()) {
		if !rounds.TryGo(func() error { l.meet(ctx, m); return nil }) {
			l.unmatch(m)
		}
	}
}

func (l *Line) takeJobs() []func(context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	jobs := l.jobs
	l.jobs = nil
	return jobs
}

// Kick lets the line look at once: an agent became free.
func (l *Line) Kick() { l.wake() }

// pair is a place and the agents who are to be rung for it.
type pair struct {
	place  *Place
	round  *round
	offer  Offer
	agents []string
}

// match pairs those who wait with those who are free, the one who has waited longest (with priority) first. It is the only place
// where agents are chosen for those in a line; whether they can be had is settled by [Agents.ring].
func (l *Line) match(now time.Time) []pair {
	if l.cfg.Agents == nil {
		return nil
	}
	free := l.cfg.Agents.free()
	if len(free) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var pairs []pair
	for _, p := range l.seekers(now) {
		chosen := l.choose(p, free, now)
		if len(chosen) == 0 {
			continue
		}
		if p.seek.round == nil {
			p.seek.round = &round{id: hotline.NewID(), asker: p, ringAll: p.settings.Offering.Strategy == RingAll && !p.callback}
		}
		p.seek.pending = true
		m := pair{place: p, round: p.seek.round, agents: chosen, offer: p.offer(now)}
		l.cfg.Agents.hold(chosen)
		pairs = append(pairs, m)
		if free = slices.DeleteFunc(free, func(a Agent) bool { return slices.Contains(chosen, a.ID) }); len(free) == 0 {
			break
		}
	}
	return pairs
}

// offer is what is offered of a place. l.mu is held.
func (p *Place) offer(now time.Time) Offer {
	o := Offer{
		Kind: KindQueue, CallID: p.waiter.CallID, Queue: p.waiter.Queue, RingFor: seconds(p.settings.Offering.RingS), At: now, Waited: now.Sub(p.joinedAt),
	}
	if p.callback {
		o.Kind, o.Phone, o.Ticket = KindCallback, p.asked.Phone, p.asked.Ticket
	}
	return o
}

// seekers returns the places that wait for an agent, the next first. l.mu is held.
func (l *Line) seekers(now time.Time) []*Place {
	var list []*Place
	for _, places := range l.waiting {
		for _, p := range places {
			if p.seeks(now) {
				list = append(list, p)
			}
		}
	}
	slices.SortFunc(list, byRank)
	return list
}

func (p *Place) seeks(now time.Time) bool {
	s := &p.seek
	switch {
	case s.pending || s.taken != nil || s.round != nil && !p.line.cfg.Agents.open(s.round):
		return false
	case p.callback:
		return p.line.cfg.Caller != nil && p.asked != nil && p.asked.State == "open" && !now.Before(p.asked.NextAt)
	}
	return p.left == "" && s.known
}

// meet rings the agents of a pair.
func (l *Line) meet(ctx context.Context, m pair) {
	n, err := l.cfg.Agents.ring(ctx, m.round, m.offer, m.agents)
	if err != nil {
		l.cfg.Log.Warn("agents could not be set aside for a caller; it is tried again", "call", m.offer.CallID, "error", err)
	}
	l.unmatch(m)
	if n > 0 || err == nil { // with an error it is tried again at the next tick: the database may be away
		l.wake()
	}
}

// unmatch notes that the agents of a pair are rung, or cannot be had.
func (l *Line) unmatch(m pair) {
	l.cfg.Agents.unhold(m.agents)
	l.mu.Lock()
	defer l.mu.Unlock()
	m.place.seek.pending = false
	l.settle(m.place)
	l.changes.Announce(m.place.waiter.Queue)
}

// forget drops what was kept for too long.
func (l *Line) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, list := range l.kept {
		fresh := list[:0]
		for _, k := range list {
			if !now.After(k.until) {
				fresh = append(fresh, k)
			}
		}
		if len(fresh) == 0 {
			delete(l.kept, id)
		} else {
			l.kept[id] = fresh
		}
	}
}

// restore keeps the places of those whom the end of the last process cut off, from the segments that it left. The rows may come a
// little after the start, when the journal is replayed, so it is asked a few times; each segment counts once.
func (l *Line) restore(ctx context.Context, began time.Time, restored map[string]bool) {
	ctx, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	rows, err := l.cfg.Pool.Query(ctx, `
		select s.id::text, c.caller, s.queue, s.started_at as joined_at, s.ended_at
		from call_segment s join call c on c.id = s.call_id
		where c.started_at > $1::timestamptz - interval '1 day' and c.caller <> ''
			and s.kind = 'queue' and s.reason in ('cut', 'abandoned')
			and s.ended_at between $1::timestamptz - make_interval(secs => $2) and $1`, began, keptFor.Seconds())
	if err != nil {
		return // the database is away: nobody gets a place back, and nothing else is lost
	}
	type cut struct {
		ID       string
		Caller   string
		Queue    string
		JoinedAt time.Time
		EndedAt  time.Time
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[cut])
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range list {
		if !restored[c.ID] {
			restored[c.ID] = true
			id := caller{c.Caller, c.Queue}
			l.kept[id] = append(l.kept[id], kept{rank: c.JoinedAt, joinedAt: c.JoinedAt, until: c.EndedAt.Add(keptFor)})
		}
	}
}
