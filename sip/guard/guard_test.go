package guard

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"hotline/postgres/pgtest"
	"hotline/trunks"
	"hotline/trunks/digest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func setUp(t *testing.T, cfg Config) *Guard {
	t.Helper()
	d, err := trunks.Open(t.Context(), pgtest.New(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	trunk(t, d, "provider", trunks.TrunkSettings{MatchAddresses: []string{"192.0.2.0/24"}})
	cfg.Directory = d
	return New(cfg)
}

func trunk(t *testing.T, d *trunks.Directory, name string, s trunks.TrunkSettings) trunks.Trunk {
	t.Helper()
	tr, err := d.CreateTrunk(t.Context(), trunks.Trunk{Name: name, Enabled: true, Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func from(s string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(s), 5060) }

var invite = []byte("INVITE sip:4000@us SIP/2.0\r\nVia: x\r\n\r\n")

func TestWhoIsLetIn(t *testing.T) {
	g := setUp(t, Config{})
	for _, c := range []struct {
		from string
		data string
		want Verdict
	}{
		{"192.0.2.7", string(invite), Pass},
		{"::ffff:192.0.2.7", string(invite), Pass},
		{"198.51.100.1", string(invite), Refuse},
		{"198.51.100.1", "OPTIONS sip:us SIP/2.0\r\n\r\n", Refuse},
		{"198.51.100.1", "ACK sip:us SIP/2.0\r\n\r\n", Drop},
		{"198.51.100.1", "CANCEL sip:us SIP/2.0\r\n\r\n", Drop},
		{"198.51.100.1", "SIP/2.0 200 OK\r\n\r\n", Drop},
		{"198.51.100.1", "\r\n\r\n", Drop},
		{"192.0.2.7", strings.Repeat("x", 70_000), Drop},
	} {
		if got := g.Packet(from(c.from), []byte(c.data)); got != c.want {
			t.Errorf("%.30q from %s: %v, want %v", c.data, c.from, got, c.want)
		}
	}
	if s := g.Stats(); s.Refused["stranger"] != 6 || s.Refused["too_large"] != 1 || s.Passed != 2 {
		t.Errorf("counted %+v", s)
	}
	quiet := setUp(t, Config{Silent: true})
	if got := quiet.Packet(from("198.51.100.1"), invite); got != Drop {
		t.Errorf("silent: %v, want drop", got)
	}
	peer := from("203.0.113.9")
	g.Expect(peer)
	if g.Packet(peer, []byte("SIP/2.0 200 OK\r\n\r\n")) != Pass {
		t.Error("the answer to a request of ours is dropped")
	}
	if g.Packet(netip.AddrPortFrom(peer.Addr(), 5061), []byte("SIP/2.0 200 OK\r\n\r\n")) == Pass {
		t.Error("another port of it is let in")
	}
}

// Who bears a nonce that we gave to its address can receive there: it is let in to have its password checked.
func TestNonceOpensTheDoor(t *testing.T) {
	g := setUp(t, Config{})
	trunk(t, g.cfg.Directory, "login", trunks.TrunkSettings{MatchDigest: &trunks.Credentials{Username: "pbx", Password: "p"}})
	home := from("198.51.100.1")
	var challenges []string
	for _, h := range g.cfg.Directory.Challenge(home.Addr(), false) {
		challenges = append(challenges, h.Value())
	}
	auth, err := digest.Answer(challenges, digest.Login{Username: "pbx", Password: "wrong"}, "INVITE", "sip:4000@us")
	if err != nil {
		t.Fatal(err)
	}
	msg := []byte("INVITE sip:4000@us SIP/2.0\r\nauthorization: " + auth + "\r\n\r\n")
	if got := g.Packet(from("198.51.100.2"), msg); got != Refuse {
		t.Errorf("from elsewhere: %v, want refuse", got)
	}
	if got := g.Packet(home, msg); got != Pass {
		t.Errorf("from where the nonce went: %v, want pass", got)
	}
	if got := g.Packet(home, []byte("ACK sip:us SIP/2.0\r\n\r\n")); got != Pass {
		t.Errorf("what follows: %v, want pass", got)
	}
	forged := []byte("INVITE sip:4000@us SIP/2.0\r\nAuthorization: Digest realm=\"hotline\", nonce=\"AAAA.BBBB\"\r\n\r\n")
	if got := g.Packet(from("198.51.100.3"), forged); got != Refuse {
		t.Errorf("a made-up nonce: %v, want refuse", got)
	}
}

// Abuse case 14: one source, or very many, that talk without end take nothing from trunks, and the memory stays flat.
func TestFlood(t *testing.T) {
	g := setUp(t, Config{})
	answered := 0
	for range 10_000 {
		if g.Packet(from("198.51.100.1"), invite) == Refuse {
			answered++
		}
	}
	if answered > 30 {
		t.Errorf("one flooding stranger was answered %d times", answered)
	}
	if g.Packet(from("192.0.2.7"), invite) != Pass || g.Packet(from("198.51.100.2"), invite) != Refuse {
		t.Error("others are not served any more")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	answered = 0
	for i := range 300_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if g.Packet(netip.AddrPortFrom(a, 5060), invite) == Refuse {
			answered++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("300,000 strangers left %d bytes", grown)
	}
	if s := g.Stats(); s.Remembered > 2*remembers {
		t.Errorf("%d remembered", s.Remembered)
	}
	if answered > 5000 {
		t.Errorf("%d strangers were answered in a moment", answered)
	}
	if g.Packet(from("192.0.2.8"), invite) != Pass {
		t.Error("trunks suffer from the crowd")
	}
}

// Abuse case 13: connections of one source are capped, and give their place back.
func TestConnections(t *testing.T) {
	g := setUp(t, Config{ConnsPerSource: 4, Conns: 70})
	stranger := netip.MustParseAddr("2001:db8::1")
	var release []func()
	for i := range 10 {
		a := netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1)) // one /64, one source
		if r, ok := g.Connect(a); ok {
			release = append(release, r)
		}
	}
	if len(release) != 4 {
		t.Errorf("%d connections of one source, want 4", len(release))
	}
	release[0]()
	release[0]() // twice is once
	if _, ok := g.Connect(stranger); !ok {
		t.Error("a freed place is not given again")
	}
	if _, ok := g.Connect(stranger); ok {
		t.Error("a place was freed twice")
	}
	n := 0
	for range 100 {
		if _, ok := g.Connect(netip.MustParseAddr("192.0.2.1")); ok {
			n++
		}
	}
	if n != 64 {
		t.Errorf("%d connections of a trunk, want 64", n)
	}
	if s := g.Stats(); s.Connections != 68 || s.Refused["connections"] != 6+1+36 {
		t.Errorf("%+v", s)
	}
}

func TestCallsASecond(t *testing.T) {
	g := setUp(t, Config{})
	slow := trunk(t, g.cfg.Directory, "slow", trunks.TrunkSettings{Host: "h", MaxCPS: 3})
	ok := 0
	for range 100 {
		if admitted, after := g.Admit(netip.Addr{}, &slow); admitted {
			ok++
		} else if after < 1 || after > 5 {
			t.Fatalf("Retry-After %d", after)
		}
	}
	if ok != 3 {
		t.Errorf("%d of 100 calls at once, want 3", ok)
	}
	if !g.fast.take(slow.ID, 3, time.Now().Add(time.Second)) {
		t.Error("a second later there must be room")
	}
	var none *Guard
	if admitted, _ := none.Admit(netip.Addr{}, &slow); !admitted || none.Packet(from("198.51.100.1"), nil) != Pass {
		t.Error("no guard lets everything in")
	}
}
