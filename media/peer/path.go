package peer

import (
	"net/netip"
	"slices"

	"hotline/media"
)

// kind of a packet, by its first byte (RFC 7983).
type kind uint8

const (
	kindOther kind = iota
	kindSTUN
	kindDTLS
	kindRTP // and RTCP
)

func kindOf(b []byte) kind {
	switch {
	case len(b) == 0:
		return kindOther
	case b[0] <= 3:
		return kindSTUN
	case b[0] >= 20 && b[0] <= 63:
		return kindDTLS
	case b[0] >= 128 && b[0] <= 191:
		return kindRTP
	}
	return kindOther
}

// path is one way to a browser: an address of the UDP socket's, or a TCP connection.
type path struct {
	addr netip.AddrPort
	line *tcpLine // nil: UDP
}

// maxPaths is how many authenticated addresses of one browser are kept. Several networks and a roaming laptop fit; the oldest goes.
const maxPaths = 8

// send sends one packet now.
func (h *Hub) send(b []byte, to path) {
	if to.line != nil {
		to.line.send(b)
		return
	}
	h.socket.Send(b, to.addr)
}

// anywhere is the address that streams of peers know their peer by. Which path a packet takes, and whether it is authentic, is decided
// here, and changes when the browser changes its network: the stream need not know.
var anywhere = netip.MustParseAddrPort("192.0.2.1:9") // TEST-NET-1: nothing is ever sent there

// receive takes a packet that came on an authenticated path.
func (p *Peer) receive(b []byte) {
	switch kindOf(b) {
	case kindRTP:
		p.stream.Receive(b, anywhere)
	case kindDTLS:
		p.handshake.Write(b, nil) // full: lost, as on the way; DTLS sends again
	default:
		p.hub.strangers.Add(1)
	}
}

// way is the [media.Transport] of a peer.
type way struct{ peer *Peer }

func (w way) Local() netip.AddrPort { return w.peer.hub.socket.Local() }

func (w way) Expect(_, _ netip.AddrPort, _ bool) error { return nil }

// Send lets packets leave in batches; over TCP each goes alone.
func (w way) Send(b []byte, _ netip.AddrPort) {
	switch to := w.peer.path.Load(); {
	case to == nil:
	case to.line != nil:
		to.line.send(b)
	default:
		w.peer.hub.socket.Queue(b, to.addr)
	}
}

func (w way) SendRTCP(b []byte, to netip.AddrPort) { w.Send(b, to) }

func (w way) Close() { w.peer.end(Closed) }

var _ media.Transport = way{}

// follow makes a path known as one of the peer's, and the one to send on if the browser has chosen it or there is no other.
func (p *Peer) follow(to path, chosen bool) {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	if p.hub.byName[p.name] != p {
		return // closed meanwhile
	}
	if !slices.Contains(p.paths, to) {
		p.paths = append(p.paths, to)
	}
	p.hub.adopt(p, to)
	if present := p.path.Load(); present == nil || chosen && *present != to {
		p.path.Store(&to)
	}
	if len(p.paths) > maxPaths {
		p.forgetPath()
	}
}

// adopt lets what comes on a path go to p; h.mu is held.
func (h *Hub) adopt(p *Peer, from path) {
	if from.line != nil {
		if from.line.peer.CompareAndSwap(nil, p) {
			h.admitted(from.line)
		}
		return
	}
	h.byAddr[from.addr] = p // a NAT may give the address of one browser to another: who authenticates last has it
}

// forgetPath lets the oldest path go that is not in use; the hub's mutex is held.
func (p *Peer) forgetPath() {
	for i, old := range p.paths {
		if old != *p.path.Load() {
			p.hub.disown(p, old)
			p.paths = append(p.paths[:i:i], p.paths[i+1:]...)
			return
		}
	}
}

func (h *Hub) disown(p *Peer, old path) {
	if old.line != nil {
		old.line.close()
	} else if h.byAddr[old.addr] == p {
		delete(h.byAddr, old.addr)
	}
}
