package call

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"hotline"
	"hotline/call/audio"
	"hotline/media"
)

// TalkConfig says how a conversation is held.
type TalkConfig struct {
	Engine   *media.Engine
	Hold     *media.Music   // what those hear who wait; nil is the filler
	Ringback *media.Music   // what an agent hears while somebody rings; nil is the filler
	Away     time.Duration  // for so long an agent's browser may be away; 0 means 20 s
	Ring     time.Duration  // for so long a number rings that is consulted; 0 means 60 s
	Dialer   Dialer         // of those who are consulted by number
	From     Party          // whom they see calling; without a number it is for the dialler to say
	Answered func()         // an outbound call was taken; in the call's goroutine
	Hand     Handing        // an agent of this conversation goes on to another call; nil: that is impossible
	Observe  func(TalkView) // after each change, in the call's goroutine: it must not block. The last view has Ended
}

// TalkEndKind says how a conversation ended.
type TalkEndKind string

// The kinds. The caller's hang-up is [ErrHangup] as well, as with every verb.
const (
	TalkHungUp      TalkEndKind = "hung_up"       // by the caller, or by the number that was talked to last
	TalkAgentHungUp TalkEndKind = "agent_hung_up" // by the agent
	TalkAgentLost   TalkEndKind = "agent_lost"    // the browser did not come back in time; the caller is on the line
	TalkTransfer    TalkEndKind = "transfer"      // the caller is to be sent to To
	TalkUnreached   TalkEndKind = "unreached"     // outbound: nobody took the call
	TalkCut         TalkEndKind = "cut"           // the call was ended by us, or by a fault
	TalkGiven       TalkEndKind = "given"         // who was talked to is in another call now: the caller, a telephone, has sent its own caller there
)

// TalkEnd is how a conversation ended.
type TalkEnd struct {
	Kind TalkEndKind `json:"kind"`
	To   Destination `json:"to"`
	By   string      `json:"by"` // the agent
	Text string      `json:"text,omitempty"`

	Connected bool       `json:"connected"` // somebody talked with the caller, or could have
	Seat      *AgentSeat `json:"-"`         // TalkTransfer to an agent: who is there already; nil: is to be rung
}

// Talk is a conversation: the caller, agents, maybe a third number and supervisors, in one room. Its methods are for the closures of
// [Call.Do] alone. Errors are of kind Conflict when the conversation is not in a state for it, NotFound when the agent is not in it,
// Invalid for a wrong value.
type Talk struct {
	call   *Call
	cfg    TalkConfig
	room   *media.Room
	tasks  chan task
	done   chan struct{} // closed when no task is taken any more
	inside []*media.Stream

	seats   []*seat // who is with the caller: the agent who has the call, a third in a conference; or a number alone
	third   *third  // who is consulted
	coaches []SuperviseSeat
	holder  string // the agent who put the others on hold; "" is nobody
	paused  bool   // the recordings
	ring    time.Time
	since   *time.Time // when somebody began to talk with the caller
	end     *TalkEnd
	changes int
	keys    *audio.Keys
	kept    *Seating    // as it was filed last
	lost    []PartyLost // were in it before another process went on with it
}

// task is a closure that waits for the call's goroutine.
type task struct {
	run  func(*Talk) error
	said chan error // capacity 1
}

var errNotTalking = hotline.Errorf(hotline.Conflict, "call.not_talking", "the call is in no conversation now")

// Talk lets the caller and an agent talk until it ends one way or another. The end of the call is its error, as with every verb. An
// outbound call may still ring: then the agent hears it. When the caller went as the agent answered, the agent sees it begin and end.
func (c *Call) Talk(ctx context.Context, cfg TalkConfig, first AgentSeat) (TalkEnd, error) {
	t := newTalk(c, cfg)
	t.seats = []*seat{t.seatOf(first)}
	c.SetResult(ResultAnswered)
	if !c.answered() {
		c.SetResult("")
		t.ring = c.ringsUntil
	}
	return t.hold(ctx)
}

func newTalk(c *Call, cfg TalkConfig) *Talk {
	cfg.Away, cfg.Ring = cmp.Or(cfg.Away, 20*time.Second), cmp.Or(cfg.Ring, time.Minute)
	cfg.Hold, cfg.Ringback = cmp.Or(cfg.Hold, c.cfg.Filler), cmp.Or(cfg.Ringback, c.cfg.Filler)
	t := &Talk{call: c, cfg: cfg, tasks: make(chan task), done: make(chan struct{})}
	t.keys = audio.NewKeys(c.ctx)
	return t
}

// hold holds the conversation, to its end.
func (t *Talk) hold(ctx context.Context) (TalkEnd, error) {
	c := t.call
	t.room = media.NewRoom(t.cfg.Engine)
	c.quiet.Stop()
	c.talking.Store(t)
	t.begin()
	var err error
	for t.end == nil && err == nil {
		err = t.next(ctx)
	}
	c.talking.Store(nil)
	close(t.done)
	return t.finish(err), err
}

