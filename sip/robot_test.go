package sip

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline/call"
	"hotline/call/calltest"
)

// robot is a user agent for the conformance suite: one socket, one goroutine that reads, answers and remembers.
type robot struct {
	r        *rig
	conn     *net.UDPConn
	trunk    string
	byRoutes bool // and not through the trunk by name
	wg       sync.WaitGroup

	mu     sync.Mutex
	calls  map[string]*robotCall // by Call-ID
	plans  map[string]calltest.Behaviour
	closed bool
}

type robotCall struct {
	*robot
	p        *phone // renders requests; never reads
	invite   string // of a call to the robot
	answered chan struct{}
	gone     chan struct{}
	once     [2]sync.Once
	state    string // "calling", "early", "up", "over"; with robot.mu
	hangup   bool   // wanted before there was a response to cancel
}

func newRobot(t *testing.T, r *rig) *robot {
	p, trunk := r.callee()
	b := &robot{r: r, conn: p.udp, trunk: trunk, calls: map[string]*robotCall{}, plans: map[string]calltest.Behaviour{}}
	b.wg.Go(b.read)
	t.Cleanup(func() {
		b.mu.Lock()
		b.closed = true
		b.mu.Unlock()
		b.conn.Close()
		b.wg.Wait()
	})
	return b
}

func (b *robot) read() {
	buf := make([]byte, 65536)
	for {
		n, err := b.conn.Read(buf)
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
		b.conn.Write([]byte(m))
	}
}

func (b *robot) message(m string) {
	id := headerOf(m, "Call-ID")
	c := b.calls[id]
	method, _, _ := strings.Cut(m, " ")
	switch {
	case method == "INVITE" && c == nil:
		to := strings.TrimPrefix(strings.SplitN(m, "@", 2)[0], "INVITE sip:")
		c = &robotCall{robot: b, invite: m, state: "early", answered: make(chan struct{}), gone: make(chan struct{})}
		b.calls[id] = c
		b.send(answerTo(m, "180 Ringing", b.contact(), ""))
		c.follow(b.plans[to])
	case c == nil:
	case method == "SIP/2.0" && strings.HasSuffix(headerOf(m, "CSeq"), "INVITE"):
		c.response(m)
	case method == "CANCEL":
		b.send(okTo(m))
		if c.state == "early" {
			b.send(answerTo(c.invite, "487 Request Terminated", "", ""))
			c.over()
		}
	case method == "BYE":
		b.send(okTo(m))
		c.over()
	}
}

func (b *robot) contact() string {
	return "Contact: <sip:robot@" + b.conn.LocalAddr().String() + ">\r\n"
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
		c.later(b.After, func() { c.send(answerTo(c.invite, "486 Busy Here", "", "")); c.over() })
	case b.Answer:
		c.later(b.After, func() {
			c.state = "up"
			c.send(answerTo(c.invite, "200 OK", c.contact()+sdpType, testOffer("")))
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
	c.send("BYE " + target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + c.conn.LocalAddr().String() + ";rport;branch=z9hG4bK" + newTag() + "\r\nMax-Forwards: 70\r\nFrom: " +
		headerOf(m, "To") + ";tag=peer\r\nTo: " + headerOf(m, "From") + "\r\nCall-ID: " + headerOf(m, "Call-ID") + "\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n")
	c.over()
}

// response is to an INVITE of the robot.
func (c *robotCall) response(m string) {
	code := strings.Fields(m)[1]
	switch {
	case code[0] == '1':
		if c.state == "calling" {
			c.state = "early"
			if c.hangup {
				c.send(c.p.request("CANCEL", "i"+c.p.tag, "", ""))
			}
		}
	case code[0] == '2':
		c.p.to = headerOf(m, "To")
		c.send(c.p.request("ACK", newTag(), "", ""))
		if c.state == "calling" || c.state == "early" {
			c.state = "up"
			c.once[0].Do(func() { close(c.answered) })
			if c.hangup {
				c.end()
			}
		}
	default:
		c.p.to = headerOf(m, "To")
		c.send(c.p.request("ACK", "i"+c.p.tag, "", ""))
		c.over()
	}
}

func (c *robotCall) end() {
	if c.state != "up" {
		return
	}
	c.p.cseq++
	c.send(c.p.request("BYE", newTag(), "", ""))
	c.over()
}

// Hangup implements calltest.Peer.
func (c *robotCall) Hangup() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangup = true
	switch c.state {
	case "early":
		c.send(c.p.request("CANCEL", "i"+c.p.tag, "", ""))
	case "up":
		c.end()
	}
}

func (c *robotCall) Answered(ctx context.Context) error { return wait(ctx, c.answered) }
func (c *robotCall) Gone(ctx context.Context) error     { return wait(ctx, c.gone) }

func wait(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *robot) DialIn(context.Context) (calltest.Peer, error) {
	to := b.r.edge.Addr("UDP").String()
	tag := newTag()
	p := &phone{callID: newTag(), tag: tag, cseq: 1, local: b.conn.LocalAddr().String(), to: "<sip:4000@" + to + ">", target: "sip:4000@" + to}
	c := &robotCall{robot: b, p: p, state: "calling", answered: make(chan struct{}), gone: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[p.callID] = c
	b.send(p.request("INVITE", "i"+tag, "", testOffer("")))
	return c, nil
}

func (b *robot) Dialer() call.Dialer {
	if b.byRoutes {
		return b.r.dialer()
	}
	return b.r.edge
}

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
	if b.byRoutes {
		return call.Dial{To: to}
	}
	return call.Dial{To: to, TrunkID: b.trunk}
}

func (b *robot) InUse() int {
	s := b.r.edge.Stats()
	return s.Legs + s.HalfOpen + b.r.eng.Stats().Streams
}

// The contract of a leg: through the trunk that is named, and by the outbound routes.
func TestConformance(t *testing.T) {
	for name, byRoutes := range map[string]bool{"trunk": false, "routes": true} {
		t.Run(name, func(t *testing.T) {
			calltest.Run(t, calltest.Edge{
				Races: 40,
				Start: func(t *testing.T, a call.Acceptor) calltest.Rig {
					r := newRig(t, func(c *Config) { c.Acceptor = a })
					b := newRobot(t, r)
					if b.byRoutes = byRoutes; byRoutes {
						r.route([]string{"70"}, b.trunk)
					}
					return b
				},
			})
		})
	}
}
