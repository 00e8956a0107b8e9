package softphone

import (
	"time"

	"hotline/softphone/line"
	"hotline/softphone/live"
)

// AgentView is an agent as their own browser shows them.
type AgentView struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	State    string         `json:"state"`
	Reason   string         `json:"reason"`
	Since    time.Time      `json:"since"`
	Deadline *time.Time     `json:"deadline"`
	Queue    string         `json:"queue"`
	CallID   string         `json:"call_id"`
	After    *AfterView     `json:"after"` // what was asked for while a call goes on
	Queues   []string       `json:"queues"`
	Skills   map[string]int `json:"skills"`

	version int64 // of the row
}

// AfterView is the state that follows a call.
type AfterView struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// Named is something with a title a language.
type Named struct {
	Name  string            `json:"name"`
	Title map[string]string `json:"title"`
}

// CodeView is a wrap-up code. Queue is null when it is for all queues.
type CodeView struct {
	Named
	Queue *string `json:"queue"`
}

// Person is somebody to be called or shown by name.
type Person = live.Person

// PhoneView says which tab is the phone and how its audio is.
type PhoneView struct {
	Active string `json:"active"` // this, other, none
	Media  string `json:"media"`  // of the phone: none, connecting, up, lost
}

// WrapView is the work after a call.
type WrapView struct {
	CallID      string     `json:"call_id"`
	Ticket      *int64     `json:"ticket"`
	Queue       string     `json:"queue"`
	Mode        string     `json:"mode"` // optional, mandatory, timed
	Deadline    *time.Time `json:"deadline"`
	Codes       []CodeView `json:"codes"`
	DefaultCode string     `json:"default_code"`
}

// OfferView is a call that rings.
type OfferView struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"` // queue, direct, consult, callback
	Queue     *Named    `json:"queue"`
	CallID    string    `json:"call_id"`
	At        time.Time `json:"at"`
	RingUntil time.Time `json:"ring_until"`
	From      *Person   `json:"from"` // the colleague who asks or transfers
	Pop       Pop       `json:"pop"`
}

// Pop is who calls and why, shown before anybody answers.
type Pop struct {
	CallID      string       `json:"call_id"`
	Direction   string       `json:"direction"`
	Caller      PopCaller    `json:"caller"`
	Language    string       `json:"language"`
	Queue       string       `json:"queue"`
	WaitedMS    int64        `json:"waited_ms"`
	Path        []PopStep    `json:"path"`
	Ticket      *PopTicket   `json:"ticket"`
	Matches     []PopMatch   `json:"matches"`
	Party       string       `json:"party"` // of the matches, whom the ticket of the call belongs to; "": nobody has said
	OpenTickets []PopTicket  `json:"open_tickets"`
	Contacts    []PopContact `json:"contacts"` // the last five
	URL         *string      `json:"pop_url"`
}

// PopCaller is what the signalling says of the caller.
type PopCaller struct {
	Number   string `json:"number"`
	Name     string `json:"name"`
	Verified bool   `json:"verified"`
	Withheld bool   `json:"withheld"`
}

// PopStep is a node of the flow that the caller passed.
type PopStep struct {
	At     time.Time `json:"at"`
	Node   string    `json:"node"`
	Kind   string    `json:"kind"`
	Digits string    `json:"digits"`
}

// PopTicket is a ticket in short.
type PopTicket struct {
	Number    int64     `json:"number"`
	Subject   string    `json:"subject"`
	State     string    `json:"state"`
	Queue     string    `json:"queue"`
	UpdatedAt time.Time `json:"updated_at"`
}

// PopMatch is somebody who has the caller's number.
type PopMatch struct {
	Party PopParty `json:"party"`
	Level string   `json:"level"` // verified, known, maybe
}

// PopParty is a person or an organisation in short.
type PopParty struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Company  string `json:"company"`
	VIP      bool   `json:"vip"`
	Notes    string `json:"notes"`
	Language string `json:"language"`
}

// PopContact is an earlier contact on any channel.
type PopContact struct {
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	Ticket  *int64    `json:"ticket"`
	Summary string    `json:"summary"`
	Result  string    `json:"result"`
}

