package call_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
)

// joining is a caller who is connected with a telephone, 601, that calls the hotline itself: what it has dialled says where it is there.
type joining struct {
	*conversation
	phone    *calltest.Leg // called by the hotline
	question *calltest.Leg // of the same telephone, to the hotline
	third    *calltest.Leg // the number that it asks
	ben      *calltest.Browser
	handed   chan string // the call that ben is given to
}

func joins(t *testing.T, where string) *joining {
	e := calltest.NewEngine(t)
	v := &conversation{t: t, engine: e, phones: phones{t, e, make(chan *calltest.Leg, 8)}, change: make(chan struct{}, 1), end: make(chan talkEnded, 1)}
	j := &joining{conversation: v, ben: calltest.NewBrowser(t, e, "ben"), handed: make(chan string, 1)}
	v.board = newBoard(t, 0, j.script)
	v.caller = ring(t, e, v.board)
	v.id = v.caller.Info().CallID
	v.caller.Phone.Hum(callerTone)
	j.phone = <-v.phones.rung
	j.phone.Phone.Hum(agentTone)
	if err := j.phone.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.hears("the caller", v.caller.Phone, agentTone)
	j.question = calltest.NewLeg(t, e, call.Info{Dialled: where, Language: "en"})
	if err := j.question.Ring(t.Context(), v.board); err != nil {
		t.Fatal(err)
	}
	j.question.Phone.Hum(coachTone)
	j.ben.Phone.Hum(thirdTone)
	switch where {
	case "number":
		j.third = <-v.phones.rung
		j.third.Phone.Hum(thirdTone)
		if err := j.third.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		fallthrough
	case "agent", "kept":
		v.hears("the telephone", j.question.Phone, thirdTone)
	default:
		<-j.question.Answered()
	}
	return j
}

// script is what becomes of calls: those to 4000 are connected with the telephone, others go where they have dialled.
func (j *joining) script(ctx context.Context, c *call.Call) error {
	if err := c.Answer(ctx); err != nil {
		return err
	}
	cfg := call.TalkConfig{Engine: j.engine, Hand: func(_ context.Context, agent, to string) (func(), error) {
		j.handed <- agent + " " + to
		return func() { j.t.Error("it came to nothing") }, nil
	}}
	switch c.Info.Dialled {
	case "4000":
		end, err := c.Connect(ctx, call.Connect{Dialer: j.phones, Engine: j.engine, To: call.Dial{To: "601", Timeout: 10 * time.Second}, Observe: j.observe})
		j.end <- talkEnded{end, err}
		if end.Seat != nil {
			_, err = c.Talk(ctx, call.TalkConfig{Engine: j.engine}, *end.Seat)
		}
		return err
	case "number":
		_, err := c.Connect(ctx, call.Connect{Dialer: j.phones, Engine: j.engine, To: call.Dial{To: "+861", Timeout: 10 * time.Second}})
		return err
	case "kept":
		cfg.Hand = nil
		fallthrough
	case "agent":
		_, err := c.Talk(ctx, cfg, j.ben.Seat)
		return err
	case "queue":
		if err := c.Enter(ctx, call.PhaseQueued, "support"); err != nil {
			return err
		}
	}
	_, err := c.Await(ctx, call.AwaitOptions{})
	return err
}

func (j *joining) second() call.Second {
	i := j.question.Info()
	return call.Second{CallID: i.CallID, LegID: i.LegID}
}

// over waits until the telephone has no call any more.
func (j *joining) over() {
	j.t.Helper()
	ended(j.t, j.phone)
	ended(j.t, j.question)
}

func TestTelephoneJoinsWithANumber(t *testing.T) {
	j := joins(t, "number")
	if code := <-j.phone.Joins(j.second()); code != 200 {
		t.Fatalf("the telephone is told %d", code)
	}
	j.over()
	j.hears("the caller", j.caller.Phone, thirdTone)
	j.hears("the number", j.third.Phone, callerTone)
	w := j.until("left to the number", func(w call.TalkView) bool { return len(w.Parties) == 2 && w.Parties[1].Number == "+861" })
	if w.Phase != call.TalkTalking {
		t.Errorf("%+v", w)
	}
	j.third.HangUp()
	ended(t, j.caller)
	if err := j.board.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if j.board.last.Result != call.ResultTransferred || j.board.count(call.FactLegStarted) != 3 || j.board.count(call.FactLegEnded) != 5 || j.board.count(call.FactTransferred) != 1 {
		t.Errorf("%+v, %d legs started, %d ended, %d transfers", j.board.last, j.board.count(call.FactLegStarted), j.board.count(call.FactLegEnded), j.board.count(call.FactTransferred))
	}
}

