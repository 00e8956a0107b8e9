package call

import (
	"context"
	"slices"
	"time"

	"hotline"
)

// third is who is asked while the caller waits. There is one at a time, and only while one agent is with the caller.
type third struct {
	to     Destination
	by     string // the agent who asks
	state  ConsultState
	active ConsultSide
	why    string
	until  time.Time // a number rings for so long; zero: somebody else looks to it, or it does not ring
	seat   *seat     // a number from the dialling on, a colleague from the answer on; nil when it failed
}

// rings says whether an agent hears it ringing.
func (x *third) rings(agent string) bool {
	return x != nil && x.by == agent && x.state == ConsultRinging && x.active == WithThird && !x.early()
}

// early says that the network lets the agent hear how a number rings.
func (x *third) early() bool {
	return x != nil && x.state == ConsultRinging && x.seat != nil && x.seat.stream.Configured()
}

// unheard says that s is a number which rings in silence.
func (x *third) unheard(s *seat) bool {
	return x != nil && x.seat == s && x.state == ConsultRinging && !x.early()
}

const dialTimeout = 5 * time.Second // until a dialler has sent its INVITE

// Consult begins a question to a third while the caller hears music. A number is dialled. An agent, or one of a queue, is rung by
// whoever calls this, who then says [Talk.ConsultSeat] or [Talk.ConsultFail].
func (t *Talk) Consult(agent string, to Destination) error {
	if _, err := t.free(agent); err != nil {
		return err
	}
	if err := to.check(); err != nil {
		return err
	}
	if len(t.seats) > 1 {
		return hotline.Errorf(hotline.Conflict, "call.conference", "there are three in the conversation already: end it with one of them first")
	}
	x := &third{to: to, by: agent, state: ConsultRinging, active: WithThird}
	if to.Kind == ToNumber {
		if err := t.dialThird(x); err != nil {
			return err
		}
	}
	t.third, t.holder = x, ""
	t.changed("consult")
	return nil
}

func (t *Talk) dialThird(x *third) error {
	if t.cfg.Dialer == nil {
		return hotline.Errorf(hotline.Unavailable, "call.no_dialer", "no trunk takes outbound calls: set up an outbound route")
	}
	ctx, cancel := context.WithTimeout(t.call.ctx, dialTimeout)
	defer cancel()
	from := t.cfg.From
	from.Agent = x.by
	out := t.call.newOut(Dial{To: x.to.Value, From: from, Timeout: t.cfg.Ring})
	if err := out.open(ctx, t.cfg.Dialer); err != nil {
		return err
	}
	x.until = time.Now().Add(t.cfg.Ring)
	x.seat = &seat{number: x.to.Value, name: x.to.Name, stream: out.leg.Audio(), leg: out.dial.LegID, out: out}
	return nil
}

// ConsultSeat seats the colleague who answered a consultation.
func (t *Talk) ConsultSeat(agent string, a AgentSeat) error {
	x, err := t.consulting(agent)
	if err != nil {
		return err
	}
	if x.state != ConsultRinging || x.to.Kind == ToNumber {
		return hotline.Errorf(hotline.Conflict, "call.not_ringing", "nobody is being rung for this conversation")
	}
	if t.seatOfAgent(a.Agent) != nil {
		return hotline.Errorf(hotline.Conflict, "call.seated", "the agent is in this conversation already")
	}
	t.coaches = slices.DeleteFunc(t.coaches, func(s SuperviseSeat) bool { return s.ID == a.Agent }) // who is asked listens no more
	x.seat, x.state = t.seatOf(a), ConsultTalking
	t.changed("consult")
	return nil
}

// ConsultFail says that no colleague answered.
func (t *Talk) ConsultFail(agent, why string) error {
	x, err := t.consulting(agent)
	if err != nil {
		return err
	}
	if x.state != ConsultRinging {
		return hotline.Errorf(hotline.Conflict, "call.not_ringing", "nobody is being rung for this conversation")
	}
	t.failThird(why)
	t.changed("consult")
	return nil
}

