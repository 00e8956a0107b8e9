package ari

import "net/http"

// operation is a request that Asterisk's API describes. The client makes requests only from this table, so that the contract test,
// which compares it with the description of the running Asterisk, cannot miss one.
type operation struct {
	name   string   // our verb, for logs and errors
	method string   // HTTP method
	path   string   // under /ari, with {names} of path parameters
	query  []string // query parameters in use
	body   []string // fields of the JSON body in use
	whole  string   // parameter that is the whole JSON body, instead of a field of it
	answer string   // Asterisk's name of the answer's type
	since  string   // first version that has it; "" when 16 has it
	undo   *operation
}

// operations lists them all.
var operations []*operation

func declare(o operation) *operation {
	operations = append(operations, &o)
	return &o
}

var (
	opHangup   = declare(operation{name: "hang up", method: http.MethodDelete, path: "/channels/{channelId}", query: []string{"reason_code"}, answer: "void"})
	opAnswer   = declare(operation{name: "answer", method: http.MethodPost, path: "/channels/{channelId}/answer", answer: "void"})
	opRing     = declare(operation{name: "ring", method: http.MethodPost, path: "/channels/{channelId}/ring", answer: "void"})
	opRingStop = declare(operation{name: "stop ringing", method: http.MethodDelete, path: "/channels/{channelId}/ring", answer: "void"})
	opProgress = declare(operation{name: "progress", method: http.MethodPost, path: "/channels/{channelId}/progress", answer: "void",
		since: "22.6"})
	opContinue = declare(operation{name: "continue in the dialplan", method: http.MethodPost, path: "/channels/{channelId}/continue",
		query: []string{"context", "extension", "priority"}, answer: "void"})
	opCreate = declare(operation{name: "create a channel", method: http.MethodPost, path: "/channels/create",
		query: []string{"endpoint", "app", "appArgs", "channelId", "originator", "formats"}, body: []string{"variables"}, answer: "Channel", undo: opHangup})
	opOriginate = declare(operation{name: "originate", method: http.MethodPost, path: "/channels/{channelId}",
		query: []string{"endpoint", "app", "appArgs", "callerId", "timeout", "originator", "formats"}, body: []string{"variables"}, answer: "Channel", undo: opHangup})
	opExternalMedia = declare(operation{name: "start external media", method: http.MethodPost, path: "/channels/externalMedia",
		query: []string{"channelId", "app", "external_host", "encapsulation", "transport", "connection_type", "format", "direction", "data", "transport_data"},
		body:  []string{"variables"}, answer: "Channel", undo: opHangup})
	opDial = declare(operation{name: "dial", method: http.MethodPost, path: "/channels/{channelId}/dial", query: []string{"timeout"}, answer: "void"})
	opGet  = declare(operation{name: "get a variable", method: http.MethodGet, path: "/channels/{channelId}/variable", query: []string{"variable"}, answer: "Variable"})
	opSet  = declare(operation{name: "set a variable", method: http.MethodPost, path: "/channels/{channelId}/variable",
		query: []string{"variable", "value"}, answer: "void"})
	opHold     = declare(operation{name: "hold", method: http.MethodPost, path: "/channels/{channelId}/hold", answer: "void"})
	opUnhold   = declare(operation{name: "unhold", method: http.MethodDelete, path: "/channels/{channelId}/hold", answer: "void"})
	opMusicOn  = declare(operation{name: "start music", method: http.MethodPost, path: "/channels/{channelId}/moh", query: []string{"mohClass"}, answer: "void"})
	opMusicOff = declare(operation{name: "stop music", method: http.MethodDelete, path: "/channels/{channelId}/moh", answer: "void"})
	opDTMF     = declare(operation{name: "send digits", method: http.MethodPost, path: "/channels/{channelId}/dtmf",
		query: []string{"dtmf", "between", "duration"}, answer: "void"})
	opRedirect         = declare(operation{name: "redirect", method: http.MethodPost, path: "/channels/{channelId}/redirect", query: []string{"endpoint"}, answer: "void"})
	opTransferProgress = declare(operation{name: "tell the transfer's progress", method: http.MethodPost, path: "/channels/{channelId}/transfer_progress",
		query: []string{"states"}, answer: "void", since: "22.3"})
	opChannel  = declare(operation{name: "look at a channel", method: http.MethodGet, path: "/channels/{channelId}", answer: "Channel"})
	opChannels = declare(operation{name: "list channels", method: http.MethodGet, path: "/channels", answer: "List[Channel]"})
)

