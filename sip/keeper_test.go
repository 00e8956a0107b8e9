package sip

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/call"
	"hotline/trunks"
	"hotline/trunks/digest"
)

// provider is a registrar and peer on a socket of its own: it answers each request as the test says.
type provider struct {
	t      *testing.T
	conn   net.PacketConn
	digest *digest.Server

	mu   sync.Mutex
	seen []*sipmsg.Request
	came chan *sipmsg.Request
}

// newProvider listens on ip; answer makes the response to a request, nil for silence.
func newProvider(t *testing.T, ip string, answer func(p *provider, req *sipmsg.Request) *sipmsg.Response) *provider {
	t.Helper()
	conn, err := net.ListenPacket("udp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, conn: conn, came: make(chan *sipmsg.Request, 1024)}
	p.digest = digest.NewServer(digest.Config{Realm: "provider", Password: func(u string) (string, bool) { return "secret", u == "acct" }})
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			msg, err := sipmsg.ParseMessage(append([]byte(nil), buf[:n]...))
			req, ok := msg.(*sipmsg.Request)
			if err != nil || !ok {
				continue
			}
			req.SetSource(from.String())
			p.mu.Lock()
			p.seen = append(p.seen, req)
			p.mu.Unlock()
			p.came <- req
			if res := answer(p, req); res != nil {
				_, _ = conn.WriteTo([]byte(res.String()), from)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); wg.Wait() })
	return p
}

func (p *provider) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// await waits for a request that matches.
func (p *provider) await(what string, matches func(*sipmsg.Request) bool) *sipmsg.Request {
	p.t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		select {
		case req := <-p.came:
			if matches(req) {
				return req
			}
		case <-deadline:
			p.t.Fatalf("no %s came", what)
		}
	}
}

// login returns the 401 that a request without good credentials gets, or nil.
func (p *provider) login(req *sipmsg.Request) *sipmsg.Response {
	var given []string
	for _, h := range req.GetHeaders("Authorization") {
		given = append(given, h.Value())
	}
	source := netip.MustParseAddrPort(req.Source()).Addr()
	if _, o := p.digest.Verify(given, req.Method.String(), source); o == digest.OK {
		return nil
	} else if o == digest.Bad {
		return sipmsg.NewResponseFromRequest(req, 403, "Forbidden", nil)
	}
	res := sipmsg.NewResponseFromRequest(req, 401, "Unauthorized", nil)
	for _, c := range p.digest.Challenge(source, false) {
		res.AppendHeader(sipmsg.NewHeader("WWW-Authenticate", c))
	}
	return res
}

func textOf(req *sipmsg.Request, name string) string {
	if h := req.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}

func (r *rig) trunk(s TrunkSettings) Trunk {
	r.t.Helper()
	t, err := r.dir.CreateTrunk(r.t.Context(), Trunk{Name: "trunk " + newTag(), Enabled: true, Settings: s})
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

func (r *rig) state(id string) TrunkState {
	for _, s := range r.edge.TrunkStates() {
		if s.TrunkID == id {
			return s
		}
	}
	return TrunkState{}
}

// becomes waits until a trunk's state is as wanted.
func (r *rig) becomes(id, what string, ok func(TrunkState) bool) TrunkState {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s := r.state(id)
		if ok(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("the trunk did not become %s: %+v", what, s)
		}
	}
}

