package sip

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"hotline/call"
	"hotline/trunks"
	"hotline/trunks/siptest"
)

// zone answers DNS questions about trunk.test on a socket of its own, and is whom the process asks until the test ends.
func zone(t *testing.T, udp, tcp []uint16) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if out := answerDNS(buf[:n], map[string][]uint16{"_sip._udp.trunk.test.": udp, "_sip._tcp.trunk.test.": tcp}); out != nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	})
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = before; conn.Close(); wg.Wait() })
}

// answerDNS knows the ports of SRV records in the order of their priority, and that every host is 127.0.0.1.
func answerDNS(query []byte, srv map[string][]uint16) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
	switch q.Type {
	case dnsmessage.TypeSRV:
		for i, port := range srv[q.Name.String()] {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.SRVResource{
				Priority: uint16(10 * (i + 1)), Weight: 1, Port: port, Target: dnsmessage.MustNewName("host.trunk.test."),
			}})
		}
	case dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	}
	out, _ := m.Pack()
	return out
}

// logbook is a log that a test reads while it is written.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

// far is a peer on a socket of its own that will be spoken to by the edge once that is there.
func far(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// at puts a phone on a far socket.
func (r *rig) at(c *net.UDPConn) *phone {
	r.t.Helper()
	p := r.phone("127.0.0.1")
	p.udp.Close()
	p.local = c.LocalAddr().String()
	c.Close()
	var err error
	if p.udp, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(addrPortOf(p.local)), net.UDPAddrFromAddrPort(r.edge.Addr("UDP"))); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { p.udp.Close() })
	return p
}

func portOf(c *net.UDPConn) uint16 { return c.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// follows waits until the keeper knows n addresses of a trunk, and returns them.
func (r *rig) follows(id string, n int) []netip.AddrPort {
	r.t.Helper()
	var addrs []netip.AddrPort
	r.becomes(id, "followed", func(TrunkState) bool {
		addrs, _, _ = r.edge.keeper.Addr(id)
		return len(addrs) == n
	})
	return addrs
}

// TestFailover: two hosts by SRV (RFC 3263, section 4.3). The second gets the call when the first is silent or says 503, as a new
// transaction of the same call; the first is complained of, and comes last until it is heard again.
func TestFailover(t *testing.T) {
	ca, cb := far(t), far(t)
	zone(t, []uint16{portOf(ca), portOf(cb)}, nil)
	book := &logbook{}
	r := newRig(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(book, nil)) })
	a, b := r.at(ca), r.at(cb)
	tr := r.trunk(TrunkSettings{Host: "trunk.test"})
	if got := r.follows(tr.ID, 2); got[0].String() != a.local || got[1].String() != b.local {
		t.Fatalf("addresses %v, want %s before %s", got, a.local, b.local)
	}
	// Silence.
	l := r.dial(tr.ID)
	first := a.want("INVITE ")
	second := b.want("INVITE ")
	if siptest.Header(first, "Call-ID") != siptest.Header(second, "Call-ID") || siptest.Header(second, "CSeq") != "2 INVITE" || siptest.Header(first, "Via") == siptest.Header(second, "Via") {
		t.Errorf("not a new transaction of the same call:\n%s\n%s", first, second)
	}
	b.send(answerTo(second, "200 OK", contactOf(b)+sdpType, testOffer("")))
	b.want("ACK ")
	l.next(t, call.Answered)
	s := r.state(tr.ID)
	if s.LastErrorCode != "trunk.no_answer" || s.LastErrorDetail != a.local+" over UDP" || s.LastError != "no answer from "+a.local+" over UDP" {
		t.Errorf("%+v", s)
	}
	if !book.has("event=alarm", "address="+a.local) {
		t.Error("no alarm about the address")
	}
	l.Hangup(t.Context(), call.CauseNormal)
	b.send(okTo(b.want("BYE ")))
	l.next(t, call.Ended)
	// The next call does not wait for the dead one again. The live one is overloaded now, and the first is back.
	l = r.dial(tr.ID)
	b.send(answerTo(b.want("INVITE "), "503 Service Unavailable", "Retry-After: 5\r\n", ""))
	b.want("ACK ")
	for m := a.want("INVITE "); ; m = a.want("INVITE ") { // the first call's retransmissions may lie before
		if siptest.Header(m, "Call-ID") != siptest.Header(first, "Call-ID") {
			a.send(answerTo(m, "486 Busy Here", "", ""))
			break
		}
	}
	if e := l.next(t, call.Ended); e.Cause.SIP != 486 || e.Cause.By != "peer" {
		t.Errorf("ended with %+v, want the 486 of the address that answered", e.Cause)
	}
	if !book.has("event=alarm", "address="+b.local) {
		t.Error("no alarm about the overloaded address")
	}
	if got, _, _ := r.edge.keeper.Addr(tr.ID); got[0].String() != a.local {
		t.Errorf("addresses %v, want the one that answers first", got)
	}
	r.nobodyLeft(tr.ID, a, b)
}

