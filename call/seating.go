package call

import (
	"context"
	"reflect"
	"slices"
	"time"
)

// Seating is who sits in a conversation that is more than the caller and one agent: what another process needs to go on with it. Nil is
// the caller with [Stage].Agent.
type Seating struct {
	Seats  []Seated `json:"seats"` // with the caller; who has the call is the first
	Asked  *Asked   `json:"asked,omitempty"`
	Holder string   `json:"holder,omitempty"` // the agent who put the others on hold
	Paused bool     `json:"paused,omitempty"` // the recordings
}

// Seated is an agent, or a number by its leg.
type Seated struct {
	Agent      string     `json:"agent,omitempty"`
	Name       string     `json:"name,omitempty"`
	Number     string     `json:"number,omitempty"`
	Leg        string     `json:"leg,omitempty"`
	Edge       string     `json:"edge,omitempty"` // that carries the leg
	ForeignID  string     `json:"foreign_id,omitempty"`
	TrunkID    string     `json:"trunk_id,omitempty"`
	AnsweredAt *time.Time `json:"answered_at,omitempty"`
}

// Asked is who is consulted.
type Asked struct {
	To     Destination  `json:"to"`
	By     string       `json:"by"`
	State  ConsultState `json:"state"`
	Active ConsultSide  `json:"active"`
	Why    string       `json:"why,omitempty"`
	Seat   *Seated      `json:"seat,omitempty"`
}

// CallSeated says who sits in a conversation from now on, of a call that outlives the process.
type CallSeated struct {
	Seating *Seating `json:"seating"`
}

// PartyLost is filed for each who is not in a conversation any more after another process went on with it.
type PartyLost struct {
	Agent   string `json:"agent,omitempty"` // the account, when it was an agent of ours
	Name    string `json:"name,omitempty"`
	Number  string `json:"number,omitempty"`
	Consult bool   `json:"consult"` // was asked while the caller waited; else talked with the caller
}

// lostLine is why a consultation failed that could not be restored.
const lostLine = "lost"

// seating is what there is to keep.
func (t *Talk) seating() *Seating {
	if len(t.seats) == 1 && t.seats[0].agent != "" && t.third == nil && !t.paused {
		return nil // who holds is known from the segments
	}
	now := &Seating{Holder: t.holder, Paused: t.paused}
	for _, s := range t.seats {
		now.Seats = append(now.Seats, s.seated())
	}
	if x := t.third; x != nil {
		now.Asked = &Asked{To: x.to, By: x.by, State: x.state, Active: x.active, Why: x.why}
		if x.seat != nil {
			who := x.seat.seated()
			now.Asked.Seat = &who
		}
	}
	return now
}

func (s *seat) seated() Seated {
	who := Seated{Agent: s.agent, Name: s.name, Number: s.number}
	if s.out != nil {
		i := s.out.leg.Info()
		who.Leg, who.Edge, who.ForeignID, who.TrunkID, who.AnsweredAt = s.leg, i.Edge, i.ForeignID, i.TrunkID, s.out.answeredAt
	}
	return who
}

// keep files who sits there, when that has changed.
func (t *Talk) keep() {
	if now := t.seating(); t.call.Info.Outlives && !reflect.DeepEqual(now, t.kept) {
		t.kept = now
		t.call.file(FactCallSeated, CallSeated{now})
	}
}

// Agents are those who sat in the conversation that was left, who had the call first.
func (l *Left) Agents() []string {
	if l.Phase != PhaseTalking {
		return nil
	}
	var list []string
	for _, s := range l.seating().everybody() {
		if s.Agent != "" {
			list = append(list, s.Agent)
		}
	}
	return list
}

// seating is who sat there. Without an agent it was a number, whose leg is told from the rows.
func (l *Left) seating() *Seating {
	switch s := l.Stage.Seating; {
	case s != nil:
		return s
	case l.Stage.Agent != "":
		s = &Seating{Seats: []Seated{{Agent: l.Stage.Agent}}}
		if l.Stage.Held {
			s.Holder = l.Stage.Agent
		}
		return s
	}
	s := &Seating{}
	for _, o := range l.Others {
		s.Seats = append(s.Seats, Seated{Number: o.Number, Leg: o.LegID, AnsweredAt: o.AnsweredAt})
	}
	return s
}

// Seat returns who sat there by a leg.
func (l *Left) Seat(leg string) (Seated, bool) {
	all := l.seating().everybody()
	at := slices.IndexFunc(all, func(s Seated) bool { return s.Leg == leg })
	if at < 0 || leg == "" {
		return Seated{}, false
	}
	return all[at], true
}

