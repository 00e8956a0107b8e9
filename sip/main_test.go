package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
	"hotline/postgres/pgtest"
	"hotline/trunks/routes"
	"hotline/trunks/siptest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// rig is an edge with a real directory and a real engine. 127.0.0.0/16 is trunk "loop", 127.3.0.0/16 trunk "alaw", 127.4.0.0/16 trunk
// "info"; other loopback addresses are strangers.
type rig struct {
	t    testing.TB
	edge *Edge
	dir  *Directory
	book *routes.Book
	eng  *media.Engine
	legs chan *caught
	// refuse is returned by the acceptor when it is set.
	mu     sync.Mutex
	refuse error
}

// caught is a leg that the acceptor was given.
type caught struct {
	*Leg
	box *call.Mailbox
}

func (r *rig) Incoming(_ context.Context, leg call.Leg) (*call.Mailbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return nil, r.refuse
	}
	c := &caught{leg.(*Leg), call.NewMailbox()}
	r.legs <- c
	return c.box, nil
}

var loop = netip.MustParseAddr("127.0.0.1")

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	pool := pgtest.New(t)
	if _, err := pool.Exec(ctx, `insert into flow (name) values ('main')`); err != nil {
		t.Fatal(err)
	}
	dir, err := OpenDirectory(ctx, pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range []Trunk{
		{Name: "loop", Enabled: true, Settings: TrunkSettings{MatchAddresses: []string{"127.0.0.0/16"}, TrustedIdentity: true}},
		{Name: "alaw", Enabled: true, Settings: TrunkSettings{MatchAddresses: []string{"127.3.0.0/16"}, Codecs: []string{"PCMA"}}},
		{Name: "info", Enabled: true, Settings: TrunkSettings{MatchAddresses: []string{"127.4.0.0/16"}, DTMF: "info"}},
	} {
		if _, err := dir.CreateTrunk(ctx, tr); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dir.PutNumber(ctx, Number{Number: "4000", Flow: "main", Language: "en"}); err != nil {
		t.Fatal(err)
	}
	if err := dir.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	eng, err := media.NewEngine(media.Config{BindIP: loop, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	book, err := routes.Open(ctx, routes.Config{Pool: pool, Country: "CN", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, book: book, eng: eng, legs: make(chan *caught, 4096)}
	cfg := Config{ListenUDPTCP: "127.0.0.1:0", Engine: eng, Acceptor: r, Directory: dir, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	if r.edge, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := eng.Run(ctx); err != nil {
			t.Errorf("media: %v", err)
		}
	})
	wg.Go(func() {
		if err := r.edge.Run(ctx); err != nil {
			t.Errorf("edge: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return r
}

// leg waits for the next inbound leg.
func (r *rig) leg() *caught {
	r.t.Helper()
	select {
	case l := <-r.legs:
		return l
	case <-time.After(5 * time.Second):
		r.t.Fatal("no leg came in")
		return nil
	}
}

// next waits for the next event of a leg and checks its kind.
func (c *caught) next(t testing.TB, kind call.EventKind) call.Event {
	t.Helper()
	return nextEvent(t, c.box, kind)
}

var nextEvent = calltest.Next

// gone waits until the edge holds nothing any more.
func (r *rig) gone() {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s := r.edge.Stats()
		if s.Legs == 0 && s.HalfOpen == 0 && r.eng.Stats().Streams == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("left over: %+v, %d streams", s, r.eng.Stats().Streams)
		}
	}
}

// phone is a SIP user agent made of one socket and templates: it sends exactly what it is told.
type phone struct {
	t      testing.TB
	udp    *net.UDPConn
	tcp    net.Conn
	in     []byte
	callID string
	tag    string
	cseq   int
	port   int
	to     string // To of the dialog, with the tag once it is known
	target string
	local  string
}

var phones int
var phonesMu sync.Mutex

func (r *rig) phone(ip string) *phone {
	r.t.Helper()
	to := r.edge.Addr("UDP")
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)}, net.UDPAddrFromAddrPort(to))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	phonesMu.Lock()
	phones++
	n := phones
	phonesMu.Unlock()
	return &phone{
		t: r.t, udp: c, callID: fmt.Sprintf("call-%d-%s", n, newTag()), tag: "t" + strconv.Itoa(n), cseq: 1, port: c.LocalAddr().(*net.UDPAddr).Port,
		to: "<sip:4000@" + to.String() + ">", target: "sip:4000@" + to.String(), local: c.LocalAddr().String(),
	}
}

// request renders a request. Extra header lines end in CRLF.
func (p *phone) request(method, branch, extra, body string) string {
	if body != "" {
		extra += "Content-Type: application/sdp\r\n"
	}
	return p.with(method, branch, extra, body)
}

func (p *phone) with(method, branch, extra, body string) string {
	transport := "UDP"
	if p.tcp != nil {
		transport = "TCP"
	}
	return method + " " + p.target + " SIP/2.0\r\nVia: SIP/2.0/" + transport + " " + p.local + ";branch=z9hG4bK" + branch + ";rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:+861012345678@" + p.local + ">;tag=" + p.tag + "\r\nTo: " + p.to + "\r\nCall-ID: " + p.callID +
		"\r\nCSeq: " + strconv.Itoa(p.cseq) + " " + method + "\r\nContact: <sip:phone@" + p.local + ">\r\n" + extra +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func (p *phone) send(msg string) {
	p.t.Helper()
	var err error
	if p.tcp != nil {
		_, err = p.tcp.Write([]byte(msg))
	} else {
		_, err = p.udp.Write([]byte(msg))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// legOf sends an INVITE as a phone does after a flood, again and again (RFC 3261, section 17.1.1.2), because the socket may be full, until
// a leg of that trunk has come. Legs of the flood are passed over.
func (r *rig) legOf(p *phone, trunk, invite string) *caught {
	r.t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	p.send(invite)
	for {
		select {
		case l := <-r.legs:
			if l.Info().TrunkName == trunk {
				return l
			}
		case <-tick.C:
			p.send(invite)
		case <-deadline:
			r.t.Fatalf("no leg of trunk %s came in", trunk)
		}
	}
}

// recv returns the next message within d, or "".
func (p *phone) recv(d time.Duration) string {
	buf := make([]byte, 65536)
	if p.tcp == nil {
		p.udp.SetReadDeadline(time.Now().Add(d))
		n, err := p.udp.Read(buf)
		if err != nil {
			return ""
		}
		return string(buf[:n])
	}
	p.tcp.SetReadDeadline(time.Now().Add(d))
	for {
		if head, rest, ok := strings.Cut(string(p.in), "\r\n\r\n"); ok {
			n, _ := strconv.Atoi(siptest.Header(head+"\r\n\r\n", "Content-Length"))
			if len(rest) >= n {
				p.in = p.in[len(head)+4+n:]
				return head + "\r\n\r\n" + rest[:n]
			}
		}
		n, err := p.tcp.Read(buf)
		if n == 0 && err != nil {
			return ""
		}
		p.in = append(p.in, buf[:n]...)
	}
}

// want waits for a message whose start line begins with prefix; others (100, retransmissions) are passed over.
func (p *phone) want(prefix string) string {
	p.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	var seen []string
	for time.Now().Before(deadline) {
		m := p.recv(time.Until(deadline))
		if strings.HasPrefix(m, prefix) {
			if tag := siptest.Header(m, "To"); strings.HasPrefix(m, "SIP/2.0 ") && strings.Contains(tag, "tag=") && !strings.HasPrefix(m, "SIP/2.0 100") &&
				strings.Contains(siptest.Header(m, "CSeq"), "INVITE") {
				p.to = tag
			}
			return m
		}
		line, _, _ := strings.Cut(m, "\r\n")
		seen = append(seen, line)
	}
	p.t.Fatalf("waited for %q, saw %q", prefix, seen)
	return ""
}

func bodyOf(msg string) string {
	_, body, _ := strings.Cut(msg, "\r\n\r\n")
	return body
}

const offerPort = 40000

func testOffer(dir string) string { return testOfferFrom("127.0.0.1", offerPort, dir) }

func testOfferFrom(ip string, port int, dir string) string {
	if dir != "" {
		dir = "a=" + dir + "\r\n"
	}
	return "v=0\r\no=- 1 1 IN IP4 " + ip + "\r\ns=-\r\nc=IN IP4 " + ip + "\r\nt=0 0\r\nm=audio " + strconv.Itoa(port) +
		" RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n" + dir
}

// established sets a call up and returns it with our side's leg.
func (r *rig) established(p *phone, offer, extra string) *caught {
	r.t.Helper()
	p.send(p.request("INVITE", "inv"+p.tag, extra, offer))
	l := r.leg()
	answered := make(chan error, 1)
	go func() { answered <- l.Answer(context.Background()) }()
	res := p.want("SIP/2.0 200")
	body := ""
	if offer == "" {
		body = testOffer("")
	}
	_ = res
	p.send(p.request("ACK", "ack"+p.tag, "", body))
	if err := <-answered; err != nil {
		r.t.Fatal(err)
	}
	l.next(r.t, call.Answered)
	return l
}

var errNoRoom = errors.New("no room")
