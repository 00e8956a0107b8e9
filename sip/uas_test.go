package sip

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/media"
	"hotline/trunks/siptest"
)

func TestOfferInTheAnswer(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "", ""))
	l := r.leg()
	done := make(chan error, 1)
	go func() { done <- l.Answer(context.Background()) }()
	m := p.want("SIP/2.0 200")
	if !strings.Contains(bodyOf(m), "m=audio ") || !strings.Contains(bodyOf(m), " 0 8 101") {
		t.Fatalf("no offer in the 200:\n%s", m)
	}
	select {
	case err := <-done:
		t.Fatalf("Answer returned %v before the peer's address is known", err)
	case <-time.After(50 * time.Millisecond):
	}
	p.send(p.request("ACK", "b", "", testOffer("")))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !l.Audio().Configured() {
		t.Error("no media after the ACK")
	}
	l.next(t, call.Answered)
	p.cseq++
	p.send(p.request("BYE", "c", "", ""))
	p.want("SIP/2.0 200")
	l.next(t, call.Ended)
	r.gone()

	p = r.phone("127.0.0.1") // an ACK without an answer ends the call
	p.send(p.request("INVITE", "a", "", ""))
	l = r.leg()
	go func() { done <- l.Answer(context.Background()) }()
	p.want("SIP/2.0 200")
	p.send(p.request("ACK", "b", "", ""))
	if err := <-done; err == nil {
		t.Error("Answer without media succeeded")
	}
	bye := p.want("BYE ")
	p.send(okTo(bye))
	l.next(t, call.Ended)
	r.gone()
}

// okTo is a 200 to a request of the edge.
func okTo(req string) string { return answerTo(req, "200 OK", "", "") }

func answerTo(req, status, extra, body string) string {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	head, _, _ := strings.Cut(req, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Via", "From", "To", "Call-ID", "CSeq", "Record-Route":
			if name == "To" && !strings.Contains(line, "tag=") {
				line += ";tag=peer"
			}
			b.WriteString(line + "\r\n")
		}
	}
	b.WriteString(extra + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	return b.String()
}

func TestEarlyMediaIsTheAnswer(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "", testOffer("")))
	l := r.leg()
	if err := l.Progress(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if m := p.want("SIP/2.0 180"); bodyOf(m) != "" {
		t.Error("180 with a body")
	}
	if l.Audio().Configured() {
		t.Error("media before it was asked for")
	}
	if err := l.Progress(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	early := p.want("SIP/2.0 183")
	if bodyOf(early) == "" || !l.Audio().Configured() {
		t.Fatal("no early media")
	}
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := p.want("SIP/2.0 200"); bodyOf(m) != bodyOf(early) {
		t.Error("the 200 answers differently from the 183 (RFC 3261, 13.2.1)")
	}
	if err := l.Answer(t.Context()); err != nil {
		t.Errorf("answering twice: %v", err)
	}
	p.send(p.request("ACK", "b", "", ""))
	l.next(t, call.Answered)
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Fatal(err)
	}
	bye := p.want("BYE ")
	if got := siptest.Header(bye, "Reason"); got != `Q.850;cause=16;text="normal clearing"` {
		t.Errorf("Reason %q", got)
	}
	p.send(okTo(bye))
	l.next(t, call.Ended)
	for _, err := range []error{l.Answer(t.Context()), l.Progress(t.Context(), false)} {
		if err != call.ErrGone {
			t.Errorf("a command on an ended leg: %v", err)
		}
	}
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Errorf("hanging up twice: %v", err)
	}
	r.gone()
}