func (s *Seating) everybody() []Seated {
	all := slices.Clone(s.Seats)
	if s.Asked != nil && s.Asked.Seat != nil {
		all = append(all, *s.Asked.Seat)
	}
	return all
}

// onHold says that the caller heard music.
func (l *Left) onHold() bool {
	s := l.seating()
	return s.Holder != "" || s.Asked != nil && s.Asked.Active == WithThird
}

// paused says that nothing was to be recorded.
func (l *Left) paused() bool { return l != nil && l.Phase == PhaseTalking && l.seating().Paused }

// TalkAgain goes on with the conversation that was left, with those of its agents who are still in it. Their browsers are away, each until
// [Talk.Reseat] or the end of [TalkConfig.Away]: who has nobody else to hear hears music. A number is heard at once if its leg is alive. Who
// is not there any more is in [TalkView].Lost, and filed.
func (c *Call) TalkAgain(ctx context.Context, cfg TalkConfig, there []AgentSeat) (TalkEnd, error) {
	t, l := newTalk(c, cfg), c.past.left
	t.since, c.past.same, t.kept = &l.Since, false, l.Stage.Seating
	if l.Stage.Talking != nil {
		t.since = l.Stage.Talking
	}
	t.sitAgain(l.seating(), there)
	for _, o := range c.past.numbers {
		c.clear(o) // nobody talks with it
	}
	c.past.numbers = nil
	if len(t.seats) == 0 {
		if t.paused {
			t.pause(false)
		}
		return TalkEnd{Kind: TalkAgentLost}, c.alive(ctx)
	}
	for _, who := range t.lost {
		c.file(FactPartyLost, who)
	}
	c.SetResult(ResultAnswered)
	if t.agent() == "" {
		c.SetResult(ResultTransferred)
	}
	return t.hold(ctx)
}

// sitAgain seats those who are there again.
func (t *Talk) sitAgain(was *Seating, there []AgentSeat) {
	for _, who := range was.Seats {
		if s := t.again(who, there); s != nil {
			t.seats = append(t.seats, s)
		} else {
			t.lost = append(t.lost, PartyLost{Agent: who.Agent, Name: who.Name, Number: who.Number})
		}
	}
	if t.seatOfAgent(was.Holder) != nil {
		t.holder = was.Holder
	}
	t.paused = was.Paused // [Call.Taping] has seen to it
	if x := was.Asked; x != nil && t.agent() == x.By {
		t.askAgain(x, there)
	}
}

// askAgain goes on with a consultation. An agent who talked with somebody who is not there any more is told so, and takes the caller back.
func (t *Talk) askAgain(was *Asked, there []AgentSeat) {
	x := &third{to: was.To, by: was.By, state: was.State, active: was.Active, why: was.Why}
	if was.State == ConsultTalking && was.Seat != nil {
		x.seat = t.again(*was.Seat, there)
	}
	if x.seat != nil || x.state == ConsultFailed {
		t.third = x
		return
	}
	who := PartyLost{Name: was.To.Name, Consult: true}
	switch was.To.Kind {
	case ToAgent:
		who.Agent = was.To.Value
	case ToNumber:
		who.Number = was.To.Value
	}
	if s := was.Seat; s != nil {
		who.Agent, who.Name, who.Number = s.Agent, s.Name, s.Number
	}
	t.lost = append(t.lost, who)
	if x.active == WithThird {
		x.state, x.why = ConsultFailed, lostLine
		t.third = x
	}
}

// again is the seat of somebody who sat in the conversation before; nil when they are not there any more.
func (t *Talk) again(who Seated, there []AgentSeat) *seat {
	if who.Agent != "" {
		at := slices.IndexFunc(there, func(a AgentSeat) bool { return a.Agent == who.Agent })
		if at < 0 {
			return nil
		}
		return &seat{agent: who.Agent, name: there[at].Name, away: time.Now().Add(t.cfg.Away)}
	}
	numbers := t.call.past.numbers
	at := slices.IndexFunc(numbers, func(o *outLeg) bool { return o.dial.LegID == who.Leg })
	if at < 0 {
		return nil
	}
	o := numbers[at]
	t.call.past.numbers = slices.Delete(numbers, at, at+1)
	o.answeredAt = who.AnsweredAt
	return &seat{number: who.Number, name: who.Name, stream: o.leg.Audio(), leg: who.Leg, out: o}
}
