package ari

import (
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"hotline"
)

// wellKnown are passwords that guides, samples and distributions use, without digits and signs at their ends.
var wellKnown = []string{
	"admin", "administrator", "amp", "ari", "ariadmin", "aripassword", "ariuser", "asterisk", "asteriskari", "callcenter", "change", "changeit", "changeme", "default", "demo",
	"elastix", "example", "freepbx", "guest", "hello", "hotline", "issabel", "letmein", "login", "master", "mypassword", "mysecret", "myasterisk", "notsosecure",
	"pass", "passw", "passwd", "password", "passwort", "pbx", "peekaboo", "phone", "public", "pwd", "qwerty", "qwertz", "replaceme", "root", "sangoma", "sandbox",
	"secret", "secure", "sip", "stasis", "supersecret", "test", "tester", "testing", "topsecret", "unsecure", "user", "voip", "welcome", "yourpassword", "yoursecret",
}

var appName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Check refuses a configuration that cannot work or that lets strangers in: it says what is wrong and how to mend it.
func Check(cfg Config) error {
	cfg = cfg.withDefaults()
	if err := checkURL(cfg); err != nil {
		return err
	}
	switch {
	case !slices.Contains([]Transport{HTTP, Websocket, Dialled}, cfg.Transport):
		return refuse("ari.transport", "transport", "Asterisk %s: %q is no transport; use http, websocket or dialled", cfg.Name, cfg.Transport)
	case !appName.MatchString(cfg.App):
		return refuse("ari.app", "app", "Asterisk %s: %q cannot be the name of a Stasis application; use letters, digits, - and _", cfg.Name, cfg.App)
	case cfg.User == "" || strings.ContainsAny(cfg.User, ":\r\n"):
		return refuse("ari.user", "user", "Asterisk %s: the ARI user %q is empty or has a colon; it is the section of type=user in ari.conf", cfg.Name, cfg.User)
	}
	return checkPassword(cfg)
}

func checkPassword(cfg Config) error {
	word := strings.ToLower(cfg.Password)
	bare := strings.TrimFunc(word, func(r rune) bool { return r < 'a' || r > 'z' })
	const mend = "; put a random one into ari.conf and into the configuration here (openssl rand -hex 24 makes one)"
	switch {
	case word == "":
		return refuse("ari.password_empty", "password", "Asterisk %s: the ARI password is empty: whoever reaches the port could place calls"+mend, cfg.Name)
	case strings.ContainsAny(cfg.Password, "\r\n"):
		return refuse("ari.password_line", "password", "Asterisk %s: the ARI password has a line break; take it out", cfg.Name)
	case bare == "" && len(word) < 20, slices.Contains(wellKnown, bare), slices.Contains(wellKnown, word), word == strings.ToLower(cfg.User),
		word == strings.ToLower(cfg.Name), word == strings.ToLower(cfg.App), distinct(word) < 5:
		return refuse("ari.password_known", "password", "Asterisk %s: the ARI password is a default or well known"+mend, cfg.Name)
	case len(cfg.Password) < 10:
		return refuse("ari.password_short", "password", "Asterisk %s: the ARI password has fewer than 10 characters"+mend, cfg.Name)
	}
	return nil
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

func checkURL(cfg Config) error {
	if cfg.Transport == Dialled && cfg.URL == "" {
		return nil
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" {
		return refuse("ari.url", "url", "Asterisk %s: the URL is not of the form http://host:8088", cfg.Name)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/ari") {
		return refuse("ari.url", "url", "Asterisk %s: the URL of %s holds more than scheme, host, port and prefix; user and password are settings of their own, /ari is added here",
			cfg.Name, u.Host)
	}
	if u.Scheme == "http" {
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !private(addr) {
			return refuse("ari.public", "url", "Asterisk %s: %s is a public address and http is readable by all on the way; "+
				"bind Asterisk's HTTP server to a private address, or use https (http.conf tlsenable)", cfg.Name, addr)
		}
	}
	return nil
}

func refuse(code, field, format string, args ...any) error {
	e := hotline.Errorf(hotline.Invalid, code, format, args...)
	e.Field = field
	return e
}

func (cfg Config) withDefaults() Config {
	if cfg.App == "" {
		cfg.App = "hotline"
	}
	if cfg.Transport == "" {
		cfg.Transport = HTTP
	}
	if cfg.PingEvery <= 0 {
		cfg.PingEvery = 2500 * time.Millisecond
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 8 * time.Second
	}
	if cfg.Retry <= 0 {
		cfg.Retry = 250 * time.Millisecond
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Name == "" {
		if u, err := url.Parse(cfg.URL); err == nil {
			cfg.Name = u.Host
		}
	}
	cfg.Log = cfg.Log.With("node", cfg.Name)
	return cfg
}
