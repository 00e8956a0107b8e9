package call_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

// ears is a tap that keeps what it hears.
type ears struct {
	mu      sync.Mutex
	in, out []int16
}

func (e *ears) Frame(in, out []int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.in, e.out = append(e.in, in...), append(e.out, out...)
}

func (e *ears) power(freq float64) (in, out float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for at := 0; at+800 <= len(e.in); at += 400 {
		in = max(in, media.Goertzel(e.in[at:at+800], media.SampleRate, freq))
		out = max(out, media.Goertzel(e.out[at:at+800], media.SampleRate, freq))
	}
	return in, out
}

func TestSupervisorsReachTheRightEarsAndNoRecording(t *testing.T) {
	v := talking(t)
	tape := &ears{}
	defer v.caller.Audio().Tap(tape)()
	boss := calltest.NewBrowser(t, v.engine, "boss")
	boss.Phone.Hum(coachTone)
	supervise := func(mode call.SuperviseMode) {
		t.Helper()
		v.do(func(k *call.Talk) error {
			return k.Supervise(call.SuperviseSeat{ID: "boss", Name: "Boss", Stream: boss.Seat.Stream, Mode: mode})
		})
	}
	supervise(call.SuperviseListen)
	v.hears("who listens", boss.Phone, callerTone, agentTone)
	v.hears("the agent", v.agent.Phone, callerTone)
	if w := v.until("supervised", func(w call.TalkView) bool { return len(w.Supervisors) == 1 }); len(w.Parties) != 2 || w.Phase != call.TalkTalking {
		t.Errorf("a listener is shown: %+v", w)
	}
	supervise(call.SuperviseWhisper)
	v.hears("the agent who is whispered to", v.agent.Phone, callerTone, coachTone)
	v.hears("the caller", v.caller.Phone, agentTone)
	v.do(func(k *call.Talk) error { return k.Mute("amy", true) })
	v.hears("the mute agent who is whispered to", v.agent.Phone, callerTone, coachTone)
	v.hears("the caller of a mute agent", v.caller.Phone)
	v.do(func(k *call.Talk) error { return k.Mute("amy", false) })
	v.do(func(k *call.Talk) error { return k.Hold("amy") })
	v.hears("the agent who is whispered to during a hold", v.agent.Phone, coachTone)
	v.do(func(k *call.Talk) error { return k.Resume("amy") })
	v.do(func(k *call.Talk) error { return k.Consult("amy", toNumber("+861")) })
	number := v.number()
	v.hears("the number", number.Phone, agentTone)
	v.do(func(k *call.Talk) error { return k.CancelConsult("amy") })
	v.hears("the caller", v.caller.Phone, agentTone)
	if _, out := tape.power(coachTone); out > 0.0005 {
		t.Error("the coach is on the caller's recording")
	}
	if _, out := tape.power(thirdTone); out > 0.0005 {
		t.Error("the consultation is on the caller's recording")
	}
	if in, out := tape.power(agentTone); out < 0.003 || in > 0.0005 {
		t.Errorf("the agent is on the wrong side of the recording: in %f, out %f", in, out)
	}
	if in, out := tape.power(callerTone); in < 0.003 || out > 0.0005 {
		t.Errorf("the caller is on the wrong side of the recording: in %f, out %f", in, out)
	}
	supervise(call.SuperviseBarge)
	v.hears("the caller", v.caller.Phone, agentTone, coachTone)
	v.hears("the agent", v.agent.Phone, callerTone, coachTone)
	if w := v.until("joined", func(w call.TalkView) bool { return len(w.Parties) == 3 }); w.Parties[2].Kind != "supervisor" {
		t.Errorf("%+v", w)
	}
	v.do(func(k *call.Talk) error { k.Unsupervise("boss"); return nil })
	v.hears("the caller", v.caller.Phone, agentTone)
}

func TestWhoMaySupervise(t *testing.T) {
	v := talking(t)
	boss := calltest.NewBrowser(t, v.engine, "boss")
	for want, s := range map[hotline.Kind]call.SuperviseSeat{
		hotline.Invalid: {ID: "x", Stream: boss.Seat.Stream, Mode: "shout"}, hotline.Conflict: {ID: "amy", Stream: boss.Seat.Stream, Mode: call.SuperviseListen},
	} {
		if err := v.try(func(k *call.Talk) error { return k.Supervise(s) }); hotline.KindOf(err) != want {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestDigitsReachWhoIsTalkedTo(t *testing.T) {
	v := talking(t)
	v.do(func(k *call.Talk) error { return k.Consult("amy", toNumber("+861")) })
	number := v.number()
	v.do(func(k *call.Talk) error { return k.Digits("amy", "1") })
	v.do(func(k *call.Talk) error { return k.Digits("amy", "2#") })
	if !number.Phone.WaitKeys(5*time.Second, "12#") {
		t.Error("the number gets no keys in their order")
	}
	v.do(func(k *call.Talk) error { return k.Conference("amy") })
	v.caller.Phone.Press("7")
	if !number.Phone.WaitKeys(5*time.Second, "12#7") {
		t.Error("the caller's keys do not reach the number")
	}
	for _, wrong := range []string{"", "1a", "12345678901234567890123456789012345678901234567890123456789012345"} {
		if err := v.try(func(k *call.Talk) error { return k.Digits("amy", wrong) }); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// tapeDeck is a recording that notes when it is paused.
type tapeDeck struct{ paused bool }

func (d *tapeDeck) Pause()  { d.paused = true }
func (d *tapeDeck) Resume() { d.paused = false }

func TestRecordingIsPausedAndResumedAtTheEnd(t *testing.T) {
	e := calltest.NewEngine(t)
	v := &conversation{t: t, engine: e, change: make(chan struct{}, 1), end: make(chan talkEnded, 1)}
	v.agent = calltest.NewBrowser(t, e, "amy")
	deck, after := &tapeDeck{}, make(chan bool, 1)
	v.board = newBoard(t, 0, func(ctx context.Context, c *call.Call) error {
		if err := c.Answer(ctx); err != nil {
			return err
		}
		defer c.Taping(deck)()
		err := v.talk(ctx, c)
		after <- deck.paused
		return err
	})
	v.caller = ring(t, e, v.board)
	v.id = v.caller.Info().CallID
	v.until("recorded", func(w call.TalkView) bool { return w.Recording == call.RecordingOn })
	v.do(func(k *call.Talk) error { return k.Record(false) })
	v.until("paused", func(w call.TalkView) bool { return w.Recording == call.RecordingPaused })
	v.do(func(*call.Talk) error {
		if !deck.paused {
			return errors.New("the tape runs on")
		}
		return nil
	})
	v.do(func(k *call.Talk) error { return k.Transfer("amy", toNumber("+861")) })
	v.over()
	if <-after {
		t.Error("the next agent would not be recorded")
	}
	other := talking(t)
	if err := other.try(func(k *call.Talk) error { return k.Record(false) }); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("a call that is not recorded: %v", err)
	}
}