func TestCancelAtAnyInstant(t *testing.T) {
	r := newRig(t)
	for i := range 60 {
		p := r.phone("127.0.0.1")
		p.send(p.request("INVITE", "x", "", testOffer("")))
		if i%4 == 0 { // right behind the INVITE
			p.send(p.request("CANCEL", "x", "", ""))
		}
		l := r.leg()
		answered := make(chan error, 1)
		go func() {
			if i%3 > 0 {
				l.Progress(context.Background(), i%2 == 0)
			}
			answered <- l.Answer(context.Background())
		}()
		if i%4 != 0 {
			time.Sleep(time.Duration(rand.IntN(1500)) * time.Microsecond) // any instant
			p.send(p.request("CANCEL", "x", "", ""))
		}
		ok, final := p.finals()
		if !strings.HasPrefix(ok, "SIP/2.0 200") {
			t.Fatalf("CANCEL: %s", ok)
		}
		if siptest.Header(ok, "To") != siptest.Header(final, "To") {
			t.Errorf("To of CANCEL %q and of INVITE %q", siptest.Header(ok, "To"), siptest.Header(final, "To"))
		}
		err := <-answered
		if strings.HasPrefix(final, "SIP/2.0 200") {
			if err != nil {
				t.Errorf("answered with %v", err)
			}
			p.cseq++
			p.send(p.request("BYE", "z", "", ""))
			p.want("SIP/2.0 200")
		} else if !strings.HasPrefix(final, "SIP/2.0 487") || err != call.ErrGone && err != nil {
			t.Errorf("%v, %s", err, final)
		}
		for e := (call.Event{}); e.Kind != call.Ended; {
			var err error
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			e, err = l.box.Next(ctx)
			cancel()
			if err != nil {
				t.Fatal("no end")
			}
		}
		if e, more := l.box.Take(); more {
			t.Errorf("after the end: %+v", e)
		}
	}
	r.gone()
}

// finals waits for the final responses to CANCEL and INVITE, and acknowledges the latter.
func (p *phone) finals() (cancel, invite string) {
	p.t.Helper()
	for cancel == "" || invite == "" {
		m := p.recv(3 * time.Second)
		switch cseq := siptest.Header(m, "CSeq"); {
		case m == "":
			p.t.Fatalf("CANCEL %q, INVITE %q", cancel, invite)
		case strings.HasPrefix(m, "SIP/2.0 1"):
		case cseq == "1 CANCEL":
			cancel = m
		default:
			invite = m
			p.to = siptest.Header(m, "To")
			p.send(p.request("ACK", map[bool]string{true: "y", false: "x"}[strings.HasPrefix(m, "SIP/2.0 200")], "", ""))
		}
	}
	return cancel, invite
}

func TestByeNeedsBothTags(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	l := r.established(p, testOffer(""), "")
	p.cseq++
	right := p.request("BYE", "b1", "Reason: SIP;cause=200, Q.850;cause=31;text=\"x\"\r\n", "")
	p.send(strings.Replace(strings.Replace(right, "z9hG4bKb1", "z9hG4bKb2", 1), "tag="+p.tag, "tag=guess", 1))
	p.want("SIP/2.0 481")
	p.send(strings.Replace(strings.Replace(right, "z9hG4bKb1", "z9hG4bKb3", 1), p.to, "<sip:4000@x>;tag=guess", 1))
	p.want("SIP/2.0 481")
	if _, some := l.box.Take(); some {
		t.Fatal("a guess reached the call")
	}
	p.send(right)
	p.want("SIP/2.0 200")
	if e := l.next(t, call.Ended); e.Cause.Q850 != 31 || e.Cause.By != "peer" {
		t.Errorf("cause %+v", e.Cause)
	}
	p.send(right) // a retransmission
	p.want("SIP/2.0 200")
	r.gone()
}

func shortTimers(t *testing.T) {
	a, b, c := t1, t2, ackLimit
	t1, t2, ackLimit = 20*time.Millisecond, 160*time.Millisecond, 1280*time.Millisecond
	t.Cleanup(func() { t1, t2, ackLimit = a, b, c })
}

// TestNoACK: the 200 comes again at T1, 2 T1, 4 T1 … up to T2, and at 64 T1 the edge gives up with BYE.
func TestNoACK(t *testing.T) {
	shortTimers(t)
	r := newRig(t)
	p := r.phone("127.0.0.1")
	start := time.Now() // before the 200 goes out: a busy machine makes what follows longer only
	p.send(p.request("INVITE", "a", "", testOffer("")))
	l := r.leg()
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	var times []time.Duration
	for {
		m := p.recv(3 * time.Second)
		if strings.HasPrefix(m, "BYE ") {
			p.send(okTo(m))
			break
		}
		if !strings.HasPrefix(m, "SIP/2.0 200") {
			t.Fatalf("%q", m)
		}
		times = append(times, time.Since(start))
	}
	if n := len(times); n < 6 || n > 13 {
		t.Errorf("the 200 was sent %d times: %v", n, times)
	}
	if d := time.Since(start); d < ackLimit*9/10 {
		t.Errorf("gave up after %v", d)
	}
	if e := l.next(t, call.Ended); e.Cause != call.CauseNoACK {
		t.Errorf("%+v", e.Cause)
	}
	r.gone()
}

