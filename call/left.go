package call

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"hotline"
)

// Left is a call that a process left open when it was killed, while the backend of its edge kept the caller's leg. All of it comes
// from the call's rows.
type Left struct {
	Info       Info // of the caller's leg, as it was: the ids stay what they are
	Phase      Phase
	Queue      string
	Language   string
	AnsweredAt *time.Time
	Since      time.Time // when the stretch began that it was in
	Alive      time.Time // when the process was last seen alive
	Stage      Stage
	Others     []*LeftLeg // numbers that were dialled and are connected or ring
	Lost       []string   // legs that died with the process: those of browsers

	claimed atomic.Bool
}

// Kept is the column call.resume: what is needed to go on with a call.
type Kept struct {
	Info Info `json:"info"`
	Stage
}

// Stage is where a script was; it is kept with the row of a call whose leg outlives the process.
type Stage struct {
	Flow    string            `json:"flow,omitempty"`
	Version int64             `json:"version,omitempty"`
	Node    string            `json:"node,omitempty"` // of the flow, where the call is; "" is its start
	Vars    map[string]string `json:"vars,omitempty"`
	Place   *Standing         `json:"place,omitempty"`  // in the line, while it is queued
	Digits  string            `json:"digits,omitempty"` // that were typed last, if they were no secret
	Secret  string            `json:"secret,omitempty"` // the first node where something was typed that is not kept
	Agent   string            `json:"agent,omitempty"`  // who talks with the caller
	Seating *Seating          `json:"seating,omitempty"`
	Talking *time.Time        `json:"talking,omitempty"` // since when somebody talks with the caller
	Held    bool              `json:"-"`                 // the agent had put the caller on hold
}

// Standing is what a place in a line is worth.
type Standing struct {
	JoinedAt time.Time `json:"joined_at"`
	Rank     time.Time `json:"rank"` // less priority
}

// LeftLeg is a number that the call was connected with.
type LeftLeg struct {
	LegID      string
	Edge       string
	ForeignID  string
	TrunkID    string // "" if it is not known
	Number     string
	StartedAt  time.Time
	AnsweredAt *time.Time
	Mailbox    *Mailbox // where the edge is to deliver what comes of it
	Leg        Leg      // set by the edge before the caller's leg is given back; nil: it is gone
}

// Claim says what becomes of the call, once: whoever gets true carries it on or closes it.
func (l *Left) Claim() bool { return l.claimed.CompareAndSwap(false, true) }

// Claimed says whether that is decided.
func (l *Left) Claimed() bool { return l.claimed.Load() }

// Adopter is an edge whose backend keeps legs when this process dies.
type Adopter interface {
	// Adopt is called exactly once after each start, with the calls that were left open on this edge, the oldest first; also when there
	// are none. For each whose leg is alive the edge makes a leg with Left.Info, in which Resume is the Left, and gives it to its
	// [Acceptor] as it does with one that comes in: an error means that the leg is to be hung up. It returns when each is decided, or
	// when ctx ends; what nobody has claimed by then is closed as cut.
	Adopt(ctx context.Context, left []*Left) error
}

// past is what a call remembers of the process before.
type past struct {
	left *Left             // nil: it began here
	same bool              // it is where it was left
	vars map[string]string // as they were filed last

	numbers []*outLeg // with which it was connected; their legs are alive
}

// resume goes on with a call that was left. However many there are, and whether new ones are taken or not: these are not new.
// s.mu is held.
func (s *Switchboard) resume(leg Leg, l *Left, script Script) (*Mailbox, error) {
	if s.state > boardDraining || s.calls[leg.Info().CallID] != nil || !l.Claim() {
		return nil, hotline.Errorf(hotline.Conflict, "call.decided", "call %s is closed, or goes on already", leg.Info().CallID)
	}
	c := newCall(s.cfg, leg, streamSound{leg.Audio()})
	s.enter(c)
	go s.run(c, script)
	return c.mailbox, nil
}

// Left is what the process before left of the call; nil: it began here.
func (c *Call) Left() *Left { return c.past.left }

// restore makes the call what it was.
func (c *Call) restore(l *Left) {
	c.past = past{left: l, same: true, vars: l.Stage.Vars}
	if l.Stage.Vars != nil {
		c.Vars = maps.Clone(l.Stage.Vars)
	}
	v := &c.view
	v.Phase, v.PhaseAt, v.Queue, v.Language, v.AnsweredAt = l.Phase, l.Since, l.Queue, l.Language, l.AnsweredAt
	c.segment = openSegment{kind: l.Phase.Segment(), queue: l.Queue, at: l.Since}
	if l.Phase == PhaseTalking {
		v.Agent, c.segment.agent = l.Stage.Agent, l.Stage.Agent
		if l.Stage.Talking != nil {
			v.PhaseAt = *l.Stage.Talking
		}
		if l.onHold() {
			c.segment.kind = SegmentHold
		}
	}
}

// carryOn files that this process goes on with the call. What died with the one before ended when that was last seen alive: the legs of
// browsers, and what an agent had to say.
func (c *Call) carryOn() {
	l := c.past.left
	c.file(FactCallResumed, CallResumed{Node: c.cfg.Node})
	for _, id := range l.Lost {
		c.file(FactLegEnded, LegEnded{LegID: id, EndedAt: l.Alive, Cause: CauseCutBySystem})
	}
	for _, o := range l.Others {
		if o.Leg == nil {
			c.file(FactLegEnded, LegEnded{LegID: o.LegID, EndedAt: l.Alive, Cause: CauseBackendLost})
			continue
		}
		out := &outLeg{
			call: c, leg: o.Leg, started: o.StartedAt, answeredAt: o.AnsweredAt,
			dial: Dial{CallID: c.ID, LegID: o.LegID, To: o.Number, Mailbox: o.Mailbox},
		}
		if l.Phase != PhaseTalking {
			c.clear(out)
			continue
		}
		c.past.numbers = append(c.past.numbers, out)
	}
	if c.segment.kind == SegmentTalk && c.segment.agent != "" {
		agent := c.segment.agent
		c.closeSegment(l.Alive, "away")
		c.segment = openSegment{kind: SegmentHold, queue: l.Queue, agent: agent, at: l.Alive}
	}
	if l.AnsweredAt != nil {
		c.quiet.Start()
	}
}

// goesOn says, once, that the call is where it was left: a phase that is entered again is no new one.
func (c *Call) goesOn(p Phase, queue string) bool {
	same := c.past.same && p == c.view.Phase && (queue == "" || queue == c.view.Queue)
	c.past.same = false
	return same
}
