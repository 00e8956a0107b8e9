package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"
)

const (
	partial = 15 * time.Second // for a message whose first byte has come
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
			c.PacketConn.WriteTo(answer, net.UDPAddrFromAddrPort(to))
			continue
		}
		if pass != nil && len(pass) <= len(p) {
			return copy(p, pass), from, nil
		}
	}
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

// Listener does the same for the connections of a stream listener.
func Listener(l net.Listener, j *Judge, transport string) net.Listener {
	return &listener{l, j, transport}
}

type listener struct {
	net.Listener
	judge     *Judge
	transport string
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	src := Source{l.transport, addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())}
	return &streamConn{Conn: c, judge: l.judge, src: src}, nil
}

type streamConn struct {
	net.Conn
	judge *Judge
	src   Source
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
			if _, err := c.Conn.Write(answer); err != nil {
				return 0, err
			}
		}
		c.out = pass
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
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
		c.Conn.SetReadDeadline(time.Now().Add(idle))
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