func TestHangupBeforeACKWaitsForIt(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "", testOffer("")))
	l := r.leg()
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want("SIP/2.0 200")
	l.Hangup(t.Context(), call.CauseNormal)
	l.next(t, call.Ended)
	if m := p.recv(100 * time.Millisecond); m != "" {
		t.Fatalf("before the ACK came %q (RFC 3261, section 15)", m)
	}
	p.send(p.request("ACK", "b", "", ""))
	p.send(okTo(p.want("BYE ")))
	r.gone()
}

func TestRefusals(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxCalls = 4 }) // of which one trunk among several gets three
	p := r.phone("127.0.0.1")
	p.target = strings.Replace(p.target, "4000", "4999", 1)
	p.send(p.request("INVITE", "a", "", testOffer("")))
	p.want("SIP/2.0 404")
	p = r.phone("127.9.9.9") // a stranger
	p.send(p.request("INVITE", "a", "", testOffer("")))
	p.want("SIP/2.0 403")
	p = r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "", testOffer("")))
	l := r.leg()
	l.Hangup(t.Context(), call.CauseBusy)
	if m := p.want("SIP/2.0 486"); !strings.HasPrefix(siptest.Header(m, "Reason"), "Q.850;cause=17") {
		t.Errorf("Reason %q", siptest.Header(m, "Reason"))
	}
	l.next(t, call.Ended)
	for err, code := range map[error]string{
		hotline.Errorf(hotline.Unavailable, "x", "full"): "503", hotline.Errorf(hotline.Denied, "x", "no"): "403",
		hotline.Errorf(hotline.NotFound, "x", "none"): "404", errNoRoom: "500",
	} {
		r.mu.Lock()
		r.refuse = err
		r.mu.Unlock()
		p = r.phone("127.0.0.1")
		p.send(p.request("INVITE", "a", "", testOffer("")))
		if m := p.want("SIP/2.0 " + code); code == "503" && siptest.Header(m, "Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	r.mu.Lock()
	r.refuse = nil
	r.mu.Unlock()
	r.gone()
	var ps []*phone
	for range 3 {
		p := r.phone("127.0.0.1")
		p.send(p.request("INVITE", "a", "", testOffer("")))
		r.leg()
		ps = append(ps, p)
	}
	p = r.phone("127.0.0.1") // the fourth is too many
	p.send(p.request("INVITE", "a", "", testOffer("")))
	p.want("SIP/2.0 503")
	for _, p := range ps {
		p.send(p.request("CANCEL", "a", "", ""))
		p.want("SIP/2.0 487")
	}
	r.gone()
}

func TestNoPortsLeft(t *testing.T) {
	eng, err := media.NewEngine(media.Config{BindIP: loop, PortMin: 39990, PortMax: 39993})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *Config) { c.Engine = eng })
	var held []*caught
	for range 3 {
		p := r.phone("127.0.0.1")
		p.send(p.request("INVITE", "a", "", testOffer("")))
		m := ""
		for !strings.HasPrefix(m, "SIP/2.0 503") && len(r.legs) == 0 {
			if m = p.recv(20 * time.Millisecond); strings.HasPrefix(m, "SIP/2.0 503") && siptest.Header(m, "Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		if len(r.legs) > 0 {
			held = append(held, r.leg())
		} else if len(held) == 0 {
			t.Fatal("the first call was refused")
		}
	}
	if len(held) == 3 {
		t.Error("three calls on two pairs of ports")
	}
	for _, l := range held {
		l.Hangup(t.Context(), call.CauseBusy)
	}
	r.gone()
}

