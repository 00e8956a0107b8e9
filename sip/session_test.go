package sip

import (
	"context"
	"strings"
	"testing"
	"time"

	"hotline/call"
	"hotline/trunks/siptest"
)

// TestHoldTable is RFC 3264, sections 6.1 and 8.4, by re-INVITE and by UPDATE.
func TestHoldTable(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	l := r.established(p, testOffer(""), "")
	held := false
	for i, c := range []struct {
		offer, answer string
		held          bool
	}{
		{"sendonly", "recvonly", true}, {"sendrecv", "sendrecv", false}, {"inactive", "inactive", true}, {"recvonly", "sendonly", false},
		{"sendonly", "recvonly", true}, {"inactive", "inactive", true}, {"", "sendrecv", false}, {"0.0.0.0", "recvonly", true}, {"sendrecv", "sendrecv", false},
	} {
		for _, method := range []string{"INVITE", "UPDATE"} {
			offer := testOffer(c.offer)
			if c.offer == "0.0.0.0" { // the hold of RFC 2543
				offer = testOfferFrom("0.0.0.0", offerPort, "")
			}
			p.cseq++
			branch := method + newTag()
			p.send(p.request(method, branch, "", offer))
			m := p.want("SIP/2.0 200")
			if !strings.Contains(bodyOf(m), "a="+c.answer+"\r\n") {
				t.Errorf("%d %s %q: answered\n%s", i, method, c.offer, bodyOf(m))
			}
			if method == "INVITE" {
				p.send(p.request("ACK", "a"+branch, "", ""))
			}
			if c.held != held {
				held = c.held
				kind := call.Resumed
				if held {
					kind = call.Held
				}
				l.next(t, kind)
			}
			if e, more := l.box.Take(); more {
				t.Errorf("%d %s: %+v", i, method, e)
			}
		}
	}
	// what cannot be agreed changes nothing
	p.cseq++
	p.send(p.request("UPDATE", "bad", "", strings.Replace(testOffer("sendonly"), "RTP/AVP 8 0 101", "RTP/AVP 9", 1)))
	p.want("SIP/2.0 488")
	if _, more := l.box.Take(); more {
		t.Error("a refused offer held the call")
	}
	// a re-INVITE without an offer is answered by one
	p.cseq++
	p.send(p.request("INVITE", "no", "", ""))
	m := p.want("SIP/2.0 200")
	if !strings.Contains(bodyOf(m), "m=audio") {
		t.Error("no offer")
	}
	p.send(p.request("ACK", "noa", "", testOffer("")))
}

func TestGlare(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "", testOffer("")))
	l := r.leg()
	l.Progress(t.Context(), false)
	p.want("SIP/2.0 180")
	p.cseq++
	p.send(p.request("INVITE", "b", "", testOffer(""))) // before the final response: RFC 3261, 14.2
	if m := p.want("SIP/2.0 500"); siptest.Header(m, "Retry-After") == "" {
		t.Error("no Retry-After")
	}
	p.send(p.request("ACK", "b", "", ""))
	p.cseq = 1
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want("SIP/2.0 200")
	p.cseq = 3
	p.send(p.request("INVITE", "c", "", testOffer(""))) // before the ACK
	p.want("SIP/2.0 491")
	p.send(p.request("ACK", "c", "", ""))
	p.cseq = 1
	p.send(p.request("ACK", "d", "", ""))
	l.next(t, call.Answered)
	p.cseq = 4
	p.send(p.request("INVITE", "e", "", testOffer("")))
	p.want("SIP/2.0 200")
	p.send(p.request("ACK", "f", "", ""))
	p.cseq = 2
	p.send(p.request("INFO", "g", "", "")) // an old number
	p.want("SIP/2.0 500")
	l.Hangup(t.Context(), call.CauseNormal)
	p.send(okTo(p.want("BYE ")))
	r.gone()
}

// fastSeconds makes the seconds of session timers d long.
func fastSeconds(t *testing.T, d time.Duration) {
	old := second
	second = d
	t.Cleanup(func() { second = old })
}

