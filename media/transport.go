package media

import (
	"net/netip"
	"sync"
)

// transport carries the packets of one stream. It gives what arrives to [Stream.receive] and [Stream.receiveRTCP]. There are two:
// a port of the stream's own, and a place on a shared socket; a WebRTC peer will be the third.
type transport interface {
	local() netip.AddrPort
	// expect prepares for what was negotiated: where RTP and RTCP of the peer come from.
	expect(rtp, rtcp netip.AddrPort, mux bool) error
	send(b []byte, to netip.AddrPort)
	sendRTCP(b []byte, to netip.AddrPort)
	close()
}

// port is a transport of one RTP port. The socket for RTCP, on the port above, is opened when RTCP is not multiplexed.
type port struct {
	stream *Stream
	rtp    *socket
	mu     sync.Mutex
	rtcp   *socket // nil: RTCP shares the RTP port, or its port is taken
}

func openPort(s *Stream) (transport, error) {
	p := &port{stream: s}
	var err error
	if p.rtp, err = s.engine.ports.open(s.receive); err != nil {
		return nil, err
	}
	if err := s.shard.watch(p.rtp); err != nil {
		p.rtp.close()
		s.engine.ports.release(p.rtp.local.Port())
		return nil, err
	}
	return p, nil
}

func (p *port) local() netip.AddrPort { return p.rtp.local }

func (p *port) expect(_, _ netip.AddrPort, mux bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mux || p.rtcp != nil || p.rtp.local.Port() == 65535 {
		return nil
	}
	at := netip.AddrPortFrom(p.rtp.local.Addr(), p.rtp.local.Port()+1)
	rtcp, err := openSocket(at, p.stream.receiveRTCP)
	if err != nil {
		p.stream.engine.log.Warn("no port for RTCP: reports of the peer will not be seen", "port", at.Port(), "leg", p.stream.id)
		return nil // audio does not need it
	}
	if err := p.stream.shard.watch(rtcp); err != nil {
		rtcp.close()
		return err
	}
	p.rtcp = rtcp
	return nil
}

func (p *port) send(b []byte, to netip.AddrPort) { p.rtp.send(b, to) }

func (p *port) sendRTCP(b []byte, to netip.AddrPort) {
	p.mu.Lock()
	rtcp := p.rtcp
	p.mu.Unlock()
	if rtcp == nil {
		rtcp = p.rtp
	}
	rtcp.send(b, to)
}

func (p *port) close() {
	p.mu.Lock()
	rtcp := p.rtcp
	p.rtcp = nil
	p.mu.Unlock()
	if rtcp != nil {
		p.stream.shard.drop(rtcp)
	}
	p.stream.shard.drop(p.rtp)
	p.stream.engine.ports.release(p.rtp.local.Port())
}
