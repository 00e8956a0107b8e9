package call

import (
	"context"
	"errors"
	"slices"
	"time"

	"hotline"
	"hotline/call/refer"
	"hotline/media"
)

// Second is the other call of a telephone that wants the parties of its two calls to talk with each other: an attended transfer
// (RFC 5589, section 7). The edge has seen to it that the call is the same telephone's.
type Second struct {
	CallID string // the call of ours whose caller the telephone is; "": it is none of ours
	LegID  string // the telephone's in it
	Number string // of whom the telephone talks with there
	Taker  Dialer // of a call that is none of ours: makes a leg of that party
	Why    error  // why there is no such call
}

// Handing lets an agent go on in another call, the one with the id to. undone takes it back when nothing came of it: then the agent's
// part of that call is over.
type Handing func(ctx context.Context, agent, to string) (undone func(), err error)

const joinTimeout = 5 * time.Second // until the second party is there

// sendsOn does what a telephone asks for that has the caller to itself: the caller goes on to a number, or to whom it has asked before.
func (t *Talk) sendsOn(s *seat, e Event) {
	alone := t.third == nil && len(t.seats) == 1
	if e.Second == nil {
		if to := refer.Take(s.out.leg, e.Target, alone); to != "" {
			d := Destination{Kind: ToNumber, Value: to}
			t.sent(s, Transferred{To: d})
			t.end = &TalkEnd{Kind: TalkTransfer, To: d}
		}
		return
	}
	p, err := party{}, error(errNotAlone)
	if alone {
		p, err = t.second(*e.Second)
	}
	if err != nil {
		t.call.Log.Info("an attended transfer of a telephone is declined", "by", s.number, "error", err)
		t.sent(s, Transferred{To: Destination{Kind: ToNumber, Value: e.Second.Number}, Attended: true, Why: codeOf(err)})
		refer.Tell(s.out.leg, err)
		return
	}
	t.sent(s, Transferred{To: p.to, Attended: true, From: e.Second.CallID})
	refer.Tell(s.out.leg, nil)
	t.call.Log.Info("a telephone has joined its caller with somebody", "by", s.number, "kind", p.to.Kind, "to", p.to.Value, "from", e.Second.CallID)
	if p.seat != nil && p.seat.out != nil {
		t.seats = []*seat{p.seat}
		t.leave(s)
		return
	}
	t.end = &TalkEnd{Kind: TalkTransfer, To: p.to}
	if p.seat != nil {
		t.end.Seat = &AgentSeat{Agent: p.seat.agent, Name: p.seat.name, Stream: p.seat.stream}
	}
}

var errNotAlone = hotline.Errorf(hotline.Denied, "transfer.not_alone", "the telephone has not got the caller to itself: who asked it may transfer")

// sent files who sends the caller where.
func (t *Talk) sent(s *seat, x Transferred) {
	x.Agent, x.By = s.agent, s.name
	if s.out != nil {
		x.By = s.number
	}
	t.call.file(FactTransferred, x)
}

// codeOf is what the timeline keeps of a refusal.
func codeOf(err error) string {
	if known := (*hotline.Error)(nil); errors.As(err, &known) {
		return known.Code
	}
	return "transfer.failed"
}

// party is who the caller is to talk with.
type party struct {
	to   Destination
	seat *seat // nil: to be waited for, in the queue to
	hand Handing
}

// second gets the other party of a telephone that transfers.
func (t *Talk) second(x Second) (party, error) {
	ctx, cancel := context.WithTimeout(t.call.ctx, joinTimeout)
	defer cancel()
	switch {
	case x.Why != nil:
		return party{}, x.Why
	case x.CallID == "":
		return t.overtake(ctx, x)
	}
	other := t.call.cfg.find(x.CallID)
	switch {
	case other == nil || other == t.call:
		return party{}, hotline.Errorf(hotline.NotFound, "transfer.no_call", "the telephone's second call is over")
	case other.live().Info.LegID != x.LegID:
		return party{}, hotline.Errorf(hotline.Unavailable, "transfer.two_callers", "the telephone was called in both of its calls: two callers cannot be joined")
	}
	return other.give(ctx, t.call)
}

