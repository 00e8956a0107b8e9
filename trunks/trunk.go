package trunks

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"hotline"
	"hotline/trunks/e164"
	"hotline/trunks/header"
)

// Trunk is a line to a provider, a PBX or a session border controller: a row of table trunk.
type Trunk struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Enabled   bool          `json:"enabled"`
	Settings  TrunkSettings `json:"settings"`
	Version   int64         `json:"version"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
}

// TrunkSettings is what the column trunk.settings holds. An INVITE belongs to the trunk whose addresses its source is in, else to
// the trunk whose user it proves to be (digest), else to the trunk that we have registered with the sender.
type TrunkSettings struct {
	MatchAddresses      []string     `json:"match_addresses,omitempty"` // addresses or CIDR blocks
	MatchDigest         *Credentials `json:"match_digest,omitempty"`
	Register            *Register    `json:"register,omitempty"`
	Host                string       `json:"host,omitempty"`      // where our requests go; empty: the registrar, else nowhere
	Port                int          `json:"port,omitempty"`      // 0: the transport's own
	Transport           string       `json:"transport,omitempty"` // udp (default), tcp, tls
	Codecs              []string     `json:"codecs,omitempty"`    // PCMU, PCMA in order of preference; empty: both
	DTMF                string       `json:"dtmf,omitempty"`      // auto (default), rfc4733, info, inband
	Country             string       `json:"country,omitempty"`   // ISO 3166: how national numbers are read; empty: they are kept as dialled
	NationalPrefix      string       `json:"national_prefix,omitempty"`
	InternationalPrefix string       `json:"international_prefix,omitempty"`
	TrustedIdentity     bool         `json:"trusted_identity,omitempty"` // believe P-Asserted-Identity (RFC 3325)
	MaxCalls            int          `json:"max_calls,omitempty"`        // 0: no limit
	MaxCPS              int          `json:"max_cps,omitempty"`          // new calls a second; 0: no limit
	OptionsIntervalS    int          `json:"options_interval_s,omitempty"`
	SRTP                bool         `json:"srtp,omitempty"`            // needs transport tls (RFC 4568, section 7)
	SessionTimerS       int          `json:"session_timer_s,omitempty"` // RFC 4028; 0: 1800, -1: none of our own
	Edge                string       `json:"edge,omitempty"`            // who carries it: sip (default) or asterisk
	Dial                string       `json:"dial,omitempty"`            // with asterisk: its dial string; default PJSIP/{number}@<endpoint>
}

// Credentials are a user and a password. The password is write-only for the API: what is read has PasswordSet.
type Credentials struct {
	Username    string `json:"username"`
	Password    string `json:"password,omitempty"`
	PasswordSet bool   `json:"password_set,omitempty"`
}

// Register tells how we register with a provider (RFC 3261, section 10).
type Register struct {
	Registrar    string `json:"registrar"` // host or host:port
	Username     string `json:"username"`
	AuthUsername string `json:"auth_username,omitempty"` // when it differs from Username
	Realm        string `json:"realm,omitempty"`         // when set, no other realm is answered
	Password     string `json:"password,omitempty"`
	PasswordSet  bool   `json:"password_set,omitempty"`
	ExpiresS     int    `json:"expires_s,omitempty"` // 0: 3600
}

// Status of a trunk.
type Status string

// The states of a trunk as the keep-alive and the registration see it.
const (
	StatusUp       Status = "up"
	StatusDown     Status = "down"
	StatusUnknown  Status = "unknown" // nothing is asked of it: neither registration nor OPTIONS
	StatusDisabled Status = "disabled"
)

// TrunkState is how a trunk is right now.
type TrunkState struct {
	TrunkID    string    `json:"trunk_id"`
	Status     Status    `json:"status"`
	Since      time.Time `json:"since"`
	RTTMS      float64   `json:"rtt_ms"`
	Registered bool      `json:"registered"`
	Calls      int       `json:"calls"`

	// What was wrong last: an English sentence, its code for translation, and the address or response that it is about.
	LastError       string `json:"last_error"`
	LastErrorCode   string `json:"last_error_code"`
	LastErrorDetail string `json:"last_error_detail"`
}

// Plan returns how numbers are written on this trunk.
func (t *Trunk) Plan() e164.Plan {
	return e164.Plan{
		Country: t.Settings.Country, NationalPrefix: t.Settings.NationalPrefix, InternationalPrefix: t.Settings.InternationalPrefix,
	}
}

// Target returns host, port and transport that our requests to the trunk go to; host is "" when it takes calls only, port 0 when
// DNS or the transport decides.
func (t *Trunk) Target() (host string, port int, transport string) {
	host, port, transport = t.Settings.Host, t.Settings.Port, t.Settings.Transport
	if host == "" && t.Settings.Register != nil {
		host, port, _ = HostPort(t.Settings.Register.Registrar) // validated
	}
	if transport == "" {
		transport = "udp"
	}
	return host, port, transport
}

// DialString returns the user part of the Request-URI that calls to on this trunk: in international form when it is such a number,
// else the digits. Anything that is more than a number is refused: parameters and hosts in it could lead elsewhere.
func (t *Trunk) DialString(to string) (string, error) {
	read := t.Plan().Read(to)
	if strings.ContainsAny(to, ";@:%<>\"") || read.Kind != e164.Global && read.Kind != e164.Local {
		return "", hotline.Errorf(hotline.Invalid, "dial.bad_number", "%.80q is no number that can be called", header.Clean(to))
	}
	return header.User(read.Value), nil
}

// Login returns what a challenge of a realm is answered with. A challenge may come from whomever we call: only the trunk's own
// realm is answered, and that is the configured one or the one that its registrar has shown.
func (t *Trunk) Login(realm, shown string) (username, password string, ok bool) {
	r := t.Settings.Register
	if r == nil {
		return "", "", false
	}
	own := r.Realm
	if own == "" {
		own = shown
	}
	if own == "" || own != realm {
		return "", "", false
	}
	username = r.AuthUsername
	if username == "" {
		username = r.Username
	}
	return username, r.Password, true
}

// ContactToken is the user part of the contact that we register for a trunk: stable, and known only to its provider.
func ContactToken(t *Trunk) string {
	sum := sha256.Sum256([]byte("contact:" + t.ID))
	return "hl-" + hex.EncodeToString(sum[:8])
}

// redacted returns t as the API may show it.
func (t Trunk) redacted() Trunk {
	t.Settings.MatchAddresses = slices.Clone(t.Settings.MatchAddresses)
	if d := t.Settings.MatchDigest; d != nil {
		t.Settings.MatchDigest = &Credentials{Username: d.Username, PasswordSet: d.Password != ""}
	}
	if r := t.Settings.Register; r != nil {
		shown := *r
		shown.Password, shown.PasswordSet = "", r.Password != ""
		t.Settings.Register = &shown
	}
	return t
}

// keepPasswords fills in the passwords that the API did not send again.
func (s *TrunkSettings) keepPasswords(old TrunkSettings) {
	if d := s.MatchDigest; d != nil {
		c := *d
		if c.Password == "" && old.MatchDigest != nil && old.MatchDigest.Username == c.Username {
			c.Password = old.MatchDigest.Password
		}
		c.PasswordSet = false
		s.MatchDigest = &c
	}
	if r := s.Register; r != nil {
		c := *r
		// A password goes only to the registrar that it was given for: else whoever may edit trunks could have it sent to himself.
		if c.Password == "" && old.Register != nil && old.Register.Registrar == c.Registrar && old.Register.Username == c.Username {
			c.Password = old.Register.Password
		}
		c.PasswordSet = false
		s.Register = &c
	}
}

// prefixes returns MatchAddresses parsed; what does not parse was refused by validate.
func (s *TrunkSettings) prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, a := range s.MatchAddresses {
		if p, err := parsePrefix(a); err == nil {
			out = append(out, p)
		}
	}
	return out
}

func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return p.Masked(), nil
}

// HostPort splits "host", "host:port" and "[v6]:port"; port 0 means none was given.
func HostPort(s string) (host string, port int, err error) {
	if a, e := netip.ParseAddr(strings.Trim(s, "[]")); e == nil {
		return a.String(), 0, nil
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, 0, nil
	}
	port, err = strconv.Atoi(s[i+1:])
	if err == nil && (port < 1 || port > 65535) {
		err = strconv.ErrRange
	}
	return strings.Trim(s[:i], "[]"), port, err
}
