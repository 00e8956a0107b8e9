package peer

import (
	"context"
	"log/slog"
	"net/netip"

	"hotline"
	"hotline/media"
)

// Config of a [Hub].
type Config struct {
	Engine   *media.Engine
	UDPAddr  string       // where all browsers send to, for example 0.0.0.0:8444
	TCPAddr  string       // likewise for browsers whose network lets no UDP out; "": no TCP
	External []netip.Addr // addresses that browsers are told; none: that of UDPAddr, or those of the machine
	Log      *slog.Logger
}

// Stats counts what a hub holds and has refused.
type Stats struct {
	Peers     int    `json:"peers"`
	Connected int    `json:"connected"`
	TCP       int    `json:"tcp"`       // connections
	Strangers uint64 `json:"strangers"` // packets that belong to no peer
	Refused   uint64 `json:"refused"`   // STUN, DTLS and frames of TCP that were wrong
}

// Hub has the sockets of all browsers.
type Hub struct{ cfg Config }

// NewHub binds the sockets.
func NewHub(cfg Config) (*Hub, error) { return &Hub{cfg: cfg}, nil }

// Run serves the browsers until ctx ends; then it closes their peers. It runs once.
func (h *Hub) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Addrs returns the addresses of the UDP and the TCP socket; the latter is not valid without TCP.
func (h *Hub) Addrs() (udp, tcp netip.AddrPort) { return }

// Stats returns the counters.
func (h *Hub) Stats() Stats { return Stats{} }

// Options of [Hub.Accept].
type Options struct {
	ID      string                  // of the agent's telephone, for logs
	OnEvent func(media.StreamEvent) // of the stream; must not block
	OnState func(State)             // in order, with no lock held; must not block
}

// State of a [Peer].
type State string

// The states. A peer that is failed sends nothing any more; whoever accepted it closes it.
const (
	Connecting   State = "connecting"
	Connected    State = "connected"    // audio can flow both ways
	Disconnected State = "disconnected" // nothing is heard of the browser; it may come back
	Failed       State = "failed"       // it will not come back, or never came
	Closed       State = "closed"       // by us, or the browser has said goodbye
)

// Accept answers a browser's offer. The peer is there at once, connecting; its stream may be put into a room already.
func (h *Hub) Accept(ctx context.Context, offer string, o Options) (*Peer, string, error) {
	return nil, "", hotline.Errorf(hotline.Unavailable, "peer.not_ready", "the hub is not running")
}

// Peer is the connection of one browser.
type Peer struct {
	stream *media.Stream
}

// Stream is the audio of the browser: one for the life of the peer.
func (p *Peer) Stream() *media.Stream { return p.stream }

// State returns the present state.
func (p *Peer) State() State { return Closed }

// Quality returns what was measured since [media.Stream.Begin].
func (p *Peer) Quality() media.Quality { return p.stream.Quality() }

// Close ends the connection and its stream.
func (p *Peer) Close() {}
