package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"hotline/call"
	"hotline/trunks/siptest"
)

// TestAudioGoesOnlyWhereItMay is abuse case 20.
func TestAudioGoesOnlyWhereItMay(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	l := r.established(p, testOffer(""), "")
	public, loopback := netip.MustParseAddr("203.0.113.5"), loop
	for _, c := range []struct {
		from     netip.Addr
		sdp      string
		to       string
		latching bool
	}{
		{public, "203.0.113.5:4000", "203.0.113.5:4000", false},
		{public, "198.51.100.7:4000", "198.51.100.7:4000", false}, // a media gateway elsewhere
		{public, "192.168.1.5:4000", "", true},
		{public, "10.0.0.1:4000", "", true},
		{public, "127.0.0.1:4000", "", false},
		{public, "169.254.169.254:80", "", false},
		{public, "0.0.0.0:4000", "", false},
		{public, "255.255.255.255:4000", "", false},
		{public, "224.0.0.1:4000", "", false},
		{public, "203.0.113.5:0", "", false},
		{loopback, l.Audio().Local().String(), "", false},
		{loopback, "127.0.0.1:4000", "127.0.0.1:4000", false},
	} {
		l.dlg.peer = netip.AddrPortFrom(c.from, 5060)
		to, latch := l.believe(netip.MustParseAddrPort(c.sdp))
		if c.to == "" && to.IsValid() || c.to != "" && to.String() != c.to || latch != c.latching {
			t.Errorf("%s says %s: audio to %v, latching %t", c.from, c.sdp, to, latch)
		}
	}
	l.dlg.peer = addrPortOf(p.local)
	l.Hangup(t.Context(), call.CauseNormal)
	p.send(okTo(p.want("BYE ")))
}

func TestHostileOffersAreRefused(t *testing.T) {
	r := newRig(t)
	for name, body := range map[string]string{
		"10,000 m-lines": testOffer("") + strings.Repeat("m=audio 1 RTP/AVP 0\r\n", 2500), "port 0": testOfferFrom("127.0.0.1", 0, ""), "text": "x",
	} {
		p := r.phone("127.0.0.1")
		p.t = t
		p.send(p.request("INVITE", "a", "", body))
		if m := p.want("SIP/2.0 488"); m == "" {
			t.Error(name)
		}
		p.send(p.request("ACK", "a", "", ""))
	}
	r.gone()
}

// TestFloodOfHalfOpenCalls is abuse case 14: memory is bounded, and another source is still answered.
func TestFloodOfHalfOpenCalls(t *testing.T) {
	const room = 200
	r := newRig(t, func(c *Config) { c.MaxCalls = room })
	flood := r.phone("127.0.0.1")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 20_000 {
		flood.callID = fmt.Sprintf("flood-%d", i)
		flood.send(flood.request("INVITE", fmt.Sprintf("f%d", i), "", testOffer("")))
		if i%50 == 0 {
			for flood.recv(100*time.Microsecond) != "" {
			}
		}
	}
	s := r.edge.Stats()
	if s.Legs > room*3/4 || s.HalfOpen > room {
		t.Errorf("%+v", s)
	}
	if s.Refused < 1000 {
		t.Errorf("only %d refused", s.Refused)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	other := r.phone("127.3.0.1")
	r.legOf(other, "alaw", other.request("INVITE", "i", "", testOffer(""))).Hangup(t.Context(), call.CauseBusy)
	other.want("SIP/2.0 486")
	for _, l := range r.edge.legs.all() {
		l.Hangup(t.Context(), call.CauseBusy)
	}
	r.edge.legs.expire(time.Now().Add(time.Minute))
	r.gone()
}

func TestOversizedAndHalfMessages(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	big := p.request("OPTIONS", "big", "X-Big: "+strings.Repeat("y", 60000)+"\r\n", "")
	p.send(big)
	p.want("SIP/2.0 400")
	p.send(p.request("OPTIONS", "many", strings.Repeat("X: y\r\n", 9000), ""))
	p.want("SIP/2.0 400")
	for _, junk := range []string{"", "\x00\x00\x00", "\r\n\r\n", "INVITE", strings.Repeat("\xff", 65000)} {
		p.udp.Write([]byte(junk))
	}
	for range 20 { // half a message each, and then nothing
		c, err := net.Dial("tcp", r.edge.Addr("TCP").String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "OPTIONS sip:a@b SIP/2.0\r\nVia:")
	}
	c, err := net.Dial("tcp", r.edge.Addr("TCP").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 { // a message in small pieces, and two in one
		p.tcp, p.local, p.in = c, c.LocalAddr().String(), nil
		p.cseq++
		m := p.request("OPTIONS", newTag(), "", "")
		p.cseq++
		next := p.request("OPTIONS", newTag(), "", "") // a request of its own: a repeated one may be absorbed (RFC 3261, section 17.2.2)
		p.send("\r\n\r\n" + m[:30])
		p.send(m[30:200])
		p.send(m[200:] + next)
		p.want("\r\nSIP/2.0 200")
		p.want("SIP/2.0 200")
	}
}

// TestNothingLeftOver makes many calls that end in all ways, and counts goroutines.
func TestNothingLeftOver(t *testing.T) {
	r := newRig(t)
	settle := func() int {
		n := runtime.NumGoroutine()
		for range 200 {
			time.Sleep(10 * time.Millisecond)
			if m := runtime.NumGoroutine(); m >= n {
				return m
			} else {
				n = m
			}
		}
		return n
	}
	before := settle()
	go manyCalls(t.Context(), r)
	for i := range 400 {
		p := r.phone("127.0.0.1")
		branch := fmt.Sprintf("m%d", i)
		p.send(p.request("INVITE", branch, "", testOffer("")))
		m := p.recv(20 * time.Millisecond)
		for strings.HasPrefix(m, "SIP/2.0 1") {
			m = p.recv(20 * time.Millisecond)
		}
		if m == "" { // rings for ever, or is slow: then the 200 may win
			p.send(p.request("CANCEL", branch, "", ""))
			for m == "" || strings.HasPrefix(m, "SIP/2.0 1") || strings.HasSuffix(siptest.Header(m, "CSeq"), "CANCEL") {
				if m = p.recv(5 * time.Second); m == "" {
					t.Fatal("no final response")
				}
			}
		}
		p.to = siptest.Header(m, "To")
		if !strings.HasPrefix(m, "SIP/2.0 200") {
			p.send(p.request("ACK", branch, "", ""))
			continue
		}
		p.send(p.request("ACK", "n"+branch, "", ""))
		p.cseq++
		p.send(p.request("BYE", "o"+branch, "", ""))
		for !strings.HasSuffix(siptest.Header(p.want("SIP/2.0 200"), "CSeq"), "BYE") {
		}
	}
	r.gone()
	deadline := time.Now().Add(12 * time.Second) // sipgo keeps a goroutine for each refused INVITE until timer I: 5 s
	for runtime.NumGoroutine() > before+5 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+5 {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines before, %d after\n%s", before, n, buf[:runtime.Stack(buf, true)])
	}
}

// manyCalls is the call's side: it rejects, answers, or waits.
func manyCalls(ctx context.Context, r *rig) {
	for i := 0; ; i++ {
		select {
		case l := <-r.legs:
			switch i % 4 {
			case 0:
				l.Hangup(ctx, call.CauseBusy)
			case 1, 2:
				go l.Answer(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}
