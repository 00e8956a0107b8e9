// Package siptest is a user agent for tests of the edges: it answers as it is told, calls, and hangs up, over UDP.
package siptest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
)

// Config of a [Robot].
type Config struct {
	At      netip.AddrPort // where it is called
	Edge    netip.AddrPort // where it calls
	Dialer  call.Dialer    // by which it is called,
	TrunkID string         // through this trunk; "": by the outbound routes
	InUse   func() int     // what the edge holds
}

// Robot is a user agent for the conformance suite ([calltest.Run]): one socket, one goroutine that reads, answers and remembers. It
// sends no audio.
type Robot struct {
	cfg  Config
	conn *net.UDPConn
	wg   sync.WaitGroup

	mu     sync.Mutex
	calls  map[string]*Call // by Call-ID
	plans  map[string]calltest.Behaviour
	seen   []string // INVITEs
	closed bool
}

var _ calltest.Rig = (*Robot)(nil)

// Call is one of the robot's.
type Call struct {
	*Robot
	ID       string // Call-ID
	Number   string // of the robot, when it calls
	tag      string
	extra    string // header lines of the next request
	invite   string // of a call to the robot
	target   string // of a call of the robot, from the 200
	peer     string // To with its tag
	cseq     int
	answered chan struct{}
	gone     chan struct{}
	once     [2]sync.Once
	state    string // "calling", "early", "up", "over"; with robot.mu
	status   string // of the final response
	hangup   bool   // wanted before there was a response to cancel
}

// New starts a robot.
func New(t testing.TB, cfg Config) *Robot {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(cfg.At))
	if err != nil {
		t.Fatal(err)
	}
	b := &Robot{cfg: cfg, conn: conn, calls: map[string]*Call{}, plans: map[string]calltest.Behaviour{}}
	b.wg.Go(b.read)
	t.Cleanup(func() {
		b.mu.Lock()
		b.closed = true
		for _, c := range b.calls {
			c.over()
		}
		b.mu.Unlock()
		b.conn.Close()
		b.wg.Wait()
	})
	return b
}

func (b *Robot) read() {
	buf := make([]byte, 65536)
	for {
		n, _, err := b.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.message(string(buf[:n]))
		b.mu.Unlock()
	}
}

func (b *Robot) send(m string) {
	if !b.closed {
		_, _ = b.conn.WriteToUDPAddrPort([]byte(m), b.cfg.Edge)
	}
}