// CancelConsult ends the consultation; agent and caller talk on.
func (t *Talk) CancelConsult(agent string) error {
	if _, err := t.consulting(agent); err != nil {
		return err
	}
	t.dropThird()
	t.changed("consult_ended")
	return nil
}

// Swap lets a consulting agent talk with the other side.
func (t *Talk) Swap(agent string) error {
	x, err := t.answeredThird(agent)
	if err != nil {
		return err
	}
	if x.active == WithThird {
		x.active = WithCaller
	} else {
		x.active = WithThird
	}
	t.changed("swap")
	return nil
}

// Complete leaves the caller to the third who was consulted.
func (t *Talk) Complete(agent string) error {
	x, err := t.answeredThird(agent)
	if err != nil {
		return err
	}
	leaving := t.seats[0]
	t.sent(leaving, Transferred{To: x.to, Attended: true})
	t.seats, t.third = []*seat{x.seat}, nil
	t.leave(leaving)
	if x.seat.out != nil {
		t.call.SetResult(ResultTransferred)
	}
	t.changed("transfer")
	return nil
}

// Conference lets the caller, the agent and the third who was consulted talk together.
func (t *Talk) Conference(agent string) error {
	x, err := t.answeredThird(agent)
	if err != nil {
		return err
	}
	t.seats, t.third = append(t.seats, x.seat), nil
	t.changed("conference")
	return nil
}

// consulting returns the consultation of an agent.
func (t *Talk) consulting(agent string) (*third, error) {
	if _, err := t.need(agent); err != nil {
		return nil, err
	}
	if t.third == nil || t.third.by != agent {
		return nil, hotline.Errorf(hotline.Conflict, "call.no_consult", "nobody is being consulted")
	}
	return t.third, nil
}

// answeredThird returns the consultation of an agent in which both talk.
func (t *Talk) answeredThird(agent string) (*third, error) {
	x, err := t.consulting(agent)
	if err == nil && (x.state != ConsultTalking || !x.seat.here()) {
		err = hotline.Errorf(hotline.Conflict, "call.consult_unanswered", "who is consulted has not answered yet, or has gone")
	}
	return x, err
}

// failThird notes that the third is not to be had; the caller goes on waiting until the agent takes it back.
func (t *Talk) failThird(why string) {
	t.letThirdGo()
	t.third.state, t.third.active, t.third.why, t.third.until = ConsultFailed, WithThird, why, time.Time{}
}

func (t *Talk) dropThird() {
	if t.third != nil {
		t.letThirdGo()
		t.third = nil
	}
}

func (t *Talk) letThirdGo() {
	if s := t.third.seat; s != nil {
		t.third.seat = nil
		t.leave(s)
	}
}

// out is the leg of the number in the conversation, if there is one: no more than one is dialled at a time.
func (t *Talk) out() *seat {
	for _, s := range t.everybody() {
		if s.out != nil {
			return s
		}
	}
	return nil
}

func (t *Talk) outReady() <-chan struct{} {
	if s := t.out(); s != nil {
		return s.out.dial.Mailbox.Ready()
	}
	return nil
}

// hearOut takes what came of the number's leg.
func (t *Talk) hearOut() {
	s := t.out()
	if s == nil {
		return
	}
	s.out.drain()
	ringing := t.third != nil && t.third.seat == s && t.third.state == ConsultRinging
	switch {
	case s.out.ended && ringing:
		t.failThird(s.out.cause.Text)
	case s.out.ended:
		t.part(s, TalkEnd{Kind: TalkHungUp, By: t.agent()})
	case s.out.refers != nil:
		e := *s.out.refers
		s.out.refers = nil
		t.sendsOn(s, e)
	case ringing && s.out.answeredAt != nil:
		t.third.state, t.third.until = ConsultTalking, time.Time{}
	}
	t.changed("third")
}
