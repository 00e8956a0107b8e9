package call

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"hotline"
	"hotline/media"
)

// DestinationKind says what a [Destination] names.
type DestinationKind string

// The kinds.
const (
	ToQueue  DestinationKind = "queue"
	ToAgent  DestinationKind = "agent"
	ToNumber DestinationKind = "number"
)

// Destination is where a caller is sent, or who is consulted.
type Destination struct {
	Kind  DestinationKind `json:"kind"`
	Value string          `json:"value"` // name of the queue, account of the agent, number
	Name  string          `json:"name"`  // to be shown; may be ""
	Front bool            `json:"front"` // to the head of the queue: parked
	From  string          `json:"from"`  // the agent who sends
}

func (d Destination) check() error {
	if d.Value == "" || !slices.Contains([]DestinationKind{ToQueue, ToAgent, ToNumber}, d.Kind) {
		return hotline.Errorf(hotline.Invalid, "call.bad_destination", "%q %q is no destination: name a queue, an agent or a number", d.Kind, d.Value)
	}
	return nil
}

// seatOfAgent returns the seat of an agent, or nil.
func (t *Talk) seatOfAgent(agent string) *seat {
	for _, s := range t.everybody() {
		if s.agent == agent && agent != "" {
			return s
		}
	}
	return nil
}

func (t *Talk) need(agent string) (*seat, error) {
	if s := t.seatOfAgent(agent); s != nil {
		return s, nil
	}
	return nil, hotline.Errorf(hotline.NotFound, "call.not_seated", "the agent is not in this conversation")
}

// free returns the seat of an agent who talks with the caller and consults nobody.
func (t *Talk) free(agent string) (*seat, error) {
	s, err := t.need(agent)
	switch {
	case err != nil:
		return nil, err
	case t.since == nil:
		return nil, hotline.Errorf(hotline.Conflict, "call.dialing", "nobody has answered yet")
	case t.third != nil:
		return nil, hotline.Errorf(hotline.Conflict, "call.consulting", "somebody is being consulted: complete or cancel that first")
	}
	return s, nil
}

// Hold lets all but the agent hear music.
func (t *Talk) Hold(agent string) error {
	if _, err := t.free(agent); err != nil {
		return err
	}
	if t.holder == "" {
		t.holder = agent
		t.changed("hold")
	}
	return nil
}

// Resume ends [Talk.Hold].
func (t *Talk) Resume(agent string) error {
	if _, err := t.free(agent); err != nil {
		return err
	}
	if t.holder != "" {
		t.holder = ""
		t.changed("resume")
	}
	return nil
}

// Mute lets nobody hear an agent, or everybody again.
func (t *Talk) Mute(agent string, on bool) error {
	s, err := t.need(agent)
	if err == nil && s.muted != on {
		s.muted = on
		t.changed("mute")
	}
	return err
}

// Reseat gives an agent who is in the conversation another stream, after a reload, or back the one it had.
func (t *Talk) Reseat(a AgentSeat) error {
	s, err := t.need(a.Agent)
	if err != nil {
		return err
	}
	s.away = time.Time{}
	if s.stream != a.Stream {
		if s.stream != nil {
			t.unwire(s, "the browser was loaded again")
		}
		s.name = cmp.Or(s.name, a.Name)
		t.wire(s, a.Stream)
	}
	t.changed("back")
	return nil
}

// Gone says that an agent's browser is away: the others hear music at once, and the agent is given up after [TalkConfig.Away] unless
// [Talk.Reseat] comes first.
func (t *Talk) Gone(agent string) error {
	s, err := t.need(agent)
	if err == nil && s.here() {
		s.away = time.Now().Add(t.cfg.Away)
		t.changed("away")
	}
	return err
}

// Digits presses keys toward those who are no agents and hear the agent. It returns at once.
func (t *Talk) Digits(agent, digits string) error {
	if _, err := t.need(agent); err != nil {
		return err
	}
	if digits == "" || len(digits) > maxTypedAhead || strings.Trim(digits, "0123456789*#ABCD") != "" {
		return hotline.Errorf(hotline.Invalid, "call.bad_digits", "digits are 0 to 9, * and #, at most %d at a time", maxTypedAhead)
	}
	if t.asking() {
		if s := t.third.seat; s != nil && s.out != nil {
			t.keys.Press(s.stream, digits)
		}
		return nil
	}
	for _, s := range t.seats {
		if s.out != nil {
			t.keys.Press(s.stream, digits)
		}
	}
	if t.since != nil && t.withCaller() {
		t.keys.Press(t.call.leg.Audio(), digits)
	}
	return nil
}

