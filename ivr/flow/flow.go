// Package flow is the language in which an organisation says what its callers hear: a YAML file of named nodes.
//
// It parses a file, checks it against what exists (prompts, hours, queues, numbers that may be dialled) and draws its outline. Every
// problem bears the line and the reason. It never runs a flow: the interpreter of package ivr does. Start reading at [Flow], then
// [Parse], then [Check].
package flow

import "time"

// Kind names what a node does.
type Kind string

// The kinds of nodes.
const (
	KindPlay         Kind = "play"
	KindMenu         Kind = "menu"
	KindHours        Kind = "hours"
	KindLanguage     Kind = "language"
	KindCollect      Kind = "collect"
	KindBranch       Kind = "branch"
	KindCount        Kind = "count"
	KindLookup       Kind = "lookup"
	KindTicketStatus Kind = "ticket_status"
	KindQueue        Kind = "queue"
	KindVoicemail    Kind = "voicemail"
	KindTransfer     Kind = "transfer"
	KindHangup       Kind = "hangup"
)

// Record says which part of a call is kept as sound.
type Record string

// What a flow may ask to be recorded. Voicemail is always kept, secrets never.
const (
	RecordNever  Record = "never"
	RecordQueue  Record = "queue"  // from the moment the caller enters a queue
	RecordAlways Record = "always" // from the answer on
)

// Languages which Hotline speaks.
var Languages = []string{"zh-CN", "en"}

// Flow is a file that was parsed. Of a file with problems it holds what could be understood.
type Flow struct {
	Name      string
	Title     map[string]string // by language
	Languages []string          // which the callers of this flow may hear
	Language  string            // what is spoken before the caller has chosen; "" means the number's
	Record    Record
	MaxSteps  int    // nodes a call may pass before it is led to Fallback
	Start     Target // first node
	Fallback  Target // the humane way out: a queue or a voicemail, when all else failed
	Nodes     []*Node
	byID      map[string]*Node
}

// Node returns the node of that name, nil if there is none.
func (f *Flow) Node(id string) *Node { return f.byID[id] }

// Node is one step of a flow.
type Node struct {
	ID    string
	Kind  Kind
	Title string
	Line  int
	Spec  Spec
}

// Spec is what a node of a kind needs: *Play, *Menu, … It says where a call may go from here.
type Spec interface {
	// Edges lists the ways out, in the order of the file.
	Edges() []Edge
}

// Edge is a way from one node to another.
type Edge struct {
	On    string // what makes a call go there: "1", "open", "otherwise"
	To    Target
	Input bool // needs the caller to do something, or is counted: cannot be walked for ever by silence
}

// Target names a node, with the line that names it. The zero value means there is none.
type Target struct {
	Node string
	Line int
}

// Given says whether the target was written in the file.
func (t Target) Given() bool { return t.Node != "" }

// Key is a digit of a menu and where it leads.
type Key struct {
	Digit byte
	To    Target
}

// Play says something and goes on.
type Play struct {
	Say     Saying
	BargeIn bool // digits stop it and stay for the next node
	Next    Target
}

// Menu says the choices and waits for one digit.
type Menu struct {
	Say       Saying
	Keys      []Key
	Timeout   time.Duration
	Tries     int
	Invalid   Saying // empty: the built-in phrase
	Silence   Saying
	Otherwise Target // after Tries; not given: Flow.Fallback
}

// Hours asks a table of opening hours.
type Hours struct {
	Name   Name
	Open   Target
	Closed Target
}

// Language sets the caller's language, by a key or outright.
type Language struct {
	Set     string
	Say     Saying
	Keys    []LanguageKey
	Timeout time.Duration
	Tries   int
	Next    Target
}

// LanguageKey is a digit and the language it chooses.
type LanguageKey struct {
	Digit    byte
	Language string
}

// Collect asks for digits and keeps them in a variable.
type Collect struct {
	Say        Saying
	Into       string
	Min, Max   int
	Terminator string
	Timeout    time.Duration // until the first digit
	InterDigit time.Duration
	Secret     bool // never in logs, steps or recordings; attempts are limited
	Tries      int
	Next       Target
	Otherwise  Target
}

// Branch goes where the first case that fits says.
type Branch struct {
	On        string // caller, number, language, verified, digits, or $variable
	Cases     []Case
	Otherwise Target
}

// Case is one way of a [Branch]. Exactly one of Is, Starts and Present is used.
type Case struct {
	Is      []string
	Starts  []string
	Present *bool
	Next    Target
}

// Count lets a loop go round a number of times.
type Count struct {
	Limit    int
	Next     Target
	Exceeded Target
}

// Lookup asks a web service of the organisation about the caller.
type Lookup struct {
	URL     string
	Method  string
	Send    []Pair // name → value or $variable
	Into    []Pair // variable → path in the answer
	Timeout time.Duration
	Retries int
	Next    Target
	Failed  Target
}

// Pair is an entry of a mapping, kept in the order of the file.
type Pair struct {
	Name, Value string
	Line        int
}

// TicketStatus tells callers how their newest open ticket stands, after they have typed its number: the number that a call shows
// proves nothing.
type TicketStatus struct {
	Tries int
	Next  Target // after it was told
	None  Target // no ticket, or the check failed
}

// Queue lets the caller wait.
type Queue struct {
	Queue    Name
	Say      Saying        // on entering
	Music    string        // name of a prompt; "" is the built-in music
	MaxWait  time.Duration // 0: the queue's own setting
	Announce time.Duration // how often position and wait are told if they have improved; 0: the queue's own setting
	Keys     []Key         // ways out
	Callback byte          // key that offers a call-back, 0 for none
	Timeout  Target        // after MaxWait
	Next     Target        // after a call-back was noted; not given: goodbye
}

// Voicemail takes a message.
type Voicemail struct {
	Queue    Name
	Say      Saying
	Min, Max time.Duration
	Review   bool
	Next     Target // not given: goodbye
}

// Transfer connects the caller with a number outside. Only numbers of the outbound allow-list.
type Transfer struct {
	To      Name
	Say     Saying
	Timeout time.Duration
	Failed  Target
}

// Hangup ends the call.
type Hangup struct {
	Say Saying
}

// Name refers to something outside the flow (hours, a queue, a number), with the line that does.
type Name struct {
	Value string
	Line  int
}

// Saying is what is spoken, piece after piece.
type Saying []Piece

// Piece is one thing to speak. Exactly one of Prompt, Text and Value is used.
type Piece struct {
	Prompt   string            // name of a prompt, own or built-in
	Text     map[string]string // by language, spoken by the voice
	As       string            // how Value is spoken: number, digits, phone, ticket, date, time
	Value    string            // literal or $variable
	Language string            // fixed language; "" is the caller's
	Line     int
}