func TestRegistration(t *testing.T) {
	r := newRig(t)
	p := newProvider(t, "127.9.0.1", func(p *provider, req *sipmsg.Request) *sipmsg.Response {
		if res := p.login(req); res != nil {
			return res
		}
		expires, _ := strconv.Atoi(textOf(req, "Expires"))
		if expires != 0 && expires < 90 {
			res := sipmsg.NewResponseFromRequest(req, 423, "Interval Too Brief", nil)
			res.AppendHeader(sipmsg.NewHeader("Min-Expires", "90"))
			return res
		}
		res := sipmsg.NewResponseFromRequest(req, 200, "OK", nil)
		if expires > 0 { // granted: two seconds, by our contact's own parameter, beside somebody else's
			res.AppendHeader(sipmsg.NewHeader("Contact", "<sip:other@192.0.2.1>;expires=3600, "+textOf(req, "Contact")+";expires=2"))
			res.AppendHeader(sipmsg.NewHeader("Service-Route", "<sip:edge.provider;lr>, <sip:core.provider;lr>"))
		}
		return res
	})
	tr := r.trunk(TrunkSettings{Register: &Register{Registrar: p.addr().String(), Username: "acct", Password: "secret", ExpiresS: 60}})
	r.becomes(tr.ID, "registered", func(s TrunkState) bool { return s.Registered && s.Status == trunks.StatusUp && s.LastError == "" })
	if got := r.edge.keeper.Routes(tr.ID); len(got) != 2 || got[0] != "<sip:edge.provider;lr>" {
		t.Errorf("Service-Route %q", got)
	}
	first := p.await("REGISTER with credentials", func(q *sipmsg.Request) bool {
		return textOf(q, "Expires") == "90" && q.GetHeader("Authorization") != nil
	})
	if a := textOf(first, "Authorization"); !strings.Contains(a, "SHA-256") || strings.Contains(a, "secret") {
		t.Errorf("Authorization %s", a)
	}
	if c := textOf(first, "Contact"); !strings.Contains(c, trunks.ContactToken(&tr)) || strings.Contains(c, "0.0.0.0") {
		t.Errorf("Contact %s", c)
	}
	again := p.await("refresh", func(q *sipmsg.Request) bool { return q.CSeq().SeqNo > first.CSeq().SeqNo })
	if again.CallID().Value() != first.CallID().Value() {
		t.Error("a refresh has the Call-ID of the first (RFC 3261, section 10.2.4)")
	}
	// A call that comes by the registration: the Request-URI is our contact, To has the number.
	phone := r.phone("127.9.0.1")
	phone.target = "sip:" + trunks.ContactToken(&tr) + "@" + r.edge.Addr("UDP").String()
	phone.send(phone.request("INVITE", "reg", "", testOffer("")))
	if l := r.leg(); l.Info().TrunkID != tr.ID || l.Info().Dialled != "4000" {
		t.Errorf("leg %+v", l.Info())
	} else if err := l.Hangup(t.Context(), call.CauseBusy); err != nil {
		t.Error(err)
	}
	phone.want("SIP/2.0 486")
	phone.send(phone.request("ACK", "reg", "", ""))
	// Switched off, the registration is taken back.
	tr.Enabled = false
	if _, err := r.dir.UpdateTrunk(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	p.await("REGISTER with Expires: 0", func(q *sipmsg.Request) bool { return textOf(q, "Expires") == "0" })
	r.becomes(tr.ID, "disabled", func(s TrunkState) bool { return s.Status == trunks.StatusDisabled && !s.Registered })
}

// A wrong password is said, and the registrar is not hammered.
func TestRegistrationRefused(t *testing.T) {
	r := newRig(t)
	p := newProvider(t, "127.9.0.2", func(p *provider, req *sipmsg.Request) *sipmsg.Response { return p.login(req) })
	tr := r.trunk(TrunkSettings{Register: &Register{Registrar: p.addr().String(), Username: "acct", Password: "wrong"}})
	s := r.becomes(tr.ID, "down", func(s TrunkState) bool { return s.Status == trunks.StatusDown })
	if !strings.Contains(s.LastError, "403") || !strings.Contains(s.LastError, "password") || s.LastErrorCode != "trunk.login_refused" {
		t.Errorf("last error %q", s.LastError)
	}
	p.mu.Lock()
	n := len(p.seen)
	p.mu.Unlock()
	if n != 2 {
		t.Errorf("%d requests in the first moment, want the question and the answer", n)
	}
	// The right password mends it at once, not after the back-off.
	tr.Settings.Register.Password = "secret"
	if _, err := r.dir.UpdateTrunk(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	p.await("REGISTER with the right password", func(q *sipmsg.Request) bool { return q.GetHeader("Authorization") != nil })
}

func TestKeepAlive(t *testing.T) {
	r := newRig(t)
	status := make(chan int, 100)
	var mu sync.Mutex
	now := 200
	p := newProvider(t, "127.9.0.3", func(_ *provider, req *sipmsg.Request) *sipmsg.Response {
		mu.Lock()
		defer mu.Unlock()
		status <- now
		return sipmsg.NewResponseFromRequest(req, now, "", nil)
	})
	a := p.addr()
	tr := r.trunk(TrunkSettings{Host: a.Addr().String(), Port: int(a.Port()), OptionsIntervalS: 5})
	s := r.becomes(tr.ID, "up", func(s TrunkState) bool { return s.Status == trunks.StatusUp })
	if s.RTTMS <= 0 || s.RTTMS > 2000 || s.Registered {
		t.Errorf("%+v", s)
	}
	p.await("OPTIONS", func(q *sipmsg.Request) bool { return q.Method == sipmsg.OPTIONS })
	mu.Lock()
	now = 503
	mu.Unlock()
	s = r.becomes(tr.ID, "down", func(s TrunkState) bool { return s.Status == trunks.StatusDown })
	if s.LastError != "OPTIONS was answered 503" || s.LastErrorCode != "trunk.options_refused" || s.LastErrorDetail != "503" {
		t.Errorf("last error %q", s.LastError)
	}
	mu.Lock()
	now = 404 // alive, if not friendly
	mu.Unlock()
	r.becomes(tr.ID, "up again", func(s TrunkState) bool { return s.Status == trunks.StatusUp && s.LastError == "" })
}

// Abuse case 9: a callee that asks for a password gets none; the trunk's own realm gets it.
func TestForeignChallengeIsNotAnswered(t *testing.T) {
	for _, c := range []struct {
		realm  string
		answer bool
	}{{"evil", false}, {"provider", true}} {
		t.Run(c.realm, func(t *testing.T) {
			r := newRig(t)
			p := newProvider(t, "127.9.0.4", func(p *provider, req *sipmsg.Request) *sipmsg.Response {
				switch {
				case req.IsAck():
					return nil
				case req.IsInvite() && req.GetHeader("Proxy-Authorization") == nil:
					res := sipmsg.NewResponseFromRequest(req, 407, "Proxy Authentication Required", nil)
					res.AppendHeader(sipmsg.NewHeader("Proxy-Authenticate", `Digest realm="`+c.realm+`", nonce="1", algorithm=MD5, qop="auth"`))
					return res
				case req.IsInvite():
					return sipmsg.NewResponseFromRequest(req, 486, "Busy Here", nil)
				}
				return sipmsg.NewResponseFromRequest(req, 200, "OK", nil)
			})
			tr := r.trunk(TrunkSettings{Register: &Register{Registrar: p.addr().String(), Username: "acct", Password: "secret", Realm: "provider"}})
			r.becomes(tr.ID, "registered", func(s TrunkState) bool { return s.Registered })
			box := call.NewMailbox()
			_, err := r.edge.Dial(t.Context(), call.Dial{
				CallID: hotline.NewID(), LegID: hotline.NewID(), TrunkID: tr.ID, To: "+8613800138000", Mailbox: box,
				// Abuse case 16: what came from outside ends no header line of ours.
				From: call.Party{Number: "4000\r\nX-Injected: 1", Display: "a\r\nX-Injected: 2\"\\"},
			})
			if err != nil {
				t.Fatal(err)
			}
			end := nextEvent(t, box, call.Ended)
			answered := false
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, req := range p.seen {
				if strings.Contains(req.String(), "\nX-Injected") {
					t.Errorf("injected:\n%s", req)
				}
				answered = answered || req.IsInvite() && req.GetHeader("Proxy-Authorization") != nil
			}
			if answered != c.answer {
				t.Errorf("answered: %v, want %v (%+v)", answered, c.answer, end.Cause)
			}
			if c.answer && end.Cause.SIP != 486 {
				t.Errorf("ended with %+v, want 486", end.Cause)
			}
		})
	}
}

// One trunk that is flooded leaves room for the others; max_calls is its own limit.
func TestShareOfCalls(t *testing.T) {
	r := newRig(t)
	one := r.trunk(TrunkSettings{MatchAddresses: []string{"127.9.9.1"}})
	few := r.trunk(TrunkSettings{MatchAddresses: []string{"127.9.9.2"}, MaxCalls: 2})
	r.becomes(few.ID, "known", func(s TrunkState) bool { return s.Status == trunks.StatusUnknown && !s.Since.IsZero() })
	count := func(t *Trunk) (n int) {
		for range 200 {
			if r.edge.keeper.Begin(t, 100) {
				n++
			}
		}
		return n
	}
	if n := count(&one); n != 75 {
		t.Errorf("one trunk of several has %d of 100 calls, want 75", n)
	}
	if n := count(&few); n != 2 {
		t.Errorf("a trunk with max_calls 2 has %d", n)
	}
	if s := r.state(few.ID); s.Calls != 2 {
		t.Errorf("state %+v", s)
	}
	r.edge.keeper.End(few.ID)
	if n := count(&few); n != 1 {
		t.Errorf("after one has ended there is room for %d", n)
	}
}
