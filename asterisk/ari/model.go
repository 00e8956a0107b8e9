package ari

import "time"

// Channel as Asterisk describes it. Names of fields in JSON are Asterisk's.
type Channel struct {
	ID         string            `json:"id"`
	ProtocolID string            `json:"protocol_id"` // SIP Call-ID, "" for channels that are no SIP
	Name       string            `json:"name"`        // "PJSIP/hl-carrier-00000001"
	State      string            `json:"state"`       // Down, Ring, Ringing, Up, Busy …
	Caller     CallerID          `json:"caller"`
	Connected  CallerID          `json:"connected"`
	Dialplan   Dialplan          `json:"dialplan"`
	Created    Time              `json:"creationtime"`
	Variables  map[string]string `json:"channelvars"` // those that ari.conf and the answer to ExternalMedia show
}

// CallerID is a name and a number as the line showed them.
type CallerID struct {
	Name   string `json:"name"`
	Number string `json:"number"`
}

// Dialplan is where in the dialplan a channel is.
type Dialplan struct {
	Context  string `json:"context"`
	Exten    string `json:"exten"`
	Priority int64  `json:"priority"`
	App      string `json:"app_name"` // "Stasis" while it is ours
	AppData  string `json:"app_data"` // "hotline,in,…"
}

// Bridge as Asterisk describes it.
type Bridge struct {
	ID         string   `json:"id"`
	Technology string   `json:"technology"`
	Type       string   `json:"bridge_type"`
	Class      string   `json:"bridge_class"`
	Creator    string   `json:"creator"`
	Name       string   `json:"name"`
	Channels   []string `json:"channels"`
}

// Endpoint is a device or trunk.
type Endpoint struct {
	Technology string   `json:"technology"` // "PJSIP"
	Resource   string   `json:"resource"`   // "hl-carrier"
	State      string   `json:"state"`      // online, offline, unknown
	Channels   []string `json:"channel_ids"`
}

// Application is what Asterisk knows of our Stasis application.
type Application struct {
	Name      string   `json:"name"`
	Channels  []string `json:"channel_ids"`
	Bridges   []string `json:"bridge_ids"`
	Endpoints []string `json:"endpoint_ids"`
}

// Info is what an Asterisk says of itself when it is connected.
type Info struct {
	Version  string    // "22.10.0"
	EntityID string    // tells Asterisks apart
	Started  time.Time // a new one means that all channels of before are gone
	Reloaded time.Time
	Warnings []Warning // what is known to be wrong with this version
}

// Warning is a defect of an Asterisk version that matters to us.
type Warning struct {
	Code string // "ari.version.…", stable
	Text string // what happens, and how to mend it
}

// State is how the connection fares.
type State struct {
	Node       string
	Transport  Transport
	Connected  bool      // requests are possible
	Since      time.Time // of Connected or of being without
	Info       Info      // of the last connection
	RoundTrip  time.Duration
	Err        string // why it is not connected, or the last request that failed otherwise than by a normal outcome
	Code       string // of Err
	Reconnects uint64
	Tries      uint64 // to connect, since the connection was lost
	Events     uint64
	Doubles    uint64 // events that were told twice or too late
	Requests   uint64
	Failed     uint64 // requests without an answer, or with one that is no normal outcome
}

// CreateChannel says which channel to make, for [Client.Create] and [Client.Originate].
type CreateChannel struct {
	ID         string            // ours
	Endpoint   string            // "PJSIP/+4930…@hl-carrier"
	App        string            // "" means the client's
	Args       []string          // given to the application's StasisStart
	CallerID   string            // Originate only: "Name" <number>; with Create set CALLERID(all) among Variables
	Timeout    time.Duration     // Originate only: how long it rings; 0 means Asterisk's 30 s
	Originator string            // channel whose codecs are to be preferred, may be ""
	Formats    string            // "ulaw,alaw"; not together with Originator
	Variables  map[string]string // set before it is dialled
}

// ExternalMedia says where a channel's audio is to go, for [Client.ExternalMedia].
type ExternalMedia struct {
	ID             string            // ours
	App            string            // "" means the client's
	Host           string            // "ip:port", or INCOMING for a websocket that we open
	Encapsulation  string            // rtp, none; "" means rtp
	Transport      string            // udp, websocket; "" means udp
	ConnectionType string            // client, server; "" means client
	Format         string            // "ulaw"
	Data           string            // "" for none
	TransportData  string            // "f(json)"
	Variables      map[string]string // set on the channel
}
