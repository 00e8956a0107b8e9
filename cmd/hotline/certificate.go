package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	certificateLasts = 397 * 24 * time.Hour // browsers refuse longer ones
	certificateRenew = 30 * 24 * time.Hour  // before its end
	certificateLook  = time.Minute          // how often the files are looked at, at most
)

// certificate is what the console shows over HTTPS: files that somebody else renews, or one of our own making.
type certificate struct {
	certFile, keyFile string
	own               bool
	names             []string // of an own one: host names and addresses
	log               *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	looked time.Time
	stamp  time.Time // of the file that pair was read from
}

// openCertificate reads the certificate of c, or makes it. Phones on a local network need HTTPS for the microphone, and no authority
// certifies their addresses.
func openCertificate(c config, log *slog.Logger) (*certificate, error) {
	t := &certificate{certFile: c.HTTP.Cert, keyFile: c.HTTP.Key, own: c.HTTP.SelfSigned, log: log}
	if t.own {
		dir := filepath.Join(c.DataDir, "tls")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("the folder of the self-signed certificate: %w", err)
		}
		t.certFile, t.keyFile, t.names = filepath.Join(dir, "console.crt"), filepath.Join(dir, "console.key"), certificateNames(c)
	}
	_, err := t.get(nil)
	return t, err
}

// certificateNames are the names and addresses by which browsers may reach us.
func certificateNames(c config) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "" {
		names = append(names, host)
	}
	if c.ExternalAddr.IsValid() {
		names = append(names, c.ExternalAddr.String())
	}
	if host, _, err := net.SplitHostPort(c.HTTP.Addr); err == nil {
		if a, err := netip.ParseAddr(host); err == nil && !a.IsUnspecified() {
			return unique(append(names, a.String()))
		}
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			names = append(names, p.Addr().Unmap().String())
		}
	}
	return unique(names)
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// listen puts TLS in front of l.
func (t *certificate) listen(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{GetCertificate: t.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
}

// get returns the certificate. Now and then it looks whether the files are new, or ours is to be renewed; when that fails, the one
// that is there goes on.
func (t *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pair != nil && time.Since(t.looked) < certificateLook {
		return t.pair, nil
	}
	t.looked = time.Now()
	if err := t.refresh(); err != nil {
		if t.pair == nil {
			return nil, err
		}
		t.log.Error("the certificate could not be renewed; the old one goes on", "event", "alarm", "err", err)
	}
	return t.pair, nil
}

// refresh reads the files if they have changed, after making them if they are ours and it is time.
func (t *certificate) refresh() error {
	at, err := os.Stat(t.certFile)
	if t.own && (errors.Is(err, os.ErrNotExist) || t.pair == nil && !t.good() || t.pair != nil && time.Until(t.pair.Leaf.NotAfter) < certificateRenew) {
		if err := makeCertificate(t.certFile, t.keyFile, t.names, time.Now()); err != nil {
			return fmt.Errorf("make the self-signed certificate: %w", err)
		}
		at, err = os.Stat(t.certFile)
	}
	if err != nil {
		return fmt.Errorf("http_tls_cert: %w", err)
	}
	if t.pair != nil && at.ModTime().Equal(t.stamp) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(t.certFile, t.keyFile)
	if err != nil {
		return fmt.Errorf("http_tls_cert, http_tls_key: %w", err)
	}
	t.pair, t.stamp = &pair, at.ModTime()
	return nil
}

// good says whether the certificate of an earlier start still serves: it is readable, has all names, and lasts.
func (t *certificate) good() bool {
	pair, err := tls.LoadX509KeyPair(t.certFile, t.keyFile)
	if err != nil || time.Until(pair.Leaf.NotAfter) < certificateRenew {
		return false
	}
	return !slices.ContainsFunc(t.names, func(name string) bool { return pair.Leaf.VerifyHostname(name) != nil })
}

// fingerprint is what a person compares with what the browser shows before trusting it.
func (t *certificate) fingerprint() string {
	pair, err := t.get(nil)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(pair.Certificate[0])
	text := strings.ToUpper(hex.EncodeToString(sum[:]))
	var parts []string
	for i := 0; i < len(text); i += 2 {
		parts = append(parts, text[i:i+2])
	}
	return strings.Join(parts, ":")
}

// makeCertificate writes a key and a certificate that signs itself. The key is new each time.
func makeCertificate(certFile, keyFile string, names []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	leaf := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Hotline", Organization: []string{"Hotline, self-signed"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLasts),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, &leaf, &leaf, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := replaceFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return err
	}
	return replaceFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o644)
}

// replaceFile writes a file whole or not at all.
func replaceFile(name string, data []byte, mode os.FileMode) error {
	tmp := name + ".new"
	if err := os.WriteFile(tmp, data, mode); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}
