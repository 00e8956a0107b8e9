package web

import (
	"net/http"

	"hotline/ivr"
	"hotline/tickets/attachments"
	"hotline/web/api"
	"hotline/web/login"
	"hotline/web/nodes"
	"hotline/web/staff"
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
func (s *Server) routes(a *api.API) {
	s.sessionRoutes(a)
	s.ticketRoutes(a)
	s.callRoutes(a)
	s.trunkRoutes(a)
	s.flowRoutes(a)
	s.soundRoutes(a)
	s.systemRoutes(a)
	s.outboundRoutes(a)
	nodes.Register(a, &nodes.Room{Edge: s.cfg.Asterisk, Audit: s.audit})
	staff.Register(a, &staff.Desk{Agents: s.cfg.Agents, Queues: s.cfg.Queues, Names: s.names, Audit: s.audit})
}

func (s *Server) sessionRoutes(a *api.API) {
	api.Register(a, api.Route{May: login.Anyone, ID: "log-in", Method: post, Path: "/api/v1/session", Summary: "Log in",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden}}, s.logIn)
	api.Register(a, api.Route{May: login.LoggedIn, ID: "show-session", Method: get, Path: "/api/v1/session", Summary: "Who am I"}, s.showSession)
	api.Register(a, api.Route{May: login.LoggedIn, ID: "log-out", Method: remove, Path: "/api/v1/session", Summary: "Log out"}, s.logOut)
	api.Register(a, api.Route{May: login.LoggedIn, ID: "change-own-account", Method: patch, Path: "/api/v1/session/account", Summary: "Change my name, language, time zone or password"}, s.changeOwnAccount)
	api.Register(a, api.Route{May: login.ManageAccounts, ID: "list-accounts", Method: get, Path: "/api/v1/accounts", Summary: "List accounts"}, s.listAccounts)
	api.Register(a, api.Route{May: login.ManageAccounts, ID: "create-account", Method: post, Path: "/api/v1/accounts", Summary: "Create an account", Status: http.StatusCreated, Errors: []int{conflict}}, s.createAccount)
	api.Register(a, api.Route{May: login.ManageAccounts, ID: "change-account", Method: patch, Path: "/api/v1/accounts/{id}", Summary: "Change, disable or enable an account", Errors: []int{conflict}}, s.changeAccount)
	api.Register(a, api.Route{May: login.ManageAccounts, ID: "reset-password", Method: post, Path: "/api/v1/accounts/{id}/password", Summary: "Give an account a new random password, shown this once"}, s.resetPassword)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-owners", Method: get, Path: "/api/v1/owners", Summary: "List who may own tickets"}, s.listOwners)
	api.Register(a, api.Route{May: login.ManageAccounts, ID: "list-tokens", Method: get, Path: "/api/v1/tokens", Summary: "List API tokens"}, s.listTokens)
	api.Register(a, api.Route{May: login.ManageAccounts, ID: "create-token", Method: post, Path: "/api/v1/tokens", Summary: "Create an API token", Status: http.StatusCreated, Errors: []int{conflict}}, s.createToken)
	api.Register(a, api.Route{May: login.ManageAccounts, ID: "revoke-token", Method: remove, Path: "/api/v1/tokens/{id}", Summary: "Revoke an API token"}, s.revokeToken)
}

