package asterisktest

import (
	"strings"
	"testing"

	"hotline/asterisk/config"
	"hotline/trunks"
)

// TestLoadsWithoutComplaint: the real Asterisk reads what we render without an error or a warning.
func TestLoadsWithoutComplaint(t *testing.T) {
	a := Start(t, Options{
		Trunks: []trunks.Trunk{
			{ID: "t1", Name: "acme", Settings: trunks.TrunkSettings{MatchAddresses: []string{"127.0.0.1", "192.0.2.0/24"}, Host: "127.0.0.1", Port: 5999, OptionsIntervalS: 30,
				MatchDigest: &trunks.Credentials{Username: "pbx", Password: "a;b [c] = > \\;--x"}, SessionTimerS: 600}},
			{ID: "t2", Name: "provider", Settings: trunks.TrunkSettings{Host: "127.0.0.3", Transport: "tcp", TrustedIdentity: true, Codecs: []string{"PCMA"},
				Register: &trunks.Register{Registrar: "127.0.0.2:5998", Username: "8610;1", Password: `p\;w;--`, Realm: "x;y", ExpiresS: 120}}},
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
	if got := a.CLI("pjsip", "show", "endpoints"); !strings.Contains(got, "hl-acme") || !strings.Contains(got, "101") || !strings.Contains(got, "pbx") {
		t.Errorf("endpoints:\n%s", got)
	}
}
