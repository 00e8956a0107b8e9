package softphone

import (
	"context"

	"hotline"
	"hotline/acd"
	"hotline/call"
)

// asking is a colleague who is being rung for a question. Ringing takes as long as people take: it goes on beside the commands.
type asking struct {
	callID string
	cancel context.CancelFunc
}

// callConsult asks a third while the caller hears music.
func callConsult(r request, d toData) (any, error) {
	to, err := r.destination(d.To)
	if err != nil {
		return nil, err
	}
	var now call.TalkView
	_, err = r.talk(func(t *call.Talk, agent string) error {
		now = t.View()
		return t.Consult(agent, to)
	})
	if err != nil || to.Kind == call.ToNumber {
		return nil, err // a number is rung by the call itself
	}
	return nil, r.st.ask(now, to)
}

// ask rings a colleague, and seats the one who answers.
func (st *station) ask(v call.TalkView, to call.Destination) error {
	ctx, cancel := context.WithCancel(st.g.ctx)
	a := &asking{callID: v.CallID, cancel: cancel}
	st.mu.Lock()
	if st.asking != nil {
		st.asking.cancel()
	}
	st.asking = a
	st.mu.Unlock()
	started := st.g.tasks.start(func() {
		defer cancel()
		st.ring(ctx, v, to)
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.asking == a {
			st.asking = nil
		}
	})
	if !started {
		cancel()
		return hotline.Errorf(hotline.Unavailable, "softphone.closing", "the hotline shuts down")
	}
	return nil
}

// ring waits for the colleague. Who asked may have given up meanwhile: then whoever answered is free again.
func (st *station) ring(ctx context.Context, v call.TalkView, to call.Destination) {
	var taken acd.Taken
	var err error
	callID := v.CallID
	if to.Kind == call.ToQueue {
		taken, err = st.g.cfg.Line.OfferToQueue(ctx, callID, to.Value, acd.KindConsult, st.account)
	} else {
		taken, err = st.g.cfg.Line.OfferTo(ctx, callID, to.Value, acd.KindConsult, v.Queue, st.account)
	}
	if err == nil {
		err = st.g.do(st.g.ctx, callID, func(t *call.Talk) error { return t.ConsultSeat(st.account, taken.Seat) })
		if err == nil {
			return
		}
		if ended := st.g.cfg.Agents.Ended(st.g.ctx, taken.Seat.Agent, callID); ended != nil {
			st.g.log.Warn("a colleague who answered in vain is freed later", "agent", taken.Seat.Agent, "call", callID, "error", ended)
		}
		return
	}
	if ctx.Err() != nil {
		return // the agent gave up, and knows
	}
	why := "failed"
	switch hotline.KindOf(err) {
	case hotline.Unavailable, hotline.Conflict:
		why = "no_answer"
	}
	st.g.log.Info("no colleague took the question", "call", callID, "by", st.account, "error", err)
	if err := st.g.do(st.g.ctx, callID, func(t *call.Talk) error { return t.ConsultFail(st.account, why) }); err != nil {
		st.g.log.Debug("the question was over before", "call", callID, "error", err)
	}
}

// consultCancel ends the question; agent and caller talk on.
func consultCancel(r request, _ none) (any, error) {
	_, err := r.talk(func(t *call.Talk, agent string) error { return t.CancelConsult(agent) })
	if err == nil {
		r.st.mu.Lock()
		defer r.st.mu.Unlock()
		if r.st.call != nil {
			r.st.stopAsking(r.st.call.ID)
		}
	}
	return nil, err
}

// stopAsking lets the colleague's browser ring no more. The mutex is held.
func (st *station) stopAsking(callID string) {
	if st.asking != nil && st.asking.callID == callID {
		st.asking.cancel()
		st.asking = nil
	}
}
