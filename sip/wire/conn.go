package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	partial = 10 * time.Second // for a message whose first byte has come
	idle    = time.Hour        // for a connection on which nothing comes
)

// PacketConn puts j between a UDP socket and its reader: ReadFrom returns only whole, judged, canonical messages.
func PacketConn(c net.PacketConn, j *Judge) net.PacketConn {
	return &packetConn{PacketConn: c, judge: j, buf: make([]byte, MaxMessage+1)}
}

type packetConn struct {
	net.PacketConn
	judge *Judge
	buf   []byte // of the one reader
}

func (c *packetConn) ReadFrom(p []byte) (int, net.Addr, error) {
	local := addrPort(c.LocalAddr())
	for {
		n, from, err := c.PacketConn.ReadFrom(c.buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return 0, nil, err
			}
			continue // an ICMP error of an earlier answer must not end the reader
		}
		if len(bytes.Trim(c.buf[:n], "\r\n\x00")) == 0 { // keep-alive
			continue
		}
		pass, answer, to := c.judge.Message(c.buf[:n], Source{"UDP", local, addrPort(from)})
		if answer != nil {
			c.WriteTo(answer, net.UDPAddrFromAddrPort(to))
			continue
		}
		if pass != nil && len(pass) <= len(p) {
			return copy(p, pass), from, nil
		}
	}
}

// WriteTo shows the message to the judge's witness and sends it.
func (c *packetConn) WriteTo(p []byte, to net.Addr) (int, error) {
	if c.judge.Seen != nil {
		c.judge.Seen(Source{"UDP", addrPort(c.LocalAddr()), addrPort(to)}, true, p)
	}
	if _, err := c.PacketConn.WriteTo(unlend(p), to); err != nil {
		return 0, err
	}
	return len(p), nil
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	case *net.TCPAddr:
		return unmap(a.AddrPort())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return unmap(ap)
}

func unmap(ap netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) }

// Listener puts a judge between stream connections and their reader: those that are accepted, and those that are handed to it by
// [Stream.Add] because we made them.
func Listener(l net.Listener, j *Judge, transport string) *Stream {
	return &Stream{Listener: l, judge: j, transport: transport, ready: make(chan net.Conn), done: make(chan struct{})}
}

// Stream is such a listener.
type Stream struct {
	net.Listener
	judge     *Judge
	transport string
	ready     chan net.Conn
	start     sync.Once
	stop      sync.Once
	done      chan struct{}
	accepting sync.WaitGroup
}

// Add gives a connection that we made to the reader.
func (l *Stream) Add(ctx context.Context, c net.Conn) error {
	select {
	case l.ready <- l.wrap(c, func() {}, idle):
		return nil
	case <-l.done:
		return net.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Accept returns the next connection of either kind.
func (l *Stream) Accept() (net.Conn, error) {
	l.start.Do(func() { l.accepting.Go(l.accept) })
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close closes the listener and waits until nobody accepts any more.
func (l *Stream) Close() error {
	err := l.Listener.Close()
	l.stop.Do(func() { close(l.done) })
	l.start.Do(func() {}) // never from now on
	l.accepting.Wait()
	return err
}

// accept ends when the listener is closed.
func (l *Stream) accept() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) { // out of file descriptors: those who are there must go on
				time.Sleep(10 * time.Millisecond)
				continue
			}
			l.stop.Do(func() { close(l.done) })
			return
		}
		release, wait, ok := func() {}, idle, true
		if l.judge.Connect != nil {
			release, wait, ok = l.judge.Connect(addrPort(c.RemoteAddr()).Addr())
		}
		if !ok {
			c.Close()
			continue
		}
		judged := l.wrap(c, release, wait)
		select {
		case l.ready <- judged:
		case <-l.done:
			judged.Close()
		}
	}
}

func (l *Stream) wrap(c net.Conn, release func(), wait time.Duration) net.Conn {
	src := Source{l.transport, addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())}
	return &streamConn{Conn: c, judge: l.judge, src: src, release: sync.OnceFunc(release), idle: wait}
}

type streamConn struct {
	net.Conn
	judge *Judge
	src   Source

	release func()
	idle    time.Duration // until the first message has passed

	in    []byte // read, not yet judged
	out   []byte // judged, not yet taken
	began time.Time
	last  bool // the stream cannot be framed any more: close after out
}

var errFraming = errors.New("sip stream cannot be framed")

func (c *streamConn) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.last {
			return 0, io.EOF
		}
		data, err := c.next()
		if err != nil {
			return 0, err
		}
		pass, answer, _ := c.judge.Message(data, c.src)
		if answer != nil {
			if _, err := c.Write(answer); err != nil {
				return 0, err
			}
		}
		if c.out = pass; pass != nil {
			c.idle = idle
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// Write shows the message to the judge's witness and sends it. A peer that does not read is given up.
func (c *streamConn) Write(p []byte) (int, error) {
	if c.judge.Seen != nil {
		c.judge.Seen(c.src, true, p)
	}
	c.Conn.SetWriteDeadline(time.Now().Add(partial))
	if _, err := c.Conn.Write(unlend(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *streamConn) Close() error {
	c.release()
	return c.Conn.Close()
}

// next returns one framed message. A message that cannot be framed is returned as it is, to be refused, and ends the stream
// (RFC 3261, section 18.3: without Content-Length nobody knows where the next one starts).
func (c *streamConn) next() ([]byte, error) {
	for {
		c.pong()
		if i := bytes.Index(c.in, []byte("\r\n\r\n")); i >= 0 {
			r, err := scanHead(c.in[:i])
			if err != nil {
				return nil, errFraming
			}
			n, given, err := r.contentLength()
			total := i + 4 + n
			switch {
			case err != nil || !given:
				c.last = true
				if err == nil {
					return append(c.in[:i:i], "\r\nContent-Length: -\r\n\r\n"...), nil
				}
				return c.in[:i+4], nil
			case total > MaxMessage:
				return nil, errFraming
			case len(c.in) >= total:
				data := c.in[:total:total]
				c.in, c.began = c.in[total:], time.Time{}
				return data, nil
			}
		} else if len(c.in) > MaxMessage {
			return nil, errFraming
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// pong answers the keep-alive of RFC 5626, section 4.4.1, and skips empty lines between messages.
func (c *streamConn) pong() {
	for len(c.in) >= 2 && c.in[0] == '\r' && c.in[1] == '\n' {
		if len(c.in) >= 4 && c.in[2] == '\r' && c.in[3] == '\n' {
			c.Conn.Write([]byte("\r\n"))
			c.in = c.in[2:]
		}
		c.in = c.in[2:]
	}
}

func (c *streamConn) fill() error {
	switch {
	case len(c.in) == 0:
		c.began = time.Time{}
		c.Conn.SetReadDeadline(time.Now().Add(c.idle))
	case c.began.IsZero(): // the clock of a message starts with its first byte and is not wound up by the next ones
		c.began = time.Now()
		c.Conn.SetReadDeadline(c.began.Add(partial))
	}
	buf := make([]byte, 4096)
	n, err := c.Conn.Read(buf)
	if n == 0 {
		return err
	}
	c.in = append(c.in, buf[:n]...)
	return nil
}
