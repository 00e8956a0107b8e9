// Package call is a call: a leg that an edge brings, a script that decides what happens to it, and the facts that remain of it.
//
// It owns the [Switchboard] (admission, one goroutine a call), the blocking verbs of [Call], and the [Journal] that carries facts to
// PostgreSQL without ever making a call wait. It knows no protocol (edges do), no flow (ivr does) and no ticket.
//
// Start at [Leg], the contract every edge meets, then [Switchboard.Incoming] and [Call.run].
package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hotline/call/audio"
	"hotline/call/mailbox"
)

// Call is a caller's journey. Its verbs and fields belong to the goroutine of its script.
type Call struct {
	lifetime
	ID   string
	Info Info
	Vars map[string]string // what the flow has learnt; never secret digits
	Log  *slog.Logger

	cfg     Config
	leg     Leg
	sound   sound
	mailbox *Mailbox
	digits  []byte // typed ahead
	quiet   audio.Quiet
	tapes   []Pauser
	verdict verdict
	segment openSegment
	past    past
	talking atomic.Pointer[Talk] // while it talks

	mu    sync.Mutex
	view  Live  // what others may see
	cause Cause // of Ended
}

// lifetime is what ends with a call.
type lifetime struct {
	ctx        context.Context
	cancel     context.CancelCauseFunc
	ended      chan struct{} // closed at the leg's Ended event
	watchdog   audio.Watchdog
	clearing   sync.WaitGroup // legs that are being ended
	ringsUntil time.Time      // an outbound call that is not taken by then is given up
}

// verdict is what the script says of the call.
type verdict struct {
	result Result // "" leaves it to what happens
	cause  *Cause // with which it hung up
}

// Pauser is a recording that can be kept from hearing a secret.
type Pauser interface {
	Pause()
	Resume()
}

const maxTypedAhead = 64 // digits that nobody has asked for yet; a flood beyond it is not kept

// newCall makes the call of a leg.
func newCall(cfg Config, leg Leg, s sound) *Call {
	c := expectCall(cfg, leg.Info())
	c.take(leg, s)
	return c
}

// expectCall makes a call whose leg is yet to come: it has a mailbox already.
func expectCall(cfg Config, i Info) *Call {
	c := &Call{
		ID: i.CallID, Info: i, Vars: map[string]string{}, cfg: cfg,
		Log: cfg.Log.With("call", i.CallID, "leg", i.LegID),
	}
	now := time.Now()
	c.view = Live{ID: i.CallID, Info: i, Phase: PhaseRinging, Queue: i.Queue, Language: i.Language, StartedAt: i.ReceivedAt, PhaseAt: now}
	c.segment = openSegment{kind: SegmentRing, queue: i.Queue, at: now}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.ended = make(chan struct{})
	c.watchdog = audio.Watchdog{Limit: cfg.MediaLost, Bite: func() { c.cancel(ErrMediaLost) }}
	c.mailbox = mailbox.New(c.watch)
	if i.Resume != nil {
		c.restore(i.Resume)
	}
	return c
}

func (c *Call) take(leg Leg, s sound) {
	c.leg, c.sound = leg, s
	c.quiet = audio.Quiet{Music: s.music, Filler: c.cfg.Filler}
}

// watch sees each event of the call's own leg as it is posted, in the poster's goroutine, so that a call notices its end while its
// script waits for something else.
func (c *Call) watch(e Event) {
	if e.LegID != c.Info.LegID {
		return
	}
	switch e.Kind {
	case MediaLost:
		c.watchdog.Lost()
	case MediaBack, Resumed:
		c.watchdog.Back()
	case Held:
		c.watchdog.Held()
	case Ended:
		c.watchdog.Stop()
		c.mu.Lock()
		c.cause = e.Cause
		c.mu.Unlock()
		if e.Cause.By == CauseBackendLost.By {
			c.cancel(ErrCut)
		}
		c.cancel(ErrHangup)
		select {
		case <-c.ended: // a second Ended breaks the contract of a leg; it does no harm here
		default:
			close(c.ended)
		}
	}
}

// run is the call's whole life.
func (c *Call) run(script Script) {
	limit := time.AfterFunc(c.cfg.MaxDuration, func() { c.cancel(ErrMaxDuration) })
	defer limit.Stop()
	if c.past.left == nil {
		c.file(FactCallStarted, CallStarted{Info: c.Info, Node: c.cfg.Node})
	} else {
		c.carryOn()
	}
	err := c.play(script)
	switch why := context.Cause(c.ctx); {
	case err == nil, errors.Is(err, ErrHangup), errors.Is(err, ErrGone), why != nil && errors.Is(err, why):
	default:
		c.Log.Error("the script of a call failed", "error", err)
	}
	c.finish(err)
}