func (s *Server) ticketRoutes(a *api.API) {
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-tickets", Method: get, Path: "/api/v1/tickets", Summary: "List tickets, the one that changed last first"}, s.listTickets)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "create-ticket", Method: post, Path: "/api/v1/tickets", Summary: "Make a ticket", Status: http.StatusCreated, Errors: []int{conflict}}, s.createTicket)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "show-ticket", Method: get, Path: "/api/v1/tickets/{number}", Summary: "Show a ticket"}, s.showTicket)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "change-ticket", Method: patch, Path: "/api/v1/tickets/{number}", Summary: "Change a ticket", Errors: []int{conflict}}, s.changeTicket)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "set-ticket-state", Method: post, Path: "/api/v1/tickets/{number}/state", Summary: "Move a ticket to another state", Errors: []int{conflict}}, s.setTicketState)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "add-note", Method: post, Path: "/api/v1/tickets/{number}/notes", Summary: "Add an internal note", Status: http.StatusCreated, Errors: []int{conflict}}, s.addNote)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "show-timeline", Method: get, Path: "/api/v1/tickets/{number}/timeline", Summary: "Show what happened, the oldest first"}, s.showTimeline)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-attachments", Method: get, Path: "/api/v1/tickets/{number}/attachments", Summary: "List the files at a ticket"}, s.listAttachments)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "add-attachment", Method: post, Path: "/api/v1/tickets/{number}/attachments", Summary: "Add a file to a ticket",
		Status: http.StatusCreated, MaxBody: attachments.MaxBytes + 1, Errors: []int{conflict}}, s.addAttachment)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "download-attachment", Method: get, Path: "/api/v1/tickets/{number}/attachments/{id}", Summary: "Download a file", Media: "application/octet-stream"}, s.downloadAttachment)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "remove-attachment", Method: remove, Path: "/api/v1/tickets/{number}/attachments/{id}", Summary: "Remove a file that one has added; supervisors remove any"}, s.removeAttachment)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-mentions", Method: get, Path: "/api/v1/mentions", Summary: "List where I was named, the newest first"}, s.listMentions)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "read-mentions", Method: post, Path: "/api/v1/mentions/read", Summary: "Mark all of my mentions as read"}, s.readMentions)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "read-mention", Method: post, Path: "/api/v1/mentions/{id}/read", Summary: "Mark a mention as read"}, s.readMention)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-callbacks", Method: get, Path: "/api/v1/callbacks", Summary: "List whom to call back, the one due first before the others"}, s.listCallbacks)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "search", Method: get, Path: "/api/v1/search", Summary: "Find tickets, notes and people"}, s.search)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-tasks", Method: get, Path: "/api/v1/tasks", Summary: "List tasks, the one due first before the others"}, s.listTasks)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "complete-task", Method: post, Path: "/api/v1/tasks/{id}/done", Summary: "Mark a task as done", Errors: []int{conflict}}, s.completeTask)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-parties", Method: get, Path: "/api/v1/parties", Summary: "List people and organisations"}, s.listParties)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "create-party", Method: post, Path: "/api/v1/parties", Summary: "Make a person or an organisation", Status: http.StatusCreated}, s.createParty)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "show-party", Method: get, Path: "/api/v1/parties/{id}", Summary: "Show a person or an organisation"}, s.showParty)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "change-party", Method: patch, Path: "/api/v1/parties/{id}", Summary: "Change a person or an organisation", Errors: []int{conflict}}, s.changeParty)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "link-phone", Method: post, Path: "/api/v1/parties/{id}/identities", Summary: "Say that a party has a number, and how sure that is"}, s.linkPhone)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-contacts", Method: get, Path: "/api/v1/parties/{id}/contacts", Summary: "List what was last between a customer and us, on any channel"}, s.listContacts)
	api.Register(a, api.Route{May: login.WriteTickets, ID: "unlink-identity", Method: remove, Path: "/api/v1/parties/{id}/identities/{identity}", Summary: "Take a number from a party"}, s.unlinkIdentity)
}

func (s *Server) callRoutes(a *api.API) {
	api.Register(a, api.Route{May: login.ReadCalls, ID: "list-calls", Method: get, Path: "/api/v1/calls", Summary: "List calls, the newest first"}, s.listCalls)
	api.Register(a, api.Route{May: login.ReadCalls, ID: "list-live-calls", Method: get, Path: "/api/v1/calls/live", Summary: "List calls that go on"}, s.listLiveCalls)
	api.Register(a, api.Route{May: login.ReadCalls, ID: "show-call", Method: get, Path: "/api/v1/calls/{id}", Summary: "Show a call with its segments, legs and recordings"}, s.showCall)
	api.Register(a, api.Route{May: login.ReadTraces, ID: "show-trace", Method: get, Path: "/api/v1/calls/{id}/trace", Summary: "Show the SIP messages of a call"}, s.showTrace)
	api.Register(a, api.Route{May: login.PlayRecordings, ID: "show-recording", Method: get, Path: "/api/v1/recordings/{id}", Summary: "Show a recording"}, s.showRecording)
	api.Register(a, api.Route{May: login.PlayRecordings, ID: "play-recording", Method: get, Path: "/api/v1/recordings/{id}/audio", Summary: "Listen to a recording, or download it", Media: "audio/wav",
		Errors: []int{http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable}}, s.playRecording)
}

