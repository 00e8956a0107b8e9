package acd

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"hotline"
	"hotline/call"
)

// Popper shows an offer to an agent.
type Popper interface {
	// Expect says that an offer may be about to come, which has no id yet: what it shows can be looked up while the agent is being set
	// aside. It does not block.
	Expect(o Offer)
	// Offer pops and rings. An error means that it could not be shown: the next agent is tried.
	Offer(ctx context.Context, o Offer) error
	// Withdraw takes an offer away that was shown. It does not block.
	Withdraw(offerID, agent string, why Gone)
}

// asker is who wants an agent. Its methods are called without a lock of Agents held.
type asker interface {
	// took hands over the agent who answered. False: nobody wants it any more, and the agent is free again.
	took(t Taken) bool
	// refused says that an offer is over. It is told of each but the one that was answered, and those that it withdrew itself.
	refused(o *ringing, why Gone)
}

// round is one attempt to find an agent: one is rung, or all at once.
type round struct {
	id      string
	asker   asker
	ringAll bool
	claimed bool // somebody answers
	dead    bool // nobody asks any more
	live    int  // offers that ring, or of whose end the asker was not told yet
}

// ringing is a live offer.
type ringing struct {
	Offer
	round    *round
	until    time.Time
	expiring bool
}

// outcome is how an offer ended, but by being answered.
type outcome struct {
	why    Gone
	reason string
}

// state of the offer's row.
func (o outcome) state() string {
	switch o.why {
	case GoneTimeout:
		return "no_answer"
	case GoneDeclined:
		return "declined"
	case GoneFailed:
		return "failed"
	}
	return "withdrawn"
}

// reserveSQL sets agents aside who are free and writes their offers, in one statement: of two who want one agent the second finds no
// row in the state it asks for, and of two agents for one call the second meets the index.
const reserveSQL = `
	with a as (
		update agent a set state = 'reserved', reason = '', since = @now, deadline = @deadline, lease_call = @call, lease_offer = u.offer,
			lease_kind = @kind, lease_queue = @queue
		from unnest(@agents::uuid[], @offers::uuid[]) as u (agent, offer)
		where a.account_id = u.agent and a.state = 'ready' and a.media and a.node = @node
		returning a.*
	), o as (
		insert into work_offer (id, round, call_id, kind, agent, queue, ring_all, node, at, ring_until)
		select lease_offer, @round::uuid, @call::uuid, @kind::text, account_id, @queue::text, @ring_all::boolean, @node::text, @now::timestamptz, @until::timestamptz from a
		returning id
	)
	select ` + agentColumns + ` from a, (select count(*) from o) as written`

// ring sets agents aside for a round and shows them the call. It returns how many ring; 0 with no error when none of them was free.
func (a *Agents) ring(ctx context.Context, r *round, o Offer, agents []string) (int, error) {
	offers := make([]string, len(agents))
	for i := range offers {
		offers[i] = hotline.NewID()
	}
	if a.cfg.Popper != nil {
		for _, o.Agent = range agents {
			a.cfg.Popper.Expect(o)
		}
	}
	until := o.At.Add(o.RingFor)
	list, err := a.apply(ctx, change{agents: agents, sql: reserveSQL, args: pgx.NamedArgs{
		"agents": agents, "offers": offers, "call": o.CallID, "kind": o.Kind, "queue": o.Queue, "round": r.id, "ring_all": r.ringAll,
		"now": o.At, "until": until, "deadline": until.Add(leaseSlack),
	}})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" { // unique_violation
		return 0, hotline.Errorf(hotline.Conflict, "offer.taken", "the call is offered to somebody already")
	}
	if err != nil {
		return 0, err
	}
	if len(list) < len(agents) { // the copy was behind
		if rows, err := a.read(ctx, agents); err == nil {
			a.take(rows)
		}
	}
	live := a.live(r, o, list)
	if live == nil { // nobody wants them any more
		for _, g := range list {
			o.ID, o.Agent = g.Lease.Offer, g.ID
			if err := a.releaseRow(ctx, &ringing{Offer: o, round: r}, outcome{why: GoneCaller}, time.Now()); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}
	a.nudge()
	return len(list), a.show(ctx, live)
}