// CallView is the call that an agent is in.
type CallView struct {
	ID         string       `json:"id"`
	Direction  string       `json:"direction"`
	Phase      string       `json:"phase"` // dialing, talking, held, consulting, conference, away
	StartedAt  time.Time    `json:"started_at"`
	AnsweredAt *time.Time   `json:"answered_at"`
	Queue      string       `json:"queue"`
	Ticket     *int64       `json:"ticket"`
	Held       bool         `json:"held"`
	Muted      bool         `json:"muted"`
	Recording  string       `json:"recording"` // on, paused, off
	Consult    *ConsultView `json:"consult"`
	Parties    []PartyView  `json:"parties"`
	Lost       []LostView   `json:"lost"` // could not be connected again after the hotline was started anew
	Pop        Pop          `json:"pop"`
}

// Snapshot is everything that a tab shows, as it stands.
type Snapshot struct {
	Agent     *AgentView     `json:"agent"` // null: no agent
	Phone     PhoneView      `json:"phone"`
	Offers    []*OfferView   `json:"offers"`
	Call      *CallView      `json:"call"`
	Wrap      *WrapView      `json:"wrap"`
	Supervise *SuperviseView `json:"supervise"`
	Config    ConfigView     `json:"config"`
}

// ConfigView is what there is to choose from.
type ConfigView struct {
	Reasons []Named    `json:"reasons"` // of a pause
	Codes   []CodeView `json:"codes"`   // of a wrap-up
	Queues  []Named    `json:"queues"`
	Agents  []Person   `json:"agents"`
	PopURL  *string    `json:"pop_url"` // the address of a foreign system, with {e164} and {number}, the ticket's
	ICE     ICEView    `json:"ice"`
}

// ICEView says where audio goes. There are no servers: the hotline is the other end itself (RFC 8445, section 2.5, lite).
type ICEView struct {
	Servers []string `json:"servers"`
}

// SuperviseView is the call of somebody else that one listens to. Mode is "" when it is over.
type SuperviseView struct {
	CallID string `json:"call_id"`
	Mode   string `json:"mode"` // listen, whisper, barge
	Why    string `json:"why,omitempty"`
}

// ConsultView is a question to somebody else while the caller hears music.
type ConsultView struct {
	To     ConsultTo `json:"to"`
	By     string    `json:"by"`     // the agent who asks
	State  string    `json:"state"`  // ringing, talking, failed
	Active string    `json:"active"` // caller or consult: whom the agent talks to
	Why    string    `json:"why"`    // of a failure
}

// ConsultTo is who is asked.
type ConsultTo struct {
	Kind  string `json:"kind"` // agent, number
	Value string `json:"value"`
	Name  string `json:"name"`
}

// PartyView is somebody in the call. A supervisor who only listens or whispers is not shown.
type PartyView struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"` // caller, agent, number, supervisor
	Name      string     `json:"name"`
	Number    string     `json:"number"`
	Role      string     `json:"role"`       // talking, held, away
	AwayUntil *time.Time `json:"away_until"` // when an agent who is away is given up
}

// LostView is somebody who was in the call before.
type LostView struct {
	Name    string `json:"name"`
	Number  string `json:"number"`
	Consult bool   `json:"consult"` // was asked while the caller waited
}

// QualityView is how the line is, every two seconds of a call.
type QualityView struct {
	CallID string   `json:"call_id"`
	Agent  LineView `json:"agent"`
	Caller LineView `json:"caller"`
	OneWay *string  `json:"one_way"` // who is not heard: caller or agent
}

// LineView is one end of the line.
type LineView = line.View

// Notice is a short message to a person: a code of the catalogues and what to put into it.
type Notice struct {
	Code string            `json:"code"`
	Text string            `json:"text"`
	Args map[string]string `json:"args,omitempty"`
}

// Mention says that somebody was named in a note.
type Mention struct {
	Ticket  int64  `json:"ticket"`
	By      Person `json:"by"`
	Excerpt string `json:"excerpt"`
}
