package call

import (
	"encoding/json"
	"time"

	"hotline/call/journal"
)

// The journal that carries facts to the database; see package journal. Package rows opens it.
type (
	Fact          = journal.Fact
	FactKind      = journal.Kind
	Journal       = journal.Journal
	JournalConfig = journal.Config
	JournalStats  = journal.Stats
)

// The kinds of facts, with the type of their payload. Whoever needs a row about a call registers an applier for them.
const (
	FactCallStarted    FactKind = "call.started"      // [CallStarted]: the phone rings
	FactCallAnswered   FactKind = "call.answered"     // [CallAnswered]: we took the call
	FactCallPhase      FactKind = "call.phase"        // [CallPhase]: menu, queued, voicemail …
	FactCallStep       FactKind = "call.step"         // [CallStep]: one node of the flow was passed
	FactCallNoted      FactKind = "call.noted"        // [CallNoted]: language, flow version became known
	FactCallSeated     FactKind = "call.seated"       // [CallSeated]: who sits in a conversation
	FactPartyLost      FactKind = "call.party_lost"   // [PartyLost]: who does not any more, after that
	FactCallResumed    FactKind = "call.resumed"      // [CallResumed]: another process goes on with it
	FactCallEnded      FactKind = "call.ended"        // [CallEnded]: the last fact of a call, exactly once
	FactLegStarted     FactKind = "leg.started"       // [LegStarted]: an outbound leg; an inbound one is part of call.started
	FactLegEnded       FactKind = "leg.ended"         // [LegEnded]
	FactSegment        FactKind = "segment"           // [Segment]: a closed stretch of the call
	FactVoicemailLeft  FactKind = "voicemail.left"    // [VoicemailLeft]
	FactCallbackAsked  FactKind = "callback.asked"    // [CallbackAsked]
	FactRecordingStart FactKind = "recording.started" // [RecordingRow]
	FactRecordingEnd   FactKind = "recording.ended"   // [RecordingRow]
	FactRecordingGone  FactKind = "recording.gone"    // [RecordingGone]: discarded before anybody heard of it
	FactTransferred    FactKind = "call.transferred"  // [Transferred]: somebody sends the caller on, or was not let
	FactWrapUp         FactKind = "call.wrapped"      // [WrappedUp]: after-call work is done
	FactCallbackResult FactKind = "callback.result"   // [CallbackResult], under the call that was made
)

// Phase is where a call is in its life; the column call.phase.
type Phase string

// The phases.
const (
	PhaseRinging   Phase = "ringing"
	PhaseMenu      Phase = "menu"
	PhaseQueued    Phase = "queued"
	PhaseTalking   Phase = "talking"
	PhaseVoicemail Phase = "voicemail"
	PhaseTransfer  Phase = "transfer"
	PhaseEnded     Phase = "ended"
)

// Result is how a call went; the column call.result.
type Result string

// The results.
const (
	ResultCompleted   Result = "completed"   // the flow served the caller: self-service, hours, information
	ResultAnswered    Result = "answered"    // talked to an agent
	ResultAbandoned   Result = "abandoned"   // hung up before anything was reached
	ResultVoicemail   Result = "voicemail"   // left a message
	ResultCallback    Result = "callback"    // asked to be called back
	ResultTransferred Result = "transferred" // was sent to another number
	ResultRejected    Result = "rejected"    // refused before it was answered
	ResultUnreached   Result = "unreached"   // outbound: nobody took the call
	ResultFailed      Result = "failed"      // our fault, or the media was lost
	ResultCutBySystem Result = "cut_by_system"
)

// SegmentKind names a stretch of a call; the column call_segment.kind.
type SegmentKind string

// The kinds of segments.
const (
	SegmentRing      SegmentKind = "ring"
	SegmentMenu      SegmentKind = "menu"
	SegmentQueue     SegmentKind = "queue"
	SegmentOffer     SegmentKind = "offer"
	SegmentTalk      SegmentKind = "talk"
	SegmentHold      SegmentKind = "hold"
	SegmentVoicemail SegmentKind = "voicemail"
	SegmentTransfer  SegmentKind = "transfer"
	SegmentWrap      SegmentKind = "wrap"
)

// CallStarted is filed when a call is admitted, before its script runs.
type CallStarted struct {
	Info Info   `json:"info"`
	Node string `json:"node"`
}

// CallAnswered is filed once, when the caller's leg is answered. Info is what the leg is by then, when a call out did not get through by
// the trunk that was tried first.
type CallAnswered struct {
	LegID string `json:"leg_id"`
	Info  *Info  `json:"info,omitempty"`
}

// CallPhase says that the call entered a phase. Queue is the queue entered, "" when it stays what it was. Agent is who talks; the
// phase is filed again when another agent takes over. Place is that in the line, of a call that outlives the process.
type CallPhase struct {
	Phase Phase     `json:"phase"`
	Queue string    `json:"queue"`
	Agent string    `json:"agent,omitempty"`
	Place *Standing `json:"place,omitempty"`
}

// CallStep is one entry of the call's path: a node of the flow that was passed. Digits are masked ("••••") when they are secret.
type CallStep struct {
	Node   string `json:"node"`
	Kind   string `json:"kind"`
	Digits string `json:"digits,omitempty"`
}

// CallStepped is a step with what is needed to go on behind it, of a call that outlives the process.
type CallStepped struct {
	CallStep
	Next   string            `json:"next,omitempty"`   // the node that follows; "" is none
	Secret bool              `json:"secret,omitempty"` // something was typed that is not kept
	Vars   map[string]string `json:"vars,omitempty"`   // all that the flow has learnt, when it changed
}

