package ivr

import (
	"context"
	"errors"
	"sync"
	"time"

	"hotline/acd"
	"hotline/call"
	"hotline/ivr/flow"
	"hotline/media"
)

// Agents are told who sits in which conversation: an acd.Agents.
type Agents interface {
	// Talking says that an agent is in a call that no offer led to. The error is of kind Conflict when the agent is in another.
	Talking(ctx context.Context, agent string, l acd.Lease) error
	// Ended says that an agent's part of a call is over.
	Ended(ctx context.Context, agent, callID string) error
	// Resumed says that this process goes on with a call that another one left with agents in it. It returns those who are in the call
	// still.
	Resumed(ctx context.Context, agents []string, callID string) (in []acd.Agent)
	// Seated says who sits in a call now, who has the call first. It does not block.
	Seated(callID string, agents []string)
	// Moved says that an agent goes on from one call to another. The error is of kind Conflict when the agent is not in the first.
	Moved(ctx context.Context, agent, from, to string) error
}

// converse lets the caller and an agent talk, and follows where that leads: to the end, to the head of the queue when the agent is
// lost, or where the agent sends the caller.
func (r *run) converse(ctx context.Context, s *flow.Queue, seat call.AgentSeat) (passed, error) {
	r.unserved()
	end, err := r.call.Talk(ctx, r.talkConfig(ctx, s), seat)
	if r.ended != nil {
		r.ended(end)
		r.ended = nil
	}
	return r.conversed(ctx, s, end, err)
}

// conversed follows where a conversation has led.
func (r *run) conversed(ctx context.Context, s *flow.Queue, end call.TalkEnd, err error) (passed, error) {
	if err != nil {
		return passed{}, err
	}
	switch {
	case end.Kind == call.TalkAgentLost:
		return r.again(ctx, s, "agent-lost")
	case end.Kind == call.TalkHungUp && end.By == "": // by the number that it was left to
		r.served(call.ResultTransferred)
		return passed{}, nil
	case end.Kind != call.TalkTransfer:
		r.served(call.ResultAnswered)
		return passed{}, nil
	}
	r.call.Log.Info("a caller is transferred", "kind", end.To.Kind, "to", end.To.Value, "by", end.By)
	switch end.To.Kind {
	case call.ToQueue:
		return r.enqueue(ctx, r.elsewhere(s, end.To.Value), entry{front: end.To.Front})
	case call.ToNumber:
		return r.sendOut(ctx, s, end.To)
	}
	if end.Seat != nil {
		return r.converse(ctx, s, *end.Seat)
	}
	taken, err := r.sendTo(ctx, s, end.To)
	if err != nil {
		return r.again(ctx, s, "agent-busy")
	}
	return r.converse(ctx, s, taken.Seat)
}

func (r *run) talkConfig(ctx context.Context, s *flow.Queue) call.TalkConfig {
	settings := r.settings(s.Queue.Value)
	cfg := call.TalkConfig{
		Engine: r.x.cfg.Engine, Hold: r.music(s.Music, settings.Music), Ringback: ringback(), Away: r.x.cfg.Away, Dialer: r.x.cfg.Dialer,
		From: call.Party{Number: settings.CallerID}, Observe: r.observe,
	}
	if r.x.cfg.Agents != nil {
		cfg.Hand = r.hand
	}
	if r.call.Info.Direction == call.Outbound && r.x.cfg.RecordOut {
		cfg.Answered = func() { r.startTape(ctx) }
	}
	return cfg
}

// hand lets an agent of this call go on in another.
func (r *run) hand(ctx context.Context, agent, to string) (undone func(), err error) {
	agents, from := r.x.cfg.Agents, r.call.ID
	return func() {
		if err := agents.Ended(context.WithoutCancel(ctx), agent, to); err != nil {
			r.x.log.Error("an agent who was to go on in another call is not free", "agent", agent, "call", to, "error", err)
		}
	}, agents.Moved(ctx, agent, from, to)
}

// observe passes on who sits in the conversation, and all of it to the browsers.
func (r *run) observe(v call.TalkView) {
	if r.x.cfg.Agents != nil {
		r.x.cfg.Agents.Seated(v.CallID, seated(v))
	}
	if r.x.cfg.Observe != nil {
		r.x.cfg.Observe(v)
	}
}

// elsewhere is a queue that no node of the flow names: what the caller came from, without its keys.
func (r *run) elsewhere(s *flow.Queue, queue string) *flow.Queue {
	if queue == s.Queue.Value {
		return s
	}
	other := *s
	other.Queue.Value, other.Keys, other.Music, other.Callback, other.Say = queue, nil, "", 0, nil
	return &other
}

