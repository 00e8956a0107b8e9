package asterisktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/asterisk/config"
	"hotline/testport"
	"hotline/trunks"
)

// TestLoadsWithoutComplaint: the real Asterisk reads what we render without an error or a warning.
func TestLoadsWithoutComplaint(t *testing.T) {
	cert, key := certificate(t)
	a := Start(t, Options{
		Render: func(o *config.Options) {
			o.SIP.TLS, o.SIP.Cert, o.SIP.Key = netip.AddrPortFrom(o.SIP.Bind.Addr(), uint16(testport.Free(t, "tcp"))), cert, key
			o.SIP.External, o.SIP.Local = netip.MustParseAddr("203.0.113.9"), []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		},
		Trunks: []trunks.Trunk{
			{ID: "t1", Name: "acme", Settings: trunks.TrunkSettings{MatchAddresses: []string{"127.0.0.1", "192.0.2.0/24"}, Host: "127.0.0.1", Port: 5999, OptionsIntervalS: 30,
				MatchDigest: &trunks.Credentials{Username: "pbx", Password: "a;b [c] = > \\;--x"}, SessionTimerS: 600}},
			{ID: "t2", Name: "provider", Settings: trunks.TrunkSettings{Host: "127.0.0.3", Transport: "tcp", TrustedIdentity: true, Codecs: []string{"PCMA"},
				Register: &trunks.Register{Registrar: "127.0.0.2:5998", Username: "8610;1", Password: `p\;w;--`, Realm: "x;y", ExpiresS: 120}}},
			{ID: "t4", Name: "上海 电信", Settings: trunks.TrunkSettings{MatchAddresses: []string{"192.0.3.7", "2001:db8::/64"}, Host: "127.0.0.8", Transport: "tls", SRTP: true, DTMF: "inband", SessionTimerS: -1}},
			{ID: "t3", Name: "desk phones", Settings: trunks.TrunkSettings{Dial: "PJSIP/{number}"}},
		},
		Numbers: []trunks.Number{{Number: "4000", Language: "en"}, {Number: "+861012345678", Language: "zh-CN"}},
		Phones:  []config.Phone{{User: "101", Password: "0123456789ab", TrunkID: "t3"}},
	})
	for line := range strings.Lines(a.Log()) {
		if strings.Contains(line, "ERROR") || strings.Contains(line, "WARNING") {
			t.Error(strings.TrimSpace(line))
		}
	}
	if got := a.CLI("pjsip", "show", "auth", "pbx"); !strings.Contains(got, "a;b [c] = > \\;--x\n") {
		t.Errorf("the password was read as\n%s", got)
	}
	if got := a.CLI("pjsip", "show", "auth", "hl-provider"); !strings.Contains(got, ": p\\;w;--\n") || !strings.Contains(got, ": x;y\n") {
		t.Errorf("the password was read as\n%s", got)
	}
	if got := a.CLI("pjsip", "show", "registration", "hl-provider"); !strings.Contains(got, "sip:8610%3B1@127.0.0.2\n") || !strings.Contains(got, "sip:127.0.0.3;transport=tcp;lr\n") {
		t.Errorf("registration:\n%s", got)
	}
	if got := a.CLI("pjsip", "show", "transports"); !strings.Contains(got, "transport-tls") {
		t.Errorf("transports:\n%s", got)
	}
	if got := a.CLI("pjsip", "show", "endpoints"); !strings.Contains(got, "hl-acme") || !strings.Contains(got, "101") || !strings.Contains(got, "pbx") {
		t.Errorf("endpoints:\n%s", got)
	}
}

// certificate makes a pair of PEM files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"pbx.example"}, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
