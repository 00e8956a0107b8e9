package digest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"hotline"
)

// Login is what a challenge is answered with.
type Login struct {
	Username, Password string
	Realm              string // when set, a challenge of any other realm is not answered: it may come from whom we call
}

// Answer makes the Authorization header for a request, from the challenges of a 401 or 407. The strongest algorithm that both know
// is used. Each answer is to a challenge of its own, so the nonce count is always 1.
func Answer(challenges []string, l Login, method, uri string) (string, error) {
	best, rank := map[string]string(nil), len(algorithms)
	realms := []string{}
	for _, header := range challenges {
		p, err := parseParams(header)
		if err != nil || p["nonce"] == "" {
			continue
		}
		realms = append(realms, p["realm"])
		if l.Realm != "" && p["realm"] != l.Realm {
			continue
		}
		if i := slices.IndexFunc(algorithms, func(a algorithm) bool {
			n, ok := algorithmNamed(p["algorithm"])
			return ok && a.name == n.name
		}); i >= 0 && i < rank {
			best, rank = p, i
		}
	}
	if best == nil {
		if l.Realm != "" && len(realms) > 0 && !slices.Contains(realms, l.Realm) {
			return "", hotline.Errorf(hotline.Denied, "digest.foreign_realm", "a challenge of realm %.80q is not answered: the trunk's realm is %q", realms[0], l.Realm)
		}
		return "", hotline.Errorf(hotline.Unavailable, "digest.no_algorithm", "no challenge that we can answer (SHA-256, SHA-512-256 or MD5)")
	}
	a := algorithms[rank]
	c := credentials{username: l.Username, realm: best["realm"], nonce: best["nonce"], uri: uri}
	out := fmt.Sprintf("Digest username=%s, realm=%s, nonce=%s, uri=%s", quote(c.username), quote(c.realm), quote(c.nonce), quote(uri))
	if slices.Contains(strings.FieldsFunc(best["qop"], func(r rune) bool { return r == ',' || r == ' ' }), "auth") {
		c.qop, c.nc, c.cnonce = "auth", "00000001", newCnonce()
		out += fmt.Sprintf(", qop=auth, nc=%s, cnonce=%s", c.nc, quote(c.cnonce))
	} else if best["qop"] != "" {
		return "", hotline.Errorf(hotline.Unavailable, "digest.no_qop", "the challenge wants qop %.40q; we know auth", best["qop"])
	}
	out += fmt.Sprintf(", response=%s, algorithm=%s", quote(a.response(c, l.Password, method)), a.name)
	if opaque, ok := best["opaque"]; ok {
		out += ", opaque=" + quote(opaque)
	}
	return out, nil
}

// Realms returns the realms that are asked for.
func Realms(challenges []string) []string {
	var out []string
	for _, header := range challenges {
		if p, err := parseParams(header); err == nil {
			out = append(out, p["realm"])
		}
	}
	return out
}

func newCnonce() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
