package call_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

// Everybody in these tests has a tone of their own, so that it can be heard who hears whom.
const (
	callerTone  = 500
	agentTone   = 800
	thirdTone   = 1150
	coachTone   = 1700
	musicTone   = 350
	ringingTone = 2400
)

func tune(freq float64) *media.Music { return media.NewMusic(media.Tone(freq, time.Second, 0.15)) }

// conversation is a caller and an agent who talk.
type conversation struct {
	t      *testing.T
	engine *media.Engine
	board  *board
	caller *calltest.Leg
	agent  *calltest.Browser
	phones phones
	id     string

	mu     sync.Mutex
	views  []call.TalkView
	change chan struct{}  // capacity 1
	end    chan talkEnded // capacity 1
}

type talkEnded struct {
	end call.TalkEnd
	err error
}

// talking begins a conversation of caller and agent "amy".
func talking(t *testing.T, also ...func(*call.TalkConfig)) *conversation {
	t.Helper()
	e := calltest.NewEngine(t)
	v := &conversation{t: t, engine: e, phones: phones{t, e, make(chan *calltest.Leg, 8)}, change: make(chan struct{}, 1), end: make(chan talkEnded, 1)}
	v.agent = calltest.NewBrowser(t, e, "amy")
	v.board = newBoard(t, 0, func(ctx context.Context, c *call.Call) error {
		if err := c.Answer(ctx); err != nil {
			return err
		}
		return v.talk(ctx, c, also...)
	})
	v.caller = ring(t, e, v.board)
	v.id = v.caller.Info().CallID
	v.caller.Phone.Hum(callerTone)
	v.agent.Phone.Hum(agentTone)
	v.until("talking", func(w call.TalkView) bool { return w.Phase == call.TalkTalking })
	return v
}

func (v *conversation) talk(ctx context.Context, c *call.Call, also ...func(*call.TalkConfig)) error {
	cfg := call.TalkConfig{Engine: v.engine, Hold: tune(musicTone), Ringback: tune(ringingTone), Dialer: v.phones, Observe: v.observe}
	for _, f := range also {
		f(&cfg)
	}
	end, err := c.Talk(ctx, cfg, v.agent.Seat)
	v.end <- talkEnded{end, err}
	return err
}

func (v *conversation) observe(w call.TalkView) {
	v.mu.Lock()
	v.views = append(v.views, w)
	v.mu.Unlock()
	select {
	case v.change <- struct{}{}:
	default:
	}
}

// until waits until the newest view fits.
func (v *conversation) until(what string, fits func(call.TalkView) bool) call.TalkView {
	v.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		v.mu.Lock()
		if n := len(v.views); n > 0 && fits(v.views[n-1]) {
			w := v.views[n-1]
			v.mu.Unlock()
			return w
		}
		v.mu.Unlock()
		select {
		case <-v.change:
		case <-limit:
			v.t.Fatalf("the conversation is never %s: %+v", what, v.views)
		}
	}
}

// do runs an operation that must go well.
func (v *conversation) do(f func(*call.Talk) error) {
	v.t.Helper()
	if err := v.try(f); err != nil {
		v.t.Fatal(err)
	}
}

func (v *conversation) try(f func(*call.Talk) error) error {
	c, ok := v.board.Call(v.id)
	if !ok {
		return hotline.Errorf(hotline.NotFound, "test.gone", "the call is over")
	}
	return c.Do(v.t.Context(), f)
}

// hears checks what somebody hears: these tones, and none of the others.
func (v *conversation) hears(who string, p *calltest.Phone, on ...float64) {
	v.t.Helper()
	off := slices.DeleteFunc([]float64{callerTone, agentTone, thirdTone, coachTone, musicTone, ringingTone}, func(f float64) bool { return slices.Contains(on, f) })
	if !p.Tunes(6*time.Second, on, off) {
		var got []float64
		pcm := p.Heard()
		for _, f := range append(on, off...) {
			if media.Goertzel(pcm[max(0, len(pcm)-800):], media.SampleRate, f) > 0.0006 {
				got = append(got, f)
			}
		}
		v.t.Errorf("%s is to hear %v, and hears %v", who, on, got)
	}
}