// live puts the offers of agents who were set aside into the copy, unless the round is over.
func (a *Agents) live(r *round, o Offer, list []Agent) []*ringing {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.dead || r.claimed {
		return nil
	}
	live := make([]*ringing, len(list))
	for i, g := range list {
		o.ID, o.Agent = g.Lease.Offer, g.ID
		live[i] = &ringing{Offer: o, round: r, until: o.At.Add(o.RingFor)}
		a.offers[o.ID] = live[i]
		r.live++
	}
	return live
}

// show pops offers. One that cannot be shown is over.
func (a *Agents) show(ctx context.Context, live []*ringing) error {
	var g errgroup.Group
	for _, o := range live {
		g.Go(func() error {
			ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), o.until)
			defer cancel()
			err := errors.New("there is nobody to show it")
			if a.cfg.Popper != nil {
				err = a.cfg.Popper.Offer(ctx, o.Offer)
			}
			if err != nil {
				a.cfg.Log.Warn("an offer could not be shown", "call", o.CallID, "agent", o.Agent, "error", err)
				a.drop(ctx, o.ID, outcome{why: GoneFailed, reason: "not shown"})
				return nil
			}
			a.do(func(ctx context.Context) { a.shown(ctx, o.Offer) })
			return nil
		})
	}
	return g.Wait()
}

// shown notes that the browser rings.
func (a *Agents) shown(ctx context.Context, o Offer) {
	_, err := a.apply(ctx, change{agents: []string{o.Agent},
		sql: `update agent a set state = 'ringing', since = @now where a.account_id = @agent and a.lease_offer = @offer and a.state = 'reserved'
			returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": o.Agent, "offer": o.ID, "now": time.Now()},
		guess: func(g *Agent) {
			if g.State == Reserved && g.Lease.Offer == o.ID {
				g.State = Ringing
			}
		}})
	if err != nil {
		a.cfg.Log.Warn("it could not be noted that an agent is rung", "agent", o.Agent, "error", err)
	}
}

const answerSQL = `
	with locked as materialized (
		select id from work_offer where round = @round and state = 'live' order by id for update
	), o as (
		update work_offer set state = case when id = @offer then 'answered' else 'withdrawn' end, reason = case when id = @offer then '' else 'elsewhere' end, ended_at = @now
		where id in (select id from locked) and exists (select from locked where id = @offer)
		returning id, agent, state
	), won as (
		update agent a set state = 'talking', reason = '', since = @now, deadline = @deadline, misses = 0,
			calls = case when a.calls_on = @today then a.calls + 1 else 1 end, calls_on = @today
		from o where o.state = 'answered' and a.account_id = o.agent and a.lease_offer = o.id and a.state in ('reserved', 'ringing')
		returning a.*
	), lost as (
		update agent a set ` + freeSQL + ` from o
		where o.state = 'withdrawn' and a.account_id = o.agent and a.lease_offer = o.id and a.state in ('reserved', 'ringing')
		returning a.*
	)
	select ` + agentColumns + ` from (select * from won union all select * from lost) a`

// Answer takes an offer. Exactly one wins: the error is of kind Conflict when the offer is gone, and NotFound when it is not this
// agent's. From then on the agent talks.
func (a *Agents) Answer(ctx context.Context, offerID string, seat call.AgentSeat) error {
	o, losers, err := a.claim(offerID, seat.Agent)
	if err != nil {
		return err
	}
	now := time.Now()
	agents := []string{o.Agent}
	for _, l := range losers {
		agents = append(agents, l.Agent)
	}
	list, err := a.apply(ctx, change{agents: agents, sql: answerSQL,
		args: pgx.NamedArgs{"round": o.round.id, "offer": o.ID, "now": now, "deadline": now.Add(maxTalk)},
		guess: func(g *Agent) {
			switch {
			case !g.rung():
			case g.Lease.Offer == o.ID:
				g.Misses, g.Calls = 0, g.Calls+1
				g.set(Talking, "", now, maxTalk)
			case slices.ContainsFunc(losers, func(l *ringing) bool { return l.ID == g.Lease.Offer }):
				g.release(now)
			}
		}})
	won := slices.ContainsFunc(list, func(g Agent) bool { return g.State == Talking && g.Lease.Offer == o.ID })
	if err != nil || !won {
		a.settled(ctx, o, losers)
		if err != nil && hotline.KindOf(err) != hotline.Internal {
			return err
		}
		return offerGone()
	}
	a.file(o, now, string(GoneAnswered))
	for _, l := range losers {
		a.file(l, now, string(GoneElsewhere))
		a.withdraw(l, GoneElsewhere)
	}
	if !o.round.asker.took(Taken{Offer: o.Offer, Seat: seat}) {
		a.undo(ctx, o.Offer)
		return offerGone()
	}
	return nil
}

func offerGone() error {
	return hotline.Errorf(hotline.Conflict, "offer.gone", "this call is gone: somebody else took it, the caller hung up, or the time was up")
}

// claim lets one agent answer: from here on the others of the round are told that the call is gone.
func (a *Agents) claim(offerID, agent string) (*ringing, []*ringing, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.offers[offerID]
	switch {
	case o == nil && slices.Contains(a.over, offerID):
		return nil, nil, offerGone()
	case o == nil || o.Agent != agent:
		return nil, nil, hotline.Errorf(hotline.NotFound, "offer.unknown", "there is no such call for this agent")
	case o.round.claimed:
		return nil, nil, offerGone()
	}
	o.round.claimed = true
	var losers []*ringing
	for _, other := range a.offers {
		if other.round == o.round {
			if a.forget(other); other != o {
				losers = append(losers, other)
			}
		}
	}
	return o, losers, nil
}

// forget takes a live offer out. a.mu is held.
func (a *Agents) forget(o *ringing) {
	delete(a.offers, o.ID)
	if a.over = append(a.over, o.ID); len(a.over) > overKept {
		a.over = slices.Delete(a.over, 0, len(a.over)-overKept)
	}
}

const overKept = 256 // offers that are over; asked for again they are gone, not unknown

// settled ends a round whose answer failed: the rows say something else than the copy.
func (a *Agents) settled(ctx context.Context, o *ringing, losers []*ringing) {
	a.mu.Lock()
	o.round.claimed = false
	a.mu.Unlock()
	for _, l := range append(losers, o) {
		a.end(ctx, l, outcome{why: GoneFailed, reason: "answer"})
	}
}

// undo sets an agent free who answered a call that nobody wants answered any more.
func (a *Agents) undo(ctx context.Context, o Offer) {
	now := time.Now()
	_, err := a.apply(ctx, change{agents: []string{o.Agent},
		sql:  `update agent a set ` + freeSQL + ` where a.account_id = @agent and a.lease_offer = @offer and a.state = 'talking' returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": o.Agent, "offer": o.ID, "now": now},
		guess: func(g *Agent) {
			if g.State == Talking && g.Lease.Offer == o.ID {
				g.release(now)
			}
		}})
	if err != nil {
		a.cfg.Log.Error("an agent could not be freed; the sweeper will", "agent", o.Agent, "error", err)
	}
}

