package sip

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline/call"
	"hotline/postgres/pgtest"
	"hotline/trunks/digest"
	"hotline/trunks/siptest"
)

// Abuse case 1: who is no trunk gets 403 whatever he asks for: no leg, no port, and it is counted.
func TestStrangerIsRefused(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.200.0.1")
	for i, method := range []string{"INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "BYE", "NONSENSE"} {
		p.cseq = i + 1
		body := ""
		if method == "INVITE" {
			body = testOffer("")
		}
		p.send(p.request(method, fmt.Sprintf("s%d", i), "", body))
		m := p.recv(2 * time.Second)
		if !strings.HasPrefix(m, "SIP/2.0 403 ") {
			t.Errorf("%s: %.60q, want 403", method, m)
		}
	}
	if s := r.edge.Stats(); s.Legs+s.HalfOpen != 0 || r.eng.Stats().Streams != 0 || r.eng.Stats().PortsInUse != 0 {
		t.Errorf("something is held for a stranger: %+v %+v", s, r.eng.Stats())
	}
	if n := r.edge.Guard().Stats().Refused["stranger"]; n < 6 {
		t.Errorf("%d refusals counted, want 6", n)
	}
	select {
	case l := <-r.legs:
		t.Errorf("a leg was made: %+v", l.Info())
	default:
	}
}

// Abuse case 2: a number that nobody has is 404, for a trunk too.
func TestUnassignedNumber(t *testing.T) {
	r := newRig(t)
	for _, number := range []string{"4001", "40000", "+8613800138000", "0", "anonymous", "..", "%34000%00"} {
		p := r.phone("127.0.0.1")
		p.target = "sip:" + number + "@" + r.edge.Addr("UDP").String()
		p.send(p.request("INVITE", "u"+newTag(), "", testOffer("")))
		if m := p.want("SIP/2.0 4"); !strings.HasPrefix(m, "SIP/2.0 404") {
			t.Errorf("%s: %.60q, want 404", number, m)
		}
		p.send(p.request("ACK", "u", "", ""))
	}
	if n := r.edge.Guard().Stats().Refused["unassigned"]; n != 7 {
		t.Errorf("%d counted, want 7", n)
	}
}

// challengesOf returns the values of the WWW-Authenticate headers of a message.
func challengesOf(msg string) (out []string) {
	for line := range strings.SplitSeq(msg, "\r\n") {
		if v, ok := strings.CutPrefix(line, "WWW-Authenticate: "); ok {
			out = append(out, v)
		}
	}
	return out
}

// A trunk that logs in: challenged, let in, and what it sent is worth nothing to others (abuse 10).
func TestTrunkThatLogsIn(t *testing.T) {
	r := newRig(t)
	tr := r.trunk(TrunkSettings{MatchDigest: &Credentials{Username: "pbx", Password: "secret"}})
	p := r.phone("127.200.0.2")
	p.send(p.request("INVITE", "d1", "", testOffer("")))
	m := p.want("SIP/2.0 401")
	asked := challengesOf(m)
	if len(asked) != 3 || !strings.Contains(asked[0], "SHA-256") {
		t.Fatalf("challenges %q", asked)
	}
	p.to = "<sip:4000@" + r.edge.Addr("UDP").String() + ">"
	auth, err := digest.Answer(asked, digest.Login{Username: "pbx", Password: "secret"}, "INVITE", p.target)
	if err != nil {
		t.Fatal(err)
	}
	p.cseq++
	msg := p.request("INVITE", "d2", "Authorization: "+auth+"\r\n", testOffer(""))
	p.send(msg)
	l := r.leg()
	if l.Info().TrunkID != tr.ID || l.Info().Caller.Verified {
		t.Errorf("leg %+v", l.Info())
	}
	thief := r.phone("127.200.0.3")
	thief.send(strings.ReplaceAll(msg, p.local, thief.local))
	thief.want("SIP/2.0 401")
	p.cseq++
	p.callID += "x"
	p.send(p.request("INVITE", "d3", "Authorization: "+auth+"\r\n", testOffer("")))
	for m = p.recv(2 * time.Second); m != "" && !strings.Contains(m, p.callID); m = p.recv(2 * time.Second) {
	}
	if !strings.HasPrefix(m, "SIP/2.0 401") {
		t.Errorf("the same credentials again: %.60q, want 401", m)
	}
	if err := l.Hangup(t.Context(), call.CauseBusy); err != nil {
		t.Error(err)
	}
}

