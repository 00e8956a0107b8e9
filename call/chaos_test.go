package call_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

// restless dials numbers that answer, hang up, or do nothing, as it comes.
type restless struct {
	phones
	rand func(int) int
}

func (r restless) Dial(ctx context.Context, d call.Dial) (call.Leg, error) {
	leg, err := r.phones.Dial(ctx, d)
	if err != nil {
		return nil, err
	}
	l := <-r.phones.rung
	switch r.rand(5) {
	case 4:
		_ = l.Answer(ctx)
		time.AfterFunc(time.Duration(r.rand(30))*time.Millisecond, l.HangUp) // in mid-talk
	case 0:
	case 1:
		l.HangUp()
	case 2:
		_ = l.Answer(ctx)
		l.HangUp()
	case 3:
		_ = l.Answer(ctx)
	}
	return leg, nil
}

// TestAnythingMayHappenInAConversation runs many conversations in which everybody does what comes to mind, two at a time, and ends all
// of them: nothing is left over, all errors are such as can be told, and the views add up.
func TestAnythingMayHappenInAConversation(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("", func(t *testing.T) {
		e := calltest.NewEngine(t)
		var mu sync.Mutex
		rnd := rand.New(rand.NewPCG(7, 11))
		dice := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
		colleagues := []*calltest.Browser{}
		for i := range 4 {
			colleagues = append(colleagues, calltest.NewBrowser(t, e, fmt.Sprintf("c%d", i)))
		}
		done := int64(0)
		for range 40 {
			v := anything(t, e, dice)
			done += v.restlessly(dice, colleagues)
		}
		if done < 300 {
			t.Errorf("only %d operations could be done: this tests too little", done)
		}
		for _, c := range colleagues {
			c.Close()
		}
		if n := e.Stats().Streams; n != 0 {
			t.Errorf("%d streams are left", n)
		}
	})
	goleak.VerifyNone(t, before)
}

// anything is a conversation that goes on whatever happens in it: whoever is transferred or lost gets the agent again.
func anything(t *testing.T, e *media.Engine, dice func(int) int) *conversation {
	v := &conversation{t: t, engine: e, phones: phones{t, e, make(chan *calltest.Leg, 64)}, change: make(chan struct{}, 1), end: make(chan talkEnded, 64)}
	v.agent = calltest.NewBrowser(t, e, "amy")
	v.board = newBoard(t, 0, func(ctx context.Context, c *call.Call) error {
		defer c.Taping(&tapeDeck{})()
		if err := c.Answer(ctx); err != nil {
			return err
		}
		for {
			err := v.talk(ctx, c, func(cfg *call.TalkConfig) {
				cfg.Away, cfg.Ring, cfg.Dialer = 20*time.Millisecond, 20*time.Millisecond, restless{v.phones, dice}
			})
			if err != nil {
				return err
			}
			if end := (<-v.end).end; end.Kind != call.TalkTransfer && end.Kind != call.TalkAgentLost {
				return nil
			}
		}
	})
	v.caller = ring(t, e, v.board)
	v.id = v.caller.Info().CallID
	v.until("talking", func(w call.TalkView) bool { return w.Phase == call.TalkTalking })
	return v
}

// restlessly lets two do what comes to mind at once, ends the conversation and checks that nothing is left of it. It returns how much
// could be done.
func (v *conversation) restlessly(dice func(int) int, colleagues []*calltest.Browser) int64 {
	var both sync.WaitGroup
	var done atomic.Int64
	for range 2 {
		both.Go(func() {
			for range 40 {
				time.Sleep(time.Duration(dice(3)) * time.Millisecond) // the pace, so that what takes its time has some
				if c, ok := v.board.Call(v.id); ok && judge(v.t, c.Do(v.t.Context(), act(dice, v, colleagues))) {
					done.Add(1)
				}
			}
		})
	}
	if dice(3) == 0 {
		time.AfterFunc(time.Duration(dice(40))*time.Millisecond, v.caller.HangUp) // at any moment
	}
	both.Wait()
	v.caller.HangUp()
	if err := v.board.Drain(v.t.Context()); err != nil {
		v.t.Fatal(err)
	}
	v.agent.Close()
	v.checkViews()
	if started, ended := v.board.count(call.FactLegStarted), v.board.count(call.FactLegEnded); ended != started+1 {
		v.t.Fatalf("%d legs began beside the caller's, %d ended in all", started, ended)
	}
	if n := v.board.count(call.FactCallEnded); n != 1 {
		v.t.Fatalf("the call ended %d times", n)
	}
	v.board.stop()
	return done.Load()
}

