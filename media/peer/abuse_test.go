package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtcp"
	"github.com/pion/stun/v4"

	"hotline/media"
	"hotline/media/peer/browser"
)

// stranger is a socket that nobody knows.
type stranger struct {
	t    *testing.T
	conn *net.UDPConn
}

func (s *site) stranger() stranger {
	udp, _ := s.hub.Addrs()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(udp))
	must(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	return stranger{s.t, conn}
}

// getsNothing sends packets, and then one that is counted: what is answered to them would have come by then.
func (x stranger) getsNothing(h *Hub, packets ...[]byte) {
	x.t.Helper()
	for _, p := range packets {
		before := h.strangers.Load() + h.refused.Load()
		x.conn.Write(p)
		for deadline := time.Now().Add(5 * time.Second); h.strangers.Load()+h.refused.Load() == before; {
			if time.Now().After(deadline) {
				x.t.Fatalf("packet %.20x was neither answered nor counted", p)
			}
			x.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			if n, err := x.conn.Read(make([]byte, 1500)); err == nil {
				x.t.Fatalf("a stranger's packet %.20x was answered with %d bytes", p, n)
			}
		}
	}
	x.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := x.conn.Read(make([]byte, 1500)); !errors.Is(err, os.ErrDeadlineExceeded) {
		x.t.Fatalf("a stranger got %d bytes: %v", n, err)
	}
}

// TestStrangersGetNothing: no STUN without the password, no DTLS, no RTP (abuse 17, 19).
func TestStrangersGetNothing(t *testing.T) {
	s := newSite(t, "")
	b, p := s.connect(browser.Options{}, Options{})
	x := s.stranger()
	ask := func(setters ...stun.Setter) []byte { return stun.MustBuild(setters...).Raw }
	name, secret := stun.NewUsername(p.name+":"+p.offer.ufrag), stun.NewShortTermIntegrity(p.password)
	right := b.Check()
	x.getsNothing(s.hub,
		ask(stun.TransactionID, stun.BindingRequest),
		ask(stun.TransactionID, stun.BindingRequest, stun.Fingerprint),
		ask(stun.TransactionID, stun.BindingRequest, name, stun.Fingerprint),
		ask(stun.TransactionID, stun.BindingRequest, name, secret),
		ask(stun.TransactionID, stun.BindingRequest, name, stun.NewShortTermIntegrity("guess"), stun.Fingerprint),
		ask(stun.TransactionID, stun.BindingRequest, stun.NewUsername(p.name+":else"), secret, stun.Fingerprint),
		ask(stun.TransactionID, stun.BindingRequest, stun.NewUsername(p.name), secret, stun.Fingerprint),
		ask(stun.TransactionID, stun.BindingRequest, stun.NewUsername("x:y"), secret, stun.Fingerprint),
		ask(stun.TransactionID, stun.BindingSuccess, name, secret, stun.Fingerprint),
		ask(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication), name, secret, stun.Fingerprint),
		ask(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), name, secret, stun.Fingerprint),
		right[:len(right)-1], right[:20], right[:1], append(right[:len(right):len(right)], 0),
		[]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0},
		append([]byte{0x80, 0}, make([]byte, 170)...), append([]byte{0x80, 200}, make([]byte, 40)...),
		[]byte{4}, []byte{127}, []byte{192}, []byte{255},
	)
	x.conn.SetReadDeadline(time.Time{})
	client, err := dtls.ClientWithOptions(packets{x.conn}, x.conn.RemoteAddr(), dtls.WithInsecureSkipVerify(true),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := client.HandshakeContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stranger's handshake: %v", err)
	}
	client.Close()
	if p.State() != Connected || s.hub.Stats().Peers != 1 {
		t.Error("the browser suffered")
	}
}

// TestRoleConflict: somebody who has the password wants us to choose the path, which a lite agent does not.
func TestRoleConflict(t *testing.T) {
	s := newSite(t, "")
	_, p := s.connect(browser.Options{}, Options{})
	x := s.stranger()
	x.conn.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(p.name+":"+p.offer.ufrag),
		stun.RawAttribute{Type: stun.AttrICEControlled, Value: make([]byte, 8)}, stun.NewShortTermIntegrity(p.password), stun.Fingerprint).Raw)
	x.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 1500)
	n, err := x.conn.Read(buf)
	must(t, err)
	m := stun.Message{Raw: buf[:n]}
	must(t, m.Decode())
	var code stun.ErrorCodeAttribute
	if code.GetFrom(&m) != nil || code.Code != stun.CodeRoleConflict {
		t.Errorf("answered %v", &m)
	}
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	if len(s.hub.byAddr) != 1 {
		t.Error("the address was taken as one of the browser's")
	}
}

