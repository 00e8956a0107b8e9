package call

import (
	"context"
	"time"

	"hotline"
	"hotline/media"
)

// AgentSeat is an agent who takes part in a conversation: the account, the name to show, and the stream of the browser.
type AgentSeat struct {
	Agent  string
	Name   string
	Stream *media.Stream
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

// TalkConfig says how a conversation is held.
type TalkConfig struct {
	Engine   *media.Engine
	Hold     *media.Music   // what those hear who wait; nil is the filler
	Ringback *media.Music   // what an agent hears while somebody rings; nil is the filler
	Queue    string         // the caller came from; "" is the call's
	Away     time.Duration  // for so long an agent's browser may be away; 0 means 20 s
	Ring     time.Duration  // for so long a number rings; 0 means 60 s
	Dialer   Dialer         // of those who are consulted by number
	From     Party          // whom they see calling; "" is the number that was dialled
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
)

// TalkEnd is how a conversation ended.
type TalkEnd struct {
	Kind TalkEndKind `json:"kind"`
	To   Destination `json:"to"`
	By   string      `json:"by"` // the agent
	Text string      `json:"text,omitempty"`
}

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
	Role      string     `json:"role"`       // talking, held, away
	AwayUntil *time.Time `json:"away_until"` // when an agent who is away is given up
}

// SuperviseView is a supervisor in a conversation.
type SuperviseView struct {
	ID   string        `json:"id"`
	Name string        `json:"name"`
	Mode SuperviseMode `json:"mode"`
}

// Talk is a conversation: the caller, agents, maybe a third number and supervisors, in one room. Its methods are for the closures of
// [Call.Do] alone. Errors are of kind Conflict when the conversation is not in a state for it, NotFound when the agent is not in it,
// Invalid for a wrong value.
type Talk struct{}

// Talk lets the caller and an agent talk until it ends one way or another. The end of the call is its error, as with every verb.
func (c *Call) Talk(ctx context.Context, cfg TalkConfig, first AgentSeat) (TalkEnd, error) {
	return TalkEnd{}, errNotTalking
}

// Do runs f in the call's goroutine while it talks, and returns what f returns; an error of kind Conflict when it does not talk.
func (c *Call) Do(ctx context.Context, f func(*Talk) error) error { return errNotTalking }

var errNotTalking = hotline.Errorf(hotline.Conflict, "call.not_talking", "the call is in no conversation now")

// View is the conversation as it stands.
func (t *Talk) View() TalkView { return TalkView{} }

// Hold lets all but the agent hear music.
func (t *Talk) Hold(agent string) error { return errNotTalking }

// Resume ends [Talk.Hold].
func (t *Talk) Resume(agent string) error { return errNotTalking }

// Reseat gives an agent who is in the conversation another stream, after a reload, or back the one it had.
func (t *Talk) Reseat(s AgentSeat) error { return errNotTalking }

// Gone says that an agent's browser is away: the others hear music at once, and the agent is given up after [TalkConfig.Away] unless
// [Talk.Reseat] comes first.
func (t *Talk) Gone(agent string) error { return errNotTalking }

// Digits presses keys toward those who are no agents and hear the agent. It returns at once.
func (t *Talk) Digits(agent, digits string) error { return errNotTalking }

// Transfer sends the caller somewhere else; the conversation ends.
func (t *Talk) Transfer(agent string, to Destination) error { return errNotTalking }

// Consult begins a question to a third while the caller hears music. A number is dialled. For an agent or a queue it is whoever
// calls this that rings them, and then says [Talk.ConsultSeat] or [Talk.ConsultFail].
func (t *Talk) Consult(agent string, to Destination) error { return errNotTalking }

// ConsultSeat seats the colleague who answered a consultation.
func (t *Talk) ConsultSeat(agent string, s AgentSeat) error { return errNotTalking }

// ConsultFail says that no colleague answered.
func (t *Talk) ConsultFail(agent, why string) error { return errNotTalking }

// CancelConsult ends the consultation; agent and caller talk on.
func (t *Talk) CancelConsult(agent string) error { return errNotTalking }

// Swap lets a consulting agent talk with the other side.
func (t *Talk) Swap(agent string) error { return errNotTalking }

// Complete leaves the caller to the third who was consulted.
func (t *Talk) Complete(agent string) error { return errNotTalking }

// Conference lets the caller, the agent and the third who was consulted talk together.
func (t *Talk) Conference(agent string) error { return errNotTalking }

// Hangup is an agent's hanging up: of the consultation while it talks with the third, else of its part in the conversation, which
// ends when no one is left to talk with the caller.
func (t *Talk) Hangup(agent string) error { return errNotTalking }

// Record pauses and resumes the recordings.
func (t *Talk) Record(on bool) error { return errNotTalking }

// Supervise seats a supervisor, or changes the mode of one.
func (t *Talk) Supervise(s SuperviseSeat) error { return errNotTalking }

// Unsupervise lets a supervisor go. It is no error if it is not there.
func (t *Talk) Unsupervise(id string) {}
