package trunks

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"hotline"
	"hotline/trunks/e164"
)

func invalid(field, code, format string, args ...any) error {
	return &hotline.Error{Kind: hotline.Invalid, Code: code, Field: field, Message: field + ": " + fmt.Sprintf(format, args...)}
}

var (
	hostPattern   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	prefixPattern = regexp.MustCompile(`^[0-9]{0,6}$`)
)

// validate refuses a trunk that could not work, with the path of the first wrong field.
func (t *Trunk) validate() error {
	if err := checkText("name", t.Name, 1, 80); err != nil {
		return err
	}
	s := &t.Settings
	for _, check := range []func() error{s.checkEdge, s.checkMatch, s.checkRegister, s.checkPeer, s.checkMedia, s.checkNumbers, s.checkLimits} {
		if err := check(); err != nil {
			return err
		}
	}
	if len(s.MatchAddresses) == 0 && s.MatchDigest == nil && s.Register == nil && s.Host == "" && s.Dial == "" {
		return invalid("settings.match_addresses", "trunk.unreachable",
			"the trunk can neither take nor make calls: give the addresses that its calls come from, credentials, a registration or a host")
	}
	return nil
}

func (s *TrunkSettings) checkMatch() error {
	if len(s.MatchAddresses) > 256 {
		return invalid("settings.match_addresses", "trunk.too_many_addresses", "%d entries; 256 are allowed, use CIDR blocks", len(s.MatchAddresses))
	}
	for i, a := range s.MatchAddresses {
		field := fmt.Sprintf("settings.match_addresses[%d]", i)
		p, err := parsePrefix(a)
		if err != nil {
			return invalid(field, "trunk.bad_address", "%q is neither an IP address nor a block such as 203.0.113.0/24", a)
		}
		if p.Bits() == 0 {
			return invalid(field, "trunk.open_to_all", "%s would let the whole internet call in and out; name the provider's addresses", a)
		}
	}
	if d := s.MatchDigest; d != nil {
		return checkCredentials("settings.match_digest", d.Username, d.Password)
	}
	return nil
}

func checkCredentials(field, username, password string) error {
	if err := checkText(field+".username", username, 1, 128); err != nil {
		return err
	}
	if strings.ContainsAny(username, "\"\\ @:") {
		return invalid(field+".username", "trunk.bad_username", "%q may not hold quotes, backslashes, spaces, @ or colons", username)
	}
	if password == "" {
		return invalid(field+".password", "trunk.no_password", "a password is needed")
	}
	if utf8.RuneCountInString(password) > 256 || hasControl(password) {
		return invalid(field+".password", "trunk.bad_password", "at most 256 characters and no control characters")
	}
	return nil
}

func (s *TrunkSettings) checkRegister() error {
	r := s.Register
	if r == nil {
		return nil
	}
	const field = "settings.register"
	host, _, err := HostPort(r.Registrar)
	if err != nil || !validHost(host) {
		return invalid(field+".registrar", "trunk.bad_host", "%q is no host name or address, with or without a port", r.Registrar)
	}
	if err := checkCredentials(field, r.Username, r.Password); err != nil {
		return err
	}
	if r.AuthUsername != "" {
		if err := checkCredentials(field+".auth", r.AuthUsername, r.Password); err != nil {
			return invalid(field+".auth_username", "trunk.bad_username", "%q may not hold quotes, backslashes, spaces, @ or colons", r.AuthUsername)
		}
	}
	if hasControl(r.Realm) || len(r.Realm) > 256 {
		return invalid(field+".realm", "trunk.bad_realm", "at most 256 characters and no control characters")
	}
	if r.ExpiresS != 0 && (r.ExpiresS < 60 || r.ExpiresS > 86400) {
		return invalid(field+".expires_s", "trunk.bad_expires", "%d is not between 60 and 86400 seconds", r.ExpiresS)
	}
	return nil
}

