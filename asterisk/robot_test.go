package asterisk

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/trunks/routes"
)

// robot is a user agent for the conformance suite: one socket, one goroutine that reads, answers and remembers. It sends no audio.
type robot struct {
	r    *rig
	conn *net.UDPConn
	to   netip.AddrPort
	wg   sync.WaitGroup

	mu     sync.Mutex
	calls  map[string]*robotCall // by Call-ID
	plans  map[string]calltest.Behaviour
	seen   []string // INVITEs
	closed bool
}

type robotCall struct {
	*robot
	callID, tag string
	from        string // its number
	extra       string // header lines of the next request
	invite      string // of a call to the robot
	target      string // of a call of the robot, from the 200
	peer        string // To with its tag
	cseq        int
	answered    chan struct{}
	gone        chan struct{}
	once        [2]sync.Once
	state       string // "calling", "early", "up", "over"; with robot.mu
	status      string // of the final response
	hangup      bool   // wanted before there was a response to cancel
}

func newRobot(t *testing.T, r *rig) *robot {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(r.calls))
	if err != nil {
		t.Fatal(err)
	}
	b := &robot{r: r, conn: conn, to: r.a.SIPAddr, calls: map[string]*robotCall{}, plans: map[string]calltest.Behaviour{}}
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

func (b *robot) read() {
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

func (b *robot) send(m string) {
	if !b.closed {
		_, _ = b.conn.WriteToUDPAddrPort([]byte(m), b.to)
	}
}

func headerOf(msg, name string) string {
	head, _, _ := strings.Cut(msg, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (b *robot) message(m string) {
	id := headerOf(m, "Call-ID")
	c := b.calls[id]
	method, _, _ := strings.Cut(m, " ")
	switch {
	case method == "OPTIONS", method == "NOTIFY":
		b.reply(m, "200 OK", "")
	case method == "INVITE" && strings.Contains(headerOf(m, "To"), "tag="):
		b.reply(m, "200 OK", offer)
	case method == "INVITE" && c == nil:
		to := strings.TrimPrefix(strings.SplitN(m, "@", 2)[0], "INVITE sip:")
		b.seen = append(b.seen, m)
		c = &robotCall{robot: b, callID: id, invite: m, state: "early", answered: make(chan struct{}), gone: make(chan struct{})}
		b.calls[id] = c
		b.reply(m, "180 Ringing", "")
		c.follow(b.plans[to])
	case c == nil && method == "BYE":
		b.reply(m, "481 Gone", "")
	case c == nil:
	case method == "SIP/2.0" && strings.HasSuffix(headerOf(m, "CSeq"), "INVITE"):
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

func (b *robot) at() string { return b.conn.LocalAddr().String() }

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
func (b *robot) reply(req, status, sdp string) {
	to := headerOf(req, "To")
	if !strings.Contains(to, "tag=") {
		to += ";tag=robot"
	}
	vias := ""
	for line := range strings.SplitSeq(req, "\r\n") {
		if strings.HasPrefix(line, "Via:") {
			vias += line + "\r\n"
		}
	}
	b.send("SIP/2.0 " + status + "\r\n" + vias + "From: " + headerOf(req, "From") + "\r\nTo: " + to + "\r\nCall-ID: " + headerOf(req, "Call-ID") +
		"\r\nCSeq: " + headerOf(req, "CSeq") + "\r\nContact: <sip:robot@" + b.at() + ">\r\n" + body(sdp))
}

// later runs f with the lock held.
func (c *robotCall) later(d time.Duration, f func()) {
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

func (c *robotCall) follow(b calltest.Behaviour) {
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

func (c *robotCall) over() {
	c.state = "over"
	c.once[1].Do(func() { close(c.gone) })
}

// bye ends a call to the robot.
func (c *robotCall) bye() {
	m := c.invite
	target := strings.Trim(headerOf(m, "Contact"), "<>")
	c.send("BYE " + target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + c.at() + ";rport;branch=z9hG4bK" + hotline.NewID() + "\r\nMax-Forwards: 70\r\nFrom: " +
		headerOf(m, "To") + ";tag=robot\r\nTo: " + headerOf(m, "From") + "\r\nCall-ID: " + c.callID + "\r\nCSeq: 1 BYE\r\n" + body(""))
	c.over()
}

// request renders a request of a call of the robot.
func (c *robotCall) request(method, branch, sdp string) {
	seq := c.cseq
	c.send(method + " " + c.target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + c.at() + ";branch=z9hG4bK" + branch + ";rport\r\nMax-Forwards: 70\r\nFrom: <sip:" + c.from + "@" +
		c.at() + ">;tag=" + c.tag + "\r\nTo: " + c.peer + "\r\nCall-ID: " + c.callID + "\r\nCSeq: " + strconv.Itoa(seq) + " " + method +
		"\r\nContact: <sip:robot@" + c.at() + ">\r\n" + c.extra + body(sdp))
}

// response is to an INVITE of the robot.
func (c *robotCall) response(m string) {
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
		c.peer = headerOf(m, "To")
		c.target = strings.Trim(headerOf(m, "Contact"), "<>")
		c.request("ACK", hotline.NewID(), "")
		if c.state == "calling" || c.state == "early" {
			c.state = "up"
			c.once[0].Do(func() { close(c.answered) })
			if c.hangup {
				c.end()
			}
		}
	default:
		c.peer = headerOf(m, "To")
		c.request("ACK", "i"+c.tag, "")
		c.status = code
		c.over()
	}
}

func (c *robotCall) end() {
	if c.state != "up" {
		return
	}
	c.cseq++
	c.request("BYE", hotline.NewID(), "")
	c.over()
}

// Hangup implements calltest.Peer.
func (c *robotCall) Hangup() {
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

func (c *robotCall) Answered(ctx context.Context) error { return wait(ctx, c.answered) }
func (c *robotCall) Gone(ctx context.Context) error     { return wait(ctx, c.gone) }

// Status is the final response that the robot's INVITE got.
func (c *robotCall) Status() string {
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

func (b *robot) DialIn(context.Context) (calltest.Peer, error) { return b.invites("4000"), nil }

func (b *robot) invites(number string) *robotCall {
	uri := "sip:" + number + "@" + b.to.String()
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &robotCall{
		robot: b, from: fmt.Sprintf("+86138%08d", len(b.calls)), callID: hotline.NewID(), tag: hotline.NewID(), target: uri, peer: "<" + uri + ">", cseq: 1, state: "calling",
		answered: make(chan struct{}), gone: make(chan struct{}),
	}
	b.calls[c.callID] = c
	c.request("INVITE", "i"+c.tag, offer)
	return c
}

func (b *robot) Dialer() call.Dialer { return b.r.dialer }

func (b *robot) Callee(how calltest.Behaviour) call.Dial {
	b.mu.Lock()
	defer b.mu.Unlock()
	to := fmt.Sprintf("70%02d", len(b.plans))
	for k, v := range b.plans {
		if v == how {
			to = k
		}
	}
	b.plans[to] = how
	if b.r.dialer != b.r.edge {
		return call.Dial{To: to}
	}
	return call.Dial{To: to, TrunkID: b.r.trunk.ID}
}

func (b *robot) InUse() int {
	return b.r.edge.Stats().Legs + b.r.eng.Stats().Streams + len(b.r.edge.held())
}

// The contract of a leg, against a real Asterisk: through the trunk that is named, and by the outbound routes.
func TestConformance(t *testing.T) {
	p := newPlant(t, freePort(t))
	if _, err := p.book.CreateRoute(t.Context(), routes.Route{Name: "all", Enabled: true, Trunks: []string{p.trunk.ID}, Settings: routes.Settings{Prefixes: []string{"7"}}}); err != nil {
		t.Fatal(err)
	}
	for name, byRoutes := range map[string]bool{"trunk": false, "routes": true} {
		t.Run(name, func(t *testing.T) {
			calltest.Run(t, calltest.Edge{
				Races: 40,
				Start: func(t *testing.T, a call.Acceptor) calltest.Rig {
					r := p.newRig(t, func(c *Config) { c.Acceptor = a })
					if byRoutes {
						r.byRoutes(0)
					}
					return newRobot(t, r)
				},
			})
		})
	}
}