// act is something that somebody does.
func act(dice func(int) int, v *conversation, colleagues []*calltest.Browser) func(*call.Talk) error {
	agent := []string{"amy", "amy", "amy", "c0", "c1", "nobody"}[dice(6)]
	friend := colleagues[dice(len(colleagues))]
	to := []call.Destination{toNumber("+861"), toNumber("nowhere"), {Kind: call.ToAgent, Value: friend.Seat.Agent}, {Kind: call.ToQueue, Value: "q"}}[dice(4)]
	mode := []call.SuperviseMode{call.SuperviseListen, call.SuperviseWhisper, call.SuperviseBarge}[dice(3)]
	all := []func(*call.Talk) error{
		func(k *call.Talk) error { return k.Hold(agent) },
		func(k *call.Talk) error { return k.Resume(agent) },
		func(k *call.Talk) error { return k.Mute(agent, dice(2) == 0) },
		func(k *call.Talk) error { return k.Gone(agent) },
		func(k *call.Talk) error { return k.Reseat(v.agent.Seat) },
		func(k *call.Talk) error { return k.Digits(agent, "5") },
		func(k *call.Talk) error { return k.Consult(agent, to) },
		func(k *call.Talk) error { return k.Consult(agent, to) },
		func(k *call.Talk) error { return k.ConsultSeat(agent, friend.Seat) },
		func(k *call.Talk) error { return k.ConsultSeat(agent, friend.Seat) },
		func(k *call.Talk) error { return k.ConsultFail(agent, "no") },
		func(k *call.Talk) error { return k.CancelConsult(agent) },
		func(k *call.Talk) error { return k.Swap(agent) },
		func(k *call.Talk) error { return k.Complete(agent) },
		func(k *call.Talk) error { return k.Conference(agent) },
		func(k *call.Talk) error { return k.Record(dice(2) == 0) },
		func(k *call.Talk) error {
			return k.Supervise(call.SuperviseSeat{ID: friend.Seat.Agent, Stream: friend.Seat.Stream, Mode: mode})
		},
		func(k *call.Talk) error { k.Unsupervise(friend.Seat.Agent); return nil },
		func(k *call.Talk) error {
			if dice(4) == 0 {
				return k.Hangup(agent)
			}
			return k.Transfer(agent, to)
		},
	}
	return all[dice(len(all))]
}

func judge(t *testing.T, err error) (done bool) {
	switch hotline.KindOf(err) {
	case hotline.Conflict, hotline.NotFound, hotline.Invalid, hotline.Unavailable:
	default:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("an operation fails: %v", err)
		}
	}
	return err == nil
}

// checkViews checks that what was shown adds up.
func (v *conversation) checkViews() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, w := range v.views {
		seen := map[string]bool{}
		for _, p := range w.Parties {
			if seen[p.ID] {
				v.t.Fatalf("somebody is in the conversation twice: %+v", w)
			}
			seen[p.ID] = true
		}
		switch {
		case len(w.Parties) < 2 || len(w.Parties) > 3+len(w.Supervisors):
			v.t.Fatalf("%d parties: %+v", len(w.Parties), w)
		case w.Ended == nil && i == len(v.views)-1:
			v.t.Fatalf("the last view has no end: %+v", w)
		case w.Phase == call.TalkTalking && w.Held, w.Phase == call.TalkConsulting && w.Consult == nil:
			v.t.Fatalf("the view contradicts itself: %+v", w)
		}
	}
}