func TestDigitsByInfoInOrder(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	l := r.established(p, testOffer(""), "")
	const keys = "1234567890*#ABCD12345678901234" // media takes no more than 32 at once
	for i, k := range keys {                      // faster than one by one: sipgo hands each up in a goroutine of its own
		p.cseq++
		typ, body := "application/dtmf-relay", "Signal="+string(k)+"\r\nDuration=100\r\n"
		if i%5 == 4 {
			typ, body = "application/dtmf", string(k)
		}
		p.send(p.with("INFO", "i"+strconv.Itoa(i), "Content-Type: "+typ+"\r\n", body))
	}
	for i, k := range keys {
		if e := l.next(t, call.DigitPressed); rune(e.Digit) != k {
			t.Fatalf("digit %d is %c, want %c", i, e.Digit, k)
		}
	}
	for range keys {
		p.want("SIP/2.0 200")
	}
	p.cseq++
	p.send(p.with("INFO", "bad", "Content-Type: application/x-none\r\n", "x"))
	if m := p.want("SIP/2.0 415"); siptest.Header(m, "Accept") == "" {
		t.Error("415 without Accept")
	}
	p.send(p.with("INFO", "bad2", "Content-Type: application/dtmf-relay\r\n", "Signal=77\r\n"))
	p.want("SIP/2.0 400")
	l.Hangup(t.Context(), call.CauseNormal)
	p.send(okTo(p.want("BYE ")))
	r.gone()
}

// TestTelephoneURI: a trunk may dial and name numbers by tel (RFC 3966); a phone-context leads nowhere else (abuse case 3).
func TestTelephoneURI(t *testing.T) {
	r := newRig(t)
	if _, err := r.dir.PutNumber(t.Context(), Number{Number: "+861062551234", Flow: "main", Language: "en"}); err != nil {
		t.Fatal(err)
	}
	if err := r.dir.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]string{
		"tel:4000": "4000", "tel:+86-10-6255-1234": "+861062551234", "tel:+861062551234;phone-context=+86": "+861062551234",
		"tel:4000;phone-context=+86": "4000", "tel:4000;phone-context=pbx.example.com;ext=1": "4000", "TEL:4000": "4000",
		"tel:4000;phone-context=+1900": "", "tel:4000;phone-context=+86;phone-context=+1900": "", "tel:+861062551234;phone-context=+1900": "",
		"tel:4000;phone-context=a@evil.example": "", "tel:4000%3Bphone-context=+1900": "", "tel:+19005551234": "", "tel:": "400", "tel:4000?X=y": "400",
		"sip:4000;phone-context=+1900@127.0.0.1;user=phone": "",
	} {
		p := r.phone("127.0.0.1")
		p.target, p.to = uri, "<"+uri+">"
		if want == "400" {
			p.to = "<tel:4000>"
		}
		named := func(m string) string {
			return strings.Replace(m, "From: <sip:+861012345678@"+p.local+">", "From: <tel:+86-138-0013-8000;phone-context=+86>", 1)
		}
		p.send(named(p.request("INVITE", newTag(), "", testOffer(""))))
		switch want {
		case "":
			p.want("SIP/2.0 404")
			continue
		case "400":
			p.want("SIP/2.0 400")
			continue
		}
		l := r.leg()
		if i := l.Info(); i.Dialled != want || i.Caller.Number != "+8613800138000" {
			t.Errorf("%s: dialled %q, caller %+v", uri, i.Dialled, i.Caller)
		}
		go l.Answer(context.Background())
		p.want("SIP/2.0 200")
		p.send(named(p.request("ACK", newTag(), "", "")))
		l.next(t, call.Answered)
		l.Hangup(t.Context(), call.CauseNormal)
		bye := p.want("BYE sip:phone@") // to the Contact, from the number that was called, to who called
		if !strings.HasPrefix(siptest.Header(bye, "From"), "<"+strings.Replace(uri, "TEL:", "tel:", 1)+">;tag=") || !strings.HasPrefix(siptest.Header(bye, "To"), "<tel:+86-138-0013-8000;phone-context=+86>;tag=") {
			t.Errorf("From %q, To %q", siptest.Header(bye, "From"), siptest.Header(bye, "To"))
		}
		p.send(okTo(bye))
		l.next(t, call.Ended)
	}
	r.gone()
}
