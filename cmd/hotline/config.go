package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"hotline"
	"hotline/ivr/lookup"
)

// config is the process's own configuration: what must be known before the database is. Trunks, numbers, menus and queues live in
// the database. Each key stands once in the YAML file (lower case) or in the environment (HOTLINE_ and upper case), which wins.
type config struct {
	HTTP         httpConfig
	WebRTC       webrtcConfig
	SIP          sipConfig
	ExternalAddr netip.Addr
	RTP          portRange
	DataDir      string
	DatabaseURL  string
	LogLevel     slog.Level
	LogFormat    string
	MaxCalls     int
	KeepDays     int
	RecordingKey string
	RecordOut    bool
	LookupHosts  []string
	DialOut      []string
	Country      string
	Node         string
	Pop          popConfig
	Asterisk     asteriskConfig
}

// httpConfig is where the console and the API are.
type httpConfig struct {
	Addr       string
	Cert, Key  string // PEM files
	SelfSigned bool   // a certificate of our own making
}

// webrtcConfig is where browsers send audio.
type webrtcConfig struct {
	Addr  string
	Hosts []netip.Addr
}

// sipConfig is where trunks reach us.
type sipConfig struct {
	Addr, TLSAddr string
	Cert, Key     string // PEM files
}

// popConfig tells foreign systems who calls.
type popConfig struct{ URL, Hook string }

// portRange is first and last port, both included.
type portRange struct{ First, Last int }

// setting is one key: its default, what it is for, and how a value is taken. The error of set says how to mend the value.
type setting struct {
	key, preset, help string
	set               func(c *config, value string) error
}

