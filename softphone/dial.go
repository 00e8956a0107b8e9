package softphone

import (
	"context"

	"hotline"
	"hotline/call"
)

// OutboundCall is a call that an agent makes.
type OutboundCall struct {
	Seat   call.AgentSeat
	Phone  string
	Ticket int64 // 0: the open ticket of whoever has the number, or a new one
	Queue  string
	Role   string // of whoever dials
}

// Dialler makes calls for agents: the agent hears it ring, then talks.
type Dialler interface {
	Dial(ctx context.Context, o OutboundCall) (callID string, err error)
}

// Numbers says who may call which numbers: routes.Book.
type Numbers interface {
	MayDial(role string) bool
	Check(number string) error
}

type dialData struct {
	Phone  string `json:"phone"`
	Ticket int64  `json:"ticket,omitempty"`
	Queue  string `json:"queue,omitempty"`
}

type dialReply struct {
	CallID string `json:"call_id"`
}

// callDial calls a number for the agent.
func callDial(r request, d dialData) (any, error) {
	if r.g.cfg.Dialler == nil {
		return nil, hotline.Errorf(hotline.Unavailable, "call.no_dialler", "calls out are not set up")
	}
	number, err := r.outside("phone", d.Phone)
	if err != nil {
		return nil, err
	}
	if d.Queue != "" && !r.g.inQueue(r.st.account, d.Queue) && !r.sock.sees(d.Queue) {
		return nil, hotline.Errorf(hotline.Denied, "queue.denied", "you take no calls of this queue: call for one of yours, or for none")
	}
	r.st.mu.Lock()
	stream, err := r.st.voice()
	if err == nil && r.st.call != nil {
		err = errBusy
	}
	if err == nil {
		r.st.stopSupervising("call")
		r.st.answered = stream
	}
	name := r.st.who.Name
	r.st.mu.Unlock()
	if err != nil {
		return nil, err
	}
	id, err := r.g.cfg.Dialler.Dial(r.ctx, OutboundCall{Seat: call.AgentSeat{Agent: r.st.account, Name: name, Stream: stream},
		Phone: number, Ticket: d.Ticket, Queue: d.Queue, Role: r.who().Role})
	if err != nil {
		return nil, err
	}
	return dialReply{CallID: id}, nil
}
