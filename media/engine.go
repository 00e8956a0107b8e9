package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"hotline"
)

// ErrNoPorts is returned by [Engine.Open] when every RTP port is taken: the call is to be refused at admission.
var ErrNoPorts = hotline.Errorf(hotline.Unavailable, "media.no_ports", "all RTP ports are in use: widen the range of RTP ports or wait for calls to end")

var errStopped = hotline.Errorf(hotline.Unavailable, "media.stopped", "the media engine has stopped")

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
	PortsInUse    int    `json:"ports_in_use"`
	Ports         int    `json:"ports"` // capacity; 0 when the system chooses
	Streams       int    `json:"streams"`
	SharedStreams int    `json:"shared_streams"` // of them on shared sockets
	Strangers     uint64 `json:"strangers"`      // packets that nobody had asked for
	Stalls        uint64 `json:"stalls"`         // ticks of 20 ms that were left out because the machine stood still
}

// Engine owns the sockets and the clocks of all streams.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	ports  *ports
	shards []*shard
	epoch  time.Time        // music is played from here
	now    func() time.Time // tests bring their own

	streams   atomic.Int32
	strangers atomic.Uint64
	stalls    atomic.Uint64

	mu      sync.Mutex
	stopped bool
	open    map[*Stream]struct{}
	shared  []*sharedSocket // made on first need; see shared.go

	outletsMu sync.Mutex // guards the making of the next list
	outlets   atomic.Pointer[[]*outlet]
}

// NewEngine checks the configuration. Nothing moves before [Engine.Run].
func NewEngine(cfg Config) (*Engine, error) {
	if (cfg.PortMin != 0 || cfg.PortMax != 0) && (cfg.PortMin < 1024 || cfg.PortMax > 65535 || cfg.PortMax-cfg.PortMin < 1) {
		return nil, hotline.Errorf(hotline.Invalid, "media.bad_ports",
			"RTP ports %d-%d: give two ports between 1024 and 65535, the lower one first, for example 20000-23999", cfg.PortMin, cfg.PortMax)
	}
	if !cfg.BindIP.IsValid() {
		cfg.BindIP = netip.IPv4Unspecified()
	}
	cfg.BindIP = cfg.BindIP.Unmap()
	if !cfg.ExternalIP.IsValid() {
		cfg.ExternalIP = ownAddress(cfg.BindIP)
	}
	if cfg.SilenceAfter <= 0 {
		cfg.SilenceAfter = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	e := &Engine{
		cfg: cfg, log: cfg.Log, ports: newPorts(cfg.BindIP, cfg.PortMin, cfg.PortMax),
		epoch: time.Now(), now: time.Now, open: make(map[*Stream]struct{}),
	}
	for range runtime.GOMAXPROCS(0) {
		sh, err := newShard(e)
		if err != nil {
			e.closeShards()
			e.endShards()
			return nil, fmt.Errorf("media: epoll: %w", err)
		}
		e.shards = append(e.shards, sh)
	}
	return e, nil
}

// BindIP returns the address of the sockets, which may be 0.0.0.0.
func (e *Engine) BindIP() netip.Addr { return e.cfg.BindIP }

// ownAddress returns the address to tell peers when sockets are bound to bind.
func ownAddress(bind netip.Addr) netip.Addr {
	if !bind.IsUnspecified() {
		return bind
	}
	network, probe, loopback := "udp4", "192.0.2.1:9", netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if bind.Is6() {
		network, probe, loopback = "udp6", "[2001:db8::1]:9", netip.IPv6Loopback()
	}
	conn, err := net.Dial(network, probe) // connecting a UDP socket sends nothing; it asks the routing table
	if err != nil {
		return loopback
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// Run moves the audio of all streams until ctx ends; then it closes those that are left. It runs once.
func (e *Engine) Run(ctx context.Context) error {
	var readers, clocks sync.WaitGroup
	for i, sh := range e.shards {
		phase := frameTime * time.Duration(i) / time.Duration(len(e.shards))
		clocks.Go(func() { sh.keepTime(ctx, phase) })
		readers.Go(sh.read)
	}
	clocks.Wait()
	e.mu.Lock()
	e.stopped = true
	left := make([]*Stream, 0, len(e.open))
	for s := range e.open {
		left = append(left, s)
	}
	e.mu.Unlock()
	for _, s := range left {
		s.Close()
	}
	e.closeShared()
	e.closeShards()
	readers.Wait()
	e.endShards()
	return nil
}

func (e *Engine) closeShards() {
	for _, sh := range e.shards {
		sh.close()
	}
}

func (e *Engine) endShards() {
	for _, sh := range e.shards {
		sh.end()
	}
}

// Open makes a stream with a port of its own or a place on a shared socket. It is silent until it is configured.
func (e *Engine) Open(o OpenOptions) (*Stream, error) {
	o.Remote = sendable(o.Remote)
	return e.OpenOver(o, func(s *Stream) (Transport, error) {
		if o.Shared && (o.Remote.IsValid() || o.Awaits) {
			if place := e.openShared(s, o.Remote); place != nil {
				return place, nil
			}
		}
		way, err := openPort(s)
		if err != nil && !errors.Is(err, ErrNoPorts) {
			e.log.Error("cannot open an RTP port", "error", err, "leg", o.ID)
		}
		return way, err
	})
}

// OpenOver makes a stream whose packets travel as open says; open must not call the engine nor the stream.
func (e *Engine) OpenOver(o OpenOptions, open func(*Stream) (Transport, error)) (*Stream, error) {
	s := newStream(e, e.idlest(), o)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil, errStopped
	}
	var err error
	if s.way, err = open(s); err != nil {
		return nil, err
	}
	e.open[s] = struct{}{}
	e.streams.Add(1)
	s.shard.join(s)
	return s, nil
}

// forget is told by a stream that it is closed.
func (e *Engine) forget(s *Stream) {
	e.mu.Lock()
	delete(e.open, s)
	e.mu.Unlock()
	e.streams.Add(-1)
}

// idlest returns the shard with the least on it.
func (e *Engine) idlest() *shard {
	best := e.shards[0]
	for _, sh := range e.shards[1:] {
		if sh.load.Load() < best.load.Load() {
			best = sh
		}
	}
	return best
}

// Stats returns the counters.
func (e *Engine) Stats() EngineStats {
	st := EngineStats{
		PortsInUse: e.ports.inUse(), Ports: e.ports.size, Streams: int(e.streams.Load()),
		Strangers: e.strangers.Load(), Stalls: e.stalls.Load(),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ss := range e.shared {
		st.SharedStreams += ss.count()
	}
	return st
}
