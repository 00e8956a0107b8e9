package ari

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// events are the events that are asked for, with the fields that are read. Asterisk is told to send no others, and the contract test
// compares the table with its description.
var events = map[string][]string{
	"ApplicationReplaced":    nil,
	"StasisStart":            {"args", "channel", "replace_channel"},
	"StasisEnd":              {"channel"},
	"ChannelDestroyed":       {"cause", "cause_txt", "tech_cause", "channel"},
	"ChannelHangupRequest":   {"cause", "tech_cause", "soft", "channel"},
	"ChannelStateChange":     {"channel"},
	"ChannelDtmfReceived":    {"digit", "duration_ms", "channel"},
	"ChannelHold":            {"channel"},
	"ChannelUnhold":          {"channel"},
	"ChannelConnectedLine":   {"channel"},
	"ChannelEnteredBridge":   {"bridge", "channel"},
	"ChannelLeftBridge":      {"bridge", "channel"},
	"ChannelTransfer":        {"state", "refer_to", "referred_by"},
	"Dial":                   {"caller", "peer", "dialstatus"},
	"BridgeDestroyed":        {"bridge"},
	"BridgeBlindTransfer":    {"channel", "replace_channel", "transferee", "exten", "result", "bridge"},
	"BridgeAttendedTransfer": {"transferer_first_leg", "transferer_second_leg", "replace_channel", "transferee", "transfer_target", "result"},
	"EndpointStateChange":    {"endpoint"},
	"PeerStatusChange":       {"endpoint"},
	"ContactStatusChange":    {"endpoint"},
}

// eventsSince are those of them, and fields, that came with a version after 16.
var eventsSince = map[string]string{
	"ChannelTransfer":                 "22.3",
	"ChannelDestroyed.tech_cause":     "22.7",
	"ChannelHangupRequest.tech_cause": "22.7",
}

// wire is every field of every message that is read.
type wire struct {
	Type        string    `json:"type"`
	Timestamp   Time      `json:"timestamp"`
	Application string    `json:"application"`
	Channel     *Channel  `json:"channel"`
	Bridge      *Bridge   `json:"bridge"`
	Endpoint    *Endpoint `json:"endpoint"`
	Args        []string  `json:"args"`
	Digit       string    `json:"digit"`
	DurationMS  int       `json:"duration_ms"`
	Cause       int       `json:"cause"`
	CauseText   string    `json:"cause_txt"`
	TechCause   int       `json:"tech_cause"`
	Soft        bool      `json:"soft"`
	Peer        *Channel  `json:"peer"`
	Caller      *Channel  `json:"caller"`
	DialStatus  string    `json:"dialstatus"`
	transferWire
	answerWire
}

// transferWire is what events of transfers have besides.
type transferWire struct {
	Replace    *Channel    `json:"replace_channel"`
	Transferee *Channel    `json:"transferee"`
	Exten      string      `json:"exten"`
	Result     string      `json:"result"`
	First      *Channel    `json:"transferer_first_leg"`
	Second     *Channel    `json:"transferer_second_leg"`
	Target     *Channel    `json:"transfer_target"`
	State      string      `json:"state"`
	ReferTo    *referTo    `json:"refer_to"`
	ReferredBy *referredBy `json:"referred_by"`
}

type referTo struct {
	Requested   requested `json:"requested_destination"`
	Destination *Channel  `json:"destination_channel"`
	Connected   *Channel  `json:"connected_channel"`
}

type requested struct {
	ProtocolID  string  `json:"protocol_id"`
	Destination string  `json:"destination"`
	Params      []Param `json:"additional_protocol_params"`
}

type referredBy struct {
	Source    *Channel `json:"source_channel"`
	Connected *Channel `json:"connected_channel"`
	Bridge    *Bridge  `json:"bridge"`
}

// answerWire is the answer to a request that went over the websocket.
type answerWire struct {
	RequestID string `json:"request_id"`
	Status    int    `json:"status_code"`
	Body      string `json:"message_body"`
}

var errNoType = errors.New("message without a type")

// decode reads a message. A field of an unexpected type does not cost the event.
func decode(data []byte) (wire, error) {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil && !onlyTypes(err) {
		return w, err
	}
	if w.Type == "" {
		return w, errNoType
	}
	return w, nil
}

// event makes the event of a message.
func (w *wire) event(node string) Event {
	e := Event{
		Type: w.Type, At: w.Timestamp.Time, Node: node, Channel: w.Channel, Bridge: w.Bridge, Endpoint: w.Endpoint, Args: w.Args,
		Digit: w.Digit, Duration: time.Duration(w.DurationMS) * time.Millisecond, Cause: w.Cause, CauseText: w.CauseText,
		TechCause: w.TechCause, SoftHangup: w.Soft, Peer: w.Peer, DialStatus: w.DialStatus, Replace: w.Replace,
	}
	switch w.Type {
	case "Dial":
		e.Channel = w.Caller
	case "ChannelTransfer":
		w.refer(&e)
	case "BridgeBlindTransfer":
		e.Refer = &ReferTo{Kind: "blind", Number: w.Exten, Connected: w.Transferee, Result: w.Result}
	case "BridgeAttendedTransfer":
		e.Channel = w.First
		e.Refer = &ReferTo{Kind: "attended", Destination: w.Second, Connected: w.Transferee, Other: w.Target, Result: w.Result}
	}
	return e
}

func (w *wire) refer(e *Event) {
	e.Refer = &ReferTo{Kind: "refer", State: w.State}
	if by := w.ReferredBy; by != nil {
		e.Channel, e.Bridge, e.Refer.Connected = by.Source, by.Bridge, by.Connected
	}
	if to := w.ReferTo; to != nil {
		e.Refer.Number, e.Refer.ProtocolID, e.Refer.Params = to.Requested.Destination, to.Requested.ProtocolID, to.Requested.Params
		e.Refer.Destination, e.Refer.Other = to.Destination, to.Connected
	}
}

// ids are the channels and bridges that an event is about.
func (e *Event) ids() []string {
	ids := make([]string, 0, 4)
	for _, c := range []*Channel{e.Channel, e.Peer, e.Replace} {
		if c != nil && c.ID != "" && !slices.Contains(ids, c.ID) {
			ids = append(ids, c.ID)
		}
	}
	if e.Bridge != nil && e.Bridge.ID != "" {
		ids = append(ids, e.Bridge.ID)
	}
	return ids
}

// filter tells Asterisk to send only the events of the table, and answers: its filter would hold back those, too.
func filter(app string) params {
	p := with("applicationName", app)
	type named struct {
		Type string `json:"type"`
	}
	allowed := append(make([]named, 0, len(events)+1), named{"RESTResponse"})
	for name := range events {
		allowed = append(allowed, named{name})
	}
	p.body = map[string]any{"allowed": allowed}
	return p
}