// Decline refuses an offer. The caller is offered to somebody else.
func (a *Agents) Decline(ctx context.Context, offerID, agent, reason string) error {
	a.mu.Lock()
	o, over := a.offers[offerID], slices.Contains(a.over, offerID)
	a.mu.Unlock()
	switch {
	case over:
		return offerGone()
	case o == nil || o.Agent != agent:
		return hotline.Errorf(hotline.NotFound, "offer.unknown", "there is no such call for this agent")
	case !a.drop(ctx, offerID, outcome{why: GoneDeclined, reason: reason}):
		return offerGone()
	}
	return nil
}

// drop ends a live offer and tells who asked. It says whether the offer was live.
func (a *Agents) drop(ctx context.Context, offerID string, how outcome) bool {
	a.mu.Lock()
	o := a.offers[offerID]
	if o == nil || o.round.claimed {
		a.mu.Unlock()
		return false
	}
	a.forget(o)
	a.mu.Unlock()
	a.end(ctx, o, how)
	return true
}

// end writes the end of an offer that is out of the copy.
func (a *Agents) end(ctx context.Context, o *ringing, how outcome) {
	now := time.Now()
	if err := a.releaseRow(ctx, o, how, now); err != nil {
		a.cfg.Log.Error("an agent could not be released; the sweeper will", "agent", o.Agent, "error", err)
	}
	a.file(o, now, how.segment())
	a.withdraw(o, how.why)
	o.round.asker.refused(o, how.why)
}

// told notes that the asker knows of the end of an offer.
func (a *Agents) told(o *ringing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o.round.live--
}

// segment is the reason that the offer's segment bears.
func (o outcome) segment() string {
	if o.why == GoneCaller || o.why == GoneElsewhere {
		return string(o.why)
	}
	return o.state()
}

