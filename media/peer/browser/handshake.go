package browser

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
)

// identity is what an offer tells of us.
type identity struct {
	ufrag, password string
	certificate     tls.Certificate
}

// certificate is one for all: making keys is not what is measured.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})

func newIdentity() (identity, error) {
	c, err := certificate()
	return identity{ufrag: rand.Text()[:8], password: rand.Text(), certificate: c}, err
}

// offer is what Chromium would say, less what nobody reads.
func (i *identity) offer(o Options) string {
	formats := o.Codecs
	if formats == "" {
		formats = "0 8 126"
	}
	sum := sha256.Sum256(i.certificate.Certificate[0])
	lines := []string{
		"v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "a=msid-semantic: WMS",
		"m=audio 9 UDP/TLS/RTP/SAVPF " + formats, "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0",
		"a=ice-ufrag:" + i.ufrag, "a=ice-pwd:" + i.password, "a=ice-options:trickle",
		"a=fingerprint:sha-256 " + strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":"),
		"a=setup:actpass", "a=mid:0", "a=sendrecv", "a=rtcp-mux",
		"a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:126 telephone-event/8000", "",
	}
	return strings.Join(lines, "\r\n")
}

// far is what the answer tells of the server.
type far struct {
	ufrag, password, fingerprint string
	udp, tcp                     netip.AddrPort
	payloadType, events          uint8
}

func readAnswer(sdp string) (far, error) {
	var f far
	for line := range strings.SplitSeq(sdp, "\r\n") {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "a=ice-ufrag":
			f.ufrag = value
		case "a=ice-pwd":
			f.password = value
		case "a=fingerprint":
			f.fingerprint = strings.TrimPrefix(value, "sha-256 ")
		case "a=candidate":
			var id, component, priority, port int
			var protocol, host string
			if _, err := fmt.Sscan(value, &id, &component, &protocol, &priority, &host, &port); err != nil {
				return f, fmt.Errorf("browser: candidate %q: %w", value, err)
			}
			addr, err := netip.ParseAddrPort(net.JoinHostPort(host, fmt.Sprint(port)))
			switch {
			case err != nil:
				return f, err
			case protocol == "udp" && !f.udp.IsValid():
				f.udp = addr
			case protocol == "tcp" && !f.tcp.IsValid():
				f.tcp = addr
			}
		case "a=rtpmap":
			var number uint8
			var name string
			fmt.Sscan(value, &number, &name)
			if strings.HasPrefix(name, "telephone-event") {
				f.events = number
			} else {
				f.payloadType = number
			}
		}
	}
	if f.ufrag == "" || f.password == "" || !f.udp.IsValid() {
		return f, errors.New("browser: the answer has no ICE")
	}
	return f, nil
}

// request is a check of ICE.
func (f *far) request(i *identity) []byte {
	m := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(f.ufrag+":"+i.ufrag),
		attribute{stun.AttrPriority, []byte{0x6e, 0, 1, 0xff}}, attribute{stun.AttrICEControlling, []byte("controls")},
		attribute{stun.AttrUseCandidate, nil}, stun.NewShortTermIntegrity(f.password), stun.Fingerprint)
	return m.Raw
}

// Check returns a check of ICE for this connection, to be sent from anywhere.
func (b *Browser) Check() []byte { return b.far.request(&b.id) }

// Server is the server's UDP address.
func (b *Browser) Server() netip.AddrPort { return b.far.udp }

type attribute struct {
	t stun.AttrType
	v []byte
}

func (a attribute) AddTo(m *stun.Message) error {
	m.Add(a.t, a.v)
	return nil
}

// check asks until the server answers.
func (b *Browser) check(ctx context.Context) error {
	for range 20 {
		if err := b.Raw(b.far.request(&b.id)); err != nil {
			return err
		}
		again := time.NewTimer(250 * time.Millisecond)
		select {
		case m := <-b.answers:
			again.Stop()
			if m.Type != stun.BindingSuccess || stun.NewShortTermIntegrity(b.far.password).Check(m) != nil {
				return fmt.Errorf("browser: the check was answered by %v", m)
			}
			return nil
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return context.Cause(ctx)
		}
	}
	return errNoAnswer
}

// shakeHands is DTLS as the client, and the keys of SRTP (RFC 5764).
func (b *Browser) shakeHands(ctx context.Context) error {
	profiles := []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80}
	if b.o.NoGCM {
		profiles = profiles[1:]
	}
	var err error
	b.dtls, err = dtls.ClientWithOptions(wire{b}, b.conn.RemoteAddr(),
		dtls.WithCertificates(b.id.certificate), dtls.WithInsecureSkipVerify(true), dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			sum := sha256.Sum256(raw[0])
			if strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":") != b.far.fingerprint {
				return errors.New("browser: the server's certificate is not that of its answer")
			}
			return nil
		}))
	if err != nil {
		return err
	}
	if err := b.dtls.HandshakeContext(ctx); err != nil {
		return err
	}
	state, ok := b.dtls.ConnectionState()
	profile, agreed := b.dtls.SelectedSRTPProtectionProfile()
	if !ok || !agreed {
		return errNoProfile
	}
	protection, salt := srtp.ProtectionProfileAes128CmHmacSha1_80, 14
	if profile == dtls.SRTP_AEAD_AES_128_GCM {
		protection, salt = srtp.ProtectionProfileAeadAes128Gcm, 12
	}
	keys, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(16+salt))
	if err != nil {
		return err
	}
	if b.out, err = srtp.CreateContext(keys[:16], keys[32:32+salt], protection); err != nil {
		return err
	}
	if b.in, err = srtp.CreateContext(keys[16:32], keys[32+salt:], protection); err != nil {
		return err
	}
	close(b.secured)
	return nil
}

// wire is the net.PacketConn on which pion's DTLS speaks with the server.
type wire struct{ b *Browser }

func (w wire) ReadFrom(p []byte) (int, net.Addr, error) {
	n, _, err := w.b.toDTLS.Read(p, nil)
	return n, w.b.conn.RemoteAddr(), err
}

func (w wire) WriteTo(p []byte, _ net.Addr) (int, error) { return len(p), w.b.Raw(p) }
func (w wire) Close() error                              { return w.b.toDTLS.Close() }
func (w wire) LocalAddr() net.Addr                       { return w.b.conn.LocalAddr() }
func (w wire) SetDeadline(t time.Time) error             { return w.b.toDTLS.SetReadDeadline(t) }
func (w wire) SetReadDeadline(t time.Time) error         { return w.b.toDTLS.SetReadDeadline(t) }
func (w wire) SetWriteDeadline(_ time.Time) error        { return nil }