// begin enters the phase; an outbound call that rings enters it when it is taken.
func (t *Talk) begin() {
	why := reasonAnswered
	switch {
	case t.since != nil: // it was left by another process
		why = reasonResumed
	case t.call.answered():
		now := time.Now()
		t.since = &now
		t.call.enterTalk(t.agent())
	}
	t.changed(why)
}

// changed makes the room, the segment and what is shown what the conversation has become.
func (t *Talk) changed(why string) {
	if t.end != nil {
		return
	}
	t.arrange()
	kind := SegmentHold
	switch {
	case t.since == nil:
		kind = SegmentRing
	case t.withCaller():
		kind = SegmentTalk
	}
	t.call.stretch(kind, t.agent(), why)
	t.keep()
	t.changes++
	if t.cfg.Observe != nil {
		t.cfg.Observe(t.View())
	}
}

// next waits for something to happen and does it.
func (t *Talk) next(ctx context.Context) error {
	c := t.call
	var timeout <-chan time.Time
	if at := t.deadline(); !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case k := <-t.tasks:
		k.said <- t.do(k.run)
	case <-t.outReady():
		t.hearOut()
	case <-c.mailbox.Ready():
		t.hear()
	case <-timeout:
		t.expire(time.Now())
	case <-c.ctx.Done():
	case <-ctx.Done():
	}
	if t.end != nil {
		return nil // what was decided first counts
	}
	return c.alive(ctx)
}

// do runs a task. One that trips must not take the call with it.
func (t *Talk) do(f func(*Talk) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			t.call.Log.Error("a task of a conversation failed", "error", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f(t)
}

// Do runs f in the call's goroutine while it talks, and returns what f returns; an error of kind Conflict when it does not talk. f
// must not wait for anything.
func (c *Call) Do(ctx context.Context, f func(*Talk) error) error {
	t := c.talking.Load()
	if t == nil {
		return errNotTalking
	}
	k := task{run: f, said: make(chan error, 1)}
	select {
	case t.tasks <- k:
		return <-k.said
	case <-t.done:
		return errNotTalking
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hear takes what came of the caller's own leg: an answer when it was we who called, keys for a third number.
func (t *Talk) hear() {
	c := t.call
	c.listen()
	digits := string(c.digits)
	c.digits = nil
	for _, s := range t.seats {
		if s.out != nil && t.holder == "" && digits != "" {
			t.keys.Press(s.stream, digits)
		}
	}
	if t.since != nil {
		return
	}
	if c.answered() {
		now := time.Now()
		t.since, t.ring = &now, time.Time{}
		c.SetResult(ResultAnswered)
		c.enterTalk(t.agent())
		if t.cfg.Answered != nil {
			t.cfg.Answered()
		}
	}
	t.changed(reasonAnswered) // the network may let us hear how it rings
}

// deadline is when something runs out next; zero is never.
func (t *Talk) deadline() time.Time {
	first := t.ring
	sooner := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, s := range t.everybody() {
		sooner(s.away)
	}
	if t.third != nil {
		sooner(t.third.until)
	}
	return first
}

// expire does what is due.
func (t *Talk) expire(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if due(t.ring) {
		t.end = &TalkEnd{Kind: TalkUnreached, By: t.agent(), Text: "nobody answered in time"}
		return
	}
	if t.third != nil && due(t.third.until) {
		t.failThird("no answer")
	}
	for _, s := range t.everybody() {
		if due(s.away) {
			t.part(s, TalkEnd{Kind: TalkAgentLost, By: s.agent})
		}
	}
	t.changed("away")
}

// finish ends the conversation: everybody leaves the room, their legs are filed, the last view is shown.
func (t *Talk) finish(err error) TalkEnd {
	c := t.call
	end := t.ending(err)
	end.Connected = t.since != nil
	if t.since != nil {
		c.Leaving(string(end.Kind))
	}
	if t.paused {
		t.pause(false)
	}
	if t.kept != nil {
		c.file(FactCallSeated, CallSeated{})
	}
	view := t.View()
	view.Change, view.Ended = t.changes+1, &end
	t.keys.Close()
	t.dropThird()
	for _, s := range t.seats {
		t.leave(s)
	}
	t.seats, t.coaches = nil, nil
	for _, s := range t.inside {
		if s != c.leg.Audio() {
			s.PlayMusic(nil)
		}
	}
	t.room.Close()
	c.quiet.Play(nil)
	c.quiet.Start()
	c.setAgent("")
	if t.cfg.Observe != nil {
		t.cfg.Observe(view)
	}
	return end
}

// ending says how it ended, when nobody in it has.
func (t *Talk) ending(err error) TalkEnd {
	switch {
	case t.end != nil:
		return *t.end
	case !errors.Is(err, ErrHangup):
		return TalkEnd{Kind: TalkCut, By: t.agent()}
	case t.since == nil:
		t.call.mu.Lock()
		defer t.call.mu.Unlock()
		return TalkEnd{Kind: TalkUnreached, By: t.agent(), Text: t.call.cause.Text}
	}
	return TalkEnd{Kind: TalkHungUp, By: t.agent()}
}
