package digest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hotline"
)

var home, elsewhere = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")

type clock struct{ now time.Time }

func server(t *testing.T) (*Server, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	return NewServer(Config{Realm: "hotline", Now: func() time.Time { return c.now }, Password: func(u string) (string, bool) {
		if u == "pbx" {
			return "correct horse", true
		}
		return "", false
	}}), c
}

func login(t *testing.T, s *Server, from netip.Addr, user, password string) (string, string) {
	t.Helper()
	h, err := Answer(s.Challenge(from, false), Login{Username: user, Password: password}, "INVITE", "sip:4000@hotline")
	if err != nil {
		t.Fatal(err)
	}
	return h, nonceOf(h)
}

func nonceOf(h string) string {
	c, _ := parseCredentials(h)
	return c.nonce
}

func TestRFC7616Example(t *testing.T) {
	// RFC 7616, section 3.9.1.
	c := credentials{
		username: "Mufasa", realm: "http-auth@example.org", uri: "/dir/index.html", nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
		nc: "00000001", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop: "auth",
	}
	for name, want := range map[string]string{
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		a, _ := algorithmNamed(name)
		if got := a.response(c, "Circle of Life", "GET"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestLogin(t *testing.T) {
	s, _ := server(t)
	for _, algorithm := range []string{"SHA-256", "SHA-512-256", "MD5"} {
		var one []string
		for _, c := range s.Challenge(home, false) {
			if strings.Contains(c, "algorithm="+algorithm+",") {
				one = append(one, c)
			}
		}
		h, err := Answer(one, Login{Username: "pbx", Password: "correct horse"}, "INVITE", "sip:x")
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if user, o := s.Verify([]string{h}, "INVITE", home); o != OK || user != "pbx" {
			t.Errorf("%s: %v %q", algorithm, o, user)
		}
		if _, o := s.Verify([]string{h}, "BYE", home); o == OK {
			t.Errorf("%s: an answer for INVITE was good for BYE", algorithm)
		}
	}
	if first := s.Challenge(home, false)[0]; !strings.Contains(first, "SHA-256") {
		t.Errorf("the preferred algorithm comes first, got %s", first)
	}
}

// Abuse case 10: what was sent once is worth nothing the second time, elsewhere, or late.
func TestReplay(t *testing.T) {
	s, now := server(t)
	h, _ := login(t, s, home, "pbx", "correct horse")
	if _, o := s.Verify([]string{h}, "INVITE", home); o != OK {
		t.Fatal(o)
	}
	if _, o := s.Verify([]string{h}, "INVITE", home); o != Replayed {
		t.Errorf("the same again: %v, want replayed", o)
	}
	h, _ = login(t, s, home, "pbx", "correct horse")
	if _, o := s.Verify([]string{h}, "INVITE", elsewhere); o == OK {
		t.Errorf("a nonce of another source was good: %v", o)
	}
	h, _ = login(t, s, home, "pbx", "correct horse")
	now.now = now.now.Add(6 * time.Minute)
	if _, o := s.Verify([]string{h}, "INVITE", home); o != Stale {
		t.Errorf("after six minutes: %v, want stale", o)
	}
	forged := strings.Replace(h, nonceOf(h), strings.Repeat("A", 22)+"."+strings.Repeat("B", 24), 1)
	if _, o := s.Verify([]string{forged}, "INVITE", home); o != Bad {
		t.Errorf("a nonce of nobody: %v, want bad", o)
	}
}

func TestNonceCountRises(t *testing.T) {
	s, _ := server(t)
	nonce := s.nonce(home)
	a := algorithms[0]
	header := func(nc string) string {
		c := credentials{username: "pbx", realm: "hotline", nonce: nonce, uri: "sip:x", qop: "auth", nc: nc, cnonce: "c"}
		return fmt.Sprintf(`Digest username="pbx", realm="hotline", nonce="%s", uri="sip:x", qop=auth, nc=%s, cnonce="c", algorithm=SHA-256, response="%s"`,
			nonce, nc, a.response(c, "correct horse", "INVITE"))
	}
	for _, step := range []struct {
		nc   string
		want Outcome
	}{{"00000001", OK}, {"00000002", OK}, {"00000002", Replayed}, {"00000001", Replayed}, {"0000000a", OK}, {"00000000", Replayed}, {"zzzzzzzz", Replayed}} {
		if _, o := s.Verify([]string{header(step.nc)}, "INVITE", home); o != step.want {
			t.Errorf("nc %s: %v, want %v", step.nc, o, step.want)
		}
	}
}

// Abuse case 8: a guesser is stopped after a burst, on one user and across users; the real one, from its own address, is not.
func TestGuessingIsThrottled(t *testing.T) {
	s, now := server(t)
	h, _ := login(t, s, home, "pbx", "correct horse")
	if _, o := s.Verify([]string{h}, "INVITE", home); o != OK {
		t.Fatal(o)
	}
	computed := 0
	for i := range 1000 {
		h, _ := login(t, s, elsewhere, "pbx", fmt.Sprint("guess", i))
		if _, o := s.Verify([]string{h}, "INVITE", elsewhere); o == Bad {
			computed++
		}
	}
	if computed > failuresBurst {
		t.Errorf("%d guesses were looked at, at most %d should be", computed, failuresBurst)
	}
	if h, _ := login(t, s, elsewhere, "pbx", "correct horse"); h != "" {
		if _, o := s.Verify([]string{h}, "INVITE", elsewhere); o != Throttled {
			t.Errorf("the right guess while throttled: %v, want throttled", o)
		}
	}
	// From a thousand addresses, three guesses each.
	for i := range 3000 {
		from := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		h, _ := login(t, s, from, "pbx", "guess")
		s.Verify([]string{h}, "INVITE", from)
	}
	h, _ = login(t, s, home, "pbx", "correct horse")
	if _, o := s.Verify([]string{h}, "INVITE", home); o != OK {
		t.Errorf("the real one was locked out: %v", o)
	}
	now.now = now.now.Add(time.Hour)
	h, _ = login(t, s, elsewhere, "pbx", "correct horse")
	if _, o := s.Verify([]string{h}, "INVITE", elsewhere); o != OK {
		t.Errorf("an hour later: %v, want ok", o)
	}
}

// Abuse case 7: neither the answer nor the work done for it tells whether a user exists. The work is compared by its allocations,
// which a busy machine does not change, as its time would.
func TestUnknownUsersLookTheSame(t *testing.T) {
	s, now := server(t)
	work := map[string]float64{}
	for _, user := range []string{"pbx", "nobody"} {
		now.now = now.now.Add(time.Hour) // never throttled
		h, _ := login(t, s, home, user, "wrong")
		if _, o := s.Verify([]string{h}, "INVITE", home); o != Bad {
			t.Fatalf("%s: %v, want bad", user, o)
		}
		c, ok := s.find([]string{h})
		if !ok {
			t.Fatalf("%s: no credentials for our realm", user)
		}
		work[user] = testing.AllocsPerRun(500, func() { s.proves(c, "INVITE") })
	}
	if work["pbx"] == 0 || work["pbx"] != work["nobody"] {
		t.Errorf("checking takes %v allocations for an existing user, %v for another", work["pbx"], work["nobody"])
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s, _ := server(t)
	for i := range 3 * remembered {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		s.failed(sourceUser{from, fmt.Sprint(i)}, time.Time{})
	}
	if n := s.perUser.Len(); n > remembered {
		t.Errorf("%d remembered, at most %d should be", n, remembered)
	}
	long := `Digest username="` + strings.Repeat("x", 4000) + `", realm="hotline", nonce="n"`
	if _, o := s.Verify([]string{long[:4000]}, "INVITE", home); o == OK {
		t.Error("a user of 4 kB was let in")
	}
}

// Abuse case 9: a challenge of a realm that is not the trunk's is not answered.
func TestForeignRealmIsNotAnswered(t *testing.T) {
	_, err := Answer([]string{`Digest realm="callee", nonce="1", algorithm=MD5`}, Login{Username: "u", Password: "p", Realm: "provider"}, "INVITE", "sip:x")
	if hotline.KindOf(err) != hotline.Denied {
		t.Fatalf("got %v, want denied", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(`Digest username="pbx", realm="hotline", nonce="a.b", uri="x", response="1", qop=auth, nc=00000001, cnonce="c"`)
	f.Add(`digest a=,,b="\`)
	f.Add(`Digest username="pbx", username="pbx"`)
	s := NewServer(Config{Realm: "hotline", Password: func(string) (string, bool) { return "secret", true }})
	f.Fuzz(func(t *testing.T, h string) {
		if _, o := s.Verify([]string{h}, "INVITE", home); o == OK {
			t.Fatalf("%q was let in", h)
		}
	})
}