func (s *TrunkSettings) checkPeer() error {
	if s.Host != "" && !validHost(s.Host) {
		return invalid("settings.host", "trunk.bad_host", "%q is no host name or address; the port goes into port", s.Host)
	}
	if s.Port < 0 || s.Port > 65535 {
		return invalid("settings.port", "trunk.bad_port", "%d is no port", s.Port)
	}
	switch s.Transport {
	case "", "udp", "tcp", "tls":
		return nil
	}
	return invalid("settings.transport", "trunk.bad_transport", "%q is none of udp, tcp, tls", s.Transport)
}

func (s *TrunkSettings) checkMedia() error {
	seen := map[string]bool{}
	for i, c := range s.Codecs {
		field := fmt.Sprintf("settings.codecs[%d]", i)
		if c != "PCMU" && c != "PCMA" {
			return invalid(field, "trunk.bad_codec", "%q is none of PCMU, PCMA", c)
		}
		if seen[c] {
			return invalid(field, "trunk.bad_codec", "%s stands twice", c)
		}
		seen[c] = true
	}
	switch s.DTMF {
	case "", "auto", "rfc4733", "info", "inband":
	default:
		return invalid("settings.dtmf", "trunk.bad_dtmf", "%q is none of auto, rfc4733, info, inband", s.DTMF)
	}
	if s.SRTP && s.Transport != "tls" {
		return invalid("settings.srtp", "trunk.srtp_without_tls", "SRTP keys travel in the signalling: set transport to tls")
	}
	return nil
}

func (s *TrunkSettings) checkNumbers() error {
	if s.Country != "" && !e164.KnownCountry(s.Country) {
		return invalid("settings.country", "trunk.bad_country", "%q is no country code of two capital letters such as CN", s.Country)
	}
	if !prefixPattern.MatchString(s.NationalPrefix) {
		return invalid("settings.national_prefix", "trunk.bad_prefix", "%q is not up to six digits", s.NationalPrefix)
	}
	if !prefixPattern.MatchString(s.InternationalPrefix) {
		return invalid("settings.international_prefix", "trunk.bad_prefix", "%q is not up to six digits", s.InternationalPrefix)
	}
	return nil
}

func (s *TrunkSettings) checkLimits() error {
	limits := []struct {
		field      string
		value      int
		min, max   int
		zeroOrWhat string
	}{
		{"settings.max_calls", s.MaxCalls, 0, 100_000, "0 for no limit"},
		{"settings.max_cps", s.MaxCPS, 0, 100_000, "0 for no limit"},
	}
	for _, l := range limits {
		if l.value < l.min || l.value > l.max {
			return invalid(l.field, "trunk.bad_limit", "%d is not between %d and %d (%s)", l.value, l.min, l.max, l.zeroOrWhat)
		}
	}
	if v := s.OptionsIntervalS; v != 0 && (v < 5 || v > 3600) {
		return invalid("settings.options_interval_s", "trunk.bad_interval", "%d is not between 5 and 3600 seconds (0: do not ask)", v)
	}
	// RFC 4028, section 4: Min-SE is never below 90 s.
	if v := s.SessionTimerS; v != 0 && v != -1 && (v < 90 || v > 86400) {
		return invalid("settings.session_timer_s", "trunk.bad_session_timer", "%d is not between 90 and 86400 seconds (0: default, -1: none)", v)
	}
	return nil
}

func validHost(h string) bool {
	p, err := parsePrefix(h)
	return err == nil && p.IsSingleIP() && !strings.Contains(h, "/") || hostPattern.MatchString(h)
}

func checkText(field, s string, least, most int) error {
	n := utf8.RuneCountInString(strings.TrimSpace(s))
	if n < least || n > most || !utf8.ValidString(s) || hasControl(s) {
		return invalid(field, "field.text", "%d to %d characters without control characters are needed", least, most)
	}
	return nil
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
