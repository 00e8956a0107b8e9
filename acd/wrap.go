package acd

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/acd/roster"
	"hotline/call"
)

// Wrap is the after-call work that an agent has to do.
type Wrap struct {
	CallID      string     `json:"call_id"`
	Queue       string     `json:"queue"`
	Mode        WrapMode   `json:"mode"`
	Since       time.Time  `json:"since"`
	Deadline    *time.Time `json:"deadline"`
	DefaultCode string     `json:"default_code"`
}

// Talking says that an agent is in a call that no offer led to: it dials, or got it by an attended transfer. In the call that it is
// in already the lease is changed. The error is of kind Conflict when the agent is in another.
func (a *Agents) Talking(ctx context.Context, agent string, l Lease) error {
	g, ok := a.Get(agent)
	if !ok {
		return unknownAgent(agent)
	}
	if g.State == WrapUp { // dialling ends it
		if err := a.WrapUp(ctx, agent, g.Lease.Call, "", ""); err != nil {
			return err
		}
	}
	now := time.Now()
	_, err := a.one(ctx, change{agents: []string{agent},
		sql: `update agent a set state = 'talking', since = case when a.state = 'talking' then a.since else @now end, deadline = @deadline, reason = '',
				lease_call = @call, lease_offer = null, lease_kind = @kind, lease_queue = @queue,
				after_state = case when a.state = 'not_ready' and a.after_state = '' then 'not_ready' else a.after_state end,
				after_reason = case when a.state = 'not_ready' and a.after_state = '' then a.reason else a.after_reason end
			where a.account_id = @agent and a.session <> '' and (a.state in ('ready', 'not_ready') or a.state = 'talking' and a.lease_call = @call)
			returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "now": now, "deadline": now.Add(maxTalk), "call": l.Call, "kind": l.Kind, "queue": l.Queue},
		guess: func(g *Agent) {
			switch {
			case g.State == Talking && g.Lease.Call == l.Call:
				g.Lease = Lease{Call: l.Call, Kind: l.Kind, Queue: l.Queue}
			case g.Session != "" && (g.State == Ready || g.State == NotReady):
				if g.State == NotReady && g.After == nil {
					g.After = &After{State: NotReady, Reason: g.Reason}
				}
				g.set(Talking, "", now, maxTalk)
				g.Lease = Lease{Call: l.Call, Kind: l.Kind, Queue: l.Queue}
			}
		}})
	return err
}

// Moved says that an agent goes on from one call to another: what was talked about there belongs to that one. The error is of kind
// Conflict when the agent is not in the first.
func (a *Agents) Moved(ctx context.Context, agent, from, to string) error {
	_, err := a.one(ctx, change{agents: []string{agent},
		sql: `update agent a set lease_call = @to, lease_offer = null, lease_kind = @kind
			where a.account_id = @agent and a.state = 'talking' and a.lease_call = @from returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "from": from, "to": to, "kind": KindDirect},
		guess: func(g *Agent) {
			if g.State == Talking && g.Lease.Call == from {
				g.Lease = Lease{Call: to, Kind: KindDirect, Queue: g.Lease.Queue}
			}
		}})
	return err
}

// Ended says that an agent's part of a call is over; after-call work begins. With the database away it is settled later. The agent ""
// means all who are in the call. Ending what is over is no error.
func (a *Agents) Ended(ctx context.Context, agent, callID string) error {
	var err error
	for _, g := range a.talking(callID) {
		if agent == "" || agent == g.ID {
			err = errors.Join(err, a.ended(ctx, g))
		}
	}
	return err
}

