package ivr

import (
	"testing"

	"hotline/acd"
	"hotline/call"
	"hotline/call/archive"
	"hotline/call/calltest"
)

const outside = "+861012345678"

// trio is a caller with amy, and a number that is asked.
type trio struct {
	*relay
	amy    *calltest.Browser
	caller *calltest.Leg
	number *calltest.Leg
}

// asking is a caller who hears music while amy talks with a number.
func asking(t *testing.T) *trio {
	r := newPatientRelay(t, patience)
	r.publish("support", supportFlow)
	amy := r.hire("amy", amyTone, "support")
	r.ready(amy)
	l := r.calls("support", "+861001")
	l.Phone.Hum(callerTone)
	r.answers(amy)
	r.talks(l.Info().CallID, amy)
	x := &trio{relay: r, amy: amy, caller: l}
	x.does(func(k *call.Talk) error {
		return k.Consult(amy.Seat.Agent, call.Destination{Kind: call.ToNumber, Value: outside})
	})
	x.number = <-r.staff.rung
	x.number.Phone.Hum(thirdTone)
	if err := x.number.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.looks("asked", func(v call.TalkView) bool { return v.Consult != nil && v.Consult.State == call.ConsultTalking })
	return x
}

func (x *trio) does(f func(*call.Talk) error) {
	x.t.Helper()
	x.do(x.caller.Info().CallID, f)
}

func (x *trio) looks(what string, fits func(call.TalkView) bool) call.TalkView {
	x.t.Helper()
	return x.view(x.caller.Info().CallID, what, fits)
}

// dies kills the process; caller and number are with the next one. Nobody has the number if it is gone.
func (x *trio) dies(gone bool) {
	x.t.Helper()
	x.kept.gone[outside] = gone
	x.kill()
	x.caller = x.same(x.caller)
	x.caller.Phone.Hum(callerTone)
	if x.number = x.kept.numbers[outside]; !gone {
		x.number.Phone.Hum(thirdTone)
	}
}

// returns is amy's browser with the next process.
func (x *trio) returns() {
	x.t.Helper()
	x.amy = x.back(x.amy, amyTone)
	x.does(func(k *call.Talk) error { return k.Reseat(x.amy.Seat) })
}

// over ends the call and checks its row.
func (x *trio) over(path string, result call.Result) archive.Detail {
	x.t.Helper()
	d := x.expect(x.caller, path, result)
	x.whole(d)
	return d
}

// TestAConsultationGoesOnAfterAKill: the caller waits with music, the agent talks with whom she asked, and takes the caller back.
func TestAConsultationGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	x := asking(t)
	x.dies(false)
	if !x.caller.Phone.HearsTone(523.25, patience) {
		t.Error("no music for the caller")
	}
	x.returns()
	x.tunes("the agent", x.amy.Phone, thirdTone, callerTone)
	x.tunes("the number", x.number.Phone, amyTone, callerTone)
	if v := x.looks("a consultation", func(v call.TalkView) bool { return v.Phase == call.TalkConsulting }); !v.Held || v.Consult.Value != outside || len(v.Lost) != 0 {
		t.Errorf("%+v", v)
	}
	x.does(func(k *call.Talk) error { return k.Swap(x.amy.Seat.Agent) })
	x.tunes("the agent", x.amy.Phone, callerTone, thirdTone)
	x.dies(false) // with the caller again
	x.returns()
	x.tunes("the agent", x.amy.Phone, callerTone, thirdTone)
	x.tunes("the caller", x.caller.Phone, amyTone, thirdTone)
	x.does(func(k *call.Talk) error { return k.Complete(x.amy.Seat.Agent) })
	x.tunes("the caller", x.caller.Phone, thirdTone, amyTone)
	x.state(x.amy, acd.WrapUp)
	x.dies(false) // without an agent
	x.tunes("the caller", x.caller.Phone, thirdTone, amyTone)
	x.tunes("the number", x.number.Phone, callerTone)
	x.number.HangUp()
	d := x.over("   q", call.ResultTransferred)
	for _, l := range d.Legs {
		if l.Edge == "kept" && l.AnsweredAt == nil {
			t.Errorf("a leg that talked was never answered: %+v", l)
		}
	}
}

