package web

import (
	"net/http"

	"hotline/ivr"
	"hotline/web/login"
)

const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete

	unprocessable = http.StatusUnprocessableEntity
	conflict      = http.StatusConflict
)

// routes is the table of all routes: who may, what it is called, where it is.
func (s *Server) routes(a *api) {
	s.sessionRoutes(a)
	s.ticketRoutes(a)
	s.callRoutes(a)
	s.trunkRoutes(a)
	s.flowRoutes(a)
	s.soundRoutes(a)
	s.systemRoutes(a)
}

func (s *Server) sessionRoutes(a *api) {
	register(a, route{may: login.Anyone, id: "log-in", method: post, path: "/api/v1/session", summary: "Log in",
		errors: []int{http.StatusUnauthorized, http.StatusForbidden}}, s.logIn)
	register(a, route{may: login.LoggedIn, id: "show-session", method: get, path: "/api/v1/session", summary: "Who am I"}, s.showSession)
	register(a, route{may: login.LoggedIn, id: "log-out", method: remove, path: "/api/v1/session", summary: "Log out"}, s.logOut)
	register(a, route{may: login.LoggedIn, id: "change-own-account", method: patch, path: "/api/v1/session/account", summary: "Change my name, language, time zone or password"}, s.changeOwnAccount)
	register(a, route{may: login.ManageAccounts, id: "list-accounts", method: get, path: "/api/v1/accounts", summary: "List accounts"}, s.listAccounts)
	register(a, route{may: login.ManageAccounts, id: "create-account", method: post, path: "/api/v1/accounts", summary: "Create an account", status: http.StatusCreated, errors: []int{conflict}}, s.createAccount)
	register(a, route{may: login.ManageAccounts, id: "change-account", method: patch, path: "/api/v1/accounts/{id}", summary: "Change, disable or enable an account", errors: []int{conflict}}, s.changeAccount)
	register(a, route{may: login.ManageAccounts, id: "reset-password", method: post, path: "/api/v1/accounts/{id}/password", summary: "Give an account a new random password, shown this once"}, s.resetPassword)
	register(a, route{may: login.ReadTickets, id: "list-owners", method: get, path: "/api/v1/owners", summary: "List who may own tickets"}, s.listOwners)
	register(a, route{may: login.ManageAccounts, id: "list-tokens", method: get, path: "/api/v1/tokens", summary: "List API tokens"}, s.listTokens)
	register(a, route{may: login.ManageAccounts, id: "create-token", method: post, path: "/api/v1/tokens", summary: "Create an API token", status: http.StatusCreated, errors: []int{conflict}}, s.createToken)
	register(a, route{may: login.ManageAccounts, id: "revoke-token", method: remove, path: "/api/v1/tokens/{id}", summary: "Revoke an API token"}, s.revokeToken)
}

func (s *Server) ticketRoutes(a *api) {
	register(a, route{may: login.ReadTickets, id: "list-tickets", method: get, path: "/api/v1/tickets", summary: "List tickets, the one that changed last first"}, s.listTickets)
	register(a, route{may: login.WriteTickets, id: "create-ticket", method: post, path: "/api/v1/tickets", summary: "Make a ticket", status: http.StatusCreated, errors: []int{conflict}}, s.createTicket)
	register(a, route{may: login.ReadTickets, id: "show-ticket", method: get, path: "/api/v1/tickets/{number}", summary: "Show a ticket"}, s.showTicket)
	register(a, route{may: login.WriteTickets, id: "change-ticket", method: patch, path: "/api/v1/tickets/{number}", summary: "Change a ticket", errors: []int{conflict}}, s.changeTicket)
	register(a, route{may: login.WriteTickets, id: "set-ticket-state", method: post, path: "/api/v1/tickets/{number}/state", summary: "Move a ticket to another state", errors: []int{conflict}}, s.setTicketState)
	register(a, route{may: login.WriteTickets, id: "add-note", method: post, path: "/api/v1/tickets/{number}/notes", summary: "Add an internal note", status: http.StatusCreated, errors: []int{conflict}}, s.addNote)
	register(a, route{may: login.ReadTickets, id: "show-timeline", method: get, path: "/api/v1/tickets/{number}/timeline", summary: "Show what happened, the oldest first"}, s.showTimeline)
	register(a, route{may: login.ReadTickets, id: "search", method: get, path: "/api/v1/search", summary: "Find tickets, notes and people"}, s.search)
	register(a, route{may: login.ReadTickets, id: "list-tasks", method: get, path: "/api/v1/tasks", summary: "List tasks, the one due first before the others"}, s.listTasks)
	register(a, route{may: login.WriteTickets, id: "complete-task", method: post, path: "/api/v1/tasks/{id}/done", summary: "Mark a task as done", errors: []int{conflict}}, s.completeTask)
	register(a, route{may: login.ReadTickets, id: "list-parties", method: get, path: "/api/v1/parties", summary: "List people and organisations"}, s.listParties)
	register(a, route{may: login.WriteTickets, id: "create-party", method: post, path: "/api/v1/parties", summary: "Make a person or an organisation", status: http.StatusCreated}, s.createParty)
	register(a, route{may: login.ReadTickets, id: "show-party", method: get, path: "/api/v1/parties/{id}", summary: "Show a person or an organisation"}, s.showParty)
	register(a, route{may: login.WriteTickets, id: "change-party", method: patch, path: "/api/v1/parties/{id}", summary: "Change a person or an organisation", errors: []int{conflict}}, s.changeParty)
	register(a, route{may: login.WriteTickets, id: "link-phone", method: post, path: "/api/v1/parties/{id}/identities", summary: "Say that a party has a number, and how sure that is"}, s.linkPhone)
	register(a, route{may: login.WriteTickets, id: "unlink-identity", method: remove, path: "/api/v1/parties/{id}/identities/{identity}", summary: "Take a number from a party"}, s.unlinkIdentity)
}