var settings = []setting{
	{"http_addr", "127.0.0.1:8080", "address of the console and the API", func(c *config, v string) error {
		return setHostPort(&c.HTTP.Addr, v)
	}},
	{"http_tls_cert", "", "certificate (PEM file): serve HTTPS", func(c *config, v string) error { return setFile(&c.HTTP.Cert, v) }},
	{"http_tls_key", "", "key of the certificate (PEM file)", func(c *config, v string) error { return setFile(&c.HTTP.Key, v) }},
	{"http_tls", "", "self-signed: serve HTTPS with a certificate that Hotline makes, keeps in the data folder and renews", func(c *config, v string) error {
		if v != "" && v != "self-signed" {
			return errors.New("give self-signed, or nothing")
		}
		c.HTTP.SelfSigned = v != ""
		return nil
	}},
	{"webrtc_addr", "127.0.0.1:8444", "address for the audio of agents' browsers, UDP and TCP", func(c *config, v string) error {
		return setHostPort(&c.WebRTC.Addr, v)
	}},
	{"webrtc_hosts", "", "IP addresses that browsers are told for audio, separated by commas; empty: external_addr and the machine's own", setWebRTCHosts},
	{"sip_addr", "127.0.0.1:5060", "address for SIP over UDP and TCP", func(c *config, v string) error {
		return setHostPort(&c.SIP.Addr, v)
	}},
	{"sip_tls_addr", "", "address for SIP over TLS; empty: none", func(c *config, v string) error {
		if v == "" {
			return nil
		}
		return setHostPort(&c.SIP.TLSAddr, v)
	}},
	{"sip_tls_cert", "", "certificate (PEM file) for SIP over TLS", func(c *config, v string) error { return setFile(&c.SIP.Cert, v) }},
	{"sip_tls_key", "", "key of that certificate (PEM file)", func(c *config, v string) error { return setFile(&c.SIP.Key, v) }},
	{"external_addr", "", "IP address that peers outside reach us by, when behind NAT", setExternal},
	{"rtp_ports", "20000-23999", "UDP ports for audio, first-last", setRTPPorts},
	{"data_dir", "data", "folder for the database, recordings, keys and the journal", func(c *config, v string) error {
		abs, err := filepath.Abs(v)
		if v == "" || err != nil {
			return errors.New("give a folder that Hotline may write to")
		}
		c.DataDir = abs
		return nil
	}},
	{"database_url", "", "PostgreSQL to use; empty: Hotline runs its own", setDatabaseURL},
	{"log_level", "info", "debug, info, warn or error", func(c *config, v string) error {
		if err := c.LogLevel.UnmarshalText([]byte(v)); err != nil {
			return errors.New("give one of debug, info, warn, error")
		}
		return nil
	}},
	{"log_format", "text", "text or json", func(c *config, v string) error {
		if v != "text" && v != "json" {
			return errors.New("give text or json")
		}
		c.LogFormat = v
		return nil
	}},
	{"max_calls", "2000", "calls at a time; more are refused with 503", func(c *config, v string) error {
		return setNumber(&c.MaxCalls, v, 1, 100_000)
	}},
	{"recording_days", "365", "days that recordings are kept", func(c *config, v string) error {
		return setNumber(&c.KeepDays, v, 1, 36_500)
	}},
	{"recording_key", "", "file with the key of the recordings; empty: recordings.key in the data folder", func(c *config, v string) error {
		c.RecordingKey = v
		return nil
	}},
	{"record_outbound", "no", "yes: calls that agents make are recorded from the answer on; tell the called", func(c *config, v string) error {
		if v != "yes" && v != "no" {
			return errors.New("give yes or no")
		}
		c.RecordOut = v == "yes"
		return nil
	}},
	{"lookup_hosts", "", "hosts that menus may ask over HTTP, separated by commas", func(c *config, v string) error {
		c.LookupHosts = splitList(v)
		return nil
	}},
	{"country", "CN", "whose numbers are typed without a country code (ISO 3166)", func(c *config, v string) error {
		if len(v) != 2 || strings.ToUpper(v) != v {
			return errors.New("give two capital letters, as in CN or GB")
		}
		c.Country = v
		return nil
	}},
	{"node", "", "name of this process in the records of calls; empty: the machine's name", func(c *config, v string) error {
		c.Node = v
		if v == "" {
			c.Node, _ = os.Hostname()
		}
		return nil
	}},
	{"pop_url", "", "address to open for a call, as in https://crm.example.com/?phone={e164}&ticket={number}; queues may have their own", func(c *config, v string) error {
		return setURL(&c.Pop.URL, v)
	}},
	{"pop_hook", "", "address that each screen-pop is posted to as JSON; its host must be in lookup_hosts", func(c *config, v string) error {
		return setURL(&c.Pop.Hook, v)
	}},
	{"asterisk", "", "Asterisks that carry calls, name=URL of their HTTP server, separated by commas (pbx1=http://10.0.0.5:8088); with transport dialled too, for what Asterisk took while Hotline was away; empty: none", setAsterisks},
	{"asterisk_user", "hotline", "ARI user, as in ari.conf", func(c *config, v string) error { c.Asterisk.User = v; return nil }},
	{"asterisk_password", "", "its password; empty, short and well-known ones are refused", func(c *config, v string) error {
		if v != "" {
			c.Asterisk.Password = v
		}
		return nil
	}},
	{"asterisk_password_file", "", "file that holds the password", setAsteriskPasswordFile},
	{"asterisk_app", "hotline", "Stasis application, as in extensions.conf", func(c *config, v string) error { c.Asterisk.App = v; return nil }},
	{"asterisk_transport", "http", "http, websocket (one connection for all), or dialled (Asterisk connects to Hotline)", setAsteriskTransport},
	{"asterisk_media_addr", "", "IP address that Asterisk sends audio to; empty: the one of ours that faces it", func(c *config, v string) error {
		if v == "" {
			return nil
		}
		addr, err := netip.ParseAddr(v)
		if err != nil || addr.IsUnspecified() || addr.IsMulticast() {
			return errors.New("give one IP address of this machine, as in 10.0.0.4")
		}
		c.Asterisk.MediaAddr = addr
		return nil
	}},
	{"dial_out", "", "prefixes in E.164 that calls may be transferred to (+8621,+44…); empty: none", setDialOut},
}