func (v *conversation) over() talkEnded {
	v.t.Helper()
	select {
	case e := <-v.end:
		return e
	case <-time.After(10 * time.Second):
		v.t.Fatal("the conversation does not end")
		return talkEnded{}
	}
}

// number answers the number that was dialled.
func (v *conversation) number() *calltest.Leg {
	v.t.Helper()
	l := <-v.phones.rung
	l.Phone.Hum(thirdTone)
	if err := l.Answer(v.t.Context()); err != nil {
		v.t.Fatal(err)
	}
	v.until("answered by the number", func(w call.TalkView) bool { return w.Consult != nil && w.Consult.State == call.ConsultTalking })
	return l
}

func toNumber(n string) call.Destination { return call.Destination{Kind: call.ToNumber, Value: n} }

func TestHoldAndMute(t *testing.T) {
	v := talking(t)
	v.hears("the caller", v.caller.Phone, agentTone)
	v.hears("the agent", v.agent.Phone, callerTone)
	v.do(func(k *call.Talk) error { return k.Hold("amy") })
	v.do(func(k *call.Talk) error { return k.Hold("amy") }) // a double click
	v.hears("the caller on hold", v.caller.Phone, musicTone)
	v.hears("the agent who holds", v.agent.Phone)
	if w := v.until("held", func(w call.TalkView) bool { return w.Phase == call.TalkHeld }); !w.Held || w.Parties[0].Role != "held" {
		t.Errorf("%+v", w)
	}
	v.do(func(k *call.Talk) error { return k.Resume("amy") })
	v.do(func(k *call.Talk) error { return k.Mute("amy", true) })
	v.hears("the caller of a mute agent", v.caller.Phone)
	v.hears("the mute agent", v.agent.Phone, callerTone)
	v.do(func(k *call.Talk) error { return k.Mute("amy", false) })
	v.hears("the caller again", v.caller.Phone, agentTone)
	v.do(func(k *call.Talk) error { return k.Hangup("amy") })
	if got := v.over(); got.end.Kind != call.TalkAgentHungUp || got.end.By != "amy" || got.err != nil {
		t.Errorf("%+v", got)
	}
	ended(t, v.caller)
	if err := v.board.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v.board.last.Result != call.ResultAnswered || v.board.count(call.FactLegStarted) != 1 || v.board.count(call.FactLegEnded) != 2 {
		t.Errorf("%+v, %d legs", v.board.last, v.board.count(call.FactLegEnded))
	}
	if err := v.try(func(*call.Talk) error { return nil }); err == nil {
		t.Error("a call that is over talks")
	}
}

func TestSegmentsTellWhoTalkedAndWhoWaited(t *testing.T) {
	v := talking(t)
	v.do(func(k *call.Talk) error { return k.Hold("amy") })
	v.do(func(k *call.Talk) error { return k.Resume("amy") })
	ben := calltest.NewBrowser(t, v.engine, "ben")
	v.do(func(k *call.Talk) error { return k.Consult("amy", call.Destination{Kind: call.ToAgent, Value: "ben"}) })
	v.do(func(k *call.Talk) error { return k.ConsultSeat("amy", ben.Seat) })
	v.do(func(k *call.Talk) error { return k.Complete("amy") })
	if w := v.until("with ben", func(w call.TalkView) bool { return w.Agent == "ben" }); w.Phase != call.TalkTalking || len(w.Parties) != 2 {
		t.Errorf("%+v", w)
	}
	v.caller.HangUp()
	if got := v.over(); got.end.Kind != call.TalkHungUp || !errors.Is(got.err, call.ErrHangup) {
		t.Errorf("%+v", got)
	}
	if err := v.board.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	type stretch struct {
		kind   call.SegmentKind
		agent  string
		reason string
	}
	want := []stretch{
		{call.SegmentRing, "", "answered"}, {call.SegmentMenu, "", "answered"}, {call.SegmentTalk, "amy", "hold"}, {call.SegmentHold, "amy", "resume"},
		{call.SegmentTalk, "amy", "consult"}, {call.SegmentHold, "amy", "transfer"}, {call.SegmentTalk, "ben", "hung_up"},
	}
	var got []stretch
	for _, s := range v.board.segments {
		got = append(got, stretch{s.Kind, s.Agent, s.Reason})
	}
	if !slices.Equal(got, want) {
		t.Errorf("segments\n%v, want\n%v", got, want)
	}
	if n := v.board.count(call.FactLegEnded); n != 3 {
		t.Errorf("%d legs ended", n)
	}
}