func (s *Server) callRoutes(a *api) {
	register(a, route{may: login.ReadCalls, id: "list-calls", method: get, path: "/api/v1/calls", summary: "List calls, the newest first"}, s.listCalls)
	register(a, route{may: login.ReadCalls, id: "list-live-calls", method: get, path: "/api/v1/calls/live", summary: "List calls that go on"}, s.listLiveCalls)
	register(a, route{may: login.ReadCalls, id: "show-call", method: get, path: "/api/v1/calls/{id}", summary: "Show a call with its segments, legs and recordings"}, s.showCall)
	register(a, route{may: login.ReadTraces, id: "show-trace", method: get, path: "/api/v1/calls/{id}/trace", summary: "Show the SIP messages of a call"}, s.showTrace)
	register(a, route{may: login.PlayRecordings, id: "show-recording", method: get, path: "/api/v1/recordings/{id}", summary: "Show a recording"}, s.showRecording)
	register(a, route{may: login.PlayRecordings, id: "play-recording", method: get, path: "/api/v1/recordings/{id}/audio", summary: "Listen to a recording, or download it", media: "audio/wav",
		errors: []int{http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable}}, s.playRecording)
}

func (s *Server) trunkRoutes(a *api) {
	register(a, route{may: login.ReadSetup, id: "list-trunks", method: get, path: "/api/v1/trunks", summary: "List trunks with their state"}, s.listTrunks)
	register(a, route{may: login.WriteSetup, id: "create-trunk", method: post, path: "/api/v1/trunks", summary: "Create a trunk", status: http.StatusCreated, errors: []int{conflict}}, s.createTrunk)
	register(a, route{may: login.ReadSetup, id: "show-trunk", method: get, path: "/api/v1/trunks/{id}", summary: "Show a trunk"}, s.showTrunk)
	register(a, route{may: login.WriteSetup, id: "put-trunk", method: put, path: "/api/v1/trunks/{id}", summary: "Replace a trunk", errors: []int{conflict}}, s.putTrunk)
	register(a, route{may: login.WriteSetup, id: "delete-trunk", method: remove, path: "/api/v1/trunks/{id}", summary: "Delete a trunk", errors: []int{conflict}}, s.deleteTrunk)
	register(a, route{may: login.ReadSetup, id: "list-numbers", method: get, path: "/api/v1/numbers", summary: "List numbers"}, s.listNumbers)
	register(a, route{may: login.ReadSetup, id: "show-number", method: get, path: "/api/v1/numbers/{number}", summary: "Show a number"}, s.showNumber)
	register(a, route{may: login.WriteSetup, id: "put-number", method: put, path: "/api/v1/numbers/{number}", summary: "Create or replace a number", errors: []int{conflict}}, s.putNumber)
	register(a, route{may: login.WriteSetup, id: "delete-number", method: remove, path: "/api/v1/numbers/{number}", summary: "Delete a number", errors: []int{conflict}}, s.deleteNumber)
	register(a, route{may: login.ReadQueues, id: "list-queues", method: get, path: "/api/v1/queues", summary: "List queues with how many wait"}, s.listQueues)
	register(a, route{may: login.ReadQueues, id: "show-queue", method: get, path: "/api/v1/queues/{name}", summary: "Show a queue"}, s.showQueue)
	register(a, route{may: login.WriteQueues, id: "put-queue", method: put, path: "/api/v1/queues/{name}", summary: "Create or replace a queue", errors: []int{conflict}}, s.putQueue)
	register(a, route{may: login.WriteQueues, id: "delete-queue", method: remove, path: "/api/v1/queues/{name}", summary: "Delete a queue", errors: []int{conflict}}, s.deleteQueue)
}