const releaseSQL = `
	with o as (
		update work_offer set state = @state, reason = @reason, ended_at = @now where id = @offer and state = 'live'
	)
	update agent a set ` + freeSQL + `, misses = case when @state = 'no_answer' then a.misses + 1 when @state = 'declined' then 0 else a.misses end
	where a.account_id = @agent and a.lease_offer = @offer and a.state in ('reserved', 'ringing') returning ` + agentColumns

const missedSQL = `
	with o as (
		update work_offer set state = @state, reason = @reason, ended_at = @now where id = @offer and state = 'live'
	)
	update agent a set state = 'not_responding', reason = '', since = @now, deadline = @deadline, misses = a.misses + 1,
		after_state = '', after_reason = '', lease_call = null, lease_offer = null, lease_kind = '', lease_queue = '', wrap_code = '', wrap_note = ''
	where a.account_id = @agent and a.lease_offer = @offer and a.state in ('reserved', 'ringing') returning ` + agentColumns

// releaseRow gives an agent back: ready, or what was asked for; after too many offers that were not answered, not responding.
func (a *Agents) releaseRow(ctx context.Context, o *ringing, how outcome, now time.Time) error {
	g, _ := a.Get(o.Agent)
	lost := how.why == GoneTimeout && g.After == nil && g.Misses+1 >= a.offering(o.Queue).MaxMisses
	c := change{agents: []string{o.Agent}, sql: releaseSQL,
		args: pgx.NamedArgs{"agent": o.Agent, "offer": o.ID, "state": how.state(), "reason": how.reason, "now": now, "deadline": now.Add(notThereFor)},
		guess: func(g *Agent) {
			if !g.rung() || g.Lease.Offer != o.ID {
				return
			}
			g.release(now)
			switch how.why {
			case GoneTimeout:
				g.Misses++
			case GoneDeclined:
				g.Misses = 0
			}
			if lost {
				g.set(NotResponding, "", now, notThereFor)
			}
		}}
	if lost {
		c.sql = missedSQL
	}
	_, err := a.apply(ctx, c)
	return err
}

func (a *Agents) offering(queue string) Offering {
	if a.cfg.Queues != nil {
		if q, ok := a.cfg.Queues.Lookup(queue); ok {
			return q.Settings.Offering
		}
	}
	return DefaultSettings().Offering
}

func (a *Agents) withdraw(o *ringing, why Gone) {
	if a.cfg.Popper != nil {
		a.cfg.Popper.Withdraw(o.ID, o.Agent, why)
	}
}

// file files the segment of an offer.
func (a *Agents) file(o *ringing, now time.Time, reason string) {
	a.segment(o.CallID, call.Segment{Kind: call.SegmentOffer, Queue: o.Queue, Agent: o.Agent, StartedAt: o.At, EndedAt: now, Reason: reason})
}

func (a *Agents) segment(callID string, s call.Segment) {
	if a.cfg.Journal == nil {
		return
	}
	s.ID, s.DurationMS = hotline.NewID(), s.EndedAt.Sub(s.StartedAt).Milliseconds()
	if err := a.cfg.Journal.File(callID, call.FactSegment, s); err != nil {
		a.cfg.Log.Error("a segment could not be filed", "call", callID, "error", err)
	}
}

// Offers returns the live offers of an agent: what a browser that comes back is shown.
func (a *Agents) Offers(agent string) []Offer {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []Offer
	for _, o := range a.offers {
		if o.Agent == agent && !o.round.claimed {
			list = append(list, o.Offer)
		}
	}
	return list
}

// cancel withdraws what is live of a round, for a reason of who asked. It returns at once.
func (a *Agents) cancel(r *round, why Gone) {
	a.mu.Lock()
	r.dead = true
	var live []*ringing
	for _, o := range a.offers {
		if o.round == r && !r.claimed {
			live = append(live, o)
		}
	}
	for _, o := range live {
		a.forget(o)
	}
	a.mu.Unlock()
	for _, o := range live {
		a.withdraw(o, why)
		a.do(func(ctx context.Context) {
			now := time.Now()
			if err := a.releaseRow(ctx, o, outcome{why: why}, now); err != nil {
				a.cfg.Log.Error("an agent could not be released; the sweeper will", "agent", o.Agent, "error", err)
			}
			a.file(o, now, outcome{why: why}.segment())
		})
	}
}