// nobodyLeft calls when both addresses are overloaded.
func (r *rig) nobodyLeft(trunk string, a, b *phone) {
	t := r.t
	l := r.dial(trunk)
	for _, p := range []*phone{a, b} {
		m := p.want("INVITE ")
		p.send(answerTo(m, "503 Service Unavailable", "", ""))
	}
	if e := l.next(t, call.Ended); e.Cause.SIP != 503 {
		t.Errorf("%+v", e.Cause)
	}
	if s := r.state(trunk); s.LastErrorCode != "trunk.call_refused" || s.LastErrorDetail != "503 Service Unavailable" {
		t.Errorf("%+v", s)
	}
	r.gone()
}

// TestFailoverOfTheTransport: a connection that is refused sends the call to the next host at once.
func TestFailoverOfTheTransport(t *testing.T) {
	other := newRig(t)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	gone := dead.Addr().(*net.TCPAddr).AddrPort()
	zone(t, nil, []uint16{gone.Port(), other.edge.Addr("TCP").Port()})
	r := newRig(t)
	tr := r.trunk(TrunkSettings{Host: "trunk.test", Transport: "tcp"})
	r.follows(tr.ID, 2)
	for range 2 {
		l := r.dial(tr.ID, func(d *call.Dial) { d.To = "4000" })
		peer := other.leg()
		if err := peer.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.next(t, call.Answered)
		peer.next(t, call.Answered)
		if s := r.state(tr.ID); s.LastErrorCode != "trunk.not_listening" || s.LastErrorDetail != gone.String()+" over TCP" {
			t.Errorf("%+v", s)
		}
		l.Hangup(t.Context(), call.CauseNormal)
		l.next(t, call.Ended)
		peer.next(t, call.Ended)
	}
	r.gone()
	other.gone()
}

// TestPingFindsTheLivingAddress: with OPTIONS, calls go to the living host before one of them has had to wait.
func TestPingFindsTheLivingAddress(t *testing.T) {
	ca, cb := far(t), far(t)
	zone(t, []uint16{portOf(ca), portOf(cb)}, nil)
	r := newRig(t)
	a, b := r.at(ca), r.at(cb)
	tr := r.trunk(TrunkSettings{Host: "trunk.test", OptionsIntervalS: 5})
	a.send(answerTo(a.want("OPTIONS "), "503 Service Unavailable", "", ""))
	b.send(answerTo(b.want("OPTIONS "), "200 OK", "", ""))
	r.becomes(tr.ID, "up", func(s TrunkState) bool { return s.Status == trunks.StatusUp && s.LastError == "" })
	if got := r.follows(tr.ID, 2); got[0].String() != b.local {
		t.Errorf("addresses %v, want %s first", got, b.local)
	}
}