// Abuse case 7: an existing number or user and one that is not there are refused alike.
func TestNothingCanBeEnumerated(t *testing.T) {
	for _, logins := range []bool{false, true} {
		r := newRig(t)
		if logins {
			r.trunk(TrunkSettings{MatchDigest: &Credentials{Username: "pbx", Password: "secret"}})
		}
		for _, method := range []string{"INVITE", "REGISTER", "OPTIONS"} {
			var got []string
			for _, user := range []string{"4000", "pbx", "nobody"} {
				p := r.phone("127.200." + fmt.Sprint(len(got)) + "." + fmt.Sprint(10+len(method)))
				p.target = "sip:" + user + "@" + r.edge.Addr("UDP").String()
				p.send(p.request(method, "e"+newTag(), "", ""))
				m := p.recv(2 * time.Second)
				line, _, _ := strings.Cut(m, "\r\n")
				var names []string
				for l := range strings.SplitSeq(m, "\r\n") {
					name, _, _ := strings.Cut(l, ":")
					names = append(names, name)
				}
				got = append(got, line+strings.Join(names[1:], ","))
			}
			if got[0] == "" || got[0] != got[1] || got[1] != got[2] {
				t.Errorf("logins %v, %s:\n%s", logins, method, strings.Join(got, "\n"))
			}
		}
	}
}

// Abuse case 12: what is too large, too long or no SIP at all costs nothing that lasts; the next OPTIONS is answered.
func TestMonsters(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	head := "OPTIONS sip:4000@x SIP/2.0\r\nVia: SIP/2.0/UDP " + p.local + ";branch=z9hG4bKm;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: m\r\nCSeq: 1 OPTIONS\r\n"
	monsters := []string{
		head + strings.Repeat("X: y\r\n", 9000) + "\r\n",
		head + "X: " + strings.Repeat("y", 60_000) + "\r\n\r\n",
		head + "Content-Length: -1\r\n\r\n",
		head + "Content-Length: 99999999999999999999\r\n\r\n",
		head + "Content-Type: multipart/mixed;boundary=a\r\nContent-Length: 50000\r\n\r\n" + strings.Repeat("--a\r\nContent-Type: multipart/mixed;boundary=a\r\n\r\n", 1000),
		head[:len(head)/2],
		strings.Repeat("\x00", 60_000),
		strings.Repeat("\xff\xfe", 20_000),
		"INVITE " + strings.Repeat("a", 60_000),
		strings.Repeat("<sip:a@b>,", 6000),
		strings.ReplaceAll(head, "From:", "From: "+strings.Repeat(`"`, 30_000)) + "\r\n",
	}
	round := func() {
		for _, m := range monsters {
			_, _ = p.udp.Write([]byte(m))
		}
	}
	round()
	p.alive(r)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 200 {
		round()
	}
	p.alive(r)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("2,200 monsters left %d MB", grown>>20)
	}
	if n := r.edge.Guard().Stats().Refused["malformed"]; n == 0 {
		t.Error("nobody has counted them")
	}
	if s := r.edge.Stats(); s.Legs+s.HalfOpen != 0 {
		t.Errorf("held: %+v", s)
	}
}