// TestHelloOfAStranger: a ClientHello that comes before the browser's own, even from the browser's own address, has no effect, as no
// check has shown yet that it is the browser's (abuse 19).
func TestHelloOfAStranger(t *testing.T) {
	s := newSite(t, "")
	x := s.stranger()
	hello := func(conn net.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		client, err := dtls.ClientWithOptions(packets{conn}, conn.RemoteAddr(), dtls.WithInsecureSkipVerify(true),
			dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
		if err == nil {
			client.HandshakeContext(ctx)
			client.Close()
		}
	}
	_, p := s.connect(browser.Options{Hello: func(b *browser.Browser, _ netip.AddrPort) {
		hello(x.conn)
		b.Raw([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0})
	}}, Options{})
	if p.State() != Connected {
		t.Error(p.State())
	}
	if st := s.hub.Stats(); st.Strangers < 2 {
		t.Errorf("%+v", st)
	}
}

// packets is a connected socket as a net.PacketConn.
type packets struct{ net.Conn }

func (d packets) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := d.Read(p)
	return n, d.RemoteAddr(), err
}
func (d packets) WriteTo(p []byte, _ net.Addr) (int, error) { return d.Write(p) }
func (d packets) Close() error                              { return nil }

// TestWrongCertificate: whoever shakes hands is not who offered: nothing is heard of it, and nothing sent (abuse 19).
func TestWrongCertificate(t *testing.T) {
	s := newSite(t, "")
	h := newHistory()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var p *Peer
	_, err := browser.Connect(ctx, browser.Options{Tamper: func(offer string) string {
		return strings.Replace(offer, "a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:", 1)
	}}, func(offer string) (answer string, err error) {
		p, answer, err = s.hub.Accept(ctx, offer, Options{OnState: h.take})
		return answer, err
	})
	if err == nil {
		t.Fatal("the handshake was taken")
	}
	h.wait(t, Failed)
	if p.Stream().Configured() || s.hub.Stats().Refused == 0 || s.hub.Stats().Peers != 0 {
		t.Errorf("configured %v, %+v", p.Stream().Configured(), s.hub.Stats())
	}
	p.Close()
	h.wait(t, Closed)
}

// talker is a browser in a room with a caller, who counts what it has said.
type talker struct {
	t    *testing.T
	b    *browser.Browser
	p    *Peer
	said int
}

func (x *talker) say() {
	x.t.Helper()
	payload := make([]byte, 160)
	media.PCMU.Encode(payload, toneAt(440, x.said*160))
	must(x.t, x.b.Send(payload))
	x.said++
}

// settle says one packet more and waits until all that was said is heard: what was sent before has been read then.
func (x *talker) settle() {
	x.t.Helper()
	x.say()
	heard := func() int { return int(x.p.Quality().PacketsReceived) }
	for deadline := time.Now().Add(5 * time.Second); heard() < x.said; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			x.t.Fatalf("%d packets of %d are heard", heard(), x.said)
		}
	}
}

// malformed is what a packet can be made into that must not be heard.
func malformed(sealed []byte, ssrc uint32) [][]byte {
	var all [][]byte
	for range 5 { // replayed
		all = append(all, sealed)
	}
	for i := range sealed { // one bit wrong, anywhere
		forged := append([]byte(nil), sealed...)
		forged[i] ^= 1 << (i % 8)
		all = append(all, forged, sealed[:i])
	}
	for _, seq := range []uint16{0, 20000, 32788, 40000, 65535} { // as if the counter had rolled over, or back
		jumped := append([]byte(nil), sealed...)
		binary.BigEndian.PutUint16(jumped[2:], seq)
		all = append(all, jumped)
	}
	report, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.Goodbye{Sources: []uint32{ssrc}}}) // not encrypted
	all = append(all, report, make([]byte, 1500))
	r := rand.New(rand.NewPCG(1, 2))
	for first := range 256 {
		junk := make([]byte, r.IntN(1400)+1)
		for i := range junk {
			junk[i] = byte(r.Uint32())
		}
		junk[0] = byte(first)
		all = append(all, junk)
	}
	return all
}

// TestMalformed: garbage, wrong tags, replays and jumps on the browser's own path are dropped, and audio goes on (abuse 18).
func TestMalformed(t *testing.T) {
	for name, o := range map[string]browser.Options{"GCM": {}, "CM": {NoGCM: true}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "")
			b, p := s.connect(o, Options{})
			c := s.call(media.PCMU)
			room := media.NewRoom(s.engine)
			must(t, room.Join(c.stream, media.Talker))
			must(t, room.Join(p.Stream(), media.Talker))
			x := &talker{t: t, b: b, p: p}
			b.SetSeq(65530)
			for range 20 { // over the end of the sequence numbers
				x.say()
			}
			x.settle()
			sealed, err := b.Seal(20, make([]byte, 80)) // a few packets ahead
			must(t, err)
			must(t, b.Raw(sealed))
			x.said++
			x.settle()
			before := p.Quality()
			for _, packet := range malformed(sealed, b.SSRC) {
				b.Raw(packet)
			}
			x.settle()
			after := p.Quality()
			if after.PacketsReceived-before.PacketsReceived != 1 || after.Invalid < before.Invalid+200 {
				t.Errorf("before %+v, after %+v", before, after)
			}
			defer every20ms(func(int) { x.say() })()
			c.hears(440)
			if p.State() != Connected {
				t.Error(p.State())
			}
		})
	}
}
