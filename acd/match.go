package acd

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Staff is what the line must know of those who work. Its methods are called without a lock of the line held.
type Staff interface {
	// Working returns how many work for the queue at all, busy or free.
	Working(queue string) int
	// Handling returns the mean time that one call of the queue takes; 0 if it is not known.
	Handling(queue string) time.Duration
	// Reserve sets an agent aside for a call of the queue, if one is free.
	Reserve(queue, callID string) (agent string, ok bool)
	// Release gives an agent back who was reserved in vain.
	Release(agent, callID string)
}

const (
	tick       = time.Second // a change that nobody told of is seen then
	askEvery   = 3 * time.Second
	restoreFor = 30 * time.Second
)

// Run keeps the line moving until ctx is done: on every change and every second, those who wait meet those who are free.
func (l *Line) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	began, asked := time.Now(), time.Time{}
	restored := map[string]bool{}
	for {
		l.match()
		if now := time.Now(); l.cfg.Pool != nil && now.Sub(asked) >= askEvery {
			asked = now
			l.dropCallbacks(ctx)
			if now.Sub(began) < restoreFor {
				l.restore(ctx, began, restored)
			}
		}
		select {
		case <-l.kick:
		case <-t.C:
			l.forget(time.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// Kick lets the line look at once: an agent became free.
func (l *Line) Kick() { l.wake() }

// match offers free agents to those who wait, in the order of the line. It is the only place where agents are reserved.
func (l *Line) match() {
	if l.cfg.Staff == nil {
		return
	}
	for queue, places := range l.reserving() {
		for _, p := range places {
			agent, ok := l.cfg.Staff.Reserve(queue, p.waiter.CallID)
			if !ok {
				break // nobody is free for the first, so nobody is for those behind
			}
			l.offer(p, agent)
		}
	}
}

// reserving returns the places that wait for an agent, by queue and in order.
func (l *Line) reserving() map[string][]*Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := map[string][]*Place{}
	for queue, list := range l.waiting {
		for _, p := range list {
			if p.reserving && p.agent == "" && p.left == "" {
				m[queue] = append(m[queue], p)
			}
		}
	}
	return m
}

// offer hands a reserved agent to a place, or back when the place does not wait any more.
func (l *Line) offer(p *Place, agent string) {
	l.mu.Lock()
	wanted := p.reserving && p.agent == "" && p.left == ""
	if wanted {
		p.agent, p.reserving = agent, false
		p.offers <- Reservation{Agent: agent, place: p}
	}
	l.mu.Unlock()
	if !wanted {
		l.cfg.Staff.Release(agent, p.waiter.CallID)
	}
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

// dropCallbacks gives up the places of call-backs whose task is not open any more, on whatever node it was done.
func (l *Line) dropCallbacks(ctx context.Context) {
	held := l.callbacks()
	if len(held) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	rows, err := l.cfg.Pool.Query(ctx, `select call_id::text from task where call_id = any($1::uuid[]) and kind = 'callback' and state <> 'open'`, held)
	if err != nil {
		return // asked again soon
	}
	done, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return
	}
	for _, id := range done {
		l.CallbackDone(id)
	}
}

func (l *Line) callbacks() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for _, list := range l.waiting {
		for _, p := range list {
			if p.callback {
				ids = append(ids, p.waiter.CallID)
			}
		}
	}
	return ids
}