// Resumed says that this process goes on with a call, and who sat in it. Whoever else was leased to it is free: they had answered when
// the process before died, or were asked. It returns those agents, in their order, who are in the call still.
func (a *Agents) Resumed(ctx context.Context, agents []string, callID string) (in []Agent) {
	leased := a.talking(callID)
	for _, id := range agents {
		if at := slices.IndexFunc(leased, func(g Agent) bool { return g.ID == id }); at >= 0 {
			in = append(in, leased[at])
			leased = slices.Delete(leased, at, at+1)
		}
	}
	for _, g := range leased {
		now := time.Now()
		_, err := a.apply(ctx, change{agents: []string{g.ID},
			sql:  `update agent a set ` + freeSQL + ` where a.account_id = @agent and a.lease_call = @call and a.state = 'talking' returning ` + agentColumns,
			args: pgx.NamedArgs{"agent": g.ID, "call": callID, "now": now},
			guess: func(x *Agent) {
				if x.State == Talking && x.Lease.Call == callID {
					x.release(now)
				}
			}})
		a.logEnd(err)
	}
	return a.dress(in)
}

// talking returns who is in a call.
func (a *Agents) talking(callID string) []Agent {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []Agent
	for _, g := range a.copy {
		if g.State == Talking && g.Lease.Call == callID {
			list = append(list, *g)
		}
	}
	return list
}

// ended begins the after-call work of g, or sets g free when there is none to do.
func (a *Agents) ended(ctx context.Context, g Agent) error {
	c := a.ending(g, time.Now())
	list, err := a.apply(ctx, c.change)
	if err != nil || len(list) == 0 {
		return err
	}
	a.handled(g.Lease.Queue, c.at.Sub(g.Since), 0)
	if g.wrap.code != "" || g.wrap.note != "" {
		a.wrapped(g, c.at, c.at, g.wrap, false)
	}
	return nil
}

// ending is the change that ends an agent's part of a call.
type ending struct {
	change
	at time.Time
}

func (a *Agents) ending(g Agent, now time.Time) ending {
	w := a.wrapping(g.Lease.Queue)
	args := pgx.NamedArgs{"agent": g.ID, "call": g.Lease.Call, "now": now}
	if w.Mode == WrapNone || g.Lease.Kind == KindConsult || g.wrap.code != "" {
		return ending{change{agents: []string{g.ID}, args: args,
			sql: `update agent a set ` + freeSQL + ` where a.account_id = @agent and a.lease_call = @call and a.state = 'talking' returning ` + agentColumns,
			guess: func(x *Agent) {
				if x.State == Talking && x.Lease.Call == g.Lease.Call {
					x.release(now)
				}
			}}, now}
	}
	args["deadline"] = now.Add(seconds(w.Seconds))
	return ending{change{agents: []string{g.ID}, args: args,
		sql: `update agent a set state = 'wrap_up', since = @now, deadline = @deadline
			where a.account_id = @agent and a.lease_call = @call and a.state = 'talking' returning ` + agentColumns,
		guess: func(x *Agent) {
			if x.State == Talking && x.Lease.Call == g.Lease.Call {
				x.set(WrapUp, "", now, seconds(w.Seconds))
			}
		}}, now}
}

// onCallEnded frees whoever the end of a call finds still in it, in the transaction that files that end.
func (a *Agents) onCallEnded(ctx context.Context, tx pgx.Tx, f call.Fact) error {
	rows, err := tx.Query(ctx, `select `+agentColumns+` from agent a where a.lease_call = @call and a.state = 'talking' order by a.account_id for update`,
		pgx.NamedArgs{"call": f.CallID, "today": today(time.Now())})
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, scanAgent)
	if err != nil {
		return err
	}
	for _, g := range list {
		c := a.ending(g, time.Now())
		c.args["today"] = today(c.at)
		if _, err := tx.Exec(ctx, c.sql, c.args); err != nil {
			return err
		}
		if g.wrap != (wrapNote{}) {
			a.do(func(context.Context) { a.wrapped(g, c.at, c.at, g.wrap, true) })
		}
	}
	return nil
}

func (a *Agents) wrapping(queue string) Wrapping {
	if a.cfg.Queues != nil {
		if q, ok := a.cfg.Queues.Lookup(queue); ok {
			return q.Settings.Wrap
		}
	}
	return DefaultSettings().Wrap
}

