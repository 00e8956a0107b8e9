package media

import (
	"net/netip"
	"sync"
)

// Transport carries the packets of one stream. It gives what arrives to [Stream.Receive] and [Stream.ReceiveRTCP]. There are three:
// a port of the stream's own, a place on a shared socket, and a browser's peer (package peer). Its methods are called with the
// stream locked: they must not wait, nor call the stream.
type Transport interface {
	Local() netip.AddrPort
	// Expect prepares for what was negotiated: where RTP and RTCP of the peer come from.
	Expect(rtp, rtcp netip.AddrPort, mux bool) error
	// Send takes a packet, which is only valid during the call.
	Send(b []byte, to netip.AddrPort)
	SendRTCP(b []byte, to netip.AddrPort)
	// Close is called once, with the stream unlocked.
	Close()
}

// port is a transport of one RTP port. The socket for RTCP, on the port above, is opened when RTCP is not multiplexed.
type port struct {
	stream *Stream
	rtp    *socket
	mu     sync.Mutex
	rtcp   *socket // nil: RTCP shares the RTP port, or its port is taken
}

func openPort(s *Stream) (Transport, error) {
	p := &port{stream: s}
	var err error
	if p.rtp, err = s.engine.ports.open(s.Receive); err != nil {
		return nil, err
	}
	if err := s.shard.watch(p.rtp); err != nil {
		p.rtp.close()
		s.engine.ports.release(p.rtp.local.Port())
		return nil, err
	}
	return p, nil
}

func (p *port) Local() netip.AddrPort { return p.rtp.local }

func (p *port) Expect(_, _ netip.AddrPort, mux bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mux || p.rtcp != nil || p.rtp.local.Port() == 65535 {
		return nil
	}
	at := netip.AddrPortFrom(p.rtp.local.Addr(), p.rtp.local.Port()+1)
	rtcp, err := openSocket(at, p.stream.ReceiveRTCP)
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

func (p *port) Send(b []byte, to netip.AddrPort) { p.rtp.send(b, to) }

func (p *port) SendRTCP(b []byte, to netip.AddrPort) {
	p.mu.Lock()
	rtcp := p.rtcp
	p.mu.Unlock()
	if rtcp == nil {
		rtcp = p.rtp
	}
	rtcp.send(b, to)
}

func (p *port) Close() {
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