// overtake makes a leg of ours of a party that talks with the telephone elsewhere.
func (t *Talk) overtake(ctx context.Context, x Second) (party, error) {
	if x.Taker == nil {
		return party{}, hotline.Errorf(hotline.Unavailable, "transfer.not_ours", "the telephone's second call cannot be taken over")
	}
	out := t.call.newOut(Dial{To: x.Number, Timeout: joinTimeout})
	if err := out.open(ctx, x.Taker); err != nil {
		return party{}, err
	}
	if err := out.answered(ctx); err != nil {
		t.call.clear(out)
		return party{}, err
	}
	return party{
		to:   Destination{Kind: ToNumber, Value: x.Number},
		seat: &seat{number: x.Number, stream: out.leg.Audio(), leg: out.dial.LegID, out: out},
	}, nil
}

// give lets go of whom the caller of c talks with, for the call to. The caller is a telephone whose own caller is in that one. It runs in
// the goroutine of to.
func (c *Call) give(ctx context.Context, to *Call) (party, error) {
	var now party
	err := c.Do(ctx, func(o *Talk) (err error) { now, err = o.only(); return err })
	if errors.Is(err, errNotTalking) {
		l := c.live()
		if l.Phase != PhaseQueued {
			return party{}, hotline.Errorf(hotline.Unavailable, "transfer.not_connected", "nobody has taken the telephone's second call yet")
		}
		c.cancel(ErrGiven)
		return party{to: Destination{Kind: ToQueue, Value: l.Queue}}, nil
	}
	if err != nil {
		return party{}, err
	}
	undone := func() {}
	if now.seat.agent != "" { // whose call it is must be known before its browser is told
		if undone, err = now.hand(ctx, now.seat.agent, to.ID); err != nil {
			return party{}, err
		}
	}
	if err = c.Do(ctx, func(o *Talk) error { return o.give(now.seat, to) }); err != nil {
		undone()
		return party{}, err
	}
	return now, nil
}

// only returns whom the caller talks with, if it is one.
func (t *Talk) only() (party, error) {
	if t.since == nil || t.third != nil || len(t.seats) != 1 || !t.seats[0].here() || t.seats[0].stream == nil {
		return party{}, hotline.Errorf(hotline.Conflict, "transfer.not_one", "the telephone's second call is not with one party alone")
	}
	s := t.seats[0]
	to := Destination{Kind: ToNumber, Value: s.number, Name: s.name}
	if s.agent != "" {
		if t.cfg.Hand == nil {
			return party{}, hotline.Errorf(hotline.Unavailable, "transfer.no_hand", "this agent cannot be given to another call")
		}
		to.Kind, to.Value = ToAgent, s.agent
	}
	return party{to: to, seat: s, hand: t.cfg.Hand}, nil
}

// give ends the conversation and leaves s, the only one in it, to another call.
func (t *Talk) give(s *seat, to *Call) error {
	if x, err := t.only(); err != nil || x.seat != s {
		return hotline.Errorf(hotline.Conflict, "transfer.gone", "who is to take the caller has just gone")
	}
	t.room.Leave(s.stream)
	s.stream.PlayMusic(nil)
	t.inside = slices.DeleteFunc(t.inside, func(o *media.Stream) bool { return o == s.stream })
	if s.out != nil {
		s.out.move(to)
		s.leg = s.out.dial.LegID
	} else {
		t.unwire(s, "went on to call "+to.ID)
	}
	t.seats = nil
	t.end = &TalkEnd{Kind: TalkGiven, By: s.agent}
	t.call.SetResult(ResultTransferred)
	return nil
}
