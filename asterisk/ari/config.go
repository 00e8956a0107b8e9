package ari

import (
	"log/slog"
	"time"
)

// Transport says how requests travel and who connects.
type Transport string

// The transports.
const (
	HTTP      Transport = "http"      // events by websocket, requests by HTTP beside it; the default
	Websocket Transport = "websocket" // requests over the events' websocket too (Asterisk 20.14, 21.9, 22.4 and later)
	Dialled   Transport = "dialled"   // the same, but Asterisk connects to us (20.15, 21.10, 22.5 and later): [Client.Serve]
)

// Config says which Asterisk and how.
type Config struct {
	Name      string        // of the node: in logs, events and errors
	URL       string        // http(s)://host:8088; with Dialled it may be empty, and is where we connect when Asterisk does not
	User      string        // of ari.conf; with Dialled, what Asterisk has to show
	Password  string        // never logged
	App       string        // Stasis application; "" means "hotline"
	Transport Transport     // "" means HTTP
	Log       *slog.Logger  // nil: discarded
	PingEvery time.Duration // 0: 2.5 s. A connection without a sign of life for three times as long is dead
	Timeout   time.Duration // of a request whose context has none sooner; 0: 8 s
	Retry     time.Duration // first pause before connecting again; 0: 250 ms. It doubles up to 5 s, with jitter
	AllowOld  bool          // connect to versions before 20 (the contract test does)
}
