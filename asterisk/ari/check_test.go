package ari_test

import (
	"errors"
	"strings"
	"testing"

	"hotline"
	"hotline/asterisk/ari"
)

func good() ari.Config {
	return ari.Config{Name: "berlin", URL: "http://10.1.2.3:8088", User: "hotline", Password: "hT7-kf93_mmq0"}
}

// TestCheck refuses what lets strangers in or cannot work, and says how to mend it.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		mod  func(*ari.Config)
		code string // "" for accepted
		mend string // must be in the message
	}{
		{"good", func(*ari.Config) {}, "", ""},
		{"empty password", func(c *ari.Config) { c.Password = "" }, "ari.password_empty", "openssl rand"},
		{"asterisk", func(c *ari.Config) { c.Password = "asterisk" }, "ari.password_known", "ari.conf"},
		{"asterisk with digits", func(c *ari.Config) { c.Password = "Asterisk2026!" }, "ari.password_known", "ari.conf"},
		{"the documentation's", func(c *ari.Config) { c.Password = "peekaboo" }, "ari.password_known", "ari.conf"},
		{"digits", func(c *ari.Config) { c.Password = "1234567890" }, "ari.password_known", "ari.conf"},
		{"the user", func(c *ari.Config) { c.User, c.Password = "operator-one", "Operator-One" }, "ari.password_known", "ari.conf"},
		{"the node", func(c *ari.Config) { c.Name, c.Password = "frankfurt-2", "frankfurt-2" }, "ari.password_known", "ari.conf"},
		{"the application", func(c *ari.Config) { c.App, c.Password = "callcentre-x", "callcentre-x" }, "ari.password_known", "ari.conf"},
		{"one letter", func(c *ari.Config) { c.Password = strings.Repeat("x", 30) }, "ari.password_known", "ari.conf"},
		{"short", func(c *ari.Config) { c.Password = "k7-Qp0z" }, "ari.password_short", "10 characters"},
		{"line break", func(c *ari.Config) { c.Password = "hT7-kf93\nmmq0x" }, "ari.password_line", "line break"},
		{"no user", func(c *ari.Config) { c.User = "" }, "ari.user", "type=user"},
		{"public", func(c *ari.Config) { c.URL = "http://198.51.100.7:8088" }, "ari.public", "https"},
		{"public, IPv6", func(c *ari.Config) { c.URL = "http://[2001:db8::1]:8088" }, "ari.public", "https"},
		{"public, mapped", func(c *ari.Config) { c.URL = "http://[::ffff:198.51.100.7]:8088" }, "ari.public", "https"},
		{"public with TLS", func(c *ari.Config) { c.URL = "https://198.51.100.7:8089" }, "", ""},
		{"loopback", func(c *ari.Config) { c.URL = "http://127.0.0.1:8088/" }, "", ""},
		{"unique local", func(c *ari.Config) { c.URL = "http://[fd00::7]:8088" }, "", ""},
		{"overlay network", func(c *ari.Config) { c.URL = "http://100.100.3.4:8088" }, "", ""},
		{"a name", func(c *ari.Config) { c.URL = "http://asterisk:8088" }, "", ""},
		{"no URL", func(c *ari.Config) { c.URL = "" }, "ari.url", "http://host:8088"},
		{"another scheme", func(c *ari.Config) { c.URL = "ws://10.1.2.3:8088" }, "ari.url", "http://host:8088"},
		{"password in the URL", func(c *ari.Config) { c.URL = "http://u:hidden-secret@10.1.2.3:8088" }, "ari.url", "settings of their own"},
		{"with /ari", func(c *ari.Config) { c.URL = "http://10.1.2.3:8088/ari" }, "ari.url", "/ari is added"},
		{"a transport that is none", func(c *ari.Config) { c.Transport = "udp" }, "ari.transport", "websocket or dialled"},
		{"an application that is none", func(c *ari.Config) { c.App = "hot,line" }, "ari.app", "letters"},
		{"dialled without URL", func(c *ari.Config) { c.Transport, c.URL = ari.Dialled, "" }, "", ""},
	} {
		cfg := good()
		c.mod(&cfg)
		err := ari.Check(cfg)
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var e *hotline.Error
		if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message, c.mend) {
			t.Errorf("%s: %v, want code %s with %q", c.name, err, c.code, c.mend)
			continue
		}
		if strings.Contains(e.Message, "hidden-secret") || len(cfg.Password) > 7 && c.name != "the user" && c.name != "the node" && c.name != "the application" &&
			strings.Contains(e.Message, cfg.Password) {
			t.Errorf("%s: the message shows a password: %s", c.name, e.Message)
		}
		if _, err := ari.New(cfg, newEar()); err == nil {
			t.Errorf("%s: New takes it", c.name)
		}
	}
}

