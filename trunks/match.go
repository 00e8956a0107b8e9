package trunks

import (
	"net/netip"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/trunks/digest"

	"hotline/trunks/header"
)

// digestRealm is what trunks that log in here are asked for. It names no version and no host.
const digestRealm = "hotline"

// MatchTrunk finds the trunk that a request belongs to by its source. For nil, mayLogin tells whether the sender may still turn out
// to be a trunk by a password.
func (d *Directory) MatchTrunk(source netip.Addr, req *sipmsg.Request) (t *Trunk, mayLogin bool) {
	s := d.Snapshot()
	if t := s.match(req, source); t != nil {
		return t, false
	}
	return nil, s.TakesLogins()
}

// Trunk returns a trunk that is there and enabled, or nil.
func (d *Directory) Trunk(id string) *Trunk {
	if t, ok := d.Snapshot().Trunk(id); ok && t.Enabled {
		return t
	}
	return nil
}

// NumberFor finds the number that is dialled. There is no default: what is not assigned is not found.
func (d *Directory) NumberFor(t *Trunk, req *sipmsg.Request) (n Number, dialled string, ok bool) {
	n, err := d.Snapshot().dialled(req, t)
	return n, header.Cut(subscriber(&req.Recipient), header.Longest), err == nil
}

// Challenge returns the headers of a 401, the preferred algorithm first (RFC 8760).
func (d *Directory) Challenge(source netip.Addr, stale bool) []sipmsg.Header {
	var out []sipmsg.Header
	for _, v := range d.digest.Challenge(source, stale) {
		out = append(out, sipmsg.NewHeader("WWW-Authenticate", v))
	}
	return out
}

// VerifyDigest returns the trunk that the sender proves to be. For nil, the request is to be challenged, with stale if it says so.
func (d *Directory) VerifyDigest(source netip.Addr, req *sipmsg.Request) (t *Trunk, stale bool) {
	user, outcome := d.digest.Verify(authorizations(req), req.Method.String(), source)
	switch outcome {
	case digest.OK:
		return d.Snapshot().byUser[user], false
	case digest.Stale:
		return nil, true
	case digest.Bad, digest.Throttled, digest.Replayed:
		d.log.Warn("login of a trunk refused", "event", "security", "reason", outcome, "source", source)
	}
	return nil, false
}

func authorizations(req *sipmsg.Request) []string {
	var out []string
	for _, h := range req.GetHeaders("Authorization") {
		out = append(out, h.Value())
	}
	return out
}

// GaveNonce says whether one of the Authorization values bears a nonce that we gave to source.
func (d *Directory) GaveNonce(authorizations []string, source netip.Addr) bool {
	return d.digest.Ours(authorizations, source)
}

// Logins returns how often each outcome of a login came out.
func (d *Directory) Logins() map[digest.Outcome]uint64 { return d.digest.Stats() }

// Outbound returns the trunk to call through.
func (d *Directory) Outbound(trunkID string) (*Trunk, error) {
	t, ok := d.Snapshot().Trunk(trunkID)
	if !ok {
		return nil, hotline.Errorf(hotline.NotFound, "trunk.unknown", "there is no trunk %.80q", trunkID)
	}
	if !t.Enabled {
		return nil, hotline.Errorf(hotline.Unavailable, "trunk.disabled", "trunk %s is switched off", t.Name)
	}
	return t, nil
}
