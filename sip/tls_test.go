package sip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

// certificate makes a self-signed one for 127.0.0.1.
func certificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: kb}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, _ := x509.ParseCertificate(der)
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return cert, key, roots
}

// TestSecureCall: TLS for the signalling, SRTP by SDES for the audio, both ways.
func TestSecureCall(t *testing.T) {
	cert, key, roots := certificate(t)
	secure := func(c *Config) { c.ListenTLS, c.TLSCert, c.TLSKey, c.TLSRoots = "127.0.0.1:0", cert, key, roots }
	a, b := newRig(t, secure), newRig(t, secure)
	at := b.edge.Addr("TLS")
	_, trunk := a.callee(func(s *TrunkSettings) { s.Host, s.Port, s.Transport, s.SRTP = "127.0.0.1", int(at.Port()), "tls", true })
	l := a.dial(trunk, func(d *call.Dial) { d.To = "4000" })
	far := b.leg()
	if !far.neg.result.SRTP {
		t.Fatal("no SRTP was agreed")
	}
	if err := far.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.next(t, call.Answered)
	far.next(t, call.Answered)
	near := &calltest.Ears{}
	l.Audio().Tap(near)
	far.Audio().Play(media.Tone(800, time.Second, 0.5), media.PlayOptions{})
	if err := l.Audio().SendDigits(t.Context(), "7", 80*time.Millisecond, 400*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if e := far.next(t, call.DigitPressed); e.Digit != '7' {
		t.Errorf("digit %c", e.Digit)
	}
	if pcm := near.PCM(); media.Goertzel(pcm, 8000, 800) < 100*media.Goertzel(pcm, 8000, 1300) {
		t.Error("the tone did not come through")
	}
	l.Hangup(t.Context(), call.CauseNormal)
	far.next(t, call.Ended)
	l.next(t, call.Ended)
	a.gone()
	b.gone()
}

func TestWrongCertificateIsNotTrusted(t *testing.T) {
	cert, key, roots := certificate(t)
	_, _, others := certificate(t)
	b := newRig(t, func(c *Config) { c.ListenTLS, c.TLSCert, c.TLSKey, c.TLSRoots = "127.0.0.1:0", cert, key, roots })
	a := newRig(t, func(c *Config) { c.ListenTLS, c.TLSCert, c.TLSKey, c.TLSRoots = "127.0.0.1:0", cert, key, others })
	at := b.edge.Addr("TLS")
	_, trunk := a.callee(func(s *TrunkSettings) { s.Host, s.Port, s.Transport = "127.0.0.1", int(at.Port()), "tls" })
	l := a.dial(trunk, func(d *call.Dial) { d.To = "4000" })
	if e := l.next(t, call.Ended); e.Cause.By != "hotline" {
		t.Errorf("%+v", e.Cause)
	}
	a.gone()
}

// TestPlainOfferOfSRTP: keys in the clear protect nothing, so the offer is refused (RFC 4568, section 7).
func TestPlainOfferOfSRTP(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "", strings.Replace(testOffer(""), "RTP/AVP", "RTP/SAVP", 1)))
	p.want("SIP/2.0 488")
	r.gone()
}