// TestAConferenceGoesOnAfterAKill: those on the telephone hear each other at once, and the agent when the browser is back; then without
// the number, which the agent is told.
func TestAConferenceGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	x := asking(t)
	x.does(func(k *call.Talk) error { return k.Conference(x.amy.Seat.Agent) })
	x.tunes("the number", x.number.Phone, callerTone)
	x.dies(false)
	x.tunes("the caller", x.caller.Phone, thirdTone, amyTone)
	x.returns()
	x.tunes("the caller", x.caller.Phone, amyTone)
	x.tunes("the number", x.number.Phone, amyTone)
	x.tunes("the agent", x.amy.Phone, callerTone)
	x.tunes("the agent", x.amy.Phone, thirdTone)
	x.looks("a conference", func(v call.TalkView) bool { return v.Phase == call.TalkConference })
	x.dies(true)
	x.returns()
	x.tunes("the caller", x.caller.Phone, amyTone, thirdTone)
	v := x.looks("talking", func(v call.TalkView) bool { return v.Phase == call.TalkTalking })
	if len(v.Lost) != 1 || v.Lost[0].Number != outside || v.Lost[0].Consult {
		t.Errorf("lost %+v", v.Lost)
	}
	x.caller.HangUp()
	x.over("  q", call.ResultAnswered)
	x.told(1)
}

// told checks how often the ticket says that somebody was lost.
func (x *trio) told(want int) {
	x.t.Helper()
	var n int
	err := x.base.QueryRow(x.t.Context(), `select count(*) from ticket_event where kind = 'party_lost' and data ->> 'number' = $1 and data ->> 'call_id' = $2`,
		outside, x.caller.Info().CallID).Scan(&n)
	if err != nil || n != want {
		x.t.Errorf("the ticket says %d times that the number was lost, %v", n, err)
	}
}

// TestAConsultationIsLostInAKill: the agent is told, and takes the caller back.
func TestAConsultationIsLostInAKill(t *testing.T) {
	t.Parallel()
	x := asking(t)
	x.dies(true)
	x.returns()
	v := x.looks("failed", func(v call.TalkView) bool { return v.Consult != nil && v.Phase == call.TalkConsulting })
	if v.Consult.State != call.ConsultFailed || v.Consult.Why != "lost" || len(v.Lost) != 1 || !v.Lost[0].Consult || !v.Held {
		t.Errorf("%+v", v)
	}
	x.does(func(k *call.Talk) error { return k.CancelConsult(x.amy.Seat.Agent) })
	x.tunes("the caller", x.caller.Phone, amyTone)
	x.told(1)
	x.caller.HangUp()
	x.over(" q", call.ResultAnswered)
}

// TestAColleagueIsAskedAfterAKill: both agents' browsers come back, and nobody else hears them.
func TestAColleagueIsAskedAfterAKill(t *testing.T) {
	t.Parallel()
	r := newPatientRelay(t, patience)
	r.publish("support", supportFlow)
	amy, ben := r.hire("amy", amyTone, "support"), r.hire("ben", benTone, "billing")
	r.ready(amy)
	r.ready(ben)
	x := &trio{relay: r, amy: amy, caller: r.calls("support", "+861001")}
	x.caller.Phone.Hum(callerTone)
	r.answers(amy)
	id := x.caller.Info().CallID
	r.talks(id, amy)
	x.does(func(k *call.Talk) error {
		return k.Consult(amy.Seat.Agent, call.Destination{Kind: call.ToAgent, Value: ben.Seat.Agent})
	})
	done := make(chan error, 1)
	go func() {
		_, err := r.exchange.cfg.Line.OfferTo(t.Context(), id, ben.Seat.Agent, acd.KindConsult, "support", amy.Seat.Agent)
		done <- err
	}()
	r.answers(ben)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	x.does(func(k *call.Talk) error { return k.ConsultSeat(amy.Seat.Agent, ben.Seat) })
	r.tunes("the colleague", ben.Phone, amyTone, callerTone)
	x.does(func(k *call.Talk) error { // a number is being spelt out
		return k.Record(false)
	})
	x.dies(true)
	x.returns()
	ben = r.back(ben, benTone)
	x.does(func(k *call.Talk) error { return k.Reseat(ben.Seat) })
	r.tunes("the colleague", ben.Phone, amyTone, callerTone)
	r.tunes("the agent", x.amy.Phone, benTone, callerTone)
	if v := x.looks("asked", func(v call.TalkView) bool { return v.Phase == call.TalkConsulting }); v.Recording != call.RecordingPaused {
		t.Errorf("the recording is %s: it was paused", v.Recording)
	}
	x.does(func(k *call.Talk) error { return k.Complete(x.amy.Seat.Agent) })
	r.tunes("the caller", x.caller.Phone, benTone)
	r.state(x.amy, acd.WrapUp)
	x.caller.HangUp()
	x.over(" q", call.ResultAnswered)
	r.state(ben, acd.WrapUp)
}