// CallResumed is filed by a process that goes on with a call which another one left.
type CallResumed struct {
	Node string `json:"node"`
}

// CallNoted tells what became known of a call on its way. Empty fields say nothing.
type CallNoted struct {
	Language    string `json:"language,omitempty"`
	Flow        string `json:"flow,omitempty"`
	FlowVersion int64  `json:"flow_version,omitempty"`
	TrunkID     string `json:"trunk_id,omitempty"` // outbound: the trunk that took the call, when it is not the first that was tried
	TrunkName   string `json:"trunk_name,omitempty"`
}

// Transferred says who sends the caller where. What comes of it are legs and segments.
type Transferred struct {
	By       string      `json:"by"`              // the agent's name, or the number of the telephone
	Agent    string      `json:"agent,omitempty"` // the account; "" of a telephone
	To       Destination `json:"to"`
	Attended bool        `json:"attended"`       // they have talked before
	From     string      `json:"from,omitempty"` // the call in which they did, when it was another
	Why      string      `json:"why,omitempty"`  // the code of why it was declined; "" when it was not
}

// CallEnded closes a call.
type CallEnded struct {
	Result   Result    `json:"result"`
	Cause    Cause     `json:"cause"`
	Queue    string    `json:"queue"`    // the last queue entered, or the number's default
	Phase    Phase     `json:"phase"`    // in which it ended
	Answered bool      `json:"answered"` // whether we ever took it
	At       time.Time `json:"at"`
}

// LegStarted opens the row of an outbound leg.
type LegStarted struct {
	LegID     string    `json:"leg_id"`
	Direction Direction `json:"direction"`
	Edge      string    `json:"edge"`
	ForeignID string    `json:"foreign_id"`
	Remote    string    `json:"remote"`
	Party     Party     `json:"party"`
	Agent     string    `json:"agent,omitempty"` // the account, when it is an agent of ours
	StartedAt time.Time `json:"started_at"`
}

// LegEnded closes the row of a leg.
type LegEnded struct {
	LegID      string          `json:"leg_id"`
	Codec      string          `json:"codec"`
	AnsweredAt *time.Time      `json:"answered_at,omitempty"`
	EndedAt    time.Time       `json:"ended_at"`
	Cause      Cause           `json:"cause"`
	Quality    json.RawMessage `json:"quality,omitempty"` // media.Quality
}

// Segment is one closed stretch of a call. Rows of it are appended, never changed; all figures derive from them.
type Segment struct {
	ID         string          `json:"id"`
	Kind       SegmentKind     `json:"kind"`
	Queue      string          `json:"queue"`
	Agent      string          `json:"agent"`
	StartedAt  time.Time       `json:"started_at"`
	EndedAt    time.Time       `json:"ended_at"`
	DurationMS int64           `json:"duration_ms"` // by the monotonic clock
	Reason     string          `json:"reason"`      // why it was left; for a queue one of the Left… constants of acd
	Detail     json.RawMessage `json:"detail,omitempty"`
}

// VoicemailLeft says that a message was kept.
type VoicemailLeft struct {
	RecordingID string `json:"recording_id"`
	DurationMS  int64  `json:"duration_ms"`
	Queue       string `json:"queue"`
}

// CallbackAsked says that the caller wants to be called back and keeps the place in the line.
type CallbackAsked struct {
	Phone    string    `json:"phone"` // E.164 or as confirmed by the caller
	Queue    string    `json:"queue"`
	Position int       `json:"position"` // in the line when it was asked, from 1; 0 when not in a line
	WaitedMS int64     `json:"waited_ms"`
	JoinedAt time.Time `json:"joined_at"` // since when the place is held
}

// RecordingRow is the row of a recording, whole, as it is to stand after the fact is applied.
type RecordingRow struct {
	ID         string     `json:"id"`
	CallID     string     `json:"call_id"`
	LegID      string     `json:"leg_id,omitempty"`
	Kind       string     `json:"kind"`  // call, voicemail
	State      string     `json:"state"` // recording, complete, partial
	File       string     `json:"file"`
	Channels   int        `json:"channels"`
	DurationMS int64      `json:"duration_ms"`
	Bytes      int64      `json:"bytes"`
	SHA256     []byte     `json:"sha256,omitempty"`
	Waveform   []byte     `json:"waveform,omitempty"`
	StartedAt  time.Time  `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
}

// RecordingGone says that a recording was discarded: a message too short, or spoken again.
type RecordingGone struct {
	ID string `json:"id"`
}

// WrappedUp closes an agent's after-call work.
type WrappedUp struct {
	Agent      string    `json:"agent"`
	AgentName  string    `json:"agent_name"`
	Queue      string    `json:"queue"`
	Code       string    `json:"code"`
	Note       string    `json:"note,omitempty"`
	Auto       bool      `json:"auto"` // the time was up
	DurationMS int64     `json:"duration_ms"`
	At         time.Time `json:"at"`
}

// CallbackResult is how an attempt to call a customer back went.
type CallbackResult struct {
	CallbackID string    `json:"callback_id"` // the call in which it was asked for
	Attempt    int       `json:"attempt"`
	Attempts   int       `json:"attempts"` // how many there are at most
	Agent      string    `json:"agent"`
	AgentName  string    `json:"agent_name"`
	Queue      string    `json:"queue"`
	Phone      string    `json:"phone"`
	Ticket     int64     `json:"ticket"`
	Result     string    `json:"result"` // answered, busy, no_answer, failed, cancelled
	At         time.Time `json:"at"`
}
