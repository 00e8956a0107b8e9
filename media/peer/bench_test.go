package peer

import (
	"context"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"

	"hotline/media"
)

// BenchmarkCheck is what a waiting telephone costs every 2.5 seconds.
func BenchmarkCheck(b *testing.B) {
	engine, err := media.NewEngine(media.Config{BindIP: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		b.Fatal(err)
	}
	hub, err := NewHub(Config{Engine: engine, UDPAddr: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	p, _, err := hub.Accept(context.Background(), crlf(chromium), Options{})
	if err != nil {
		b.Fatal(err)
	}
	p.shaking = true
	check := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(p.name+":"+p.offer.ufrag),
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)}, stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.NewShortTermIntegrity(p.password), stun.Fingerprint).Raw
	from := netip.MustParseAddrPort("127.0.0.1:9")
	b.ReportAllocs()
	for b.Loop() {
		hub.receive(append([]byte(nil), check...), from)
	}
	if len(hub.byAddr) != 1 {
		b.Fatal("the check was not taken")
	}
}