func TestSessionTimerOfTheCaller(t *testing.T) {
	fastSeconds(t, 40*time.Millisecond)
	r := newRig(t)
	p := r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "Supported: timer\r\nSession-Expires: 90\r\n", testOffer("")))
	l := r.leg()
	go l.Answer(context.Background())
	m := p.want("SIP/2.0 200")
	if siptest.Header(m, "Session-Expires") != "90;refresher=uac" || siptest.Header(m, "Require") != "timer" {
		t.Errorf("Session-Expires %q, Require %q", siptest.Header(m, "Session-Expires"), siptest.Header(m, "Require"))
	}
	p.send(p.request("ACK", "b", "", ""))
	l.next(t, call.Answered)
	if m := p.recv(300 * time.Millisecond); m != "" { // an eighth of the 60 seconds after which the call expires
		t.Fatalf("not expired yet: %s", m)
	}
	p.cseq++
	refreshed := time.Now()
	p.send(p.request("UPDATE", "u", "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", ""))
	p.want("SIP/2.0 200")
	bye := p.want("BYE ") // the caller has fallen silent
	p.send(okTo(bye))
	// However slow the machine is, the time runs from the refresh on, not from the answer.
	if d := time.Since(refreshed); d < 60*second {
		t.Errorf("expired %v after the refresh, want %v", d, 60*second)
	}
	if e := l.next(t, call.Ended); e.Cause != call.CauseExpired {
		t.Errorf("%+v", e.Cause)
	}
	r.gone()
}

func TestSessionTimerOfOurs(t *testing.T) {
	fastSeconds(t, 40*time.Millisecond)
	r := newRig(t)
	for _, c := range []struct{ allow, method string }{{"Allow: INVITE, UPDATE\r\n", "UPDATE "}, {"Allow: INVITE, BYE\r\n", "INVITE "}} {
		p := r.phone("127.0.0.1")
		l := r.established(p, testOffer(""), "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n"+c.allow)
		for i := range 2 {
			m := p.want(c.method)
			if siptest.Header(m, "Session-Expires") != "90;refresher=uac" {
				t.Errorf("Session-Expires %q", siptest.Header(m, "Session-Expires"))
			}
			body, extra := "", "Supported: timer\r\nRequire: timer\r\nSession-Expires: 90;refresher=uac\r\nContact: <sip:phone@"+p.local+">\r\n"
			if c.method == "INVITE " {
				if i == 0 { // glare: it comes again
					p.send(answerTo(m, "491 Request Pending", "", ""))
					p.want("ACK ")
					continue
				}
				if !strings.Contains(bodyOf(m), "m=audio") {
					t.Fatal("re-INVITE without an offer")
				}
				body = testOffer("")
				extra += "Content-Type: application/sdp\r\n"
			}
			p.send(answerTo(m, "200 OK", extra, body))
			if c.method == "INVITE " {
				p.want("ACK ")
			}
		}
		m := p.want(c.method)
		p.send(answerTo(m, "481 Call Leg Does Not Exist", "", "")) // the peer has restarted
		p.send(okTo(p.want("BYE ")))
		if e := l.next(t, call.Ended); e.Cause != call.CauseExpired {
			t.Errorf("%+v", e.Cause)
		}
	}
	r.gone()
}

