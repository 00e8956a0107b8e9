package ari

import "time"

// Event is something that happened in Asterisk. Type decides which of the fields have a meaning; pointers may be nil.
type Event struct {
	Type       string    // Asterisk's name: StasisStart, ChannelDtmfReceived …
	At         time.Time // Asterisk's clock
	Node       string    // Config.Name
	Channel    *Channel  // ChannelTransfer: who transfers; Dial: the caller, if there is one
	Bridge     *Bridge
	Peer       *Channel  // Dial: the channel that is dialled
	Replace    *Channel  // StasisStart, transfers: the channel whose place this one takes
	Endpoint   *Endpoint // EndpointStateChange, PeerStatusChange, ContactStatusChange
	Args       []string  // StasisStart
	Digit      string    // ChannelDtmfReceived, at the release of the key
	Duration   time.Duration
	Cause      int    // Q.850; ChannelDestroyed, ChannelHangupRequest
	CauseText  string // ChannelDestroyed
	TechCause  int    // SIP code, 0 where Asterisk does not tell
	SoftHangup bool   // ChannelHangupRequest: asked for from inside, not by the peer
	DialStatus string // Dial: "" begins, RINGING, PROGRESS, ANSWER, BUSY, NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL
	Refer      *ReferTo
}

// ReferTo is a transfer that the peer of a channel asks for, or that Asterisk has done.
type ReferTo struct {
	Kind        string   // "refer": it is ours to do (ChannelTransfer); "blind", "attended": Asterisk has done it
	State       string   // refer: "" at first, then what became of it
	Number      string   // whom: an extension or a SIP URI's user
	ProtocolID  string   // refer, attended: SIP Call-ID of the dialog to be replaced
	Params      []Param  // refer: other parameters of the Replaces
	Destination *Channel // refer, attended: the other channel of the transferrer
	Connected   *Channel // refer: who talks with the transferrer on the channel of the event
	Other       *Channel // refer, attended: who talks with Destination
	Result      string   // blind, attended: Success, Fail, Invalid, NotPermitted
}

// Param is a named value.
type Param struct {
	Name  string `json:"parameter_name"`
	Value string `json:"parameter_value"`
}