// loadConfig reads the file (if path is not "") and then the environment. A wrong value is refused with its place, key and mend.
func loadConfig(path string, environ []string) (config, error) {
	var c config
	for _, s := range settings {
		if err := s.set(&c, s.preset); err != nil {
			return c, fmt.Errorf("default of %s: %w", s.key, err)
		}
	}
	if path != "" {
		if err := c.readFile(path); err != nil {
			return c, err
		}
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		key, ours := strings.CutPrefix(name, "HOTLINE_")
		if !ours || key == "CONFIG" || strings.HasPrefix(key, "TEST_") || strings.HasPrefix(key, "CALL_") {
			continue
		}
		if err := c.take(strings.ToLower(key), value, "environment "+name, 0); err != nil {
			return c, err
		}
	}
	return c, c.check()
}

func (c *config) readFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return hotline.Errorf(hotline.Invalid, "config.unreadable", "configuration file %s cannot be read: %v", path, err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return hotline.Errorf(hotline.Invalid, "config.syntax", "configuration file %s is not YAML: %v", path, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return hotline.Errorf(hotline.Invalid, "config.syntax", "%s:%d: expected lines of the form key: value", path, root.Line)
	}
	seen := map[string]int{}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if before, twice := seen[key.Value]; twice {
			return hotline.Errorf(hotline.Invalid, "config.twice", "%s:%d: %s stands already in line %d; keep one", path, key.Line, key.Value, before)
		}
		seen[key.Value] = key.Line
		text := value.Value
		if value.Kind == yaml.SequenceNode {
			var items []string
			for _, item := range value.Content {
				items = append(items, item.Value)
			}
			text = strings.Join(items, ",")
		}
		if err := c.take(key.Value, text, path, key.Line); err != nil {
			return err
		}
	}
	return nil
}

// take sets one key from a place: a file with a line, or the environment.
func (c *config) take(key, value, place string, line int) error {
	if line > 0 {
		place = fmt.Sprintf("%s:%d", place, line)
	}
	for _, s := range settings {
		if s.key != key {
			continue
		}
		if err := s.set(c, strings.TrimSpace(value)); err != nil {
			return &hotline.Error{
				Kind: hotline.Invalid, Code: "config.value", Field: key, Line: line,
				Message: fmt.Sprintf("%s: %s is %q: %v", place, key, value, err),
			}
		}
		return nil
	}
	return &hotline.Error{
		Kind: hotline.Invalid, Code: "config.unknown", Field: key, Line: line,
		Message: fmt.Sprintf("%s: there is no key %q%s; hotline config keys lists all", place, key, nearest(key)),
	}
}

// check holds what concerns more than one key.
func (c *config) check() error {
	pairs := []struct{ on, cert, key, certName, keyName string }{
		{c.HTTP.Cert + c.HTTP.Key, c.HTTP.Cert, c.HTTP.Key, "http_tls_cert", "http_tls_key"},
		{c.SIP.TLSAddr, c.SIP.Cert, c.SIP.Key, "sip_tls_cert", "sip_tls_key"},
	}
	for _, p := range pairs {
		if p.on != "" && (p.cert == "" || p.key == "") {
			return hotline.Errorf(hotline.Invalid, "config.tls", "TLS needs both %s and %s; set the missing one", p.certName, p.keyName)
		}
	}
	if c.HTTP.SelfSigned && c.HTTP.Cert != "" {
		return hotline.Errorf(hotline.Invalid, "config.tls", "http_tls is self-signed and http_tls_cert names a certificate; keep one of them")
	}
	if err := c.checkAsterisk(); err != nil {
		return err
	}
	if c.Pop.Hook != "" {
		u, _ := url.Parse(c.Pop.Hook)
		if !lookup.Allowed(c.LookupHosts, u.Host) {
			return hotline.Errorf(hotline.Invalid, "config.pop_hook", "pop_hook goes to %s, which lookup_hosts does not name; add it there", u.Host)
		}
	}
	return nil
}

