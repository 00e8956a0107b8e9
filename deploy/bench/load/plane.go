package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

// Plane carries the audio of many calls on a few sockets: each call has an address of 127.0.0.0/8 of its own, which the kernel tells with
// each packet (IP_PKTINFO), and packets are read and sent in batches.
type Plane struct {
	Received, Late atomic.Int64 // packets; late: more than 60 ms after the one before

	lanes []*lane
	next  atomic.Uint32
}

// lane is one socket and its goroutines: a reader, and one sender for each part of the calls.
type lane struct {
	plane *Plane
	conn  *ipv4.PacketConn
	port  uint16

	mu    sync.RWMutex
	calls map[netip.Addr]*Call
	parts [phases]map[*Call]bool // answered calls, by the moment in the 20 ms when they talk
}

const (
	phases   = 4 // of a packet's 20 ms: so the calls do not talk all at one moment
	batch    = 64
	lateness = 60 * time.Millisecond
)

// OpenPlane opens n sockets and reads them until ctx ends. What is heard is counted; what talks is told by [Plane.Talk].
func OpenPlane(ctx context.Context, n int) (*Plane, error) {
	p := &Plane{}
	for range n {
		conn, err := net.ListenUDP("udp4", nil)
		if err != nil {
			return nil, fmt.Errorf("audio of the generator: %w", err)
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		raw, err := conn.SyscallConn()
		if err != nil {
			return nil, err
		}
		raw.Control(func(fd uintptr) {
			for _, option := range []int{syscall.SO_RCVBUFFORCE, syscall.SO_SNDBUFFORCE} {
				if syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 16<<20) != nil {
					conn.SetReadBuffer(16 << 20) // as much as the system allows
				}
			}
		})
		l := &lane{plane: p, conn: ipv4.NewPacketConn(conn), port: conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), calls: map[netip.Addr]*Call{}}
		for i := range l.parts {
			l.parts[i] = map[*Call]bool{}
		}
		if err := l.conn.SetControlMessage(ipv4.FlagDst, true); err != nil {
			return nil, err
		}
		p.lanes = append(p.lanes, l)
		go l.read()
	}
	return p, nil
}

// join gives a call an address.
func (p *Plane) join(c *Call) {
	n := p.next.Add(1)
	addr := netip.AddrFrom4([4]byte{127, byte(1 + n>>16%200), byte(n >> 8), byte(n)})
	l := p.lanes[int(n)%len(p.lanes)]
	c.lane, c.audio = l, netip.AddrPortFrom(addr, l.port)
	c.source = (&ipv4.ControlMessage{Src: addr.AsSlice()}).Marshal()
	l.mu.Lock()
	l.calls[addr] = c
	l.mu.Unlock()
}

func (l *lane) leave(c *Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.calls, c.audio.Addr())
	for _, part := range l.parts {
		delete(part, c)
	}
}

// Talk lets the calls send a frame every 20 ms until ctx ends.
func (p *Plane) Talk(ctx context.Context, calls []*Call) {
	for i, c := range calls {
		c.lane.mu.Lock()
		c.lane.parts[i/len(p.lanes)%phases][c] = true
		c.lane.mu.Unlock()
	}
	var wg sync.WaitGroup
	for _, l := range p.lanes {
		for i := range phases {
			wg.Go(func() { l.talk(ctx, i) })
		}
	}
	wg.Wait()
}

// talk sends the frames of one part of a lane, each 20 ms, in batches.
func (l *lane) talk(ctx context.Context, part int) {
	const period = 20 * time.Millisecond
	l.mu.RLock()
	var out []ipv4.Message
	var calls []*Call
	for c := range l.parts[part] {
		calls = append(calls, c)
		out = append(out, ipv4.Message{
			Buffers: [][]byte{make([]byte, 12+frame)}, Addr: net.UDPAddrFromAddrPort(c.Server),
			OOB: c.source,
		})
	}
	l.mu.RUnlock()
	payload := make([]byte, frame)
	for i := range payload {
		payload[i] = byte(i)
	}
	due := time.Now().Add(time.Duration(part) * period / phases)
	for {
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return
		}
		due = due.Add(period)
		for i, c := range calls {
			c.packet(out[i].Buffers[0], 0, false, c.stamp, payload)
			c.stamp += frame
		}
		for rest := out; len(rest) > 0; {
			n, err := l.conn.WriteBatch(rest[:min(batch, len(rest))], 0)
			if err != nil {
				break // the socket is closed, or full: the server sees a loss
			}
			rest = rest[n:]
		}
	}
}

// read counts what comes for each call.
func (l *lane) read() {
	in := make([]ipv4.Message, batch)
	for i := range in {
		in[i].Buffers, in[i].OOB = [][]byte{make([]byte, 1500)}, make([]byte, 64)
	}
	for {
		n, err := l.conn.ReadBatch(in, 0)
		if err != nil {
			return
		}
		now := time.Now()
		l.mu.RLock()
		for i := range in[:n] {
			if c := l.calls[destination(in[i].OOB[:in[i].NN])]; c != nil {
				l.plane.Received.Add(1)
				if !c.heard.IsZero() && now.Sub(c.heard) > lateness {
					l.plane.Late.Add(1)
				}
				c.heard = now
			}
		}
		l.mu.RUnlock()
	}
}

// destination reads where a packet was sent to: struct in_pktinfo, after the header of the control message (ip(7)).
func destination(oob []byte) netip.Addr {
	const header = syscall.SizeofCmsghdr
	if len(oob) < header+syscall.SizeofInet4Pktinfo || binary.NativeEndian.Uint32(oob[12:]) != syscall.IP_PKTINFO {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(oob[header+8:]))
}
