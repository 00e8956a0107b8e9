// Package digest is HTTP digest authentication for SIP (RFC 3261, section 22; RFC 8760), both sides of it.
//
// It owns nonces (signed, bound to the asker's address, expiring; nothing is kept for one that was never answered), the counts that
// make a replay fail, and the throttle against guessing. It says neither by its answer nor by its time whether a user exists. It
// knows no message type: headers go in and out as text. Start at [Server.Verify], and at [Answer] for our own side.
package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
)

// algorithm is a hash as RFC 8760 names it.
type algorithm struct {
	name string
	new  func() hash.Hash
}

// algorithms in the order of our preference (RFC 8760, section 2.3: the topmost is preferred).
var algorithms = []algorithm{
	{"SHA-256", sha256.New},
	{"SHA-512-256", sha512.New512_256},
	{"MD5", md5.New},
}

func algorithmNamed(name string) (algorithm, bool) {
	if name == "" {
		name = "MD5" // RFC 3261: what is assumed when none is named
	}
	for _, a := range algorithms {
		if strings.EqualFold(a.name, name) {
			return a, true
		}
	}
	return algorithm{}, false
}

func (a algorithm) sum(parts ...string) string {
	h := a.new()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// response computes the value that proves the password (RFC 8760, section 2.7; RFC 7616, section 3.4.1).
func (a algorithm) response(c credentials, password, method string) string {
	ha1 := a.sum(c.username, c.realm, password)
	ha2 := a.sum(method, c.uri)
	if c.qop == "" {
		return a.sum(ha1, c.nonce, ha2)
	}
	return a.sum(ha1, c.nonce, c.nc, c.cnonce, c.qop, ha2)
}

// credentials are what an Authorization header holds.
type credentials struct {
	username, realm, nonce, uri, response, algorithm, qop, nc, cnonce string
}

func parseCredentials(header string) (credentials, error) {
	p, err := parseParams(header)
	if err != nil {
		return credentials{}, err
	}
	return credentials{
		username: p["username"], realm: p["realm"], nonce: p["nonce"], uri: p["uri"], response: p["response"],
		algorithm: p["algorithm"], qop: strings.ToLower(p["qop"]), nc: p["nc"], cnonce: p["cnonce"],
	}, nil
}

// ErrSyntax is returned for a header that is no digest.
var ErrSyntax = errors.New("not a digest header")

// longest is the length above which a header is not read.
const longest = 4096

// parseParams reads `Digest a="b", c=d`. A parameter that stands twice is refused: two readers could read it differently.
func parseParams(header string) (map[string]string, error) {
	if len(header) > longest {
		return nil, ErrSyntax
	}
	s := strings.TrimSpace(header)
	if len(s) < 7 || !strings.EqualFold(s[:7], "digest ") {
		return nil, ErrSyntax
	}
	s = s[7:]
	out := map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return out, nil
		}
		name, rest, ok := strings.Cut(s, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := out[name]; !ok || name == "" || twice {
			return nil, ErrSyntax
		}
		rest = strings.TrimLeft(rest, " \t")
		value, after, err := parseValue(rest)
		if err != nil {
			return nil, err
		}
		out[name], s = value, after
	}
}

func parseValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		if i := strings.IndexByte(s, ','); i >= 0 {
			return strings.TrimSpace(s[:i]), s[i:], nil
		}
		return strings.TrimSpace(s), "", nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return "", "", ErrSyntax
			}
			b.WriteByte(s[i])
		case '"':
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", ErrSyntax
}

// quote makes a quoted-string; control characters cannot be in one.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '"' || c == '\\' {
			b.WriteByte('\\')
			b.WriteByte(c)
		} else if c >= 0x20 && c != 0x7f {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
