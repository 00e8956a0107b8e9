package softphone

import (
	"slices"

	"hotline/call"
	"hotline/softphone/line"
)

// talk is a conversation as it was seen last.
type talk struct {
	view        call.TalkView
	agents      []string
	supervisors []string
}

// Observe takes the view of a conversation after each change of it, in the call's goroutine. It never blocks.
func (g *Gateway) Observe(v call.TalkView) {
	now := talk{view: v}
	if v.Ended == nil {
		for _, p := range v.Parties {
			if p.Kind == "agent" {
				now.agents = append(now.agents, p.ID)
			}
		}
		for _, s := range v.Supervisors {
			now.supervisors = append(now.supervisors, s.ID)
		}
	}
	g.mu.Lock()
	was := g.talks[v.CallID]
	if v.Ended == nil {
		g.talks[v.CallID] = now
	} else {
		delete(g.talks, v.CallID)
	}
	g.mu.Unlock()
	why := "left"
	if v.Ended != nil {
		why = string(v.Ended.Kind)
	}
	for _, a := range was.agents {
		if st := g.station(a); st != nil && !slices.Contains(now.agents, a) {
			st.unseated(v.CallID, why)
		}
	}
	for _, a := range now.agents {
		if st := g.station(a); st != nil {
			st.seated(v)
		}
	}
	for _, a := range was.supervisors {
		if st := g.station(a); st != nil && !slices.Contains(now.supervisors, a) {
			st.unsupervised(v.CallID, why)
		}
	}
}

// conversation returns a conversation as it was seen last.
func (g *Gateway) conversation(callID string) (call.TalkView, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.talks[callID]
	return t.view, ok
}

// seated shows the agent the call that it is in.
func (st *station) seated(v call.TalkView) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.sit(v)
}

// rejoin shows a browser the call that its agent is in already: the process before held it, and this one goes on with it. The mutexes
// of the gateway and of the station are held.
func (g *Gateway) rejoin(st *station) {
	for _, t := range g.talks {
		if slices.Contains(t.agents, st.account) {
			st.sit(t.view)
		}
	}
}

// sit is [station.seated]. The mutex is held.
func (st *station) sit(v call.TalkView) {
	if st.call != nil && st.call.ID != v.CallID {
		st.leaveCall("left")
	}
	first := st.call == nil
	if first {
		st.muted, st.line = false, line.Watch{}
		st.seat.callID, st.seat.stream = v.CallID, st.answered
		if st.pop.CallID != v.CallID {
			st.pop = st.g.callersPop(v.CallID)
		}
	}
	st.call = callView(v, st.pop, st.muted)
	st.emit(eventCall, st.call)
	if first {
		st.settleSeat() // the browser may have gone between the answer and now
		st.learn(v.CallID)
	}
}

// unseated takes the call from the agent's screen.
func (st *station) unseated(callID, why string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.call != nil && st.call.ID == callID {
		st.leaveCall(why)
	}
}

// leaveCall forgets the call. The mutex is held.
func (st *station) leaveCall(why string) {
	id := st.call.ID
	st.call, st.answered = nil, nil
	st.seat.callID, st.seat.stream = "", nil
	st.stopAsking(id)
	st.emit(eventGone, Gone{ID: id, Why: why})
}

func callView(v call.TalkView, pop Pop, muted bool) *CallView {
	c := &CallView{ID: v.CallID, Direction: string(v.Direction), Phase: string(v.Phase), StartedAt: v.StartedAt, AnsweredAt: v.AnsweredAt,
		Queue: v.Queue, Held: v.Held, Muted: muted, Recording: string(v.Recording), Parties: []PartyView{}, Lost: []LostView{}, Pop: pop}
	switch {
	case v.Ticket != 0:
		c.Ticket = &v.Ticket
	case pop.Ticket != nil:
		c.Ticket = &pop.Ticket.Number
	}
	if q := v.Consult; q != nil {
		c.Consult = &ConsultView{To: ConsultTo{Kind: string(q.Kind), Value: q.Value, Name: q.Name}, By: q.By,
			State: string(q.State), Active: string(q.Active), Why: q.Why}
	}
	for _, p := range v.Parties {
		c.Parties = append(c.Parties, PartyView{ID: p.ID, Kind: p.Kind, Name: p.Name, Number: p.Number, Role: p.Role, AwayUntil: p.AwayUntil})
	}
	for _, l := range v.Lost {
		c.Lost = append(c.Lost, LostView{Name: l.Name, Number: l.Number, Consult: l.Consult})
	}
	return c
}

// refresh puts what has been learnt of the caller into what the agent is shown, if it is still shown. The mutex is held.
func (st *station) refresh(callID string, pop Pop) {
	for i, o := range st.offers {
		if o.CallID == callID {
			changed := *o
			changed.Pop = pop
			st.offers[i] = &changed
			st.emit(eventOffer, &changed)
		}
	}
	if st.pop.CallID == callID {
		st.pop = pop
	}
	if st.call != nil && st.call.ID == callID {
		changed := *st.call
		changed.Pop = pop
		if changed.Ticket == nil && pop.Ticket != nil {
			changed.Ticket = &pop.Ticket.Number
		}
		st.call = &changed
		st.emit(eventCall, st.call)
	}
	if st.wrap != nil && st.wrap.CallID == callID && st.wrap.Ticket == nil && pop.Ticket != nil {
		changed := *st.wrap
		changed.Ticket = &pop.Ticket.Number
		st.wrap = &changed
		st.emit(eventWrap, st.wrap)
	}
}
