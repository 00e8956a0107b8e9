package config

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/trunks"
)

var update = flag.Bool("update", false, "write the example of deploy/asterisk anew")

const password = "b6d4c1f09a7e4e52"

func trunk(name string, s trunks.TrunkSettings) trunks.Trunk {
	s.Edge = trunks.EdgeAsterisk
	return trunks.Trunk{ID: "0198f2a0-0000-7000-8000-00000000000" + string(rune('0'+len(name)%10)), Name: name, Enabled: true, Settings: s}
}

// example is what a small office has: a PBX by its addresses, a provider with a registration, a carrier with TLS, and desk phones.
func example() ([]trunks.Trunk, []trunks.Number, Options) {
	pbx := trunk("pbx", trunks.TrunkSettings{MatchAddresses: []string{"192.0.2.10", "192.0.2.32/28"}, Host: "192.0.2.10", OptionsIntervalS: 30, MaxCalls: 30, TrustedIdentity: true})
	provider := trunk("provider", trunks.TrunkSettings{Country: "CN", NationalPrefix: "0", Codecs: []string{"PCMA", "PCMU"}, Host: "proxy.provider.example",
		Register: &trunks.Register{Registrar: "provider.example", Username: "861012345678", AuthUsername: "acct-4711", Password: "example", Realm: "provider.example", ExpiresS: 600}})
	carrier := trunk("carrier 2", trunks.TrunkSettings{MatchAddresses: []string{"198.51.100.7"}, Host: "sip.carrier.example", Transport: "tls", SRTP: true, SessionTimerS: 900})
	branch := trunk("branch", trunks.TrunkSettings{MatchDigest: &trunks.Credentials{Username: "branch-gw", Password: "example"}, DTMF: "info"})
	phones := trunk("desk phones", trunks.TrunkSettings{Dial: "PJSIP/{number}"})
	numbers := []trunks.Number{
		{Number: "+861012345678", Title: "Main line", Flow: "main", Language: "zh-CN"},
		{Number: "4001", Title: "Help desk", Flow: "help", Language: "en"},
	}
	return []trunks.Trunk{branch, carrier, phones, pbx, provider}, numbers, Options{
		ARI: ARI{Password: password},
		SIP: SIP{TLS: netip.MustParseAddrPort("0.0.0.0:5061"), Cert: "/etc/asterisk/keys/pbx.crt", Key: "/etc/asterisk/keys/pbx.key"},
	}
}

// TestExample holds the example in deploy/asterisk/example against what is rendered: go test ./asterisk/config -update writes it. Its
// ARI password is one that Hotline refuses, so that nobody runs it as it stands.
func TestExample(t *testing.T) {
	all, numbers, o := example()
	files, err := Render(all, numbers, o)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "deploy", "asterisk", "example")
	if *update {
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]bool{}
	for _, f := range files {
		want[f.Name] = true
		text := strings.ReplaceAll(f.Text, password, "changeme")
		path := filepath.Join(dir, f.Name)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != text {
			t.Errorf("%s is not what is rendered (go test ./asterisk/config -update writes it anew):\n%s", path, text)
		}
		if f.Secret != strings.Contains(f.Text, "password = ") {
			t.Errorf("%s: secret %v", f.Name, f.Secret)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !want[e.Name()] {
			t.Errorf("%s is rendered no more", e.Name())
		}
	}
	if err := ari.Check(ari.Config{URL: "http://127.0.0.1:8088", User: "hotline", Password: "changeme"}); err == nil {
		t.Error("the example's password is accepted")
	}
}

// TestPart: what is added to an Asterisk of somebody else's touches nothing that is his.
func TestPart(t *testing.T) {
	all, numbers, o := example()
	o.Part, o.SIP = true, SIP{}
	files, err := Render(all, numbers, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		for _, his := range []string{"[global]", "[general]", "type = transport", "transport = ", "[default]", "#tryinclude"} {
			if strings.Contains(f.Text, "\n"+his) {
				t.Errorf("%s has %s", f.Name, his)
			}
		}
	}
	if got := strings.Join(names, " "); got != "hotline-ari.conf hotline-extensions.conf hotline-musiconhold.conf hotline-pjsip.conf" {
		t.Errorf("files %s", got)
	}
}