func (s *Server) trunkRoutes(a *api.API) {
	api.Register(a, api.Route{May: login.ReadSetup, ID: "list-trunks", Method: get, Path: "/api/v1/trunks", Summary: "List trunks with their state"}, s.listTrunks)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "create-trunk", Method: post, Path: "/api/v1/trunks", Summary: "Create a trunk", Status: http.StatusCreated, Errors: []int{conflict}}, s.createTrunk)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-trunk", Method: get, Path: "/api/v1/trunks/{id}", Summary: "Show a trunk"}, s.showTrunk)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "put-trunk", Method: put, Path: "/api/v1/trunks/{id}", Summary: "Replace a trunk", Errors: []int{conflict}}, s.putTrunk)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "delete-trunk", Method: remove, Path: "/api/v1/trunks/{id}", Summary: "Delete a trunk", Errors: []int{conflict}}, s.deleteTrunk)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "list-numbers", Method: get, Path: "/api/v1/numbers", Summary: "List numbers"}, s.listNumbers)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-number", Method: get, Path: "/api/v1/numbers/{number}", Summary: "Show a number"}, s.showNumber)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "put-number", Method: put, Path: "/api/v1/numbers/{number}", Summary: "Create or replace a number", Errors: []int{conflict}}, s.putNumber)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "delete-number", Method: remove, Path: "/api/v1/numbers/{number}", Summary: "Delete a number", Errors: []int{conflict}}, s.deleteNumber)
	api.Register(a, api.Route{May: login.ReadQueues, ID: "list-queues", Method: get, Path: "/api/v1/queues", Summary: "List queues with how many wait"}, s.listQueues)
	api.Register(a, api.Route{May: login.ReadQueues, ID: "show-queue", Method: get, Path: "/api/v1/queues/{name}", Summary: "Show a queue"}, s.showQueue)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "put-queue", Method: put, Path: "/api/v1/queues/{name}", Summary: "Create or replace a queue", Errors: []int{conflict}}, s.putQueue)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "delete-queue", Method: remove, Path: "/api/v1/queues/{name}", Summary: "Delete a queue", Errors: []int{conflict}}, s.deleteQueue)
}

func (s *Server) flowRoutes(a *api.API) {
	api.Register(a, api.Route{May: login.ReadSetup, ID: "list-flows", Method: get, Path: "/api/v1/flows", Summary: "List flows"}, s.listFlows)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "validate-flow", Method: post, Path: "/api/v1/flows/validate", Summary: "Check the text of a flow"}, s.validateFlow)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-flow", Method: get, Path: "/api/v1/flows/{name}", Summary: "Show a flow with its text, tree and versions"}, s.showFlow)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "save-draft", Method: put, Path: "/api/v1/flows/{name}/draft", Summary: "Save a draft", Errors: []int{conflict}}, s.saveDraft)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "discard-draft", Method: remove, Path: "/api/v1/flows/{name}/draft", Summary: "Forget the draft", Errors: []int{conflict}}, s.discardDraft)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "publish-flow", Method: post, Path: "/api/v1/flows/{name}/publish", Summary: "Publish the draft", Errors: []int{conflict}}, s.publishFlow)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "roll-back-flow", Method: post, Path: "/api/v1/flows/{name}/rollback", Summary: "Publish an earlier version again", Errors: []int{conflict}}, s.rollBackFlow)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-version", Method: get, Path: "/api/v1/flows/{name}/versions/{version}", Summary: "Show a published version"}, s.showVersion)
}

