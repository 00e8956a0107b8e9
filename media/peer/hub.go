package peer

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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
	Refused   uint64 `json:"refused"`   // STUN with a wrong password, DTLS with a wrong certificate, connections that were no ICE
}

// Hub has the sockets of all browsers.
type Hub struct {
	engine      *media.Engine
	log         *slog.Logger
	socket      *media.Socket
	listener    *net.TCPListener // nil: no TCP
	hosts       []netip.Addr     // told to browsers
	certificate tls.Certificate
	fingerprint string // of the certificate, as SDP has it
	patience    patience

	strangers, refused atomic.Uint64

	mu      sync.RWMutex
	byName  map[string]*Peer         // by our ICE user name
	byAddr  map[netip.AddrPort]*Peer // by authenticated UDP address
	lines   map[*tcpLine]struct{}
	guests  map[netip.Addr]int // connections that have not authenticated themselves
	stopped bool
	working sync.WaitGroup // handshakes and TCP lines
}

const sweepEvery = 250 * time.Millisecond

// NewHub binds the sockets.
func NewHub(cfg Config) (*Hub, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	h := &Hub{
		engine: cfg.Engine, log: cfg.Log, patience: usual, byName: make(map[string]*Peer), byAddr: make(map[netip.AddrPort]*Peer),
		lines: make(map[*tcpLine]struct{}), guests: make(map[netip.Addr]int),
	}
	udp, err := parseAddr(cfg.UDPAddr)
	if err != nil {
		return nil, err
	}
	if h.certificate, h.fingerprint, err = newCertificate(); err != nil {
		return nil, err
	}
	if h.socket, err = cfg.Engine.Listen(udp, h.receive); err != nil {
		return nil, err
	}
	if cfg.TCPAddr != "" {
		if h.listener, err = listenTCP(cfg.TCPAddr); err != nil {
			h.socket.Close()
			return nil, err
		}
	}
	h.hosts = cfg.External
	if len(h.hosts) == 0 {
		h.hosts = ownAddresses(udp.Addr())
	}
	return h, nil
}

// parseAddr reads host:port; no host means every address.
func parseAddr(s string) (netip.AddrPort, error) {
	if strings.HasPrefix(s, ":") {
		s = "0.0.0.0" + s
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return a, hotline.Errorf(hotline.Invalid, "peer.bad_address", "address %q of the browsers' audio: give an IP address and a port, for example 0.0.0.0:8444", s)
	}
	return a, nil
}

// ownAddresses returns what to tell browsers when the socket is bound to bind: all addresses of the machine that others can reach,
// or that of the machine itself when there is no other.
func ownAddresses(bind netip.Addr) []netip.Addr {
	if !bind.IsUnspecified() {
		return []netip.Addr{bind.Unmap()}
	}
	var hosts, loopback []netip.Addr
	found, _ := net.InterfaceAddrs()
	for _, a := range found {
		prefix, err := netip.ParsePrefix(a.String())
		ip := prefix.Addr().Unmap()
		switch {
		case err != nil || ip.IsLinkLocalUnicast() || ip.Is6() && bind.Is4():
		case ip.IsLoopback():
			loopback = append(loopback, ip)
		case len(hosts) < maxHosts:
			hosts = append(hosts, ip)
		}
	}
	if len(hosts) == 0 {
		return loopback
	}
	return hosts
}

const maxHosts = 8 // candidates of each kind in an answer

// Run serves the browsers until ctx ends; then it closes their peers and the sockets. It runs once.
func (h *Hub) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { h.sweep(ctx) })
	if h.listener != nil {
		loops.Go(func() { h.acceptTCP(ctx) })
	}
	<-ctx.Done()
	h.stop()
	loops.Wait()
	h.working.Wait()
	h.socket.Close()
	return nil
}

func (h *Hub) stop() {
	h.mu.Lock()
	h.stopped = true
	peers, lines := h.peersLocked(), make([]*tcpLine, 0, len(h.lines))
	for l := range h.lines {
		lines = append(lines, l)
	}
	h.mu.Unlock()
	if h.listener != nil {
		h.listener.Close()
	}
	for _, p := range peers {
		p.Close()
	}
	for _, l := range lines {
		l.close()
	}
}

// sweep looks after peers that have fallen silent.
func (h *Hub) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			h.mu.RLock()
			peers := h.peersLocked()
			h.mu.RUnlock()
			for _, p := range peers {
				p.check(now)
			}
		}
	}
}

func (h *Hub) peersLocked() []*Peer {
	peers := make([]*Peer, 0, len(h.byName))
	for _, p := range h.byName {
		peers = append(peers, p)
	}
	return peers
}

// Addrs returns the addresses of the UDP and the TCP socket; the latter is not valid without TCP.
func (h *Hub) Addrs() (udp, tcp netip.AddrPort) {
	if h.listener != nil {
		tcp = h.listener.Addr().(*net.TCPAddr).AddrPort()
	}
	return h.socket.Local(), tcp
}

// Stats returns the counters.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	peers := h.peersLocked()
	st := Stats{Peers: len(peers), TCP: len(h.lines), Strangers: h.strangers.Load(), Refused: h.refused.Load()}
	h.mu.RUnlock()
	for _, p := range peers {
		if p.State() == Connected {
			st.Connected++
		}
	}
	return st
}

// receive takes a packet that came in on the UDP socket: STUN finds its peer by user name, all else by the address it comes from.
func (h *Hub) receive(b []byte, from netip.AddrPort) {
	if kindOf(b) == kindSTUN {
		h.takeSTUN(b, path{addr: from})
		return
	}
	h.mu.RLock()
	p := h.byAddr[from]
	h.mu.RUnlock()
	if p == nil {
		h.strangers.Add(1)
		return
	}
	p.receive(b)
}