// secure says whether the console is served over HTTPS.
func (c *config) secure() bool { return c.HTTP.SelfSigned || c.HTTP.Cert != "" }

func setHostPort(to *string, v string) error {
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("give address and port, as in 127.0.0.1:8080 or 0.0.0.0:8080")
	}
	if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Errorf("%q is no IP address; give one, as in 127.0.0.1:%s", host, port)
		}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is no port; give a number from 1 to 65535", port)
	}
	*to = v
	return nil
}

func setFile(to *string, v string) error {
	if v != "" {
		if _, err := os.Stat(v); err != nil {
			return fmt.Errorf("the file cannot be read (%v); give the path of a PEM file", errors.Unwrap(err))
		}
	}
	*to = v
	return nil
}

func setExternal(c *config, v string) error {
	if v == "" {
		c.ExternalAddr = netip.Addr{}
		return nil
	}
	addr, err := netip.ParseAddr(v)
	if err != nil || addr.IsUnspecified() || addr.IsMulticast() {
		return errors.New("give the one IP address that peers outside send to, as in 203.0.113.7")
	}
	c.ExternalAddr = addr
	return nil
}

func setWebRTCHosts(c *config, v string) error {
	c.WebRTC.Hosts = nil
	for _, item := range splitList(v) {
		addr, err := netip.ParseAddr(item)
		if err != nil || addr.IsUnspecified() || addr.IsMulticast() {
			return fmt.Errorf("%q is no address that a browser can send to; give IP addresses, as in 192.168.1.20", item)
		}
		c.WebRTC.Hosts = append(c.WebRTC.Hosts, addr)
	}
	return nil
}

func setURL(to *string, v string) error {
	if v != "" {
		u, err := url.Parse(v)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return errors.New("give an address that begins with https://")
		}
	}
	*to = v
	return nil
}

func setRTPPorts(c *config, v string) error {
	from, to, ok := strings.Cut(v, "-")
	low, err1 := strconv.Atoi(strings.TrimSpace(from))
	high, err2 := strconv.Atoi(strings.TrimSpace(to))
	switch {
	case !ok || err1 != nil || err2 != nil:
		return errors.New("give first and last port, as in 20000-23999")
	case low < 1024 || high > 65535:
		return errors.New("ports must lie between 1024 and 65535")
	case high-low < 3:
		return errors.New("the range must hold at least four ports; a call takes two")
	}
	c.RTP = portRange{low, high}
	return nil
}

func setDatabaseURL(c *config, v string) error {
	if v != "" && !strings.HasPrefix(v, "postgres://") && !strings.HasPrefix(v, "postgresql://") {
		return errors.New("give a URL that begins with postgres://, as in postgres://user@host/hotline")
	}
	c.DatabaseURL = v
	return nil
}

func setDialOut(c *config, v string) error {
	list := splitList(v)
	for _, prefix := range list {
		digits, plus := strings.CutPrefix(prefix, "+")
		if !plus || digits == "" || strings.Trim(digits, "0123456789") != "" {
			return fmt.Errorf("%q is no prefix in E.164; give + and digits, as in +8621", prefix)
		}
	}
	c.DialOut = list
	return nil
}

func setNumber(to *int, v string, low, high int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return fmt.Errorf("give a whole number from %d to %d", low, high)
	}
	*to = n
	return nil
}

func splitList(v string) []string {
	var list []string
	for _, item := range strings.Split(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// nearest suggests a key that differs from a mistyped one by little.
func nearest(key string) string {
	for _, s := range settings {
		if strings.ReplaceAll(s.key, "_", "") == strings.ReplaceAll(key, "_", "") || strings.HasPrefix(s.key, key) {
			return fmt.Sprintf(" (did you mean %s?)", s.key)
		}
	}
	return ""
}
