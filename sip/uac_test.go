package sip

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/trunks/header"
	"hotline/trunks/siptest"
)

// callee is a far end for calls of ours: a socket that is told what to say.
func (r *rig) callee(change ...func(*TrunkSettings)) (*phone, string) {
	r.t.Helper()
	p := r.phone("127.0.0.1")
	p.udp.Close()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		r.t.Fatal(err)
	}
	p.local = c.LocalAddr().String()
	// a socket that is connected to the edge, on the port that the trunk names
	c.Close()
	p.udp, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(addrPortOf(p.local)), net.UDPAddrFromAddrPort(r.edge.Addr("UDP")))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { p.udp.Close() })
	s := TrunkSettings{MatchAddresses: []string{"127.7.7.7"}, Host: "127.0.0.1", Port: int(addrPortOf(p.local).Port())}
	for _, f := range change {
		f(&s)
	}
	t, err := r.dir.CreateTrunk(r.t.Context(), Trunk{Name: "out" + newTag()[:6], Enabled: true, Settings: s})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.dir.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	for range 500 { // until the keeper follows it
		if _, _, err := r.edge.keeper.Addr(t.ID); err == nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return p, t.ID
}

func (r *rig) dial(trunk string, change ...func(*call.Dial)) *caught {
	r.t.Helper()
	box := call.NewMailbox()
	d := call.Dial{CallID: hotline.NewID(), LegID: hotline.NewID(), TrunkID: trunk, To: "+8613900139000", Mailbox: box,
		From: call.Party{Number: "+861088889999", Display: "热线 \"24h\"\r\nEvil: yes"}}
	for _, f := range change {
		f(&d)
	}
	l, err := r.edge.Dial(r.t.Context(), d)
	if err != nil {
		r.t.Fatal(err)
	}
	return &caught{l.(*Leg), box}
}

func contactOf(p *phone) string { return "Contact: <sip:far@" + p.local + ">\r\n" }

const sdpType = "Content-Type: application/sdp\r\n"

func TestDialAnswered(t *testing.T) {
	r := newRig(t)
	p, trunk := r.callee()
	l := r.dial(trunk)
	inv := p.want("INVITE ")
	if strings.Contains(inv, "\nEvil") || !strings.HasPrefix(inv, "INVITE sip:+8613900139000@127.0.0.1") {
		t.Fatalf("%s", inv)
	}
	p.send(answerTo(inv, "100 Trying", "", ""))
	for range 14 { // a phone that rings for long: sipgo's own dialog gives up after the eleventh
		p.send(answerTo(inv, "180 Ringing", contactOf(p), ""))
	}
	l.next(t, call.Ringing)
	p.send(answerTo(inv, "200 OK", contactOf(p)+sdpType+"Session-Expires: 1800;refresher=uac\r\n", testOffer("")))
	ack := p.want("ACK sip:far@")
	if siptest.Header(ack, "CSeq") != siptest.Header(inv, "CSeq")[:1]+" ACK" {
		t.Errorf("CSeq of ACK %q", siptest.Header(ack, "CSeq"))
	}
	l.next(t, call.Answered)
	if !l.Audio().Configured() {
		t.Error("no media")
	}
	p.send(answerTo(inv, "200 OK", contactOf(p)+sdpType, testOffer(""))) // the ACK was lost
	p.want("ACK ")
	other := strings.Replace(answerTo(inv, "200 OK", contactOf(p)+sdpType, testOffer("")), "tag=peer", "tag=fork", 1)
	p.send(other) // another branch of a fork answers as well
	if ack := p.want("ACK "); !strings.Contains(siptest.Header(ack, "To"), "tag=fork") {
		t.Error("wrong dialog acknowledged")
	}
	bye := p.want("BYE ")
	if !strings.Contains(siptest.Header(bye, "To"), "tag=fork") {
		t.Errorf("BYE to %q", siptest.Header(bye, "To"))
	}
	p.send(okTo(bye))
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Fatal(err)
	}
	bye = p.want("BYE ")
	p.send(okTo(bye))
	l.next(t, call.Ended)
	r.gone()
}

func TestDialFails(t *testing.T) {
	r := newRig(t)
	p, trunk := r.callee()
	for status, q := range map[string]int{"486 Busy Here": 17, "404 Not Found": 1, "603 Decline": 21, "302 Moved Temporarily": 31, "480 Away": 18} {
		l := r.dial(trunk)
		inv := p.want("INVITE ")
		p.send(answerTo(inv, status, "Contact: <sip:+1900@127.0.0.1>\r\n", ""))
		p.want("ACK ")
		if e := l.next(t, call.Ended); e.Cause.Q850 != q || e.Cause.By != "peer" || strconv.Itoa(e.Cause.SIP) != status[:3] {
			t.Errorf("%s: %+v", status, e.Cause)
		}
	}
	l := r.dial(trunk)
	inv := p.want("INVITE ")
	p.send(answerTo(inv, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"evil\", nonce=\"x\"\r\n", "")) // abuse 9
	p.want("ACK ")
	if m := p.recv(200 * time.Millisecond); m != "" {
		t.Errorf("a callee's challenge was answered: %s", m)
	}
	l.next(t, call.Ended)
	l = r.dial(trunk, func(d *call.Dial) { d.Timeout = 100 * time.Millisecond })
	inv = p.want("INVITE ")
	p.send(answerTo(inv, "180 Ringing", contactOf(p), ""))
	l.next(t, call.Ringing)
	if e := l.next(t, call.Ended); e.Cause != call.CauseNoAnswer {
		t.Errorf("%+v", e.Cause)
	}
	cancel := p.want("CANCEL ")
	p.send(okTo(cancel))
	p.send(answerTo(inv, "487 Request Terminated", "", ""))
	p.want("ACK ")
	r.gone()
	for _, d := range []call.Dial{
		{TrunkID: "none", To: "1"}, {TrunkID: trunk, To: "1;phone-context=+1900"}, {TrunkID: trunk, To: "sip:a@evil.example"}, {TrunkID: trunk, To: "1\r\nX: y"},
	} {
		d.Mailbox = call.NewMailbox()
		if _, err := r.edge.Dial(t.Context(), d); err == nil {
			t.Errorf("dialled %q", d.To)
		}
	}
}