var (
	opDestroyBridge = declare(operation{name: "destroy a bridge", method: http.MethodDelete, path: "/bridges/{bridgeId}", answer: "void"})
	opCreateBridge  = declare(operation{name: "create a bridge", method: http.MethodPost, path: "/bridges/{bridgeId}", query: []string{"type", "name"},
		answer: "Bridge", undo: opDestroyBridge})
	opBridge  = declare(operation{name: "look at a bridge", method: http.MethodGet, path: "/bridges/{bridgeId}", answer: "Bridge"})
	opBridges = declare(operation{name: "list bridges", method: http.MethodGet, path: "/bridges", answer: "List[Bridge]"})
	opAdd     = declare(operation{name: "add to a bridge", method: http.MethodPost, path: "/bridges/{bridgeId}/addChannel",
		query: []string{"channel", "inhibitConnectedLineUpdates"}, answer: "void"})
	opRemove = declare(operation{name: "remove from a bridge", method: http.MethodPost, path: "/bridges/{bridgeId}/removeChannel",
		query: []string{"channel"}, answer: "void"})
)

var (
	opStored       = declare(operation{name: "list recordings", method: http.MethodGet, path: "/recordings/stored", answer: "List[StoredRecording]"})
	opStoredFile   = declare(operation{name: "read a recording", method: http.MethodGet, path: "/recordings/stored/{recordingName}/file", answer: "binary"})
	opDeleteStored = declare(operation{name: "delete a recording", method: http.MethodDelete, path: "/recordings/stored/{recordingName}", answer: "void"})
)

var (
	opInfo        = declare(operation{name: "ask for the version", method: http.MethodGet, path: "/asterisk/info", answer: "AsteriskInfo"})
	opGlobal      = declare(operation{name: "get a global variable", method: http.MethodGet, path: "/asterisk/variable", query: []string{"variable"}, answer: "Variable"})
	opApplication = declare(operation{name: "look at the application", method: http.MethodGet, path: "/applications/{applicationName}", answer: "Application"})
	opFilter      = declare(operation{name: "choose events", method: http.MethodPut, path: "/applications/{applicationName}/eventFilter",
		whole: "filter", answer: "Application"})
	opSubscribe = declare(operation{name: "subscribe", method: http.MethodPost, path: "/applications/{applicationName}/subscription",
		query: []string{"eventSource"}, answer: "Application"})
	opUnsubscribe = declare(operation{name: "unsubscribe", method: http.MethodDelete, path: "/applications/{applicationName}/subscription",
		query: []string{"eventSource"}, answer: "Application"})
	opEndpoints = declare(operation{name: "list endpoints", method: http.MethodGet, path: "/endpoints", answer: "List[Endpoint]"})
	opEndpoint  = declare(operation{name: "look at an endpoint", method: http.MethodGet, path: "/endpoints/{tech}/{resource}", answer: "Endpoint"})
	opEvents    = declare(operation{name: "listen", method: http.MethodGet, path: "/events", query: []string{"app"}, answer: "Message"})
)

// parametersSince are parameters that Asterisk 16 does not have. They are sent only when they are given.
var parametersSince = map[string]map[string]string{
	"DELETE /channels/{channelId}":        {"reason_code": "20"},
	"POST /bridges/{bridgeId}/addChannel": {"inhibitConnectedLineUpdates": "18"},
	"POST /channels/externalMedia":        {"data": "20", "transport_data": "22.8"},
}