func TestReliableProvisional(t *testing.T) {
	shortTimers(t)
	r := newRig(t)
	p := r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "Require: 100rel\r\n", testOffer("")))
	l := r.leg()
	if err := l.Progress(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	first := p.want("SIP/2.0 180")
	if siptest.Header(first, "Require") != "100rel" || siptest.Header(first, "RSeq") == "" {
		t.Fatalf("not reliable:\n%s", first)
	}
	if again := p.want("SIP/2.0 180"); siptest.Header(again, "RSeq") != siptest.Header(first, "RSeq") {
		t.Error("not the same again")
	}
	l.Progress(t.Context(), true) // waits for its turn
	answered := make(chan error, 1)
	p.cseq++
	p.send(p.with("PRACK", "p0", "RAck: 1 1 INVITE\r\n", ""))
	p.want("SIP/2.0 481")
	p.cseq++
	p.send(p.with("PRACK", "p1", "RAck: "+siptest.Header(first, "RSeq")+" 1 INVITE\r\n", ""))
	p.want("SIP/2.0 200")
	early := p.want("SIP/2.0 183")
	go func() { answered <- l.Answer(context.Background()) }()
	for range 3 {
		if m := p.recv(time.Second); strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatal("the 200 did not wait for the PRACK of our answer (RFC 3262, section 3)")
		}
	}
	p.cseq++
	p.send(p.with("PRACK", "p2", "RAck: "+siptest.Header(early, "RSeq")+" 1 INVITE\r\n", ""))
	for m := p.want("SIP/2.0 200"); !strings.Contains(siptest.Header(m, "CSeq"), "INVITE"); m = p.want("SIP/2.0 200") {
	}
	p.cseq = 1
	p.send(p.request("ACK", "b", "", ""))
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	l.next(t, call.Answered)
	p.cseq = 5
	p.send(p.request("BYE", "c", "", ""))
	p.want("SIP/2.0 200")
	r.gone()

	p = r.phone("127.0.0.1") // nobody acknowledges
	p.send(p.request("INVITE", "a", "Require: 100rel\r\n", ""))
	l = r.leg()
	l.Progress(t.Context(), false)
	if m := p.want("SIP/2.0 180"); !strings.Contains(bodyOf(m), "m=audio") {
		t.Error("the first reliable response to an INVITE without an offer must bring one")
	}
	p.want("SIP/2.0 504")
	l.next(t, call.Ended)
	r.gone()
}

func TestReferBothWays(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	l := r.established(p, testOffer(""), "")
	result := make(chan error, 1)
	go func() { result <- l.Refer(context.Background(), "sip:5000@example.com") }()
	m := p.want("REFER ")
	if siptest.Header(m, "Refer-To") != "<sip:5000@example.com>" || siptest.Header(m, "Referred-By") == "" {
		t.Fatalf("%s", m)
	}
	p.send(answerTo(m, "202 Accepted", "", ""))
	for i, line := range []string{"SIP/2.0 100 Trying", "SIP/2.0 200 OK"} {
		p.cseq++
		p.send(p.with("NOTIFY", "n"+string(rune('0'+i)), "Event: refer\r\nSubscription-State: active\r\nContent-Type: message/sipfrag\r\n", line))
		p.want("SIP/2.0 200")
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	go func() { result <- l.Refer(context.Background(), "sip:5000@example.com") }()
	p.send(answerTo(p.want("REFER "), "603 Decline", "", ""))
	if err := <-result; err == nil {
		t.Error("a declined transfer succeeded")
	}
	for _, bad := range []string{"sip:a@b\r\nX: y", "", "nonsense"} {
		if err := l.Refer(t.Context(), bad); err == nil {
			t.Errorf("target %q was taken", bad)
		}
	}
	p.cseq++
	p.send(p.with("REFER", "r1", "Refer-To: <sip:6000@example.com>\r\n", ""))
	p.want("SIP/2.0 202")
	if m := p.want("NOTIFY "); !strings.HasPrefix(bodyOf(m), "SIP/2.0 100") {
		t.Errorf("%s", m)
	} else {
		p.send(okTo(m))
	}
	if e := l.next(t, call.TransferAsked); e.Target != "sip:6000@example.com" {
		t.Errorf("%+v", e)
	}
	if err := l.ReportTransfer(t.Context(), 486, "Busy\r\nEvil: yes"); err != nil {
		t.Fatal(err)
	}
	m = p.want("NOTIFY ")
	if !strings.HasPrefix(bodyOf(m), "SIP/2.0 486 Busy") || strings.Count(bodyOf(m), "\r\n") != 1 || !strings.HasPrefix(siptest.Header(m, "Subscription-State"), "terminated") {
		t.Errorf("%s", m)
	}
	p.send(okTo(m))
	p.cseq++
	p.send(p.request("BYE", "bye", "", ""))
	p.want("SIP/2.0 200")
	l.next(t, call.Ended)
	r.gone()
}