func TestDialHungUpAtAnyInstant(t *testing.T) {
	r := newRig(t)
	p, trunk := r.callee()
	for _, when := range []string{"before 100", "after 180", "crossing 200"} {
		l := r.dial(trunk)
		inv := p.want("INVITE ")
		if when == "after 180" {
			p.send(answerTo(inv, "180 Ringing", contactOf(p), ""))
			l.next(t, call.Ringing)
		}
		if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
			t.Fatal(err)
		}
		l.next(t, call.Ended)
		if when == "before 100" {
			if m := p.recv(100 * time.Millisecond); m != "" && !strings.HasPrefix(m, "INVITE ") {
				t.Fatalf("before any response: %s (RFC 3261, 9.1)", m)
			}
			p.send(answerTo(inv, "100 Trying", "", ""))
		}
		if when == "crossing 200" {
			p.send(answerTo(inv, "200 OK", contactOf(p)+sdpType, testOffer("")))
			p.want("ACK ")
			p.send(okTo(p.want("BYE ")))
		} else {
			p.send(okTo(p.want("CANCEL ")))
			p.send(answerTo(inv, "487 Request Terminated", "", ""))
			p.want("ACK ")
		}
		if e, more := l.box.Take(); more {
			t.Errorf("%s: after the end: %+v", when, e)
		}
		r.gone()
	}
}

func TestDialReliableRinging(t *testing.T) {
	r := newRig(t)
	p, trunk := r.callee()
	l := r.dial(trunk)
	inv := p.want("INVITE ")
	p.send(answerTo(inv, "183 Session Progress", contactOf(p)+sdpType+"Require: 100rel\r\nRSeq: 7\r\n", testOffer("")))
	prack := p.want("PRACK ")
	if siptest.Header(prack, "RAck") != "7 1 INVITE" {
		t.Errorf("RAck %q", siptest.Header(prack, "RAck"))
	}
	p.send(okTo(prack))
	l.next(t, call.Ringing)
	if !l.Audio().Configured() {
		t.Error("early media is not heard")
	}
	p.send(answerTo(inv, "200 OK", contactOf(p), ""))
	p.want("ACK ")
	l.next(t, call.Answered)
	p.to, p.tag, p.callID, p.cseq = siptest.Header(inv, "From"), "peer", siptest.Header(inv, "Call-ID"), 1
	p.target = "sip:hotline@" + r.edge.Addr("UDP").String()
	p.send(p.request("BYE", "end", "", ""))
	p.want("SIP/2.0 200")
	l.next(t, call.Ended)
	r.gone()
}

func TestLongerSessionAsked(t *testing.T) {
	r := newRig(t)
	p, trunk := r.callee()
	l := r.dial(trunk)
	inv := p.want("INVITE ")
	p.send(answerTo(inv, "422 Session Interval Too Small", "Min-SE: 3600\r\n", ""))
	p.want("ACK ")
	inv = p.want("INVITE ")
	if siptest.Header(inv, "Session-Expires") != "3600" || siptest.Header(inv, "Min-SE") != "3600" || siptest.Header(inv, "CSeq") != "2 INVITE" {
		t.Errorf("%s", inv)
	}
	l.Hangup(t.Context(), call.CauseNormal)
	p.send(answerTo(inv, "486 Busy Here", "", ""))
	p.want("ACK ")
	r.gone()
}

// TestEdgeCallsEdge runs two edges against each other, with audio both ways.
func TestEdgeCallsEdge(t *testing.T) {
	a, b := newRig(t), newRig(t)
	at := b.edge.Addr("UDP")
	for _, transport := range []string{"udp", "tcp"} {
		_, trunk := a.callee(func(s *TrunkSettings) { s.Port, s.Transport = int(at.Port()), transport })
		l := a.dial(trunk, func(d *call.Dial) { d.To = "4000" })
		far := b.leg()
		if far.Info().Caller.Number != "+861088889999" {
			t.Errorf("caller %+v", far.Info().Caller)
		}
		far.Progress(t.Context(), false)
		l.next(t, call.Ringing)
		if err := far.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.next(t, call.Answered)
		far.next(t, call.Answered)
		if err := l.Audio().SendDigits(t.Context(), "5#", 60*time.Millisecond, 60*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		for _, k := range "5#" {
			if e := far.next(t, call.DigitPressed); rune(e.Digit) != k {
				t.Errorf("digit %c", e.Digit)
			}
		}
		l.Hangup(t.Context(), call.CauseNormal)
		far.next(t, call.Ended)
		l.next(t, call.Ended)
		a.gone()
		b.gone()
	}
}

func TestCleanHeaderLeavesNoLineEnd(t *testing.T) {
	if s := header.Clean("a\r\nb\x00c"); strings.ContainsAny(s, "\r\n\x00") {
		t.Errorf("%q", s)
	}
}