func TestConsultSwapComplete(t *testing.T) {
	v := talking(t)
	v.do(func(k *call.Talk) error { return k.Consult("amy", toNumber("+861")) })
	v.hears("the caller", v.caller.Phone, musicTone)
	number := v.number()
	v.hears("the agent who asks", v.agent.Phone, thirdTone)
	v.hears("the number", number.Phone, agentTone)
	v.hears("the caller", v.caller.Phone, musicTone)
	v.do(func(k *call.Talk) error { return k.Swap("amy") })
	v.hears("the caller", v.caller.Phone, agentTone)
	v.hears("the number", number.Phone, musicTone)
	v.do(func(k *call.Talk) error { return k.Swap("amy") })
	v.hears("the number", number.Phone, agentTone)
	v.do(func(k *call.Talk) error { return k.Complete("amy") })
	v.hears("the caller", v.caller.Phone, thirdTone)
	v.hears("the number", number.Phone, callerTone)
	v.hears("the agent", v.agent.Phone)
	w := v.until("left to the number", func(w call.TalkView) bool { return w.Agent == "" })
	if w.Consult != nil || len(w.Parties) != 2 || w.Parties[1].Kind != "number" || w.Phase != call.TalkTalking {
		t.Errorf("%+v", w)
	}
	number.HangUp()
	if got := v.over(); got.end.Kind != call.TalkHungUp || got.err != nil {
		t.Errorf("%+v", got)
	}
	ended(t, v.caller)
	if err := v.board.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v.board.last.Result != call.ResultTransferred {
		t.Errorf("%+v", v.board.last)
	}
}

func TestConference(t *testing.T) {
	for _, who := range []string{"agent", "number", "caller"} {
		t.Run(who+" goes first", func(t *testing.T) {
			v := talking(t)
			v.do(func(k *call.Talk) error { return k.Consult("amy", toNumber("+861")) })
			number := v.number()
			v.do(func(k *call.Talk) error { return k.Conference("amy") })
			v.hears("the caller", v.caller.Phone, agentTone, thirdTone)
			v.hears("the number", number.Phone, agentTone, callerTone)
			v.hears("the agent", v.agent.Phone, callerTone, thirdTone)
			v.do(func(k *call.Talk) error { return k.Hold("amy") })
			v.hears("the number on hold", number.Phone, musicTone)
			v.hears("the caller on hold", v.caller.Phone, musicTone)
			v.do(func(k *call.Talk) error { return k.Resume("amy") })
			switch who {
			case "agent":
				v.do(func(k *call.Talk) error { return k.Hangup("amy") })
				v.hears("the caller", v.caller.Phone, thirdTone)
				v.caller.HangUp()
			case "number":
				number.HangUp()
				v.until("of two", func(w call.TalkView) bool { return w.Phase == call.TalkTalking })
				v.hears("the caller", v.caller.Phone, agentTone)
				v.do(func(k *call.Talk) error { return k.Hangup("amy") })
			case "caller":
				v.caller.HangUp()
			}
			v.over()
			ended(t, v.caller)
			ended(t, number)
		})
	}
}