// alive asks until the edge answers; what it says to earlier messages is passed over.
func (p *phone) alive(r *rig) {
	p.t.Helper()
	id := "alive-" + newTag()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		p.callID = id
		p.send(p.request("OPTIONS", newTag(), "", ""))
		for m := p.recv(300 * time.Millisecond); m != ""; m = p.recv(300 * time.Millisecond) {
			if strings.HasPrefix(m, "SIP/2.0 200") && strings.Contains(m, id) {
				return
			}
		}
	}
	p.t.Fatalf("the edge does not answer any more: %+v", r.edge.Stats())
}

// Abuse case 13: connections that say nothing, or half a message, are capped for a source and closed in time; others are served.
func TestIdleConnections(t *testing.T) {
	r := newRig(t)
	to := r.edge.Addr("TCP").String()
	open := 0
	var conns []net.Conn
	for i := range 300 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.200.0.9")}, Timeout: time.Second}
		c, err := d.Dial("tcp", to)
		if err != nil {
			continue
		}
		defer c.Close()
		if i%2 == 0 {
			_, _ = c.Write([]byte("INVITE sip:4000@x SIP/2.0\r\nVia: half"))
		}
		conns = append(conns, c)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, c := range conns {
		wg.Go(func() {
			c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				mu.Lock()
				open++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if open > 16 {
		t.Errorf("%d idle connections of one stranger stay open, at most 16 should", open)
	}
	// Somebody else comes in by TCP at once.
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.1")}}).Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := r.phone("127.0.0.1")
	p.tcp, p.local = c, c.LocalAddr().String()
	p.send(p.request("OPTIONS", "tcp", "", ""))
	p.want("SIP/2.0 200")
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for r.edge.Guard().Stats().Connections > 1 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d connections are still held", r.edge.Guard().Stats().Connections)
		}
	}
}

// Abuse case 14: a stranger who floods is not noticed by callers.
func TestFloodOfAStranger(t *testing.T) {
	r := newRig(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	stranger := r.phone("127.200.0.8")
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				for range 10 { // 1,000 a second
					stranger.callID = fmt.Sprint("flood-", i)
					_, _ = stranger.udp.Write([]byte(stranger.request("INVITE", newTag(), "", testOffer(""))))
				}
			}
		}
	})
	for range 20 { // each is waited for with a limit of its own
		p := r.phone("127.3.0.1")
		p.send(p.request("INVITE", newTag(), "", testOffer("")))
		l := r.leg()
		if l.Info().TrunkName != "alaw" {
			t.Fatalf("a stranger's call came in: %+v", l.Info())
		}
		if err := l.Hangup(t.Context(), call.CauseBusy); err != nil {
			t.Fatal(err)
		}
		p.want("SIP/2.0 486")
		p.send(p.request("ACK", "x", "", ""))
	}
	close(stop)
	wg.Wait()
}

// Abuse case 14, from a trunk: half-open calls beyond what there is room for are told 503 with Retry-After, and another trunk's call
// is answered.
func TestFloodOfATrunk(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxCalls = 40 })
	flood := r.phone("127.0.0.1")
	for i := range 200 {
		flood.callID = fmt.Sprint("half-", i)
		flood.send(flood.request("INVITE", newTag(), "", testOffer("")))
	}
	refused := 0
	for m := flood.recv(2 * time.Second); m != "" && refused < 100; m = flood.recv(time.Second) {
		if strings.HasPrefix(m, "SIP/2.0 503") {
			refused++
			if siptest.Header(m, "Retry-After") == "" {
				t.Fatalf("503 without Retry-After:\n%s", m)
			}
		}
	}
	if refused < 100 {
		t.Errorf("%d of 200 half-open calls were refused", refused)
	}
	p := r.phone("127.4.0.1")
	r.legOf(p, "info", p.request("INVITE", newTag(), "", testOffer("")))
	if s := r.edge.Stats(); s.Legs > 40 {
		t.Errorf("%+v", s)
	}
}