func (s *Server) soundRoutes(a *api.API) {
	api.Register(a, api.Route{May: login.ReadSetup, ID: "list-prompts", Method: get, Path: "/api/v1/prompts", Summary: "List prompts, the built-in ones included"}, s.listPrompts)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-prompt", Method: get, Path: "/api/v1/prompts/{name}/{language}", Summary: "Show a prompt"}, s.showPrompt)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "put-prompt", Method: put, Path: "/api/v1/prompts/{name}/{language}", Summary: "Create or replace a prompt that the voice speaks", Errors: []int{conflict}}, s.putPrompt)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "delete-prompt", Method: remove, Path: "/api/v1/prompts/{name}/{language}", Summary: "Delete a prompt", Errors: []int{conflict}}, s.deletePrompt)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "put-prompt-audio", Method: put, Path: "/api/v1/prompts/{name}/{language}/audio", Summary: "Create or replace a recorded prompt by a WAV file",
		MaxBody: ivr.MaxAudioBytes + 1, Errors: []int{conflict}}, s.putPromptAudio)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "prompt-audio", Method: get, Path: "/api/v1/prompts/{name}/{language}/audio", Summary: "Listen to a prompt as callers hear it", Media: "audio/wav"}, s.promptAudio)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "speak", Method: post, Path: "/api/v1/prompts/speak", Summary: "Try out how the voice says a text", Media: "audio/wav"}, s.speak)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "list-hours", Method: get, Path: "/api/v1/hours", Summary: "List opening hours"}, s.listHours)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-hours", Method: get, Path: "/api/v1/hours/{name}", Summary: "Show opening hours"}, s.showHours)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "put-hours", Method: put, Path: "/api/v1/hours/{name}", Summary: "Create or replace opening hours", Errors: []int{conflict}}, s.putHours)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "delete-hours", Method: remove, Path: "/api/v1/hours/{name}", Summary: "Delete opening hours", Errors: []int{conflict}}, s.deleteHours)
}

func (s *Server) systemRoutes(a *api.API) {
	api.Register(a, api.Route{May: login.LoggedIn, ID: "show-system", Method: get, Path: "/api/v1/system", Summary: "Show how Hotline is"}, s.showSystem)
	api.Register(a, api.Route{May: login.ReadAudit, ID: "list-audit", Method: get, Path: "/api/v1/audit", Summary: "List what was done by whom, the newest first"}, s.listAudit)
}

func (s *Server) outboundRoutes(a *api.API) {
	api.Register(a, api.Route{May: login.ReadSetup, ID: "list-outbound-routes", Method: get, Path: "/api/v1/outbound-routes", Summary: "List where calls may go out, in the order in which that is asked"}, s.listRoutes)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "create-outbound-route", Method: post, Path: "/api/v1/outbound-routes", Summary: "Create an outbound route", Status: http.StatusCreated, Errors: []int{conflict}}, s.createRoute)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-outbound-route", Method: get, Path: "/api/v1/outbound-routes/{id}", Summary: "Show an outbound route"}, s.showRoute)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "put-outbound-route", Method: put, Path: "/api/v1/outbound-routes/{id}", Summary: "Replace an outbound route", Errors: []int{conflict}}, s.putRoute)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "delete-outbound-route", Method: remove, Path: "/api/v1/outbound-routes/{id}", Summary: "Delete an outbound route", Errors: []int{conflict}}, s.deleteRoute)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-outbound-limits", Method: get, Path: "/api/v1/outbound-limits", Summary: "Show what may be dialled in all"}, s.showLimits)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "put-outbound-limits", Method: put, Path: "/api/v1/outbound-limits", Summary: "Replace what may be dialled in all", Errors: []int{conflict}}, s.putLimits)
	api.Register(a, api.Route{May: login.ReadSetup, ID: "show-outbound-usage", Method: get, Path: "/api/v1/outbound-usage", Summary: "Show what was dialled today"}, s.showUsage)
	api.Register(a, api.Route{May: login.ReadBoard, ID: "show-board", Method: get, Path: "/api/v1/board", Summary: "Show the live board: queues, agents and calls in scope"}, s.showBoard)
}
