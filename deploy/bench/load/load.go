// Package load is a light SIP caller for measurements: many calls on one signalling socket, time stamps taken at the socket. A call has
// an RTP socket of its own, or an address of 127.0.0.0/8 on the few sockets of a [Plane], which is what lets one machine hold thousands
// beside the server that it measures. It is a generator, not a user agent: it speaks the few messages of a call that is answered (RFC 3261, section 24.2)
// and counts everything else as a failure. Start reading at [Generator.Call].
package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Generator places calls from one UDP socket on loopback.
type Generator struct {
	Target netip.AddrPort // signalling address of the server
	Number string         // whom to call
	From   string         // caller's number; "" makes one a call
	Plane  *Plane         // carries the audio of calls to come; nil: each opens a socket

	conn  *net.UDPConn
	port  int
	mu    sync.Mutex
	calls map[string]chan response // by Call-ID
	bye   map[string]func()        // what a BYE from the server wakes
}

// response is what the generator reads of a SIP response.
type response struct {
	at      time.Time
	status  int
	method  string // of CSeq
	to      string // To header with its tag
	contact string // URI
	rtp     netip.AddrPort
}

// Listen opens the signalling socket and reads it until ctx ends.
func (g *Generator) Listen(ctx context.Context) error {
	conn, err := net.ListenUDP("udp4", nil) // calls have addresses of their own, see Plane
	if err != nil {
		return err
	}
	conn.SetReadBuffer(8 << 20)
	conn.SetWriteBuffer(8 << 20)
	g.conn, g.port = conn, conn.LocalAddr().(*net.UDPAddr).Port
	g.calls, g.bye = map[string]chan response{}, map[string]func(){}
	context.AfterFunc(ctx, func() { conn.Close() })
	go g.read()
	return nil
}

func (g *Generator) read() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := g.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		at, text := time.Now(), string(buf[:n])
		id := header(text, "Call-ID")
		if !strings.HasPrefix(text, "SIP/2.0 ") {
			g.request(text, id, from)
			continue
		}
		r := response{at: at, to: header(text, "To"), contact: uri(header(text, "Contact"))}
		r.status, _ = strconv.Atoi(text[8:11])
		_, r.method, _ = strings.Cut(header(text, "CSeq"), " ")
		r.rtp = audioAddr(text)
		g.mu.Lock()
		ch := g.calls[id]
		g.mu.Unlock()
		if ch != nil {
			select {
			case ch <- r:
			default: // a retransmission nobody waits for
			}
		}
	}
}

// request answers what the server asks within a call: BYE and anything else with 200, ACK with nothing.
func (g *Generator) request(text, id string, from netip.AddrPort) {
	method, _, _ := strings.Cut(text, " ")
	if method == "ACK" {
		return
	}
	var b strings.Builder
	b.WriteString("SIP/2.0 200 OK\r\n")
	for _, line := range strings.Split(text, "\r\n") {
		if strings.HasPrefix(line, "Via:") {
			b.WriteString(line + "\r\n")
		}
	}
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		b.WriteString(name + ": " + header(text, name) + "\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	g.conn.WriteToUDPAddrPort([]byte(b.String()), from)
	g.mu.Lock()
	ended := g.bye[id]
	g.mu.Unlock()
	if method == "BYE" && ended != nil {
		ended()
	}
}

// Call is one answered call.
type Call struct {
	Invited  time.Time      // INVITE sent
	Answered time.Time      // 200 received
	RTP      *net.UDPConn   // nil: the audio is on the plane
	Server   netip.AddrPort // where our audio goes
	Ended    <-chan struct{}

	g                     *Generator
	lane                  *lane          // of the plane
	audio                 netip.AddrPort // where we hear; signalling has the same address
	source                []byte         // control message that makes packets leave from there
	heard                 time.Time      // last packet on the plane
	id, from, to, contact string
	cseq                  int
	seq                   uint16
	stamp                 uint32
	ssrc                  uint32
}

// Call sends an INVITE with an offer of PCMU and telephone-event and returns when the call is answered and acknowledged.
func (g *Generator) Call(ctx context.Context) (*Call, error) {
	number := g.From
	if number == "" {
		number = fmt.Sprintf("+8613%09d", rand.IntN(1_000_000_000))
	}
	ended, cancel := context.WithCancel(context.WithoutCancel(ctx)) // ctx is for the answer only
	c := &Call{
		g: g, Ended: ended.Done(), cseq: 1, ssrc: rand.Uint32(),
		id:   fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()),
		from: fmt.Sprintf("<sip:%s@127.0.0.1>;tag=%08x", number, rand.Uint32()),
		to:   fmt.Sprintf("<sip:%s@%s>", g.Number, g.Target),
	}
	if err := c.open(); err != nil {
		cancel()
		return nil, err
	}
	ch := make(chan response, 8)
	g.mu.Lock()
	g.calls[c.id], g.bye[c.id] = ch, cancel
	g.mu.Unlock()
	if err := c.invite(ctx, ch); err != nil {
		cancel()
		c.forget()
		return nil, err
	}
	return c, nil
}

