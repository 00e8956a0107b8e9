package media

import (
	"net/netip"
	"sync"

	"hotline"
)

// sharedSocket carries many streams whose peers' addresses are known: they are told apart by the address that a packet comes from.
// What the clock has to send leaves in batches of 64 packets.
type sharedSocket struct {
	engine *Engine
	rtp    *socket
	rtcp   *socket // nil: its port is taken
	out    *outlet // of rtp

	mu      sync.RWMutex
	streams map[netip.AddrPort]*Stream // by RTP source
	control map[netip.AddrPort]*Stream // by RTCP source
}

// sharedPlace is a stream's place on a shared socket.
type sharedPlace struct {
	socket     *sharedSocket
	stream     *Stream
	mu         sync.Mutex
	rtp, rtcp  netip.AddrPort
	registered bool
}

var errTaken = hotline.Errorf(hotline.Conflict, "media.remote_taken", "the peer's RTP address is in use by another stream on the same socket")

// openShared finds a place for a stream whose peer is at remote, or will be told to be somewhere; nil when no shared socket can take
// it. One shared socket a shard is made; e.mu is held.
func (e *Engine) openShared(s *Stream, remote netip.AddrPort) Transport {
	for len(e.shared) < len(e.shards) {
		ss, err := e.newShared(e.shards[len(e.shared)])
		if err != nil {
			break // those that are there, or a port of the stream's own, will do
		}
		e.shared = append(e.shared, ss)
	}
	place := &sharedPlace{stream: s}
	for i := range e.shared {
		place.socket = e.shared[(int(e.streams.Load())+i)%len(e.shared)]
		if place.Expect(remote, nextPort(remote), false) == nil {
			return place
		}
	}
	return nil
}

func (e *Engine) newShared(sh *shard) (*sharedSocket, error) {
	ss := &sharedSocket{engine: e, streams: make(map[netip.AddrPort]*Stream), control: make(map[netip.AddrPort]*Stream)}
	var err error
	if ss.rtp, err = e.ports.open(ss.receive); err != nil {
		return nil, err
	}
	ss.rtp.widen()
	ss.out = e.addOutlet(ss.rtp)
	if err := sh.watch(ss.rtp); err != nil {
		e.dropOutlet(ss.out)
		ss.rtp.close()
		e.ports.release(ss.rtp.local.Port())
		return nil, err
	}
	if at := nextPort(ss.rtp.local); at.IsValid() {
		if ss.rtcp, err = openSocket(at, ss.receiveRTCP); err != nil {
			ss.rtcp = nil
		} else if err := sh.watch(ss.rtcp); err != nil {
			ss.rtcp.close()
			ss.rtcp = nil
		}
	}
	return ss, nil
}

func nextPort(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() || a.Port() == 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr(), a.Port()+1)
}

func (ss *sharedSocket) count() int {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	return len(ss.streams)
}

func (ss *sharedSocket) receive(b []byte, from netip.AddrPort) {
	ss.mu.RLock()
	s := ss.streams[from]
	ss.mu.RUnlock()
	if s == nil {
		ss.engine.strangers.Add(1)
		return
	}
	s.Receive(b, from)
}

func (ss *sharedSocket) receiveRTCP(b []byte, from netip.AddrPort) {
	ss.mu.RLock()
	s := ss.control[from]
	ss.mu.RUnlock()
	if s == nil {
		ss.engine.strangers.Add(1)
		return
	}
	s.ReceiveRTCP(b, from)
}

func (e *Engine) closeShared() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ss := range e.shared {
		e.dropOutlet(ss.out)
		ss.rtp.close()
		if ss.rtcp != nil {
			ss.rtcp.close()
		}
		e.ports.release(ss.rtp.local.Port())
	}
	e.shared = nil
}

func (p *sharedPlace) Local() netip.AddrPort { return p.socket.rtp.local }

// Expect registers the peer's addresses; it fails when another stream has them.
func (p *sharedPlace) Expect(rtp, rtcp netip.AddrPort, mux bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ss := p.socket
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if !rtp.IsValid() {
		return nil // nothing to be told apart by: the old addresses stay
	}
	if other := ss.streams[rtp]; other != nil && other != p.stream {
		return errTaken
	}
	p.unregister()
	ss.streams[rtp] = p.stream
	if !mux && rtcp.IsValid() && ss.control[rtcp] == nil {
		ss.control[rtcp] = p.stream
	}
	p.rtp, p.rtcp, p.registered = rtp, rtcp, true
	return nil
}

// unregister forgets the addresses; both mutexes are held.
func (p *sharedPlace) unregister() {
	if !p.registered {
		return
	}
	delete(p.socket.streams, p.rtp)
	if p.socket.control[p.rtcp] == p.stream {
		delete(p.socket.control, p.rtcp)
	}
	p.registered = false
}

func (p *sharedPlace) Send(b []byte, to netip.AddrPort) { p.socket.out.queue(b, to) }

func (p *sharedPlace) SendRTCP(b []byte, to netip.AddrPort) {
	if p.socket.rtcp != nil && to != p.rtp {
		p.socket.rtcp.send(b, to)
		return
	}
	p.socket.rtp.send(b, to)
}

func (p *sharedPlace) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.socket.mu.Lock()
	defer p.socket.mu.Unlock()
	p.unregister()
}
