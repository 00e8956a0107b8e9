package acd

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxRingAll is how many are rung at once.
const maxRingAll = 20

// free returns the agents who may be offered a call, with what the roster knows, the longest idle first.
func (a *Agents) free() []Agent {
	a.mu.Lock()
	var list []Agent
	for _, g := range a.copy {
		if g.free(a.cfg.Node) && !a.held[g.ID] {
			list = append(list, *g)
		}
	}
	a.mu.Unlock()
	out := list[:0]
	for _, g := range list {
		if p, ok := a.roster.Agent(g.ID); ok && !p.Disabled {
			g.Name, g.Team, g.Queues, g.Skills = p.Name, p.Team, p.Queues, p.Skills
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(x, y Agent) int { return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.ID, y.ID)) })
	return out
}

// hold keeps agents out of [Agents.free] while they are being set aside.
func (a *Agents) hold(ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		a.held[id] = true
	}
}

func (a *Agents) unhold(ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		delete(a.held, id)
	}
}

// done says that nothing of a round rings, and nobody answers.
func (a *Agents) done(r *round) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return r.live == 0 && !r.claimed
}

// open says that more agents may be rung in a round: all are, and none of them answers yet.
func (a *Agents) open(r *round) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return r.ringAll && !r.claimed
}

// choose returns who of the free agents is to be rung for a place: one, or with ring all everybody who may. free is sorted by who is
// idle longest. l.mu is held.
func (l *Line) choose(p *Place, free []Agent, now time.Time) []string {
	may := p.eligible(free, now)
	if wait, ok := l.sticky(p, may, now); ok {
		return []string{p.waiter.Sticky}
	} else if wait || len(may) == 0 {
		return nil
	}
	switch o := p.settings.Offering; o.Strategy {
	case RingAll:
		return l.everybody(p, may)
	case RoundRobin:
		turns := l.turns[p.waiter.Queue]
		return l.turn(p, slices.MinFunc(may, func(x, y Agent) int { return cmp.Compare(turns[x.ID], turns[y.ID]) }))
	case FewestCalls:
		return l.turn(p, slices.MinFunc(may, func(x, y Agent) int { return cmp.Compare(x.Calls, y.Calls) }))
	case BestSkill:
		whole := p.required()
		return l.turn(p, slices.MaxFunc(may, func(x, y Agent) int { return cmp.Compare(fit(x.Skills, whole), fit(y.Skills, whole)) }))
	}
	return l.turn(p, may[0])
}

// eligible returns who of the free agents works for the queue, can do what is asked for, and was not asked in vain a moment ago.
func (p *Place) eligible(free []Agent, now time.Time) []Agent {
	need := p.needs(now)
	var may []Agent
	for _, g := range free {
		if slices.Contains(g.Queues, p.waiter.Queue) && enough(g.Skills, need) && !now.Before(p.seek.backOff[g.ID]) {
			may = append(may, g)
		}
	}
	return may
}

// turn notes that it was an agent's turn.
func (l *Line) turn(p *Place, g Agent) []string {
	turns := l.turns[p.waiter.Queue]
	if turns == nil {
		turns = map[string]uint64{}
		l.turns[p.waiter.Queue] = turns
	}
	l.seq++
	turns[g.ID] = l.seq
	return []string{g.ID}
}

// everybody returns whom to ring beside those who ring already. A call-back is made by one.
func (l *Line) everybody(p *Place, may []Agent) []string {
	room := maxRingAll
	if p.callback {
		room = 1
	} else if p.seek.round != nil {
		room -= l.cfg.Agents.ringing(p.seek.round)
	}
	var ids []string
	for _, g := range may[:max(0, min(room, len(may)))] {
		ids = append(ids, g.ID)
	}
	return ids
}

func (a *Agents) ringing(r *round) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return r.live
}