// Header returns the first header field of that name of a message, "" when there is none.
func Header(msg, name string) string {
	head, _, _ := strings.Cut(msg, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (b *Robot) message(m string) {
	id := Header(m, "Call-ID")
	c := b.calls[id]
	method, _, _ := strings.Cut(m, " ")
	switch {
	case method == "OPTIONS", method == "NOTIFY":
		b.reply(m, "200 OK", "")
	case method == "INVITE" && strings.Contains(Header(m, "To"), "tag="):
		b.reply(m, "200 OK", offer)
	case method == "INVITE" && c == nil:
		to := strings.TrimPrefix(strings.SplitN(m, "@", 2)[0], "INVITE sip:")
		b.seen = append(b.seen, m)
		c = &Call{Robot: b, ID: id, invite: m, state: "early", answered: make(chan struct{}), gone: make(chan struct{})}
		b.calls[id] = c
		b.reply(m, "180 Ringing", "")
		c.follow(b.plans[to])
	case c == nil && method == "BYE":
		b.reply(m, "481 Gone", "")
	case c == nil:
	case method == "SIP/2.0" && strings.HasSuffix(Header(m, "CSeq"), "INVITE"):
		c.response(m)
	case method == "CANCEL":
		b.reply(m, "200 OK", "")
		if c.state == "early" {
			b.reply(c.invite, "487 Request Terminated", "")
			c.over()
		}
	case method == "BYE":
		b.reply(m, "200 OK", "")
		c.over()
	}
}

func (b *Robot) at() string { return b.conn.LocalAddr().String() }

// offer says that audio is taken, where nobody listens.
const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8 101\r\n" +
	"a=rtpmap:101 telephone-event/8000\r\n"

func body(sdp string) string {
	if sdp == "" {
		return "Content-Length: 0\r\n\r\n"
	}
	return "Content-Type: application/sdp\r\nContent-Length: " + strconv.Itoa(len(sdp)) + "\r\n\r\n" + sdp
}

// reply answers a request; the tag of the robot's side is always "robot".
func (b *Robot) reply(req, status, sdp string) {
	to := Header(req, "To")
	if !strings.Contains(to, "tag=") {
		to += ";tag=robot"
	}
	vias := ""
	for line := range strings.SplitSeq(req, "\r\n") {
		if strings.HasPrefix(line, "Via:") {
			vias += line + "\r\n"
		}
	}
	b.send("SIP/2.0 " + status + "\r\n" + vias + "From: " + Header(req, "From") + "\r\nTo: " + to + "\r\nCall-ID: " + Header(req, "Call-ID") +
		"\r\nCSeq: " + Header(req, "CSeq") + "\r\nContact: <sip:robot@" + b.at() + ">\r\n" + body(sdp))
}

// later runs f with the lock held.
func (c *Call) later(d time.Duration, f func()) {
	c.wg.Go(func() {
		select {
		case <-time.After(d):
		case <-c.gone:
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.state != "over" {
			f()
		}
	})
}

func (c *Call) follow(b calltest.Behaviour) {
	switch {
	case b.Refuse:
		c.later(b.After, func() { c.reply(c.invite, "486 Busy Here", ""); c.over() })
	case b.Answer:
		c.later(b.After, func() {
			c.state = "up"
			c.reply(c.invite, "200 OK", offer)
			if b.HangsUp > 0 {
				c.later(b.HangsUp, c.bye)
			}
		})
	}
}

func (c *Call) over() {
	c.state = "over"
	c.once[1].Do(func() { close(c.gone) })
}

// bye ends a call to the robot.
func (c *Call) bye() {
	m := c.invite
	target := strings.Trim(Header(m, "Contact"), "<>")
	c.send("BYE " + target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + c.at() + ";rport;branch=z9hG4bK" + hotline.NewID() + "\r\nMax-Forwards: 70\r\nFrom: " +
		Header(m, "To") + ";tag=robot\r\nTo: " + Header(m, "From") + "\r\nCall-ID: " + c.ID + "\r\nCSeq: 1 BYE\r\n" + body(""))
	c.over()
}

// request renders a request of a call of the robot.
func (c *Call) request(method, branch, sdp string) {
	seq := c.cseq
	c.send(method + " " + c.target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + c.at() + ";branch=z9hG4bK" + branch + ";rport\r\nMax-Forwards: 70\r\nFrom: <sip:" + c.Number + "@" +
		c.at() + ">;tag=" + c.tag + "\r\nTo: " + c.peer + "\r\nCall-ID: " + c.ID + "\r\nCSeq: " + strconv.Itoa(seq) + " " + method +
		"\r\nContact: <sip:robot@" + c.at() + ">\r\n" + c.extra + body(sdp))
}

// response is to an INVITE of the robot.
func (c *Call) response(m string) {
	code := strings.Fields(m)[1]
	switch {
	case code[0] == '1':
		if c.state == "calling" {
			c.state = "early"
			if c.hangup {
				c.request("CANCEL", "i"+c.tag, "")
			}
		}
	case code[0] == '2':
		c.peer = Header(m, "To")
		c.target = strings.Trim(Header(m, "Contact"), "<>")
		c.request("ACK", hotline.NewID(), "")
		if c.state == "calling" || c.state == "early" {
			c.state = "up"
			c.once[0].Do(func() { close(c.answered) })
			if c.hangup {
				c.end()
			}
		}
	default:
		c.peer = Header(m, "To")
		c.request("ACK", "i"+c.tag, "")
		c.status = code
		c.over()
	}
}

func (c *Call) end() {
	if c.state != "up" {
		return
	}
	c.cseq++
	c.request("BYE", hotline.NewID(), "")
	c.over()
}

// Hangup implements [calltest.Peer].
func (c *Call) Hangup() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangup = true
	switch c.state {
	case "early":
		c.request("CANCEL", "i"+c.tag, "")
	case "up":
		c.end()
	}
}

// Answered implements [calltest.Peer].
func (c *Call) Answered(ctx context.Context) error { return wait(ctx, c.answered) }

// Refer asks, in one call, that its peer take the place of the robot in another one (RFC 5589, section 7.3).
func (c *Call) Refer(other *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, tag, _ := strings.Cut(other.peer, "tag=")
	c.cseq++
	c.extra = "Refer-To: <sip:4000@" + c.cfg.Edge.String() + "?Replaces=" + other.ID + "%3Bto-tag%3D" + tag + "%3Bfrom-tag%3D" + other.tag + ">\r\n"
	c.request("REFER", hotline.NewID(), "")
	c.extra = ""
}

// Over is closed when it is.
func (c *Call) Over() <-chan struct{} { return c.gone }

// Gone implements [calltest.Peer].
func (c *Call) Gone(ctx context.Context) error { return wait(ctx, c.gone) }

// Status is the final response that the robot's INVITE got.
func (c *Call) Status() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

func wait(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DialIn implements [calltest.Rig]: it calls 4000.
func (b *Robot) DialIn(context.Context) (calltest.Peer, error) { return b.Invite("4000"), nil }

// Invite calls a number.
func (b *Robot) Invite(number string) *Call {
	uri := "sip:" + number + "@" + b.cfg.Edge.String()
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &Call{
		Robot: b, Number: fmt.Sprintf("+86138%08d", len(b.calls)), ID: hotline.NewID(), tag: hotline.NewID(), target: uri, peer: "<" + uri + ">", cseq: 1, state: "calling",
		answered: make(chan struct{}), gone: make(chan struct{}),
	}
	b.calls[c.ID] = c
	c.request("INVITE", "i"+c.tag, offer)
	return c
}

// Dialer implements [calltest.Rig].
func (b *Robot) Dialer() call.Dialer { return b.cfg.Dialer }

// InUse implements [calltest.Rig].
func (b *Robot) InUse() int { return b.cfg.InUse() }

// Callee implements [calltest.Rig]: there is a number for each behaviour.
func (b *Robot) Callee(how calltest.Behaviour) call.Dial {
	b.mu.Lock()
	defer b.mu.Unlock()
	to := fmt.Sprintf("70%02d", len(b.plans))
	for k, v := range b.plans {
		if v == how {
			to = k
		}
	}
	b.plans[to] = how
	return call.Dial{To: to, TrunkID: b.cfg.TrunkID}
}

// Invited returns the INVITEs that it got, in their order.
func (b *Robot) Invited() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}