func (s *Server) flowRoutes(a *api) {
	register(a, route{may: login.ReadSetup, id: "list-flows", method: get, path: "/api/v1/flows", summary: "List flows"}, s.listFlows)
	register(a, route{may: login.ReadSetup, id: "validate-flow", method: post, path: "/api/v1/flows/validate", summary: "Check the text of a flow"}, s.validateFlow)
	register(a, route{may: login.ReadSetup, id: "show-flow", method: get, path: "/api/v1/flows/{name}", summary: "Show a flow with its text, tree and versions"}, s.showFlow)
	register(a, route{may: login.WriteSetup, id: "save-draft", method: put, path: "/api/v1/flows/{name}/draft", summary: "Save a draft", errors: []int{conflict}}, s.saveDraft)
	register(a, route{may: login.WriteSetup, id: "discard-draft", method: remove, path: "/api/v1/flows/{name}/draft", summary: "Forget the draft", errors: []int{conflict}}, s.discardDraft)
	register(a, route{may: login.WriteSetup, id: "publish-flow", method: post, path: "/api/v1/flows/{name}/publish", summary: "Publish the draft", errors: []int{conflict}}, s.publishFlow)
	register(a, route{may: login.WriteSetup, id: "roll-back-flow", method: post, path: "/api/v1/flows/{name}/rollback", summary: "Publish an earlier version again", errors: []int{conflict}}, s.rollBackFlow)
	register(a, route{may: login.ReadSetup, id: "show-version", method: get, path: "/api/v1/flows/{name}/versions/{version}", summary: "Show a published version"}, s.showVersion)
}

func (s *Server) soundRoutes(a *api) {
	register(a, route{may: login.ReadSetup, id: "list-prompts", method: get, path: "/api/v1/prompts", summary: "List prompts, the built-in ones included"}, s.listPrompts)
	register(a, route{may: login.ReadSetup, id: "show-prompt", method: get, path: "/api/v1/prompts/{name}/{language}", summary: "Show a prompt"}, s.showPrompt)
	register(a, route{may: login.WriteSetup, id: "put-prompt", method: put, path: "/api/v1/prompts/{name}/{language}", summary: "Create or replace a prompt that the voice speaks", errors: []int{conflict}}, s.putPrompt)
	register(a, route{may: login.WriteSetup, id: "delete-prompt", method: remove, path: "/api/v1/prompts/{name}/{language}", summary: "Delete a prompt", errors: []int{conflict}}, s.deletePrompt)
	register(a, route{may: login.WriteSetup, id: "put-prompt-audio", method: put, path: "/api/v1/prompts/{name}/{language}/audio", summary: "Create or replace a recorded prompt by a WAV file",
		maxBody: ivr.MaxAudioBytes + 1, errors: []int{conflict}}, s.putPromptAudio)
	register(a, route{may: login.ReadSetup, id: "prompt-audio", method: get, path: "/api/v1/prompts/{name}/{language}/audio", summary: "Listen to a prompt as callers hear it", media: "audio/wav"}, s.promptAudio)
	register(a, route{may: login.ReadSetup, id: "speak", method: post, path: "/api/v1/prompts/speak", summary: "Try out how the voice says a text", media: "audio/wav"}, s.speak)
	register(a, route{may: login.ReadSetup, id: "list-hours", method: get, path: "/api/v1/hours", summary: "List opening hours"}, s.listHours)
	register(a, route{may: login.ReadSetup, id: "show-hours", method: get, path: "/api/v1/hours/{name}", summary: "Show opening hours"}, s.showHours)
	register(a, route{may: login.WriteSetup, id: "put-hours", method: put, path: "/api/v1/hours/{name}", summary: "Create or replace opening hours", errors: []int{conflict}}, s.putHours)
	register(a, route{may: login.WriteSetup, id: "delete-hours", method: remove, path: "/api/v1/hours/{name}", summary: "Delete opening hours", errors: []int{conflict}}, s.deleteHours)
}

func (s *Server) systemRoutes(a *api) {
	register(a, route{may: login.LoggedIn, id: "show-system", method: get, path: "/api/v1/system", summary: "Show how Hotline is"}, s.showSystem)
	register(a, route{may: login.ReadAudit, id: "list-audit", method: get, path: "/api/v1/audit", summary: "List what was done by whom, the newest first"}, s.listAudit)
}