// Seated says who sits in a call now, the one who has the call first. Those who sat there and do not any more have ended their part;
// with nobody left, all of them. A colleague who was asked and has the call now has after-call work as well. It does not block.
func (a *Agents) Seated(callID string, agents []string) {
	a.mu.Lock()
	before := a.seats[callID]
	if len(agents) == 0 {
		delete(a.seats, callID)
	} else {
		a.seats[callID] = slices.Clone(agents)
		if g := a.copy[agents[0]]; g != nil && g.State == Talking && g.Lease.Call == callID && g.Lease.Kind == KindConsult {
			l := Lease{Call: callID, Kind: KindDirect, Queue: g.Lease.Queue}
			defer a.do(func(ctx context.Context) { a.logEnd(a.Talking(ctx, agents[0], l)) })
		}
	}
	a.mu.Unlock()
	for _, id := range before {
		if !slices.Contains(agents, id) {
			a.do(func(ctx context.Context) { a.logEnd(a.Ended(ctx, id, callID)) })
		}
	}
}

func (a *Agents) logEnd(err error) {
	if err != nil {
		a.cfg.Log.Error("the end of an agent's call could not be written; the sweeper will", "error", err)
	}
}

// Wrap returns the after-call work that an agent has to do.
func (a *Agents) Wrap(agent string) (Wrap, bool) {
	g, ok := a.Get(agent)
	if !ok || g.State != WrapUp {
		return Wrap{}, false
	}
	w := a.wrapping(g.Lease.Queue)
	return Wrap{CallID: g.Lease.Call, Queue: g.Lease.Queue, Mode: w.Mode, Since: g.Since, Deadline: g.Deadline, DefaultCode: w.DefaultCode}, true
}

const maxNote = 10_000 // characters

// WrapUp files the code and note of a call and ends its after-call work. During the call they are kept until it ends; with a code
// there is no after-call work then. The error is of kind Invalid for a code that is not the queue's, or none where one must be.
func (a *Agents) WrapUp(ctx context.Context, agent, callID, code, note string) error {
	g, ok := a.Get(agent)
	switch {
	case !ok:
		return unknownAgent(agent)
	case g.Lease.Call != callID || g.State != Talking && g.State != WrapUp:
		return hotline.Errorf(hotline.Conflict, "wrap.over", "the after-call work of this call is over")
	case utf8.RuneCountInString(note) > maxNote || !utf8.ValidString(note):
		return &hotline.Error{Kind: hotline.Invalid, Code: "wrap.note", Field: "note", Message: "a note has at most 10000 characters"}
	}
	if code == "" {
		code = g.wrap.code
	}
	w := a.wrapping(g.Lease.Queue)
	if code == "" && w.Mode == WrapMandatory && g.State == WrapUp {
		return &hotline.Error{Kind: hotline.Invalid, Code: "wrap.code_needed", Field: "code", Message: "this queue's calls are closed with a code; choose one"}
	}
	if code != "" && !slices.ContainsFunc(a.roster.CodesOf(g.Lease.Queue), func(c roster.Code) bool { return c.Name == code }) {
		return &hotline.Error{Kind: hotline.Invalid, Code: "wrap.code", Field: "code", Message: "this is no code of the queue; choose one from the list"}
	}
	if note == "" {
		note = g.wrap.note
	}
	if g.State == Talking {
		return a.noteWrap(ctx, g, wrapNote{code, note})
	}
	return a.finishWrap(ctx, g, wrapNote{code, note}, false)
}

