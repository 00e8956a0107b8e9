package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"hotline"
)

const (
	tcpQueue      = 64               // packets that wait for a slow network: a second of audio; what comes then is lost
	tcpFrame      = 1500             // bytes; longer frames are no audio
	tcpIntroduced = 10 * time.Second // until when a connection must have authenticated itself
	tcpSilence    = 30 * time.Second // RFC 7675: consent is over
	tcpWrite      = 5 * time.Second
	maxGuests     = 16 // connections of one address that have not authenticated themselves,
	maxAllGuests  = 512
)

// tcpLine is a connection of ICE-TCP (RFC 6544): we are the passive side, packets are framed by their length (RFC 4571).
type tcpLine struct {
	hub  *Hub
	conn net.Conn
	addr netip.AddrPort
	out  chan []byte
	gone chan struct{}
	once sync.Once
	peer atomic.Pointer[Peer] // nil: a guest
}

func listenTCP(addr string) (*net.TCPListener, error) {
	at, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, hotline.Errorf(hotline.Unavailable, "peer.cannot_listen", "cannot open TCP %v for the browsers' audio: %w", at, err)
	}
	return l, nil
}

// acceptTCP takes connections until the listener is closed.
func (h *Hub) acceptTCP(ctx context.Context) {
	for {
		conn, err := h.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left: the others go on, and this may pass
			h.log.Warn("cannot take a connection for audio", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
			continue
		}
		addr := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		l := &tcpLine{
			hub: h, conn: conn, addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()),
			out: make(chan []byte, tcpQueue), gone: make(chan struct{}),
		}
		if !h.welcome(l) {
			conn.Close()
		}
	}
}

// welcome starts a connection, if there are not too many that nobody knows.
func (h *Hub) welcome(l *tcpLine) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := 0
	for _, n := range h.guests {
		all += n
	}
	if h.stopped || all >= maxAllGuests || h.guests[l.addr.Addr()] >= maxGuests {
		h.refused.Add(1)
		return false
	}
	h.guests[l.addr.Addr()]++
	h.lines[l] = struct{}{}
	h.working.Go(l.read)
	h.working.Go(l.write)
	return true
}

// admitted counts a line no longer as a guest; h.mu is held.
func (h *Hub) admitted(l *tcpLine) {
	host := l.addr.Addr()
	if h.guests[host]--; h.guests[host] <= 0 {
		delete(h.guests, host)
	}
}

// read takes frames until the connection ends.
func (l *tcpLine) read() {
	defer l.leave()
	in := bufio.NewReaderSize(l.conn, 2048)
	b := make([]byte, tcpFrame)
	l.conn.SetReadDeadline(time.Now().Add(tcpIntroduced))
	for {
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(size[:]))
		if n > len(b) {
			l.hub.refused.Add(1)
			return
		}
		if _, err := io.ReadFull(in, b[:n]); err != nil {
			return
		}
		p := l.peer.Load()
		switch {
		case kindOf(b[:n]) == kindSTUN:
			l.hub.takeSTUN(b[:n], path{addr: l.addr, line: l})
		case p != nil:
			p.receive(b[:n])
		}
		if l.peer.Load() == nil {
			l.hub.refused.Add(1)
			return // who is not known by its first packet is nobody
		}
		l.conn.SetReadDeadline(time.Now().Add(tcpSilence))
	}
}

// leave forgets the connection.
func (l *tcpLine) leave() {
	l.close()
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	delete(l.hub.lines, l)
	if p := l.peer.Load(); p != nil {
		p.lost(path{addr: l.addr, line: l})
	} else {
		l.hub.admitted(l)
	}
}

// lost forgets a path that is gone; the browser will choose another. The hub's mutex is held.
func (p *Peer) lost(gone path) {
	for i, other := range p.paths {
		if other == gone {
			p.paths = append(p.paths[:i:i], p.paths[i+1:]...)
			break
		}
	}
	if present := p.path.Load(); present == nil || *present != gone {
		return
	}
	p.path.Store(nil)
	if n := len(p.paths); n > 0 {
		newest := p.paths[n-1]
		p.path.Store(&newest)
	}
}

// send queues a copy of b: whoever sends is a clock that must not wait.
func (l *tcpLine) send(b []byte) {
	frame := make([]byte, 2+len(b))
	binary.BigEndian.PutUint16(frame, uint16(len(b)))
	copy(frame[2:], b)
	select {
	case l.out <- frame:
	default:
	}
}

func (l *tcpLine) write() {
	for {
		select {
		case <-l.gone:
			return
		case frame := <-l.out:
			l.conn.SetWriteDeadline(time.Now().Add(tcpWrite))
			if _, err := l.conn.Write(frame); err != nil {
				l.close()
				return
			}
		}
	}
}

// close ends the connection; its reader does the rest.
func (l *tcpLine) close() {
	l.once.Do(func() {
		close(l.gone)
		l.conn.Close()
	})
}