func (c *Call) play(script Script) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return script(c.ctx, c)
}

const (
	hangupTimeout = 10 * time.Second
	endedTimeout  = 40 * time.Second // a BYE that nobody answers is given up after 32 s (RFC 3261, Timer F)
)

// finish hangs up if need be, waits for the leg's end and files what remains.
func (c *Call) finish(err error) {
	why := context.Cause(c.ctx) // before the hang-up that follows
	c.quiet.End()
	cause := c.endCause(why, err)
	select {
	case <-c.ended:
	default:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), hangupTimeout)
		if err := c.leg.Hangup(ctx, cause); err != nil && !errors.Is(err, ErrGone) {
			c.Log.Warn("a leg could not be hung up", "error", err)
		}
		cancel()
		patience := time.NewTimer(endedTimeout)
		select {
		case <-c.ended:
		case <-patience.C:
			c.Log.Error("a leg did not report its end; its call is closed without it", "edge", c.Info.Edge)
		}
		patience.Stop()
	}
	c.watchdog.Stop()
	c.cancel(ErrEnded)
	c.mu.Lock()
	if c.cause != (Cause{}) {
		cause = c.cause
	}
	answered, phase, queue := c.view.AnsweredAt != nil, c.view.Phase, c.view.Queue
	c.mu.Unlock()
	result := c.outcome(why, err, phase, answered)
	now := time.Now()
	c.closeSegment(now, result.leaves(why))
	c.clearing.Wait()
	codec, quality := c.sound.quality()
	c.file(FactLegEnded, LegEnded{LegID: c.Info.LegID, Codec: codec, EndedAt: now, Cause: cause, Quality: quality})
	c.file(FactCallEnded, CallEnded{Result: result, Cause: cause, Queue: queue, Phase: phase, Answered: answered, At: now})
}

// endCause is the cause with which we hang up.
func (c *Call) endCause(why, err error) Cause {
	answered := c.answered()
	switch {
	case c.verdict.cause != nil:
		return *c.verdict.cause
	case errors.Is(why, ErrShutdown):
		return CauseShutdown
	case errors.Is(why, ErrGiven):
		return CauseNormal
	case errors.Is(why, ErrMediaLost):
		return CauseMediaLost
	case errors.Is(why, ErrMaxDuration):
		return CauseExpired
	case err != nil && !answered:
		return CauseFailure
	case err != nil:
		return Cause{Q850: 41, Text: "temporary failure", By: "hotline"}
	case !answered:
		return CauseNoAnswer
	default:
		return CauseNormal
	}
}

// outcome is the call's result: what the script said, or what follows from where the call was when it ended.
func (c *Call) outcome(why, err error, phase Phase, answered bool) Result {
	result := c.verdict.result
	switch {
	case errors.Is(why, ErrCut) && (result == ResultAnswered || result == ResultTransferred):
		return ResultCutBySystem // in mid-sentence
	case errors.Is(why, ErrGiven):
		return ResultTransferred
	case result != "":
		return result
	case errors.Is(why, ErrShutdown), errors.Is(why, ErrCut):
		return ResultCutBySystem
	case c.Info.Direction == Outbound && !answered:
		return ResultUnreached
	case errors.Is(why, ErrHangup), errors.Is(why, ErrMediaLost), errors.Is(why, ErrMaxDuration):
		switch phase {
		case PhaseTalking:
			return ResultAnswered
		case PhaseTransfer:
			return ResultTransferred
		}
		return ResultAbandoned // they did not get what they called for
	case err != nil:
		return ResultFailed
	case !answered:
		return ResultRejected
	default:
		return ResultCompleted
	}
}

// leaves is why the last segment was left, when the script did not say.
func (r Result) leaves(why error) string {
	switch {
	case r == ResultCutBySystem, r == ResultFailed, errors.Is(why, ErrMediaLost):
		return reasonCut
	case r == ResultAbandoned:
		return reasonAbandoned
	default:
		return string(r)
	}
}

// file files a fact of this call. A fact that cannot be encoded is a fault of ours; the call goes on.
func (c *Call) file(kind FactKind, payload any) {
	if err := c.cfg.Journal.File(c.ID, kind, payload); err != nil {
		c.Log.Error("a fact could not be filed", "kind", kind, "error", err)
	}
}

func (c *Call) live() Live {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

func (c *Call) answered() bool { return c.live().AnsweredAt != nil }