// open takes a place for the call's audio.
func (c *Call) open() error {
	if c.g.Plane != nil {
		c.g.Plane.join(c)
		return nil
	}
	rtp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	rtp.SetReadBuffer(256 << 10)
	c.RTP, c.audio = rtp, rtp.LocalAddr().(*net.UDPAddr).AddrPort()
	return nil
}

func (c *Call) invite(ctx context.Context, ch chan response) error {
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0 101\r\n"+
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n", c.audio.Addr(), c.audio.Port())
	target := fmt.Sprintf("sip:%s@%s", c.g.Number, c.g.Target)
	c.Invited = time.Now()
	c.send("INVITE", target, c.to, sdp)
	for {
		select {
		case r := <-ch:
			if r.method != "INVITE" || r.status < 200 {
				continue
			}
			if r.status != 200 {
				c.send("ACK", target, r.to, "")
				return fmt.Errorf("INVITE answered %d", r.status)
			}
			c.Answered, c.to, c.contact, c.Server = r.at, r.to, r.contact, r.rtp
			c.send("ACK", c.contact, c.to, "")
			return nil
		case <-ctx.Done():
			return errors.New("no final answer to the INVITE")
		}
	}
}

// Hangup sends BYE, waits for its answer and closes the RTP socket.
func (c *Call) Hangup(ctx context.Context) error {
	defer c.forget()
	select {
	case <-c.Ended:
		return nil
	default:
	}
	c.g.mu.Lock()
	ch := c.g.calls[c.id]
	c.g.mu.Unlock()
	c.cseq++
	c.send("BYE", c.contact, c.to, "")
	for {
		select {
		case r := <-ch:
			if r.method == "BYE" && r.status >= 200 {
				return nil
			}
		case <-c.Ended:
			return nil
		case <-ctx.Done():
			return errors.New("no answer to the BYE")
		}
	}
}

func (c *Call) forget() {
	if c.lane != nil {
		c.lane.leave(c)
	} else {
		c.RTP.Close()
	}
	c.g.mu.Lock()
	if ended := c.g.bye[c.id]; ended != nil {
		ended()
	}
	delete(c.g.calls, c.id)
	delete(c.g.bye, c.id)
	c.g.mu.Unlock()
}

func (c *Call) send(method, target, to, sdp string) {
	content := ""
	if sdp != "" {
		content = "Content-Type: application/sdp\r\n"
	}
	local := netip.AddrPortFrom(c.audio.Addr(), uint16(c.g.port))
	msg := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%x%d;rport\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"+
		"Call-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:load@%s>\r\n%sContent-Length: %d\r\n\r\n%s",
		method, target, local, rand.Uint64(), c.cseq, c.from, to, c.id, c.cseq, method, local, content, len(sdp), sdp)
	c.g.conn.WriteMsgUDPAddrPort([]byte(msg), c.source, c.g.Target)
}

// header returns the first value of a header, by its full name as this product and its peers write it.
func header(text, name string) string {
	i := strings.Index(text, "\r\n"+name+":")
	if i < 0 {
		return ""
	}
	value, _, _ := strings.Cut(text[i+len(name)+3:], "\r\n")
	return strings.TrimSpace(value)
}

func uri(contact string) string {
	_, rest, ok := strings.Cut(contact, "<")
	if !ok {
		return contact
	}
	inside, _, _ := strings.Cut(rest, ">")
	return inside
}

// audioAddr reads connection address and audio port of an SDP body.
func audioAddr(text string) netip.AddrPort {
	_, body, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return netip.AddrPort{}
	}
	var addr netip.Addr
	var port int
	for _, line := range strings.Split(body, "\r\n") {
		if rest, ok := strings.CutPrefix(line, "c=IN IP4 "); ok {
			addr, _ = netip.ParseAddr(rest)
		}
		if rest, ok := strings.CutPrefix(line, "m=audio "); ok {
			first, _, _ := strings.Cut(rest, " ")
			port, _ = strconv.Atoi(first)
		}
	}
	return netip.AddrPortFrom(addr, uint16(port))
}