// required are the skills that a call asks for: its own, its queue's, and the caller's language where that is a skill.
func (p *Place) required() Skills {
	need := Skills{}
	if lang := strings.ToLower(p.waiter.Language); lang != "" && p.line.cfg.Agents != nil && p.line.cfg.Agents.roster.Has(lang) {
		need[lang] = 1
	}
	for _, m := range []Skills{p.settings.Offering.Skills, p.waiter.Skills} {
		for s, level := range m {
			need[s] = max(need[s], level)
		}
	}
	return need
}

// needs are the skills that a call still asks for: with each step of waiting a level less, in the end anyone will do.
func (p *Place) needs(now time.Time) Skills {
	need := p.required()
	if len(need) == 0 {
		return nil
	}
	steps := int(now.Sub(p.joinedAt) / seconds(p.settings.Offering.RelaxS))
	for s := range need {
		if need[s] -= steps; need[s] <= 0 {
			delete(need, s)
		}
	}
	return need
}

func enough(has, need Skills) bool {
	for s, level := range need {
		if has[s] < level {
			return false
		}
	}
	return true
}

// fit is how well an agent's skills serve a call; without required skills it is how much the agent can do at all.
func fit(has, need Skills) int {
	n := 0
	for s, level := range has {
		if len(need) == 0 || need[s] > 0 {
			n += level
		}
	}
	return n
}

// sticky says whether the agent whom the caller knows is to be rung, or waited for: one who is busy is, for as long as the queue says.
// l.mu is held.
func (l *Line) sticky(p *Place, may []Agent, now time.Time) (wait, ok bool) {
	who := p.waiter.Sticky
	if who == "" {
		return false, false
	}
	if slices.ContainsFunc(may, func(g Agent) bool { return g.ID == who }) {
		return false, p.seek.round == nil
	}
	if now.Sub(p.entered) >= seconds(p.settings.Offering.StickyS) || now.Before(p.seek.backOff[who]) {
		return false, false
	}
	g, there := l.cfg.Agents.Get(who)
	return there && g.Session != "" && g.busy() && slices.Contains(g.Queues, p.waiter.Queue), false
}

const lookFor = 100 * time.Millisecond // then a caller is a stranger

// strangers returns the places of which it is not known who calls, and notes that they are looked up.
func (l *Line) strangers() []*Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*Place
	for _, places := range l.waiting {
		for _, p := range places {
			if !p.seek.known && !p.seek.looking {
				p.seek.looking = true
				list = append(list, p)
			}
		}
	}
	return list
}

func (l *Line) unlook(p *Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.seek.looking = false
}

// look finds whether the caller is a VIP and whom it talked with last.
func (l *Line) look(ctx context.Context, p *Place) {
	defer l.wake()
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	w := p.waiter
	var vip bool
	var last string
	err := l.cfg.Pool.QueryRow(ctx, `
		select w.vip or exists (
			select from party p where p.vip and p.merged_into is null and (p.id::text = @party or p.id in (
				select i.party_id from party_identity i join identity n on n.id = i.identity_id
				where n.kind = 'phone' and n.value = @caller and i.level in ('verified', 'known')))),
		coalesce(case when @sticky::boolean and @caller <> '' then (
			select s.agent from call c join call_segment s on s.call_id = c.id
			where c.caller = @caller and c.started_at > now() - interval '30 days' and s.kind = 'talk' and s.agent <> ''
			order by c.started_at desc, s.started_at desc limit 1) end, '')
		from (select @vip::boolean as vip) w`, pgx.NamedArgs{
		"party": w.PartyID, "caller": w.Caller, "vip": w.VIP, "sticky": w.Sticky == "" && p.settings.Offering.StickyS > 0,
	}).Scan(&vip, &last)
	l.mu.Lock()
	defer l.mu.Unlock()
	p.seek.known, p.seek.looking = true, false
	if err != nil {
		return // the database is away: nobody is known
	}
	p.waiter.Sticky = cmp.Or(w.Sticky, last)
	if vip && !w.VIP {
		p.waiter.VIP = true
		if p.left == "" {
			l.remove(p)
			p.rank = p.rank.Add(-seconds(p.settings.VIPPriorityS))
			l.insert(p)
		}
	}
}