func TestTelephoneJoinsWithAnAgent(t *testing.T) {
	j := joins(t, "agent")
	if code := <-j.phone.Joins(j.second()); code != 200 {
		t.Fatalf("the telephone is told %d", code)
	}
	j.over()
	if got := <-j.handed; got != "ben "+j.id {
		t.Errorf("handed is %q", got)
	}
	if e := <-j.end; e.err != nil || e.end.Kind != call.TalkTransfer || e.end.Seat == nil || e.end.Seat.Agent != "ben" {
		t.Errorf("%+v", e)
	}
	j.hears("the caller", j.caller.Phone, thirdTone)
	j.hears("the agent", j.ben.Phone, callerTone)
	j.caller.HangUp()
	if err := j.board.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTelephoneLeavesItsPlaceInTheQueue(t *testing.T) {
	j := joins(t, "queue")
	for !slices.ContainsFunc(j.board.Calls(), func(l call.Live) bool { return l.Phase == call.PhaseQueued }) {
		if t.Context().Err() != nil {
			t.Fatal("nobody waits")
		}
		<-time.After(time.Millisecond)
	}
	if code := <-j.phone.Joins(j.second()); code != 200 {
		t.Fatalf("the telephone is told %d", code)
	}
	if e := <-j.end; e.err != nil || e.end.Kind != call.TalkTransfer || e.end.To.Kind != call.ToQueue || e.end.To.Value != "support" {
		t.Errorf("%+v", e)
	}
	j.over()
	if j.question.Cause() != call.CauseNormal {
		t.Errorf("the telephone hears %+v", j.question.Cause())
	}
	ended(t, j.caller) // the script ends
}

// What cannot be done leaves the telephone both of its calls.
func TestTelephoneKeepsItsCalls(t *testing.T) {
	for _, c := range []struct {
		name, where string
		second      func(*joining) call.Second
		code        int
	}{
		{"nobody has taken the second call", "menu", (*joining).second, 480},
		{"an agent who cannot be given", "kept", (*joining).second, 480},
		{"a call that is over", "menu", func(*joining) call.Second { return call.Second{CallID: hotline.NewID()} }, 481},
		{"its first call", "menu", func(j *joining) call.Second { return call.Second{CallID: j.id, LegID: j.caller.Info().LegID} }, 481},
		{"a call in which it is not the caller", "menu", func(j *joining) call.Second { s := j.second(); s.LegID = "x"; return s }, 480},
		{"somebody else's call", "menu", func(*joining) call.Second { return call.Second{Why: hotline.Errorf(hotline.Denied, "x", "x")} }, 603},
		{"a party that cannot be had", "menu", func(*joining) call.Second { return call.Second{Number: "602"} }, 480},
		{"a party that is gone", "menu", func(j *joining) call.Second { return call.Second{Number: "nowhere", Taker: j.phones} }, 480},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := joins(t, c.where)
			if code := <-j.phone.Joins(c.second(j)); code != c.code {
				t.Errorf("the telephone is told %d, want %d", code, c.code)
			}
			j.hears("the caller", j.caller.Phone, agentTone)
			j.hears("the telephone", j.phone.Phone, callerTone)
			if j.board.count(call.FactTransferred) != 1 {
				t.Error("the timeline does not tell")
			}
			j.question.HangUp()
			j.phone.HangUp()
			ended(t, j.caller)
		})
	}
}

// A party of a call that is none of ours is taken over by the edge.
func TestTelephoneJoinsWithSomebodyElsewhere(t *testing.T) {
	j := joins(t, "menu")
	told := j.phone.Joins(call.Second{Number: "602", Taker: j.phones})
	other := <-j.phones.rung
	other.Phone.Hum(thirdTone)
	if err := other.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := <-told; code != 200 {
		t.Fatalf("the telephone is told %d", code)
	}
	ended(t, j.phone)
	j.hears("the caller", j.caller.Phone, thirdTone)
	j.hears("who was taken over", other.Phone, callerTone)
	other.HangUp()
	ended(t, j.caller)
}

// Who calls us does not join our agents with anybody.
func TestCallerMayNotJoin(t *testing.T) {
	v := talking(t)
	if code := <-v.caller.Joins(call.Second{CallID: hotline.NewID()}); code != 603 {
		t.Errorf("the caller is told %d", code)
	}
	v.hears("the agent", v.agent.Phone, callerTone)
	v.caller.HangUp()
}