// Transfer sends the caller somewhere else; the conversation ends.
func (t *Talk) Transfer(agent string, to Destination) error {
	s, err := t.free(agent)
	if err != nil {
		return err
	}
	if err := to.check(); err != nil {
		return err
	}
	if to.Kind == ToAgent && to.Value == agent {
		return hotline.Errorf(hotline.Invalid, "call.transfer_to_self", "the call is with this agent already")
	}
	to.From = agent
	t.sent(s, Transferred{To: to})
	t.end = &TalkEnd{Kind: TalkTransfer, To: to, By: agent}
	return nil
}

// Hangup is an agent's hanging up: of the consultation while it talks with the third, else of its part in the conversation, which
// ends when no one is left to talk with the caller.
func (t *Talk) Hangup(agent string) error {
	s, err := t.need(agent)
	switch {
	case err != nil:
		return err
	case t.third != nil && t.third.by == agent && t.third.active == WithThird:
		t.dropThird()
	default:
		t.part(s, TalkEnd{Kind: TalkAgentHungUp, By: agent})
	}
	t.changed("hangup")
	return nil
}

// End ends the conversation for everybody.
func (t *Talk) End() error {
	t.end = &TalkEnd{Kind: TalkCut, By: t.agent()}
	return nil
}

// Record pauses and resumes the recordings. The error is of kind Conflict when nothing is recorded.
func (t *Talk) Record(on bool) error {
	if len(t.call.tapes) == 0 {
		return hotline.Errorf(hotline.Conflict, "call.not_recorded", "this call is not recorded")
	}
	if t.paused == on {
		t.pause(!on)
		t.changed("record")
	}
	return nil
}

func (t *Talk) pause(on bool) {
	t.paused = on
	for _, tape := range t.call.tapes {
		if on {
			tape.Pause()
		} else {
			tape.Resume()
		}
	}
}

// SuperviseSeat is somebody who listens to a conversation. The caller's recording has what the caller hears: of the modes, that is
// barging alone.
type SuperviseSeat struct {
	ID     string // of the supervisor's account
	Name   string
	Stream *media.Stream
	Mode   SuperviseMode
}

// SuperviseMode says who hears a supervisor.
type SuperviseMode string

// The modes.
const (
	SuperviseListen  SuperviseMode = "listen"  // nobody
	SuperviseWhisper SuperviseMode = "whisper" // the agents
	SuperviseBarge   SuperviseMode = "barge"   // everybody
)

const maxCoaches = 5

// Supervise seats a supervisor, or changes the mode or the stream of one.
func (t *Talk) Supervise(s SuperviseSeat) error {
	at := slices.IndexFunc(t.coaches, func(o SuperviseSeat) bool { return o.ID == s.ID })
	_, known := superviseRoles[s.Mode]
	switch {
	case !known || s.Stream == nil:
		return hotline.Errorf(hotline.Invalid, "call.bad_mode", "a call is supervised with listen, whisper or barge, and with sound; not %q", s.Mode)
	case t.seatOfAgent(s.ID) != nil:
		return hotline.Errorf(hotline.Conflict, "call.seated", "who talks in a call cannot supervise it")
	case at >= 0:
		t.coaches[at] = s
	case len(t.coaches) == maxCoaches:
		return hotline.Errorf(hotline.Conflict, "call.supervised", "%d supervise this call already", maxCoaches)
	default:
		t.coaches = append(t.coaches, s)
	}
	t.changed("supervise")
	return nil
}

// Unsupervise lets a supervisor go. It is no error if it is not there.
func (t *Talk) Unsupervise(id string) {
	before := len(t.coaches)
	t.coaches = slices.DeleteFunc(t.coaches, func(s SuperviseSeat) bool { return s.ID == id })
	if len(t.coaches) < before {
		t.changed("supervise")
	}
}