// noteWrap keeps code and note until the call ends.
func (a *Agents) noteWrap(ctx context.Context, g Agent, n wrapNote) error {
	_, err := a.one(ctx, change{agents: []string{g.ID},
		sql: `update agent a set wrap_code = @code, wrap_note = @note where a.account_id = @agent and a.lease_call = @call and a.state = 'talking'
			returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": g.ID, "call": g.Lease.Call, "code": n.code, "note": n.note},
		guess: func(x *Agent) {
			if x.State == Talking && x.Lease.Call == g.Lease.Call {
				x.wrap = n
			}
		}})
	return err
}

// finishWrap ends after-call work. Of two who end it, one files it.
func (a *Agents) finishWrap(ctx context.Context, g Agent, n wrapNote, auto bool) error {
	now := time.Now()
	list, err := a.apply(ctx, change{agents: []string{g.ID},
		sql: `update agent a set ` + freeSQL + ` where a.account_id = @agent and a.lease_call = @call and a.state = 'wrap_up'
			and (not @auto::boolean or a.deadline <= @now) returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": g.ID, "call": g.Lease.Call, "now": now, "auto": auto},
		guess: func(x *Agent) {
			if x.State == WrapUp && x.Lease.Call == g.Lease.Call {
				x.release(now)
			}
		}})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return hotline.Errorf(hotline.Conflict, "wrap.over", "the after-call work of this call is over")
	}
	a.handled(g.Lease.Queue, 0, now.Sub(g.Since))
	a.wrapped(g, g.Since, now, n, auto)
	return nil
}

// wrapped files after-call work.
func (a *Agents) wrapped(g Agent, from, to time.Time, n wrapNote, auto bool) {
	if a.cfg.Journal == nil {
		return
	}
	reason := "done"
	if auto {
		reason = "timeout"
	}
	a.segment(g.Lease.Call, call.Segment{Kind: call.SegmentWrap, Queue: g.Lease.Queue, Agent: g.ID, StartedAt: from, EndedAt: to, Reason: reason})
	p, _ := a.roster.Agent(g.ID)
	err := a.cfg.Journal.File(g.Lease.Call, call.FactWrapUp, call.WrappedUp{
		Agent: g.ID, AgentName: p.Name, Queue: g.Lease.Queue, Code: n.code, Note: n.note, Auto: auto, DurationMS: to.Sub(from).Milliseconds(), At: to,
	})
	if err != nil {
		a.cfg.Log.Error("after-call work could not be filed", "call", g.Lease.Call, "error", err)
	}
}

// Extend puts the end of after-call work off by d; 0 is half a minute. It is refused when it would last for more than ten minutes
// longer than the queue gives.
func (a *Agents) Extend(ctx context.Context, agent string, d time.Duration) (Wrap, error) {
	g, ok := a.Get(agent)
	if !ok {
		return Wrap{}, unknownAgent(agent)
	}
	if d <= 0 {
		d = wrapGiven
	}
	if g.State != WrapUp || g.Deadline == nil {
		return Wrap{}, hotline.Errorf(hotline.Conflict, "wrap.over", "there is no after-call work to extend")
	}
	until := g.Deadline.Add(d)
	if until.After(g.Since.Add(seconds(a.wrapping(g.Lease.Queue).Seconds) + maxExtension)) {
		return Wrap{}, hotline.Errorf(hotline.Conflict, "wrap.extended", "after-call work cannot be extended any more; pause instead")
	}
	_, err := a.one(ctx, change{agents: []string{agent},
		sql: `update agent a set deadline = @until where a.account_id = @agent and a.lease_call = @call and a.state = 'wrap_up' and a.deadline > @now
			returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "call": g.Lease.Call, "until": until, "now": time.Now()}})
	if err != nil {
		return Wrap{}, err
	}
	w, _ := a.Wrap(agent)
	return w, nil
}

// handling is what calls of a queue have taken lately: the newer, the more it counts.
type handling struct{ talk, wrap time.Duration }

func (a *Agents) handled(queue string, talk, wrap time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.handling[queue]
	if h == nil {
		h = &handling{talk: talk, wrap: wrap}
		a.handling[queue] = h
	}
	if talk > 0 {
		h.talk += (talk - h.talk) / 16
	}
	if wrap > 0 {
		h.wrap += (wrap - h.wrap) / 16
	}
}