func TestConsultInVain(t *testing.T) {
	for name, c := range map[string]struct {
		to   call.Destination
		fail func(v *conversation)
	}{
		"nobody answers":        {toNumber("+861"), func(v *conversation) {}},
		"busy":                  {toNumber("+861"), func(v *conversation) { (<-v.phones.rung).HangUp() }},
		"hangs up after a talk": {toNumber("+861"), func(v *conversation) { v.number().HangUp() }},
		"no colleague": {call.Destination{Kind: call.ToQueue, Value: "support"}, func(v *conversation) {
			v.do(func(k *call.Talk) error { return k.ConsultFail("amy", "declined") })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			v := talking(t, func(cfg *call.TalkConfig) { cfg.Ring = 500 * time.Millisecond })
			v.do(func(k *call.Talk) error { return k.Consult("amy", c.to) })
			c.fail(v)
			w := v.until("left by the third", func(w call.TalkView) bool { return w.Consult != nil && w.Consult.State == call.ConsultFailed })
			if w.Consult.Why == "" {
				t.Errorf("%+v", w.Consult)
			}
			v.hears("the caller, who is not suddenly live,", v.caller.Phone, musicTone)
			for _, f := range []func(*call.Talk) error{
				func(k *call.Talk) error { return k.Swap("amy") }, func(k *call.Talk) error { return k.Complete("amy") }, func(k *call.Talk) error { return k.Conference("amy") },
			} {
				if err := v.try(f); hotline.KindOf(err) != hotline.Conflict {
					t.Errorf("with nobody there: %v", err)
				}
			}
			v.do(func(k *call.Talk) error { return k.CancelConsult("amy") })
			v.hears("the caller", v.caller.Phone, agentTone)
		})
	}
	v := talking(t)
	if err := v.try(func(k *call.Talk) error { return k.Consult("amy", toNumber("nowhere")) }); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("no trunk: %v", err)
	}
	v.hears("the caller, who never waited,", v.caller.Phone, agentTone)
}

func TestAgentHearsItRingAndHangsUpTheThirdAlone(t *testing.T) {
	v := talking(t)
	v.do(func(k *call.Talk) error { return k.Consult("amy", call.Destination{Kind: call.ToAgent, Value: "ben"}) })
	v.hears("the agent", v.agent.Phone, ringingTone)
	ben := calltest.NewBrowser(t, v.engine, "ben")
	ben.Phone.Hum(thirdTone)
	v.do(func(k *call.Talk) error { return k.ConsultSeat("amy", ben.Seat) })
	v.hears("the colleague", ben.Phone, agentTone)
	v.do(func(k *call.Talk) error { return k.Hangup("amy") })
	v.hears("the caller", v.caller.Phone, agentTone)
	v.hears("the colleague", ben.Phone)
	if err := v.try(func(k *call.Talk) error { return k.ConsultSeat("amy", ben.Seat) }); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("a colleague who answers too late: %v", err)
	}
}

func TestBlindTransferLeavesTheCallerAlive(t *testing.T) {
	for _, to := range []call.Destination{toNumber("+861"), {Kind: call.ToQueue, Value: "billing", Front: true}, {Kind: call.ToAgent, Value: "ben"}} {
		v := talking(t)
		for _, wrong := range []call.Destination{{}, {Kind: "moon", Value: "x"}, {Kind: call.ToAgent, Value: "amy"}} {
			if err := v.try(func(k *call.Talk) error { return k.Transfer("amy", wrong) }); hotline.KindOf(err) != hotline.Invalid {
				t.Errorf("to %+v: %v", wrong, err)
			}
		}
		if err := v.try(func(k *call.Talk) error { return k.Transfer("eve", to) }); hotline.KindOf(err) != hotline.NotFound {
			t.Errorf("by a stranger: %v", err)
		}
		v.do(func(k *call.Talk) error { return k.Transfer("amy", to) })
		got := v.over()
		to.From = "amy"
		if got.end.Kind != call.TalkTransfer || got.end.To != to || got.err != nil {
			t.Errorf("%+v", got)
		}
	}
}

