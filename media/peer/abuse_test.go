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
			b.SetSeq(65530)
			good := 0
			say := func() {
				payload := make([]byte, 160)
				media.PCMU.Encode(payload, toneAt(440, good*160))
				must(t, b.Send(payload))
				good++
			}
			heard := func() uint64 { return p.Quality().PacketsReceived }
			settle := func() { // what was sent has been read when a packet after it is
				t.Helper()
				say()
				for deadline := time.Now().Add(5 * time.Second); heard() < uint64(good); {
					if time.Now().After(deadline) {
						t.Fatalf("%d packets of %d are heard", heard(), good)
					}
					time.Sleep(time.Millisecond)
				}
			}
			for range 20 { // over the end of the sequence numbers
				say()
			}
			settle()
			before := p.Quality()
			sealed, err := b.Seal(20, make([]byte, 80)) // a few packets ahead
			must(t, err)
			b.Raw(sealed)
			good++
			settle()
			bad := 0
			for range 5 {
				b.Raw(sealed) // again
				bad++
			}
			for i := range len(sealed) { // one bit wrong, anywhere
				forged := append([]byte(nil), sealed...)
				forged[i] ^= 1 << (i % 8)
				b.Raw(forged)
			}
			for n := range len(sealed) {
				b.Raw(sealed[:n])
			}
			for _, seq := range []uint16{0, 20000, 32788, 40000, 65535} { // as if the counter had rolled over, or back
				jumped := append([]byte(nil), sealed...)
				binary.BigEndian.PutUint16(jumped[2:], seq)
				b.Raw(jumped)
			}
			report, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.Goodbye{Sources: []uint32{b.SSRC}}})
			b.Raw(report) // not encrypted
			r := rand.New(rand.NewPCG(1, 2))
			for first := range 256 {
				junk := make([]byte, r.IntN(1400)+1)
				for i := range junk {
					junk[i] = byte(r.Uint32())
				}
				junk[0] = byte(first)
				b.Raw(junk)
			}
			b.Raw(make([]byte, 1500))
			settle()
			after := p.Quality()
			if after.PacketsReceived-before.PacketsReceived != 3 || after.Invalid < uint64(bad) {
				t.Errorf("before %+v, after %+v", before, after)
			}
			defer every20ms(func(int) { say() })()
			c.hears(440)
			if p.State() != Connected {
				t.Error(p.State())
			}
		})
	}
}
