package call_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
)

// calling is an agent who calls a number.
func calling(t *testing.T, to string, timeout time.Duration) *conversation {
	t.Helper()
	e := calltest.NewEngine(t)
	v := &conversation{t: t, engine: e, phones: phones{t, e, make(chan *calltest.Leg, 8)}, change: make(chan struct{}, 1), end: make(chan talkEnded, 1)}
	v.agent = calltest.NewBrowser(t, e, "amy")
	v.agent.Phone.Hum(agentTone)
	v.board = newBoard(t, 0, nil)
	v.id = hotline.NewID()
	for {
		id, err := v.board.Originate(t.Context(), call.Originate{
			ID: v.id, Dialer: v.phones, Dial: call.Dial{To: to, From: call.Party{Number: "4000"}, Timeout: timeout}, Queue: "support", Ticket: 42, Agent: "amy", Name: "Wang Fang",
		}, func(ctx context.Context, c *call.Call) error { return v.talk(ctx, c) })
		if err == nil && id == v.id {
			return v
		}
		if v.board.Refused().Draining == 0 || t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestAgentCallsAndTalks(t *testing.T) {
	v := calling(t, "+8613800138000", 10*time.Second)
	v.caller = <-v.phones.rung
	v.caller.Phone.Hum(callerTone)
	w := v.until("dialling", func(w call.TalkView) bool { return w.Phase == call.TalkDialing })
	if w.Direction != call.Outbound || w.Ticket != 42 || w.Queue != "support" || w.AnsweredAt != nil || w.Parties[0].Number != "+8613800138000" || w.Parties[0].Role != "ringing" {
		t.Errorf("%+v", w)
	}
	for _, f := range []func(*call.Talk) error{
		func(k *call.Talk) error { return k.Hold("amy") }, func(k *call.Talk) error { return k.Consult("amy", toNumber("+1")) }, func(k *call.Talk) error { return k.Transfer("amy", toNumber("+1")) },
	} {
		if err := v.try(f); hotline.KindOf(err) != hotline.Conflict {
			t.Errorf("while it rings: %v", err)
		}
	}
	v.hears("the agent", v.agent.Phone, ringingTone)
	if err := v.caller.Progress(t.Context(), true); err != nil { // the network's own ringing, or its announcement
		t.Fatal(err)
	}
	v.hears("the agent", v.agent.Phone, callerTone)
	v.hears("whom nobody has connected yet", v.caller.Phone)
	if err := v.caller.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.until("answered", func(w call.TalkView) bool { return w.Phase == call.TalkTalking && w.AnsweredAt != nil })
	v.hears("the customer", v.caller.Phone, agentTone)
	v.hears("the agent", v.agent.Phone, callerTone)
	v.caller.HangUp()
	if got := v.over(); got.end.Kind != call.TalkHungUp || !got.end.Connected {
		t.Errorf("%+v", got)
	}
	if err := v.board.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v.board.last.Result != call.ResultAnswered || !v.board.last.Answered || v.board.segments[0].Kind != call.SegmentRing || v.board.segments[0].Agent != "amy" {
		t.Errorf("%+v %+v", v.board.last, v.board.segments)
	}
}

func TestAgentCallsInVain(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(v *conversation)
		want call.TalkEndKind
	}{
		"nobody answers": {func(v *conversation) {}, call.TalkUnreached},
		"busy":           {func(v *conversation) { v.caller.HangUp() }, call.TalkUnreached},
		"the agent gives up": {func(v *conversation) {
			v.do(func(k *call.Talk) error { return k.Hangup("amy") })
		}, call.TalkAgentHungUp},
	} {
		t.Run(name, func(t *testing.T) {
			v := calling(t, "+8613800138000", 2*time.Second)
			v.caller = <-v.phones.rung
			v.until("dialling", func(w call.TalkView) bool { return w.Phase == call.TalkDialing })
			c.do(v)
			if got := v.over(); got.end.Kind != c.want || got.end.Connected {
				t.Errorf("%+v", got)
			}
			ended(t, v.caller)
			if err := v.board.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if v.board.last.Result != call.ResultUnreached || v.board.last.Answered {
				t.Errorf("%+v", v.board.last)
			}
		})
	}
}

func TestScriptWaitsForTheAnswer(t *testing.T) {
	e := calltest.NewEngine(t)
	b, p := newBoard(t, 1, nil), phones{t, e, make(chan *calltest.Leg, 8)}
	said := make(chan error, 1)
	script := func(ctx context.Context, c *call.Call) error {
		err := c.Connected(ctx)
		said <- err
		return err
	}
	originate := func(to string, timeout time.Duration) error {
		for {
			_, err := b.Originate(t.Context(), call.Originate{Dialer: p, Dial: call.Dial{To: to, Timeout: timeout}}, script)
			if err == nil || b.Refused().Draining == 0 || t.Context().Err() != nil {
				return err
			}
			b = newBoard(t, 1, nil)
		}
	}
	if err := originate("nowhere", 0); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("no trunk: %v", err)
	}
	if n, _ := b.Count(); n != 0 {
		t.Errorf("%d calls are left of one that was never made", n)
	}
	if err := originate("+861", 0); err != nil {
		t.Fatal(err)
	}
	if err := originate("+862", 0); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("more calls than lines: %v", err)
	}
	l := <-p.rung
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-said; err != nil {
		t.Error(err)
	}
	ended(t, l) // the script has nothing more to say
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = newBoard(t, 1, nil)
	if err := originate("+861", 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := <-said; hotline.KindOf(err) != hotline.Unavailable || errors.Is(err, call.ErrHangup) {
		t.Errorf("in vain: %v", err)
	}
}
