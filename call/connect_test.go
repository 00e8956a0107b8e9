package call_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

// phones is a Dialer whose callees are told what to do by the test.
type phones struct {
	t      *testing.T
	engine *media.Engine
	rung   chan *calltest.Leg
}

func (p phones) Dial(_ context.Context, d call.Dial) (call.Leg, error) {
	if d.To == "nowhere" {
		return nil, errors.New("no such trunk")
	}
	l := calltest.NewLeg(p.t, p.engine, call.Info{LegID: d.LegID, CallID: d.CallID, Direction: call.Outbound})
	l.Attach(d.Mailbox)
	p.rung <- l
	return l, nil
}

// connected starts a call that is connected with to, and returns what Connect said, once it has.
func connected(t *testing.T, to string) (caller *calltest.Leg, p phones, b *board, said chan error) {
	e := calltest.NewEngine(t)
	p = phones{t, e, make(chan *calltest.Leg, 1)}
	said = make(chan error, 1)
	b = newBoard(t, 0, func(ctx context.Context, c *call.Call) error {
		if err := c.Answer(ctx); err != nil {
			return err
		}
		_, err := c.Connect(ctx, call.Connect{Dialer: p, Engine: e, To: call.Dial{To: to, Timeout: 2 * time.Second}, Ringback: media.NewMusic(media.Tone(425, time.Second, 0.2))})
		said <- err
		return err
	})
	return ring(t, e, b), p, b, said
}

func TestTwoAreConnectedAndHearEachOther(t *testing.T) {
	for _, who := range []string{"caller", "callee"} {
		t.Run(who+" hangs up", func(t *testing.T) {
			caller, p, b, said := connected(t, "+861")
			callee := <-p.rung
			if !caller.Phone.HearsTone(425, 5*time.Second) {
				t.Error("the caller does not hear it ringing")
			}
			if err := callee.Answer(t.Context()); err != nil {
				t.Fatal(err)
			}
			caller.Phone.Say(media.Tone(700, 3*time.Second, 0.3).PCM())
			callee.Phone.Say(media.Tone(1100, 3*time.Second, 0.3).PCM())
			if !callee.Phone.HearsTone(700, 5*time.Second) || !caller.Phone.HearsTone(1100, 5*time.Second) {
				t.Error("they do not hear each other")
			}
			want := error(nil)
			if who == "caller" {
				caller.HangUp()
				want = call.ErrHangup
			} else {
				callee.HangUp()
			}
			if err := <-said; !errors.Is(err, want) {
				t.Errorf("Connect: %v", err)
			}
			ended(t, caller)
			ended(t, callee)
			if err := b.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if b.last.Result != call.ResultTransferred || b.count(call.FactLegStarted) != 1 || b.count(call.FactLegEnded) != 2 {
				t.Errorf("%+v, %d legs started, %d ended", b.last, b.count(call.FactLegStarted), b.count(call.FactLegEnded))
			}
		})
	}
}

func TestNobodyTakesTheCall(t *testing.T) {
	for name, c := range map[string]struct {
		to   string
		do   func(caller, callee *calltest.Leg)
		want func(error) bool
	}{
		"no trunk":        {"nowhere", nil, unavailable},
		"rings in vain":   {"+861", func(_, _ *calltest.Leg) {}, unavailable},
		"busy":            {"+861", func(_, callee *calltest.Leg) { callee.HangUp() }, unavailable},
		"the caller goes": {"+861", func(caller, _ *calltest.Leg) { caller.HangUp() }, func(err error) bool { return errors.Is(err, call.ErrHangup) }},
	} {
		t.Run(name, func(t *testing.T) {
			caller, p, b, said := connected(t, c.to)
			if c.do != nil {
				callee := <-p.rung
				c.do(caller, callee)
				defer ended(t, callee)
			}
			if err := <-said; !c.want(err) {
				t.Errorf("Connect: %v", err)
			}
			ended(t, caller)
			if err := b.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if started, ended := b.count(call.FactLegStarted), b.count(call.FactLegEnded); ended != started+1 {
				t.Errorf("%d legs dialled, %d ended", started, ended)
			}
		})
	}
}

func unavailable(err error) bool { return hotline.KindOf(err) == hotline.Unavailable }

// TestATelephoneSendsTheCallerOn: the number with whom a caller talks transfers to another; what replaces a dialog is declined.
func TestATelephoneSendsTheCallerOn(t *testing.T) {
	caller, p, b, said := connected(t, "+861")
	first := <-p.rung
	if err := first.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	caller.Phone.Say(media.Tone(700, 10*time.Second, 0.3).PCM())
	if !first.Phone.HearsTone(700, 5*time.Second) {
		t.Fatal("they are not connected")
	}
	if code := <-first.Refers("sip:862@host?Replaces=x"); code != 603 {
		t.Errorf("a replacement was answered with %d", code)
	}
	if code := <-first.Refers("sip:862@host"); code != 200 {
		t.Errorf("the transfer was answered with %d", code)
	}
	second := <-p.rung
	ended(t, first)
	if err := second.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !second.Phone.HearsTone(700, 5*time.Second) {
		t.Error("the second does not hear the caller")
	}
	caller.HangUp()
	if err := <-said; !errors.Is(err, call.ErrHangup) {
		t.Errorf("Connect: %v", err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.count(call.FactLegStarted); n != 2 {
		t.Errorf("%d legs were started", n)
	}
}
