package ivr

import (
	"context"
	"time"

	"hotline"
	"hotline/acd"
	"hotline/call"
	"hotline/ivr/flow"
)

// OutboundCall is a call that an agent makes.
type OutboundCall struct {
	Seat   call.AgentSeat
	Phone  string
	Name   string // of who is called, if it is known
	Ticket int64  // to which it belongs; 0: the desk finds one
	Queue  string // for which it is made; "" if for none
}

// Dial calls a number for an agent, who hears it ring and then talks. It returns when the number was dialled. Whether it may be called
// is for the routes to say: their refusal is the error.
func (x *Exchange) Dial(ctx context.Context, o OutboundCall) (callID string, err error) {
	id := hotline.NewID()
	if x.cfg.Agents != nil {
		if err := x.cfg.Agents.Talking(ctx, o.Seat.Agent, acd.Lease{Call: id, Kind: acd.KindDialled, Queue: o.Queue}); err != nil {
			return "", err
		}
	}
	if err := x.originate(ctx, id, o, nil); err != nil {
		if x.cfg.Agents != nil {
			if err := x.cfg.Agents.Ended(context.WithoutCancel(ctx), o.Seat.Agent, id); err != nil {
				x.log.Error("an agent whose call could not be made is not free", "agent", o.Seat.Agent, "error", err)
			}
		}
		return "", err
	}
	return id, nil
}

// Callback calls a customer back for the agent who took the task. It meets acd.Caller; how it went is filed.
func (x *Exchange) Callback(ctx context.Context, d acd.CallbackDial) error {
	o := OutboundCall{Seat: d.Seat, Phone: d.Phone, Ticket: d.Ticket, Queue: d.Queue}
	return x.originate(ctx, d.CallID, o, func(c *call.Call, end call.TalkEnd) {
		c.File(call.FactCallbackResult, call.CallbackResult{
			CallbackID: d.ID, Attempt: d.Attempt, Attempts: d.Attempts, Agent: d.Seat.Agent, AgentName: d.Seat.Name, Queue: d.Queue, Phone: d.Phone,
			Ticket: d.Ticket, Result: reached(end, c.Cause()), At: time.Now(),
		})
	})
}

// reached says how an attempt to call somebody went.
func reached(end call.TalkEnd, cause call.Cause) string {
	switch {
	case end.Connected:
		return "answered"
	case end.Kind == call.TalkAgentHungUp, end.Kind == call.TalkAgentLost:
		return "cancelled"
	case cause.SIP == 486 || cause.SIP == 600 || cause.Q850 == 17:
		return "busy"
	case end.Kind == call.TalkUnreached && (cause.SIP == 0 || cause.SIP == 408 || cause.SIP == 480 || cause.SIP == 487 || cause.Q850 == 18 || cause.Q850 == 19):
		return "no_answer"
	}
	return "failed"
}

// originate makes the call. said hears of the first conversation's end.
func (x *Exchange) originate(ctx context.Context, id string, o OutboundCall, said func(*call.Call, call.TalkEnd)) error {
	if x.cfg.Calls == nil || x.cfg.Dialer == nil {
		return hotline.Errorf(hotline.Unavailable, "call.no_dialer", "no trunk takes outbound calls: set up an outbound route")
	}
	snap := x.live.Load()
	settings := (&run{x: x}).settings(o.Queue)
	_, err := x.cfg.Calls.Originate(ctx, call.Originate{
		ID: id, Dialer: x.cfg.Dialer, Queue: o.Queue, Ticket: o.Ticket, Agent: o.Seat.Agent, Name: o.Name, Language: x.homeLanguage(),
		Dial: call.Dial{To: o.Phone, From: call.Party{Number: settings.CallerID}, Timeout: time.Minute},
	}, func(ctx context.Context, c *call.Call) error {
		r := &run{x: x, snap: snap, flow: outboundFlow, call: c, secrets: map[string]string{}}
		defer r.stopTape()
		if said != nil {
			r.ended = func(end call.TalkEnd) { said(c, end) }
		}
		_, err := r.converse(ctx, &flow.Queue{Queue: flow.Name{Value: o.Queue}}, o.Seat)
		return err
	})
	return err
}

// outboundFlow is what calls of ours follow that come into a queue: there are no nodes, whoever cannot be helped is told so.
var outboundFlow = &program{Flow: &flow.Flow{Record: flow.RecordNever}}

// homeLanguage is what people are spoken to in who were called by us.
func (x *Exchange) homeLanguage() string {
	if x.cfg.Country == "CN" {
		return "zh-CN"
	}
	return "en"
}
