package call

import (
	"time"

	"hotline/media"
)

// TalkPhase is where a conversation is, as the agent sees it.
type TalkPhase string

// The phases.
const (
	TalkDialing    TalkPhase = "dialing"
	TalkTalking    TalkPhase = "talking"
	TalkHeld       TalkPhase = "held"
	TalkConsulting TalkPhase = "consulting"
	TalkConference TalkPhase = "conference"
	TalkAway       TalkPhase = "away"
)

// RecordingState is whether a conversation is recorded.
type RecordingState string

// The states.
const (
	RecordingOn     RecordingState = "on"
	RecordingPaused RecordingState = "paused"
	RecordingOff    RecordingState = "off"
)

// TalkView is a conversation as it stands.
type TalkView struct {
	CallID     string         `json:"call_id"`
	Change     int            `json:"change"` // counts up
	Direction  Direction      `json:"direction"`
	Phase      TalkPhase      `json:"phase"`
	StartedAt  time.Time      `json:"started_at"`  // of the call
	AnsweredAt *time.Time     `json:"answered_at"` // since when somebody talks with the caller; null while an outbound call rings
	Queue      string         `json:"queue"`
	Ticket     int64          `json:"ticket"` // outbound: the ticket that it belongs to
	Agent      string         `json:"agent"`  // who has the call; "" when the caller talks with a number
	Held       bool           `json:"held"`
	Recording  RecordingState `json:"recording"`
	Consult    *ConsultView   `json:"consult"`
	Parties    []PartyView    `json:"parties"`
	Lost       []PartyLost    `json:"lost,omitempty"` // after another process went on with it: who is not in it any more

	Supervisors []SuperviseView `json:"-"` // all of them: for those who may know
	Ended       *TalkEnd        `json:"-"` // set in the last view
}

// ConsultView is a question to a third, as it stands.
type ConsultView struct {
	Kind   DestinationKind `json:"kind"`
	Value  string          `json:"value"`
	Name   string          `json:"name"`
	By     string          `json:"by"`     // the agent who asks
	State  ConsultState    `json:"state"`  // ringing, talking, failed
	Active ConsultSide     `json:"active"` // with whom the agent talks
	Why    string          `json:"why,omitempty"`
}

// ConsultState is how far a consultation has got.
type ConsultState string

// The states.
const (
	ConsultRinging ConsultState = "ringing"
	ConsultTalking ConsultState = "talking"
	ConsultFailed  ConsultState = "failed" // not taken, or hung up; the caller waits until the agent cancels
)

// ConsultSide is with whom a consulting agent talks.
type ConsultSide string

// The sides.
const (
	WithCaller ConsultSide = "caller"
	WithThird  ConsultSide = "consult"
)

// PartyView is somebody in a conversation. A supervisor is there only when everybody hears it.
type PartyView struct {
	ID        string     `json:"id"`   // of the leg; of the account for agents and supervisors
	Kind      string     `json:"kind"` // caller, agent, number, supervisor
	Name      string     `json:"name"`
	Number    string     `json:"number"`
	Role      string     `json:"role"` // talking, held, ringing, away
	Muted     bool       `json:"muted"`
	AwayUntil *time.Time `json:"away_until"` // when an agent who is away is given up
}

// SuperviseView is a supervisor in a conversation.
type SuperviseView struct {
	ID   string        `json:"id"`
	Name string        `json:"name"`
	Mode SuperviseMode `json:"mode"`
}

// View is the conversation as it stands.
func (t *Talk) View() TalkView {
	c := t.call
	live := c.live()
	v := TalkView{
		CallID: c.ID, Change: t.changes, Direction: c.Info.Direction, Phase: t.phase(), StartedAt: live.StartedAt, AnsweredAt: t.since,
		Queue: live.Queue, Ticket: c.Info.Ticket, Agent: t.agent(), Held: t.since != nil && !t.withCaller(), Recording: RecordingOff, Lost: t.lost,
	}
	switch {
	case len(c.tapes) == 0:
	case t.paused:
		v.Recording = RecordingPaused
	default:
		v.Recording = RecordingOn
	}
	if x := t.third; x != nil {
		v.Consult = &ConsultView{Kind: x.to.Kind, Value: x.to.Value, Name: x.to.Name, By: x.by, State: x.state, Active: x.active, Why: x.why}
	}
	caller := PartyView{ID: c.Info.LegID, Kind: "caller", Name: c.Info.Caller.Display, Number: c.Info.Caller.Number, Role: "talking"}
	switch {
	case t.since == nil:
		caller.Role = "ringing"
	case v.Held:
		caller.Role = "held"
	}
	v.Parties = []PartyView{caller}
	for _, s := range t.everybody() {
		v.Parties = append(v.Parties, t.party(s))
	}
	for _, s := range t.coaches {
		v.Supervisors = append(v.Supervisors, SuperviseView{ID: s.ID, Name: s.Name, Mode: s.Mode})
		if s.Mode == SuperviseBarge {
			v.Parties = append(v.Parties, PartyView{ID: s.ID, Kind: "supervisor", Name: s.Name, Role: "talking"})
		}
	}
	return v
}

func (t *Talk) party(s *seat) PartyView {
	p := PartyView{ID: s.agent, Kind: "agent", Name: s.name, Number: s.number, Role: "talking", Muted: s.muted}
	if s.agent == "" {
		p.ID, p.Kind = s.leg, "number"
	}
	x := t.third
	switch {
	case !s.here():
		until := s.away
		p.Role, p.AwayUntil = "away", &until
	case x != nil && x.seat == s && x.state == ConsultRinging:
		p.Role = "ringing"
	case t.waits(s):
		p.Role = "held"
	}
	return p
}

func (t *Talk) phase() TalkPhase {
	switch {
	case len(t.seats) > 0 && !t.seats[0].here():
		return TalkAway
	case t.since == nil:
		return TalkDialing
	case t.third != nil:
		return TalkConsulting
	case t.holder != "":
		return TalkHeld
	case len(t.seats) > 1:
		return TalkConference
	}
	return TalkTalking
}

// Caller is the stream of the call's own leg.
func (t *Talk) Caller() *media.Stream { return t.call.leg.Audio() }

// Seat returns an agent's seat as it is now.
func (t *Talk) Seat(agent string) (AgentSeat, bool) {
	s := t.seatOfAgent(agent)
	if s == nil {
		return AgentSeat{}, false
	}
	return AgentSeat{Agent: s.agent, Name: s.name, Stream: s.stream}, true
}
