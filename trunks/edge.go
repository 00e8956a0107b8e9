package trunks

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strings"

	"hotline"
	"hotline/trunks/header"
)

// The edges that may carry a trunk.
const (
	EdgeSIP      = "sip"
	EdgeAsterisk = "asterisk"
)

var (
	plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$`)
	dialWords = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{1,15}/[A-Za-z0-9{}@:./_+*#-]{1,200}$`)
	notPlain  = regexp.MustCompile(`[^A-Za-z0-9]+`)
)

// OnAsterisk says whether Asterisk carries the trunk. Then the native edge neither takes its calls nor registers, pings or dials.
func (s *TrunkSettings) OnAsterisk() bool { return s.Edge == EdgeAsterisk }

// Endpoint is the name of the trunk's endpoint in Asterisk's configuration: hl-<name>, and for a name that could not stand there
// what is left of it with a part of the id.
func (t *Trunk) Endpoint() string {
	if plainName.MatchString(t.Name) {
		return "hl-" + t.Name
	}
	sum := sha256.Sum256([]byte("endpoint:" + t.ID))
	left := strings.Trim(notPlain.ReplaceAllString(t.Name, "-"), "-")
	if len(left) > 40 {
		left = left[:40]
	}
	if left != "" {
		left += "-"
	}
	return "hl-" + left + hex.EncodeToString(sum[:4])
}

// DialOf is what Asterisk is told to dial, with {number} in it.
func (t *Trunk) DialOf() string {
	if t.Settings.Dial != "" {
		return t.Settings.Dial
	}
	return "PJSIP/{number}@" + t.Endpoint()
}

// AsteriskDial returns what Asterisk is told to dial for a number. What is more than a number is refused, as by [Trunk.DialString].
func (t *Trunk) AsteriskDial(to string) (string, error) {
	user, err := t.DialString(to)
	if err != nil {
		return "", err
	}
	return t.AsteriskDialUser(user)
}

// AsteriskDialUser is AsteriskDial for a number that an outbound route has rewritten already: it is sent as it stands.
func (t *Trunk) AsteriskDialUser(user string) (string, error) {
	if user == "" || strings.Trim(user, "+0123456789*#") != "" {
		return "", hotline.Errorf(hotline.Invalid, "dial.bad_number", "%.80q is no number that can be called", header.Clean(user))
	}
	return strings.ReplaceAll(t.DialOf(), "{number}", user), nil
}

func (s *TrunkSettings) checkEdge() error {
	switch s.Edge {
	case "", EdgeSIP:
		if s.Dial != "" {
			return invalid("settings.dial", "trunk.dial_without_asterisk", "a dial string is for trunks that Asterisk carries: set edge to asterisk")
		}
		return nil
	case EdgeAsterisk:
	default:
		return invalid("settings.edge", "trunk.bad_edge", "%q is none of sip, asterisk", s.Edge)
	}
	if s.Dial == "" {
		return nil
	}
	if !dialWords.MatchString(s.Dial) || strings.Count(s.Dial, "{number}") != 1 || strings.ContainsAny(strings.ReplaceAll(s.Dial, "{number}", ""), "{}") {
		return invalid("settings.dial", "trunk.bad_dial",
			"%q is no dial string of Asterisk with {number} once in it, such as PJSIP/{number}@provider or PJSIP/{number}", header.Clean(s.Dial))
	}
	return nil
}

// NumberCalled finds the number that is dialled on a trunk that Asterisk carries. There is no default.
func (d *Directory) NumberCalled(t *Trunk, dialled string) (Number, bool) {
	return d.Snapshot().number(dialled, t)
}

// Prefixes are the addresses that the trunk's calls come from.
func (t *Trunk) Prefixes() []netip.Prefix { return t.Settings.prefixes() }

// HasEndpoint says whether Asterisk has an endpoint named [Trunk.Endpoint]: not for a trunk that only logs in, whose endpoint is named
// by its user, and not for one that only dials.
func (t *Trunk) HasEndpoint() bool {
	host, _, _ := t.Target()
	return host != "" || len(t.Settings.MatchAddresses) > 0
}
