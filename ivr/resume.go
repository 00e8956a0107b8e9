package ivr

import (
	"cmp"
	"context"
	"time"

	"hotline/call"
	"hotline/ivr/flow"
	"hotline/recordings"
)

// resume goes on with a call that the process before left: the caller is where it was, as far as that can be told, and is never worse
// off than at the beginning of the flow.
func (x *Exchange) resume(now *snapshot, l *call.Left) call.Script {
	p := now.flows[cmp.Or(l.Stage.Flow, l.Info.Flow)]
	if p == nil || l.Info.Direction == call.Outbound {
		p = outboundFlow
	}
	return func(ctx context.Context, c *call.Call) error {
		r := &run{x: x, snap: now, flow: p, call: c, secrets: map[string]string{}, last: l.Stage.Digits}
		switch {
		case l.AnsweredAt != nil:
		case l.Info.Direction == call.Outbound: // nobody has taken it, and the agent hears nothing any more
			r.call.SetResult(call.ResultCutBySystem)
			return nil
		default:
			return r.script(ctx) // the phone rings yet
		}
		defer r.stopTape()
		return r.resume(ctx, l)
	}
}

// resume leads the caller on from where it was left.
func (r *run) resume(ctx context.Context, l *call.Left) error {
	r.call.Log.Info("a call goes on that the process before left", "phase", l.Phase, "node", l.Stage.Node, "queue", l.Queue)
	r.retape(ctx, l)
	var agents []call.AgentSeat
	if r.x.cfg.Agents != nil {
		for _, a := range r.x.cfg.Agents.Resumed(ctx, l.Agents(), l.Info.CallID) {
			agents = append(agents, call.AgentSeat{Agent: a.ID, Name: a.Name})
		}
	}
	n := r.flow.Node(cmp.Or(l.Stage.Node, r.flow.Start.Node))
	var p passed
	var err error
	switch {
	case l.Phase == call.PhaseQueued:
		p, err = r.enqueue(ctx, r.queueOf(n, l), entry{left: l, say: r.phrases("still-waiting")})
	case l.Phase == call.PhaseTalking:
		p, err = r.talkOn(ctx, r.queueOf(n, l), agents)
	case l.Phase == call.PhaseTransfer && (n == nil || n.Kind != flow.KindTransfer):
		p, err = r.again(ctx, r.queueOf(n, l), "agent-busy")
	case l.Phase == call.PhaseVoicemail:
		r.fileLeft(ctx, n, l)
		fallthrough
	default:
		return r.walk(ctx, r.entrance(l))
	}
	next := p.next
	if n != nil {
		next = r.stepped(n, p)
	}
	if err != nil {
		return err
	}
	return r.walk(ctx, next)
}

// entrance is the node that the caller is led to: the one it was in, or the first at which something was typed that is not kept.
func (r *run) entrance(l *call.Left) string {
	for _, node := range []string{l.Stage.Secret, l.Stage.Node, r.flow.Start.Node} {
		if node == l.Stage.Secret && l.Phase == call.PhaseVoicemail {
			continue
		}
		if r.flow.Node(node) != nil {
			return node
		}
	}
	return ""
}

// queueOf is how the caller waits: as the node says, or as in any other queue when an agent has sent it there.
func (r *run) queueOf(n *flow.Node, l *call.Left) *flow.Queue {
	if n != nil {
		if s, is := n.Spec.(*flow.Queue); is {
			return r.elsewhere(s, l.Queue)
		}
	}
	return &flow.Queue{Queue: flow.Name{Value: l.Queue}}
}

// talkOn goes on with a conversation; when nobody is left in it the caller is the next in the queue.
func (r *run) talkOn(ctx context.Context, s *flow.Queue, there []call.AgentSeat) (passed, error) {
	end, err := r.call.TalkAgain(ctx, r.talkConfig(ctx, s), there)
	return r.conversed(ctx, s, end, err)
}

// retape begins another part of the recording, if the call was recorded.
func (r *run) retape(ctx context.Context, l *call.Left) {
	out := l.Info.Direction == call.Outbound
	waited := l.Phase == call.PhaseQueued || l.Phase == call.PhaseTalking
	if out && r.x.cfg.RecordOut || !out && (r.flow.Record == flow.RecordAlways || r.flow.Record == flow.RecordQueue && waited) {
		r.startTape(ctx)
	}
}

const saidSomething = time.Second // it is last seen alive up to a second before it died

// fileLeft files the message that the caller was leaving: what was said is kept, though another part may follow.
func (r *run) fileLeft(ctx context.Context, n *flow.Node, l *call.Left) {
	if n == nil || n.Kind != flow.KindVoicemail || r.x.cfg.Recordings == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	list, err := r.x.cfg.Recordings.ForCall(ctx, l.Info.CallID)
	if err != nil {
		r.call.Log.Error("it is not known whether a message was being left", "error", err)
		return
	}
	for _, m := range list {
		if said := l.Alive.Sub(m.StartedAt); m.Kind == recordings.Voicemail && m.State != recordings.Complete && said >= saidSomething {
			r.served(call.ResultVoicemail)
			r.call.File(call.FactVoicemailLeft, call.VoicemailLeft{RecordingID: m.ID, DurationMS: said.Milliseconds(), Queue: l.Queue})
		}
	}
}
