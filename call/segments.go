package call

import (
	"context"
	"encoding/json"
	"time"

	"hotline"
)

// Why segments are left, where the words are call's own. Those of a queue are acd's.
const (
	reasonCut       = "cut"       // a fault ended it
	reasonAbandoned = "abandoned" // the caller hung up
	reasonMoved     = "moved"     // the call went on to the next phase
	reasonAnswered  = "answered"
	reasonResumed   = "resumed" // by another process
)

func newID() string { return hotline.NewID() }

// openSegment is the stretch that a call is in.
type openSegment struct {
	kind   SegmentKind
	queue  string
	agent  string
	at     time.Time // with its monotonic reading
	reason string    // why it will have been left; "" leaves it to what comes
	detail json.RawMessage
}

// Enter begins a phase: the segment of the one before is closed and filed. queue is the queue that is entered; "" keeps the call's
// queue as it is.
func (c *Call) Enter(ctx context.Context, p Phase, queue string) error {
	return c.enterLine(ctx, p, queue, nil)
}

// EnterLine is [Call.Enter] for those who wait in a queue, with what their place is worth.
func (c *Call) EnterLine(ctx context.Context, queue string, place Standing) error {
	if !c.Info.Outlives {
		return c.Enter(ctx, PhaseQueued, queue)
	}
	return c.enterLine(ctx, PhaseQueued, queue, &place)
}

func (c *Call) enterLine(ctx context.Context, p Phase, queue string, place *Standing) error {
	if err := c.alive(ctx); err != nil {
		return err
	}
	if c.goesOn(p, queue) {
		return nil
	}
	c.begin(CallPhase{Phase: p, Queue: queue, Place: place}, reasonMoved)
	return nil
}

func (c *Call) enter(p Phase, queue, reason string) {
	c.begin(CallPhase{Phase: p, Queue: queue}, reason)
}

func (c *Call) begin(f CallPhase, reason string) {
	c.goesOn("", "") // what was left is over
	p, queue, now := f.Phase, f.Queue, time.Now()
	c.closeSegment(now, reason)
	c.mu.Lock()
	c.view.Phase, c.view.PhaseAt = p, now
	if queue != "" {
		c.view.Queue = queue
	}
	c.segment = openSegment{kind: p.Segment(), queue: c.view.Queue, at: now}
	if p == PhaseTalking {
		c.segment.agent = c.view.Agent
	}
	c.mu.Unlock()
	f.Agent = c.segment.agent
	c.file(FactCallPhase, f)
}

// enterTalk enters the phase of talking with an agent; "" when it is a number.
func (c *Call) enterTalk(agent string) {
	c.setAgent(agent)
	c.enter(PhaseTalking, "", reasonAnswered)
}

func (c *Call) setAgent(agent string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view.Agent = agent
}

// stretch goes on within a phase: talk and hold alternate, agents take turns. Nothing is filed when nothing has changed.
func (c *Call) stretch(kind SegmentKind, agent, reason string) {
	s := &c.segment
	if s.kind == kind && s.agent == agent {
		return
	}
	if s.kind == SegmentRing && kind == SegmentRing {
		s.agent = agent
		return
	}
	now := time.Now()
	c.closeSegment(now, reason)
	if s.agent != agent && kind != SegmentRing {
		c.setAgent(agent)
		c.file(FactCallPhase, CallPhase{Phase: PhaseTalking, Agent: agent})
	}
	c.segment = openSegment{kind: kind, queue: c.Queue(), agent: agent, at: now}
}

// Leaving says why the present segment will have been left; the first reason that is given counts.
func (c *Call) Leaving(reason string) {
	if c.segment.reason == "" {
		c.segment.reason = reason
	}
}

// Note keeps details with the present segment: the position in a line, the length of a message.
func (c *Call) Note(detail any) {
	raw, err := json.Marshal(detail)
	if err != nil {
		c.Log.Error("a segment's detail could not be encoded", "error", err)
		return
	}
	c.segment.detail = raw
}

// closeSegment files the present segment.
func (c *Call) closeSegment(now time.Time, reason string) {
	s := c.segment
	if s.reason != "" {
		reason = s.reason
	}
	c.file(FactSegment, Segment{
		ID: newID(), Kind: s.kind, Queue: s.queue, Agent: s.agent, StartedAt: s.at, EndedAt: now,
		DurationMS: now.Sub(s.at).Milliseconds(), Reason: reason, Detail: s.detail,
	})
}

// Segment returns the kind of segment that a phase makes.
func (p Phase) Segment() SegmentKind {
	switch p {
	case PhaseMenu:
		return SegmentMenu
	case PhaseQueued:
		return SegmentQueue
	case PhaseTalking:
		return SegmentTalk
	case PhaseVoicemail:
		return SegmentVoicemail
	case PhaseTransfer:
		return SegmentTransfer
	default:
		return SegmentRing
	}
}
