package login

import "slices"

// Role is what an account or a token is allowed to be.
type Role string

// The roles. A supervisor and an engineer each may what an agent may, and something of their own; an admin may everything.
const (
	Agent      Role = "agent"
	Supervisor Role = "supervisor"
	Engineer   Role = "engineer"
	Admin      Role = "admin"
)

// Roles lists all roles, the weakest first.
var Roles = []Role{Agent, Supervisor, Engineer, Admin}

// Permission is one thing that may be done. Every route of the API asks for exactly one.
type Permission string

// The permissions.
const (
	Anyone            Permission = ""         // not even a login
	LoggedIn          Permission = "loggedin" // any role
	ReadTickets       Permission = "tickets.read"
	WriteTickets      Permission = "tickets.write"
	ReadCalls         Permission = "calls.read"
	PlayRecordings    Permission = "recordings.play"
	DownloadRecording Permission = "recordings.download"
	ReadQueues        Permission = "queues.read"
	WriteQueues       Permission = "queues.write"
	ReadTraces        Permission = "traces.read"
	ReadSetup         Permission = "setup.read"  // trunks, numbers, flows, prompts, hours
	WriteSetup        Permission = "setup.write" // the same
	ReadAudit         Permission = "audit.read"
	ManageAccounts    Permission = "accounts.manage" // accounts and API tokens
	TakeCalls         Permission = "calls.take"
	DialOut           Permission = "calls.dial"
	SuperviseCalls    Permission = "calls.supervise" // listen, whisper, barge in scope; hear what others said
	ReadBoard         Permission = "board.read"
	ReadAgents        Permission = "agents.read"
	WriteAgents       Permission = "agents.write" // who they are, their teams, skills and queues
)

// own is the table of who may what: what each role adds to the roles in includes.
var own = map[Role][]Permission{
	Agent:      {LoggedIn, ReadTickets, WriteTickets, ReadCalls, PlayRecordings, ReadQueues, TakeCalls, DialOut},
	Supervisor: {DownloadRecording, WriteQueues, ReadAudit, SuperviseCalls, ReadBoard, ReadAgents, WriteAgents},
	Engineer:   {ReadTraces, ReadSetup, WriteSetup, WriteQueues, ReadBoard, ReadAgents, WriteAgents},
	Admin:      {ManageAccounts},
}

var includes = map[Role][]Role{
	Supervisor: {Agent},
	Engineer:   {Agent},
	Admin:      {Supervisor, Engineer},
}

// May tells whether the role grants p. An unknown role grants nothing but what asks for nothing.
func (r Role) May(p Permission) bool {
	if p == Anyone || slices.Contains(own[r], p) {
		return true
	}
	return slices.ContainsFunc(includes[r], func(lower Role) bool { return lower.May(p) })
}

// Permissions lists what the role grants, each once.
func (r Role) Permissions() []Permission {
	all := slices.Clone(own[r])
	for _, lower := range includes[r] {
		all = append(all, lower.Permissions()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Valid tells whether r is one of the [Roles].
func (r Role) Valid() bool { return slices.Contains(Roles, r) }
