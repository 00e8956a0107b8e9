package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// shown is the certificate that a client sees.
func shown(t *testing.T, c *certificate) *x509.Certificate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = c.listen(l)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err == nil {
			conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	leaf := conn.ConnectionState().PeerCertificates[0]
	conn.Close()
	l.Close()
	<-done
	return leaf
}

// TestSelfSignedCertificate: it is made once, names what browsers may type, is kept over a restart, and is made anew before it ends,
// when a name is missing, and when its key is gone; without a restart too.
func TestSelfSignedCertificate(t *testing.T) {
	c := config{DataDir: t.TempDir(), HTTP: httpConfig{Addr: "0.0.0.0:8443", SelfSigned: true}}
	open := func() *certificate {
		t.Helper()
		cert, err := openCertificate(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	first := open()
	leaf := shown(t, first)
	for _, name := range []string{"localhost", "127.0.0.1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if left := time.Until(leaf.NotAfter); left > 398*24*time.Hour || left < 300*24*time.Hour {
		t.Errorf("lasts %s", left)
	}
	if n := len(strings.Split(first.fingerprint(), ":")); n != 32 {
		t.Errorf("fingerprint %q", first.fingerprint())
	}
	if info, err := os.Stat(first.keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v %v", info, err)
	}
	if second := open(); second.fingerprint() != first.fingerprint() {
		t.Error("a restart made a new certificate")
	}
	old := first.fingerprint()
	if err := makeCertificate(first.certFile, first.keyFile, first.names, time.Now().Add(10*24*time.Hour-certificateLasts)); err != nil {
		t.Fatal(err)
	}
	if again := open(); again.fingerprint() == old || time.Until(shown(t, again).NotAfter) < certificateRenew {
		t.Error("a certificate that ends in ten days was kept")
	}
	// While it runs: the files are looked at again, and the old pair is renewed when its end comes near.
	if err := makeCertificate(first.certFile, first.keyFile, first.names, time.Now().Add(10*24*time.Hour-certificateLasts)); err != nil {
		t.Fatal(err)
	}
	first.looked = time.Time{}
	ending := shown(t, first)
	first.looked = time.Time{}
	if renewed := shown(t, first); time.Until(ending.NotAfter) > certificateRenew || time.Until(renewed.NotAfter) < certificateRenew {
		t.Errorf("the process showed one until %s, then one until %s", ending.NotAfter, renewed.NotAfter)
	}
	before := open().fingerprint()
	c.HTTP.Addr = "127.0.0.7:8443"
	if named := open(); named.fingerprint() == before || shown(t, named).VerifyHostname("127.0.0.7") != nil {
		t.Error("a new address is not in the certificate")
	}
	if err := os.Remove(first.keyFile); err != nil {
		t.Fatal(err)
	}
	shown(t, open())
}
