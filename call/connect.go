package call

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"hotline"
	"hotline/media"
)

// Connect says whom the caller is connected with.
type Connect struct {
	Dialer   Dialer
	Engine   *media.Engine  // of the room they meet in
	To       Dial           // CallID, LegID and Mailbox are filled in
	Ringback *media.Music   // what the caller hears meanwhile; nil is what was heard before
	Observe  func(TalkView) // as in [TalkConfig]: of the two, once they talk
}

// Connect dials out and lets the two talk until one hangs up. A telephone that transfers the caller is left for the number that it
// names, by the routes; when it sends the caller to a queue or an agent, that is how it ends ([TalkTransfer]). The error is of kind
// Unavailable when nobody took the call, and the reason of the call's end when it was the caller who went.
func (c *Call) Connect(ctx context.Context, o Connect) (TalkEnd, error) {
	if err := c.alive(ctx); err != nil {
		return TalkEnd{}, err
	}
	before := c.Phase()
	c.enter(PhaseTransfer, "", reasonMoved)
	if o.Ringback != nil {
		defer c.Music(o.Ringback)()
	}
	out := c.newOut(o.To)
	if err := out.open(ctx, o.Dialer); err != nil {
		c.enter(before, "", "failed")
		return TalkEnd{}, err
	}
	if err := out.answered(ctx); err != nil {
		c.clear(out)
		if err := c.alive(ctx); err != nil {
			return TalkEnd{}, err
		}
		c.enter(before, "", "no_answer")
		return TalkEnd{}, err
	}
	c.SetResult(ResultTransferred)
	t := newTalk(c, TalkConfig{Engine: o.Engine, Observe: o.Observe})
	t.seats = []*seat{{number: out.dial.To, stream: out.leg.Audio(), leg: out.dial.LegID, out: out}}
	end, err := t.hold(ctx)
	if err == nil && end.Kind == TalkTransfer && end.To.Kind == ToNumber {
		o.To.To, o.To.TrunkID = end.To.Value, ""
		return c.Connect(ctx, o)
	}
	return end, err
}

// outLeg is a leg that the call has dialled.
type outLeg struct {
	call       *Call
	dial       Dial
	leg        Leg
	started    time.Time
	answeredAt *time.Time
	ended      bool
	cause      Cause
	refers     *Event // TransferAsked, not yet decided
}

func (c *Call) newOut(d Dial) *outLeg {
	d.CallID, d.LegID, d.Mailbox, d.Timeout = c.ID, newID(), NewMailbox(), cmp.Or(d.Timeout, time.Minute)
	return &outLeg{call: c, dial: d}
}

// clear ends a leg while the call goes on; the call waits for it in the end.
func (c *Call) clear(o *outLeg) { c.clearing.Go(o.close) }

func (o *outLeg) open(ctx context.Context, d Dialer) error {
	leg, err := d.Dial(ctx, o.dial)
	if err != nil {
		return dialFailed(o.dial.To, err)
	}
	o.leg, o.started = leg, time.Now()
	o.begun()
	return nil
}

// begun opens the row of the leg.
func (o *outLeg) begun() {
	i := o.leg.Info()
	o.call.file(FactLegStarted, LegStarted{
		LegID: o.dial.LegID, Direction: Outbound, Edge: i.Edge, ForeignID: i.ForeignID, Remote: i.Remote, Party: Party{Number: o.dial.To}, StartedAt: o.started,
	})
}

// over closes the row of the leg.
func (o *outLeg) over(why Cause) {
	q := o.leg.Audio().Quality()
	raw, _ := json.Marshal(q)
	o.call.file(FactLegEnded, LegEnded{LegID: o.dial.LegID, Codec: q.Codec, AnsweredAt: o.answeredAt, EndedAt: time.Now(), Cause: why, Quality: raw})
}

// move makes the leg another call's: its row here ends, and one there begins.
func (o *outLeg) move(to *Call) {
	o.over(Cause{Q850: CauseNormal.Q850, Text: "went on to call " + to.ID, By: CauseNormal.By})
	o.call, o.dial.CallID, o.dial.LegID, o.started = to, to.ID, newID(), time.Now()
	o.begun()
}

// dialFailed is why a number could not be dialled: in the dialler's own words, if it says whose fault it is.
func dialFailed(to string, err error) error {
	if known := (*hotline.Error)(nil); errors.As(err, &known) {
		return err
	}
	return hotline.Errorf(hotline.Unavailable, "call.dial_failed", "the call to %s could not be made: %w", to, err)
}

// next waits for events of the leg, or the end of the call.
func (o *outLeg) next(ctx context.Context) error {
	select {
	case <-o.dial.Mailbox.Ready():
		o.drain()
	case <-o.call.ctx.Done():
	case <-ctx.Done():
	}
	return o.call.alive(ctx)
}

// drain takes what came of the leg.
func (o *outLeg) drain() {
	for e, ok := o.dial.Mailbox.Take(); ok; e, ok = o.dial.Mailbox.Take() {
		o.see(e)
	}
}

func (o *outLeg) see(e Event) {
	if e.LegID != o.leg.Info().LegID {
		return
	}
	switch e.Kind {
	case Answered:
		at := time.Now()
		o.answeredAt = &at
	case TransferAsked:
		o.refers = &e
	case Ended:
		o.ended, o.cause = true, e.Cause
	}
}

// answered waits until somebody takes the call.
func (o *outLeg) answered(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.dial.Timeout, errNobody)
	defer cancel()
	for o.answeredAt == nil {
		if err := o.next(ctx); err != nil && !errors.Is(err, errNobody) {
			return err
		} else if err != nil || o.ended {
			return hotline.Errorf(hotline.Unavailable, "call.not_taken", "nobody took the call to %s: %s", o.dial.To, o.cause.Text)
		}
	}
	return nil
}

var errNobody = errors.New("nobody answered in time")

// close hangs up, waits for the end and files it.
func (o *outLeg) close() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.call.ctx), endedTimeout)
	defer cancel()
	if !o.ended {
		if err := o.leg.Hangup(ctx, CauseNormal); err != nil && !errors.Is(err, ErrGone) {
			o.call.Log.Warn("a leg could not be hung up", "leg", o.dial.LegID, "error", err)
		}
	}
	for !o.ended {
		e, err := o.dial.Mailbox.Next(ctx)
		if err != nil {
			o.call.Log.Error("a leg did not report its end; its row is closed without it", "leg", o.dial.LegID)
			break
		}
		o.see(e)
	}
	o.over(o.cause)
}
