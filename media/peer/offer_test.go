package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"hotline/media/srtp"

	"github.com/pion/sdp/v3"

	"hotline"
	"hotline/media"
)

// chromium is what Chromium 156 offers for one microphone, its candidates left out.
const chromium = `v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS 5f0e
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 169.254.169.254 51000 typ host generation 0
a=ice-ufrag:Vq9a
a=ice-pwd:6VtLh4j1Xn1YZ2bqZfT2m1Qk
a=ice-options:trickle
a=fingerprint:sha-256 0D:CF:6A:2B:2C:6D:33:A5:0C:0B:B5:6B:6C:EE:3F:17:4C:07:E8:1B:31:98:5D:7C:83:C2:6E:AB:77:FE:8B:10
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:5f0e 7a
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:1 cname:x
`

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestOffer(t *testing.T) {
	o, err := parseOffer(crlf(chromium))
	must(t, err)
	want := media.Setup{Codec: media.PCMU, PayloadType: 0, DTMFPayloadType: 126}
	if o.setup != want || o.ufrag != "Vq9a" || !strings.HasPrefix(o.fingerprint, "0D:CF:6A") {
		t.Errorf("%+v", o)
	}
	for name, c := range map[string]struct {
		edit func(string) string
		want media.Setup
	}{
		"A-law first":         {swap("0 8 13", "8 0 13"), media.Setup{Codec: media.PCMA, PayloadType: 8, DTMFPayloadType: 126}},
		"no keys":             {swap(" 110 126", ""), media.Setup{}},
		"static, no rtpmap":   {swap("a=rtpmap:0 PCMU/8000\n", ""), media.Setup{DTMFPayloadType: 126}},
		"dynamic":             {swap("9 0 8 13", "97", "a=rtpmap:0 PCMU/8000", "a=rtpmap:97 pcmu/8000/1"), media.Setup{PayloadType: 97, DTMFPayloadType: 126}},
		"listens":             {swap("a=sendrecv", "a=recvonly"), media.Setup{DTMFPayloadType: 126, Direction: media.SendOnly}},
		"speaks":              {swap("a=sendrecv", "a=sendonly"), media.Setup{DTMFPayloadType: 126, Direction: media.RecvOnly}},
		"says no direction":   {swap("a=sendrecv\n", ""), media.Setup{DTMFPayloadType: 126}},
		"lower case":          {strings.ToLower, media.Setup{}},
		"fingerprints, first": {swap("a=fingerprint", "a=fingerprint:sha-512 AA\na=fingerprint"), media.Setup{DTMFPayloadType: 126}},
	} {
		o, err := parseOffer(crlf(c.edit(chromium)))
		if name == "lower case" {
			if err == nil {
				t.Error("an offer in lower case is none")
			}
			continue
		}
		if err != nil || o.setup != c.want {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

func swap(pairs ...string) func(string) string {
	return func(s string) string { return strings.NewReplacer(pairs...).Replace(s) }
}

func TestOffersThatAreRefused(t *testing.T) {
	for name, edit := range map[string]func(string) string{
		"empty":           func(string) string { return "" },
		"no SDP":          func(string) string { return "hello" },
		"too long":        func(s string) string { return s + strings.Repeat("a=x:yyyyyyyyy\n", 6000) },
		"10,000 lines":    func(s string) string { return s + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 0\n", 2000) },
		"nine lines":      func(s string) string { return s + strings.Repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\n", 8) },
		"no audio":        swap("m=audio", "m=video"),
		"audio refused":   swap("m=audio 9", "m=audio 0"),
		"plain RTP":       swap("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
		"SDES":            swap("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"),
		"no mux":          swap("a=rtcp-mux\n", ""),
		"no user name":    swap("a=ice-ufrag:Vq9a\n", ""),
		"short user name": swap("a=ice-ufrag:Vq9a", "a=ice-ufrag:V"),
		"passive":         swap("a=setup:actpass", "a=setup:passive"),
		"no role":         swap("a=setup:actpass\n", ""),
		"no fingerprint":  swap("a=fingerprint:sha-256", "a=fingerprint:sha-1"),
		"inactive":        swap("a=sendrecv", "a=inactive"),
		"no G.711":        swap("9 0 8 13", "9 13"),
		"other rate":      swap("9 0 8 13", "9 13", "a=rtpmap:111 opus/48000/2", "a=rtpmap:111 PCMU/16000"),
	} {
		_, err := parseOffer(crlf(edit(chromium)))
		var refused *hotline.Error
		if !errors.As(err, &refused) || refused.Kind != hotline.Invalid || refused.Code != "peer.bad_offer" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnswer: other lines are refused in their place, and every address is told, for UDP and TCP.
func TestAnswer(t *testing.T) {
	s := newSite(t, "127.0.0.1:0")
	s.hub.hosts = []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
	offer := swap("m=audio", "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\nm=audio")(chromium) + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:1\n"
	p, answer, err := s.hub.Accept(context.Background(), crlf(offer), Options{})
	must(t, err)
	var a sdp.SessionDescription
	must(t, a.UnmarshalString(answer))
	if len(a.MediaDescriptions) != 3 || a.MediaDescriptions[0].MediaName.Port.Value != 0 || a.MediaDescriptions[2].MediaName.Port.Value != 0 {
		t.Fatalf("answer:\n%s", answer)
	}
	udp, tcp := s.hub.Addrs()
	for _, want := range []string{
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\n", "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n", "a=group:BUNDLE 0\r\n", "a=ice-lite\r\n", "a=setup:passive\r\n",
		fmt.Sprintf("m=audio %d UDP/TLS/RTP/SAVPF 0 126\r\nc=IN IP4 192.0.2.7\r\na=mid:0\r\n", udp.Port()),
		fmt.Sprintf(" udp 2130706431 192.0.2.7 %d typ host\r\n", udp.Port()), fmt.Sprintf(" udp 2130706430 2001:db8::7 %d typ host\r\n", udp.Port()),
		fmt.Sprintf(" tcp 1671430143 192.0.2.7 %d typ host tcptype passive\r\n", tcp.Port()), "a=rtcp-mux\r\n", "a=sendrecv\r\n",
		fmt.Sprintf("a=ssrc:%d cname:hotline\r\n", p.Stream().SSRC()),
	} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer)
		}
	}
	p.Close()
}

// fuzzHub is a hub whose engine runs.
func fuzzHub(f *testing.F) *Hub {
	engine, err := media.NewEngine(media.Config{BindIP: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		f.Fatal(err)
	}
	hub, err := NewHub(Config{Engine: engine, UDPAddr: "127.0.0.1:0"})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { engine.Run(ctx) })
	f.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return hub
}

// FuzzOffer: whatever is offered, the answer is SDP with as many lines as the offer, of which one at most is accepted.
func FuzzOffer(f *testing.F) {
	f.Add(crlf(chromium))
	f.Add(chromium)
	f.Add(crlf(chromium + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:1\n"))
	f.Add(crlf(swap("a=mid:0", "a=mid:0\x00 evil")(chromium)))
	hub := fuzzHub(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, answer, err := hub.Accept(context.Background(), text, Options{})
		if err != nil {
			return
		}
		defer p.Close()
		var a sdp.SessionDescription
		if err := a.UnmarshalString(answer); err != nil {
			t.Fatalf("%v in\n%q\nto\n%q", err, answer, text)
		}
		accepted := 0
		for _, m := range a.MediaDescriptions {
			if m.MediaName.Port.Value != 0 {
				accepted++
			}
			if ufrag, ok := m.Attribute("ice-ufrag"); ok && ufrag != p.name {
				t.Fatalf("the offer wrote into the answer:\n%q", answer)
			}
		}
		if accepted != 1 || len(a.MediaDescriptions) > maxLines {
			t.Fatalf("%d lines accepted in\n%q\nto\n%q", accepted, answer, text)
		}
	})
}

// FuzzPacket: whatever comes, from a browser or a stranger, nothing breaks.
func FuzzPacket(f *testing.F) {
	for _, first := range []byte{0, 1, 3, 20, 22, 63, 64, 128, 191, 255} {
		f.Add([]byte{first, 200, 0, 8, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 4, 'a', ':', 'b', 0})
	}
	hub := fuzzHub(f)
	p, _, err := hub.Accept(context.Background(), crlf(chromium), Options{})
	if err != nil {
		f.Fatal(err)
	}
	known, other := netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("127.0.0.1:10")
	p.follow(path{addr: known}, true)
	keys := &srtp.Keys{Profile: srtp.AEAD_AES_128_GCM}
	setup := p.offer.setup
	setup.Remote, setup.RTCPMux, setup.SRTP = anywhere, true, keys
	if err := p.stream.Configure(setup); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1500 {
			return
		}
		hub.receive(append([]byte(nil), b...), known)
		hub.receive(append([]byte(nil), b...), other)
		if q := p.Quality(); q.PacketsReceived != 0 {
			t.Fatalf("a packet without a key was taken: %x", b)
		}
	})
}