func TestRefused(t *testing.T) {
	host := trunks.TrunkSettings{Host: "192.0.2.1"}
	for want, change := range map[string]func(*Options, *[]trunks.Trunk){
		"ari.password_empty":     func(o *Options, _ *[]trunks.Trunk) { o.ARI.Password = "" },
		"ari.password_known":     func(o *Options, _ *[]trunks.Trunk) { o.ARI.Password = "asterisk" },
		"asterisk.public_bind":   func(o *Options, _ *[]trunks.Trunk) { o.ARI.Bind = netip.MustParseAddrPort("0.0.0.0:8088") },
		"asterisk.public_bind ":  func(o *Options, _ *[]trunks.Trunk) { o.ARI.Bind = netip.MustParseAddrPort("203.0.113.5:8088") },
		"asterisk.public_bind  ": func(o *Options, _ *[]trunks.Trunk) { o.ARI.Bind = netip.MustParseAddrPort("[::]:8088") },
		"asterisk.no_hotline":    func(o *Options, _ *[]trunks.Trunk) { o.ARI.Transport = ari.Dialled },
		"asterisk.rtp":           func(o *Options, _ *[]trunks.Trunk) { o.RTP = RTP{First: 80, Last: 90} },
		"asterisk.tls":           func(o *Options, _ *[]trunks.Trunk) { o.SIP.TLS = netip.MustParseAddrPort("0.0.0.0:5061") },
		"asterisk.phone":         func(o *Options, _ *[]trunks.Trunk) { o.Phones = []Phone{{User: "101", Password: "101"}} },
		"asterisk.phone ":        func(o *Options, _ *[]trunks.Trunk) { o.Phones = []Phone{{User: "1]\n[x", Password: password}} },
		"asterisk.tls ": func(_ *Options, all *[]trunks.Trunk) {
			*all = append(*all, trunk("secure", trunks.TrunkSettings{Host: "a", Transport: "tls"}))
		},
		"asterisk.name_taken": func(_ *Options, all *[]trunks.Trunk) { *all = append(*all, trunk("Acme", host), trunk("acme", host)) },
		"asterisk.name_taken ": func(_ *Options, all *[]trunks.Trunk) {
			*all = append(*all, trunk("x", trunks.TrunkSettings{MatchDigest: &trunks.Credentials{Username: "transport-udp", Password: "p"}}))
		},
		"asterisk.login": func(_ *Options, all *[]trunks.Trunk) {
			*all = append(*all, trunk("x", trunks.TrunkSettings{MatchDigest: &trunks.Credentials{Username: "a]b", Password: "p"}}))
		},
		"asterisk.address_taken": func(_ *Options, all *[]trunks.Trunk) {
			*all = append(*all, trunk("one", trunks.TrunkSettings{MatchAddresses: []string{"192.0.2.0/24"}}),
				trunk("two", trunks.TrunkSettings{MatchAddresses: []string{"192.0.2.7"}}))
		},
		"asterisk.value": func(_ *Options, all *[]trunks.Trunk) {
			*all = append(*all, trunk("x", trunks.TrunkSettings{Register: &trunks.Register{Registrar: "a", Username: "u", Password: "ends in a blank "}}))
		},
	} {
		all := []trunks.Trunk{trunk("good", trunks.TrunkSettings{Host: "198.51.100.1"})}
		o := Options{ARI: ARI{Password: password}}
		change(&o, &all)
		_, err := Render(all, nil, o)
		var e *hotline.Error
		if !errors.As(err, &e) || e.Kind != hotline.Invalid || e.Code != strings.TrimSpace(want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Only what Asterisk carries stands in its configuration: neither trunks of the native edge, nor those that are switched off.
func TestOthersAreLeftOut(t *testing.T) {
	native := trunk("homeline", trunks.TrunkSettings{Host: "192.0.2.1"})
	native.Settings.Edge = ""
	off := trunk("switched-off", trunks.TrunkSettings{Host: "192.0.2.2"})
	off.Enabled = false
	files, err := Render([]trunks.Trunk{native, off}, []trunks.Number{{Number: "4009", TrunkID: native.ID, Language: "en"}}, Options{ARI: ARI{Password: password}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.Contains(f.Text, "homeline") || strings.Contains(f.Text, "switched") || strings.Contains(f.Text, "4009") {
			t.Errorf("%s:\n%s", f.Name, f.Text)
		}
	}
}

// Whatever stands in names and passwords, the sections and keys of the file are ours.
func TestNothingBreaksOut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hostile := rapid.StringOf(rapid.SampledFrom([]rune("a1;[]\\=>#\n\r\"'{}$(),- 上\x00")))
		s := trunks.TrunkSettings{Host: "192.0.2.1", Register: &trunks.Register{
			Registrar: "r.example", Username: hostile.Draw(rt, "user"), Password: hostile.Draw(rt, "password"), Realm: hostile.Draw(rt, "realm")}}
		files, err := Render([]trunks.Trunk{trunk(hostile.Draw(rt, "name"), s)}, nil, Options{ARI: ARI{Password: password}})
		if err != nil {
			return
		}
		sections := 0
		for _, f := range files {
			if f.Name != "pjsip.conf" {
				continue
			}
			for line := range strings.Lines(f.Text) {
				line = strings.TrimSuffix(line, "\n")
				switch {
				case strings.HasPrefix(line, "["):
					sections++
					name := strings.TrimSuffix(strings.TrimPrefix(line, "["), "]")
					if !plain.MatchString(name) {
						rt.Fatalf("section %q", line)
					}
				case line == "", line == ";", strings.HasPrefix(line, "; "), strings.HasPrefix(line, "#tryinclude \"pjsip_local.conf\""):
				default:
					key, value, ok := strings.Cut(line, " = ")
					if !ok || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_") != "" || strings.Contains(strings.ReplaceAll(value, `\;`, ""), ";") {
						rt.Fatalf("line %q", line)
					}
				}
			}
		}
		if sections != 7 {
			rt.Fatalf("%d sections", sections)
		}
	})
}