// Abuse case 15: who guesses a dialog is told that there is none, and a real call hears nothing of it.
func TestGuessedDialogs(t *testing.T) {
	r := newRig(t)
	real := r.phone("127.0.0.1")
	l := r.established(real, testOffer(""), "")
	guesser := r.phone("127.0.0.1")
	for i, method := range []string{"BYE", "INFO", "INVITE", "UPDATE", "REFER", "NOTIFY", "PRACK"} {
		for j, guess := range []struct{ callID, to string }{
			{real.callID, "<sip:4000@x>;tag=guessed"}, {"guessed", real.to}, {"guessed", "<sip:4000@x>;tag=guessed"},
		} {
			guesser.callID, guesser.to, guesser.cseq = guess.callID, guess.to, 100+i
			extra := ""
			if method == "REFER" {
				extra = "Refer-To: <sip:evil@x>\r\n"
			}
			if method == "PRACK" {
				extra = "RAck: 1 1 INVITE\r\n"
			}
			guesser.send(guesser.request(method, fmt.Sprintf("g%d-%d", i, j), extra, ""))
			if m := guesser.recv(2 * time.Second); !strings.HasPrefix(m, "SIP/2.0 481") {
				t.Errorf("%s %d: %.60q, want 481", method, j, m)
			}
		}
	}
	guesser.callID, guesser.to, guesser.cseq = real.callID, "<sip:4000@x>", 1
	guesser.send(guesser.request("CANCEL", "guess", "", ""))
	if m := guesser.recv(2 * time.Second); !strings.HasPrefix(m, "SIP/2.0 481") {
		t.Errorf("CANCEL: %.60q, want 481", m)
	}
	if e, ok := l.box.Take(); ok {
		t.Errorf("the real call heard of it: %+v", e)
	}
	real.cseq++
	real.send(real.request("BYE", "end", "", ""))
	real.want("SIP/2.0 200")
	l.next(t, call.Ended)
}

// Every message of a call is kept with it, in order and without the password.
func TestTraceOfACall(t *testing.T) {
	pool := pgtest.New(t)
	tr := NewTrace(TraceConfig{Pool: pool})
	r := newRig(t, func(c *Config) { c.Trace = tr })
	r.trunk(TrunkSettings{MatchDigest: &Credentials{Username: "pbx", Password: "secret"}})
	p := r.phone("127.200.0.7")
	p.send(p.request("INVITE", "t1", "", testOffer("")))
	m := p.want("SIP/2.0 401")
	p.to = "<sip:4000@" + r.edge.Addr("UDP").String() + ">"
	auth, err := digest.Answer(challengesOf(m), digest.Login{Username: "pbx", Password: "secret"}, "INVITE", p.target)
	if err != nil {
		t.Fatal(err)
	}
	p.cseq++
	l := r.established(p, testOffer(""), "Authorization: "+auth+"\r\n")
	p.cseq++
	p.send(p.request("BYE", "t2", "", ""))
	p.want("SIP/2.0 200")
	l.next(t, call.Ended)
	r.gone()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := tr.Messages(t.Context(), pool, l.Info().CallID)
	if err != nil {
		t.Fatal(err)
	}
	var ladder []string
	for _, m := range got {
		arrow := "<-"
		if m.Sent {
			arrow = "->"
		}
		word, rest, _ := strings.Cut(m.Summary, " ")
		if strings.HasPrefix(word, "SIP/") {
			word = rest
		}
		ladder = append(ladder, arrow+word)
		if strings.Contains(m.Body, "response=") || m.Transport == "" || m.Local == "" || m.Remote == "" {
			t.Errorf("kept: %+v", m)
		}
	}
	text := strings.Join(ladder, " ")
	for _, want := range []string{"<-INVITE", "->200 OK", "<-ACK", "<-BYE"} {
		i := strings.Index(text, want)
		if i < 0 {
			t.Fatalf("ladder %s lacks %s", text, want)
		}
		text = text[i+len(want):]
	}
	if !strings.Contains(text, "->200 OK") {
		t.Errorf("ladder %v lacks the answer to BYE", ladder)
	}
}