// TestNamesLeadToPrivateAddresses judges a name by what it leads to, when it connects.
func TestNamesLeadToPrivateAddresses(t *testing.T) {
	for address, public := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "192.168.7.7:80": false, "198.51.100.7:80": true, "[2001:db8::1]:80": true, "0.0.0.0:80": true} {
		if err := ari.PrivateOnly(address); (err != nil) != public {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestVersions names what is known to be wrong with a version.
func TestVersions(t *testing.T) {
	for version, want := range map[string]string{
		"22.11.0":                         "",
		"22.12.0-rc3":                     "",
		"20.22.0":                         "",
		"23.2.0":                          "",
		"24.0.0":                          "",
		"22.10.1+dfsg+~cs6.17.60671434-1": "refer_sub tcp",
		"22.10.0":                         "security refer_sub tcp",
		"22.9.0":                          "security refer_sub deadlock",
		"22.8.2":                          "security refer_sub deadlock",
		"22.5.2":                          "security httpstatus refer_sub refer deadlock external_media",
		"22.2.0":                          "security httpstatus transfers deadlock external_media",
		"20.20.1":                         "refer_sub tcp",
		"20.6.0~dfsg-1":                   "security httpstatus transfers deadlock external_media",
		"21.12.2":                         "end",
		"certified/22.8-cert2":            "",
		"GIT-22-0123abc":                  "",
		"GIT-master-0123abc":              "",
		"":                                "",
		"18.26.4":                         "end old",
		"16.28.0~dfsg-0+deb11u4":          "end old",
		"certified/18.9-cert16":           "end old",
	} {
		err := ari.TooOld(version, good())
		var got []string
		for _, w := range ari.Known(version) {
			got = append(got, strings.TrimPrefix(w.Code, "ari.version."))
			if !strings.Contains(w.Text, "install ") {
				t.Errorf("%s: %s does not say how to mend it", version, w.Text)
			}
		}
		var e *hotline.Error
		if errors.As(err, &e) {
			got = append(got, strings.TrimPrefix(e.Code, "ari.version."))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", version, got, want)
		}
	}
	cfg := good()
	cfg.AllowOld = true
	if err := ari.TooOld("16.28.0", cfg); err != nil {
		t.Error(err)
	}
}

// FuzzDecode reads whatever comes over the websocket: it must not panic, and what it takes for an event has a type.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"StasisStart","timestamp":"2026-11-22T11:00:00.123+0000","args":["in","x"],"channel":{"id":"1","name":"PJSIP/x","state":"Ring","caller":{"name":"","number":"1"},"channelvars":{"a":"b"}},"application":"hotline"}`,
		`{"type":"ChannelTransfer","state":"channel_progress","refer_to":{"requested_destination":{"destination":"100","additional_protocol_params":[{"parameter_name":"a","parameter_value":"b"}]},"connected_channel":{"id":"2"}},"referred_by":{"source_channel":{"id":"1"},"bridge":{"id":"b"}}}`,
		`{"type":"RESTResponse","request_id":"7","status_code":200,"message_body":"{}"}`, `{"type":"Dial","peer":{"id":"1"},"dialstatus":"ANSWER"}`,
		`{"type":"BridgeAttendedTransfer","transferer_first_leg":{"id":"1"},"transferer_second_leg":{"id":"2"}}`, `{"type":3,"channel":[],"args":"x"}`, `{`, `null`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ari.Decode(data)
		if err == nil && e.Type == "" {
			t.Fatalf("%q is an event without a type", data)
		}
	})
}
