package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"hotline/media/srtp"

	"github.com/pion/dtls/v3"
)

const (
	shakeWithin = 15 * time.Second
	keysLabel   = "EXTRACTOR-dtls_srtp" // RFC 5764, section 4.2
	keySize     = 16
)

// newCertificate makes the hub's certificate. Browsers know it by its fingerprint, which the answer tells them; it lives as long as
// the process, and signs nothing.
func newCertificate() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, "", err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "hotline"},
		NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(10, 0, 0), // browsers do not look; clocks differ
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("certificate of the browsers' audio: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, fingerprintOf(der), nil
}

// fingerprintOf returns the SHA-256 of a certificate as SDP writes it (RFC 8122, section 5).
func fingerprintOf(der []byte) string {
	sum := sha256.Sum256(der)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

var errWrongCertificate = errors.New("the certificate is not that of the offer")

// shakeHands is DTLS with the browser: we are the server. It ends when the peer ends, or the browser says goodbye.
func (p *Peer) shakeHands() {
	defer p.hangUp()
	conn, err := dtls.ServerWithOptions(wire{p}, net.UDPAddrFromAddrPort(anywhere),
		dtls.WithCertificates(p.hub.certificate),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerify(true), // of chains: there are none, the fingerprint is what counts
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 || fingerprintOf(raw[0]) != p.offer.fingerprint {
				return errWrongCertificate
			}
			return nil
		}),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerifyHello(true), // ICE has shown already that the address is the browser's own
		dtls.WithMTU(1200),
		dtls.WithReplayProtectionWindow(64),
	)
	if err == nil {
		stop := context.AfterFunc(p.secure, func() { conn.Close() })
		defer stop()
		defer conn.Close()
		err = p.secureStream(conn)
	}
	if err != nil {
		if p.secure.Err() == nil {
			p.hub.refused.Add(1)
			p.hub.log.Warn("a browser's audio could not be secured", "error", err, "peer", p.id)
		}
		p.end(Failed)
		return
	}
	var nothing [tcpFrame]byte
	for err == nil {
		_, err = conn.Read(nothing[:]) // no data is expected: only the goodbye
	}
	p.stream.Close()
}

// secureStream shakes hands and gives the stream its keys.
func (p *Peer) secureStream(conn *dtls.Conn) error {
	ctx, cancel := context.WithTimeout(p.secure, shakeWithin)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	keys, err := exportKeys(conn)
	if err != nil {
		return err
	}
	setup := p.offer.setup
	setup.Remote, setup.RTCPMux, setup.SRTP = anywhere, true, keys
	if err := p.stream.Configure(setup); err != nil {
		return err
	}
	p.mu.Lock()
	p.become(Connected)
	p.tell()
	return nil
}

// exportKeys takes the keys out of the handshake (RFC 5764, section 4.2): client's key, server's key, client's salt, server's salt.
func exportKeys(conn *dtls.Conn) (*srtp.Keys, error) {
	state, ok := conn.ConnectionState()
	profile, agreed := conn.SelectedSRTPProtectionProfile()
	if !ok || !agreed {
		return nil, errors.New("no SRTP profile in common")
	}
	keys, salt := &srtp.Keys{Profile: srtp.AES_CM_128_HMAC_SHA1_80}, 14
	if profile == dtls.SRTP_AEAD_AES_128_GCM {
		keys.Profile, salt = srtp.AEAD_AES_128_GCM, 12
	}
	b, err := state.ExportKeyingMaterial(keysLabel, nil, 2*(keySize+salt))
	if err != nil {
		return nil, err
	}
	copy(keys.Remote[:], b[:keySize])
	copy(keys.Local[:], b[keySize:2*keySize])
	copy(keys.Remote[keySize:], b[2*keySize:2*keySize+salt])
	copy(keys.Local[keySize:], b[2*keySize+salt:])
	return keys, nil
}

// wire is the net.PacketConn on which pion's DTLS speaks with a browser.
type wire struct{ peer *Peer }

func (w wire) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, err := w.peer.handshake.Read(b, nil)
	return n, net.UDPAddrFromAddrPort(anywhere), err
}

func (w wire) WriteTo(b []byte, _ net.Addr) (int, error) {
	if to := w.peer.path.Load(); to != nil {
		w.peer.hub.send(b, *to)
	}
	return len(b), nil
}

func (w wire) Close() error                       { return w.peer.handshake.Close() }
func (w wire) LocalAddr() net.Addr                { return net.UDPAddrFromAddrPort(w.peer.hub.socket.Local()) }
func (w wire) SetDeadline(t time.Time) error      { return w.peer.handshake.SetReadDeadline(t) }
func (w wire) SetReadDeadline(t time.Time) error  { return w.peer.handshake.SetReadDeadline(t) }
func (w wire) SetWriteDeadline(_ time.Time) error { return nil } // writing never waits