func TestAgentGoesAway(t *testing.T) {
	t.Run("and comes back", func(t *testing.T) {
		v := talking(t)
		v.agent.Close()
		v.do(func(k *call.Talk) error { return k.Gone("amy") })
		v.hears("the caller", v.caller.Phone, musicTone)
		if w := v.until("away", func(w call.TalkView) bool { return w.Phase == call.TalkAway }); w.Parties[1].AwayUntil == nil {
			t.Errorf("%+v", w)
		}
		again := calltest.NewBrowser(t, v.engine, "amy")
		again.Phone.Hum(agentTone)
		v.do(func(k *call.Talk) error { return k.Reseat(again.Seat) })
		v.hears("the caller", v.caller.Phone, agentTone)
		v.hears("the agent", again.Phone, callerTone)
		v.do(func(k *call.Talk) error { return k.Gone("amy") })
		v.do(func(k *call.Talk) error { return k.Reseat(again.Seat) }) // only the socket was away
		v.hears("the caller", v.caller.Phone, agentTone)
	})
	t.Run("for good", func(t *testing.T) {
		v := talking(t, func(cfg *call.TalkConfig) { cfg.Away = 300 * time.Millisecond })
		v.do(func(k *call.Talk) error { return k.Gone("amy") })
		if got := v.over(); got.end.Kind != call.TalkAgentLost || got.end.By != "amy" || got.err != nil {
			t.Errorf("%+v", got)
		}
	})
	t.Run("with a hold, a mute and a consultation", func(t *testing.T) {
		v := talking(t)
		v.do(func(k *call.Talk) error { return k.Consult("amy", toNumber("+861")) })
		number := v.number()
		v.do(func(k *call.Talk) error { return k.Swap("amy") })
		v.do(func(k *call.Talk) error { return k.Gone("amy") })
		v.hears("the number", number.Phone, musicTone)
		v.hears("the caller", v.caller.Phone, musicTone)
		v.do(func(k *call.Talk) error { return k.Reseat(v.agent.Seat) })
		v.hears("the caller", v.caller.Phone, agentTone)
		v.hears("the number", number.Phone, musicTone)
	})
	t.Run("from a conference, which goes on", func(t *testing.T) {
		v := talking(t, func(cfg *call.TalkConfig) { cfg.Away = 300 * time.Millisecond })
		v.do(func(k *call.Talk) error { return k.Consult("amy", toNumber("+861")) })
		number := v.number()
		v.do(func(k *call.Talk) error { return k.Conference("amy") })
		v.do(func(k *call.Talk) error { return k.Gone("amy") })
		v.until("without amy", func(w call.TalkView) bool { return w.Agent == "" })
		v.hears("the caller", v.caller.Phone, thirdTone)
		v.hears("the number", number.Phone, callerTone)
	})
}

func TestClosureThatTripsHarmsNobody(t *testing.T) {
	v := talking(t)
	if err := v.try(func(*call.Talk) error { panic("a fault of somebody") }); err == nil {
		t.Error("a panic is no error")
	}
	v.hears("the caller", v.caller.Phone, agentTone)
	v.board.stop()
	if got := v.over(); got.end.Kind != call.TalkCut || !errors.Is(got.err, call.ErrShutdown) {
		t.Errorf("%+v", got)
	}
}

func TestCallerWhoGoesAsTheAgentAnswers(t *testing.T) {
	e := calltest.NewEngine(t)
	v := &conversation{t: t, engine: e, change: make(chan struct{}, 1), end: make(chan talkEnded, 1)}
	v.agent = calltest.NewBrowser(t, e, "amy")
	v.board = newBoard(t, 0, func(ctx context.Context, c *call.Call) error {
		if err := c.Answer(ctx); err != nil {
			return err
		}
		<-ctx.Done()
		return v.talk(ctx, c)
	})
	v.caller = ring(t, e, v.board)
	<-v.caller.Answered()
	v.caller.HangUp()
	if got := v.over(); got.end.Kind != call.TalkHungUp || !errors.Is(got.err, call.ErrHangup) {
		t.Errorf("%+v", got)
	}
	if err := v.board.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(v.views); n < 2 || v.views[0].Agent != "amy" || v.views[0].Ended != nil || v.views[n-1].Ended == nil {
		t.Errorf("the agent does not see it begin and end: %+v", v.views)
	}
}