// again tells the caller why, and puts it at the head of the queue. A call that belongs to no queue ends with an apology.
func (r *run) again(ctx context.Context, s *flow.Queue, why string) (passed, error) {
	if err := ctx.Err(); err != nil {
		return passed{}, context.Cause(ctx)
	}
	if s.Queue.Value == "" {
		return passed{}, r.call.Play(ctx, r.phrases("system-error", "try-later", "goodbye")...)
	}
	return r.enqueue(ctx, s, entry{front: true, say: r.phrases(why)})
}

// sendTo rings the agent to whom the caller is sent.
func (r *run) sendTo(ctx context.Context, s *flow.Queue, to call.Destination) (acd.Taken, error) {
	if err := r.call.Enter(ctx, call.PhaseTransfer, ""); err != nil {
		return acd.Taken{}, err
	}
	defer r.call.Music(r.music(s.Music, r.settings(s.Queue.Value).Music))()
	if err := r.call.Play(ctx, r.phrases("transferring")...); err != nil {
		return acd.Taken{}, err
	}
	taken, err := r.x.cfg.Line.OfferTo(ctx, r.call.ID, to.Value, acd.KindDirect, s.Queue.Value, to.From)
	r.call.Forget()
	return taken, err
}

// sendOut connects the caller with the number where the agent sends it. Whether it may be called is for the routes to say.
func (r *run) sendOut(ctx context.Context, s *flow.Queue, to call.Destination) (passed, error) {
	if err := r.call.Play(ctx, r.phrases("transferring")...); err != nil {
		return passed{}, err
	}
	end, err := call.TalkEnd{}, errNoDialer
	if r.x.cfg.Dialer != nil {
		end, err = r.call.Connect(ctx, call.Connect{
			Dialer: r.x.cfg.Dialer, Engine: r.x.cfg.Engine, Ringback: ringback(), Observe: r.observe,
			To: call.Dial{To: to.Value, From: call.Party{Number: r.settings(s.Queue.Value).CallerID, Agent: to.From}, Timeout: ringsOut},
		})
	}
	if err == nil {
		return r.connected(ctx, s, end)
	}
	if ctx.Err() == nil {
		r.call.Log.Warn("an agent's transfer failed", "by", to.From, "error", err)
	}
	return r.again(ctx, s, "transfer-back")
}

// connected follows where a telephone has sent the caller that was connected with it.
func (r *run) connected(ctx context.Context, s *flow.Queue, end call.TalkEnd) (passed, error) {
	if end.Kind == call.TalkTransfer {
		return r.conversed(ctx, s, end, nil)
	}
	return passed{}, nil
}

const ringsOut = 45 * time.Second

var errNoDialer = errors.New("there is no trunk for outbound calls")

// entry is how a caller comes into a queue.
type entry struct {
	front bool
	say   []*media.Prompt // instead of the queue's own words
	left  *call.Left      // a place that was left by the process before
}

var errAnswered = errors.New("an agent has answered")

// untilAnswered returns a context that ends when an agent has answered. After stop it does not end so any more.
func (w *wait) untilAnswered(ctx context.Context) (waiting context.Context, stop func()) {
	waiting, cancel := context.WithCancelCause(ctx)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-w.place.Answered():
			cancel(errAnswered)
		case <-quit:
		case <-ctx.Done():
		}
	}()
	return waiting, sync.OnceFunc(func() { close(quit); <-done })
}

// staffed lets the caller wait until something comes of it: an agent's answer is a conversation.
func (w *wait) staffed(ctx context.Context) (out passed, why acd.Reason, taken *acd.Taken, err error) {
	for {
		waiting, stop := w.untilAnswered(ctx)
		w.deaf = stop
		out, why, err = w.stay(waiting)
		stop()
		if !errors.Is(err, errAnswered) {
			return out, why, nil, err
		}
		if t, ok := w.place.Take(); ok {
			return out, acd.LeftAnswered, &t, nil
		}
		w.say = w.phrases("still-waiting") // the agent was gone again
	}
}

// seated returns the agents of a conversation, who has the call first; none when it is over.
func seated(v call.TalkView) []string {
	var list []string
	for _, p := range v.Parties {
		if p.Kind == "agent" && v.Ended == nil {
			list = append(list, p.ID)
		}
	}
	return list
}
