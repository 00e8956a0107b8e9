package trunks

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/trunks/e164"
	"hotline/trunks/header"
)

// Snapshot is the trunks and numbers at one moment. It never changes.
type Snapshot struct {
	trunks   []Trunk
	numbers  []Number
	byID     map[string]*Trunk
	byUser   map[string]*Trunk // digest user
	byToken  map[string]*Trunk // user part of the contact that we registered
	hosts    map[netip.Addr][]*Trunk
	blocks   []block // longest prefix first
	byNumber map[string]Number
}

type block struct {
	prefix netip.Prefix
	trunk  *Trunk
}

func newSnapshot(trunks []Trunk, numbers []Number, resolved map[string][]netip.Addr) *Snapshot {
	s := &Snapshot{
		trunks: trunks, numbers: numbers, byID: map[string]*Trunk{}, byUser: map[string]*Trunk{}, byToken: map[string]*Trunk{},
		hosts: map[netip.Addr][]*Trunk{}, byNumber: map[string]Number{},
	}
	for i := range s.trunks {
		t := &s.trunks[i]
		s.byID[t.ID] = t
		if t.Enabled && !t.Settings.OnAsterisk() {
			s.index(t, resolved[t.ID])
		}
	}
	slices.SortStableFunc(s.blocks, func(a, b block) int { return b.prefix.Bits() - a.prefix.Bits() })
	for _, n := range numbers {
		s.byNumber[n.Number] = n
	}
	return s
}

func (s *Snapshot) index(t *Trunk, resolved []netip.Addr) {
	for _, p := range t.Settings.prefixes() {
		if p.IsSingleIP() {
			s.hosts[p.Addr()] = append(s.hosts[p.Addr()], t)
		} else {
			s.blocks = append(s.blocks, block{p, t})
		}
	}
	if d := t.Settings.MatchDigest; d != nil {
		s.byUser[d.Username] = t
	}
	if t.Settings.Register != nil {
		s.byToken[ContactToken(t)] = t
		for _, a := range resolved {
			if a = a.Unmap(); !slices.Contains(s.hosts[a], t) {
				s.hosts[a] = append(s.hosts[a], t)
			}
		}
	}
}

func (s *Snapshot) same(trunks []Trunk, numbers []Number) bool {
	return reflect.DeepEqual(s.trunks, trunks) && reflect.DeepEqual(s.numbers, numbers)
}

// Trunk returns a trunk by id.
func (s *Snapshot) Trunk(id string) (*Trunk, bool) {
	t, ok := s.byID[id]
	return t, ok
}

// Trunks returns all trunks by name. They must not be changed.
func (s *Snapshot) Trunks() []Trunk { return s.trunks }

// Numbers returns all numbers in order. They must not be changed.
func (s *Snapshot) Numbers() []Number { return s.numbers }

// Known says whether some trunk sends from a.
func (s *Snapshot) Known(a netip.Addr) bool { return len(s.at(a)) > 0 }

// TakesLogins says whether strangers may turn out to be a trunk by a password.
func (s *Snapshot) TakesLogins() bool { return len(s.byUser) > 0 }

// password returns the password of a digest user.
func (s *Snapshot) password(user string) (string, bool) {
	t, ok := s.byUser[user]
	if !ok {
		return "", false
	}
	return t.Settings.MatchDigest.Password, true
}

// at returns the trunks that send from a: those that name the address itself, else those with the longest block around it.
func (s *Snapshot) at(a netip.Addr) []*Trunk {
	a = a.Unmap().WithZone("")
	if t := s.hosts[a]; len(t) > 0 {
		return t
	}
	var out []*Trunk
	bits := -1
	for _, b := range s.blocks {
		if bits >= 0 && b.prefix.Bits() < bits {
			break
		}
		if b.prefix.Contains(a) {
			out, bits = append(out, b.trunk), b.prefix.Bits()
		}
	}
	return out
}

// match returns the trunk that a request from a belongs to, by address. When several share the address (accounts with one
// provider), the registered contact that is called decides, then the number that is bound to one of them, then the first by name.
func (s *Snapshot) match(req *sipmsg.Request, a netip.Addr) *Trunk {
	found := s.at(a)
	if len(found) == 0 {
		return nil
	}
	if len(found) == 1 {
		return found[0]
	}
	if t := s.byToken[subscriber(&req.Recipient)]; t != nil && slices.Contains(found, t) {
		return t
	}
	for _, t := range found {
		if n, err := s.dialled(req, t); err == nil && n.TrunkID == t.ID {
			return t
		}
	}
	return found[0]
}

// dialled finds the number row for a request. Where it is dialled: the Request-URI; when that is the contact that we registered, it
// says only which account is called, and P-Called-Party-ID (RFC 7315) or To has the number.
func (s *Snapshot) dialled(req *sipmsg.Request, t *Trunk) (Number, error) {
	called := subscriber(&req.Recipient)
	users := []string{called}
	if r := t.Settings.Register; r != nil && (called == ContactToken(t) || called == r.Username) {
		users = nil
		if h := req.GetHeader("P-Called-Party-ID"); h != nil {
			if a, ok := header.First(h.Value()); ok {
				users = append(users, a.User)
			}
		}
		if to := req.To(); to != nil {
			users = append(users, subscriber(&to.Address))
		}
		users = append(users, r.Username)
	}
	for _, user := range users {
		if n, ok := s.number(user, t); ok {
			return n, nil
		}
	}
	return Number{}, hotline.Errorf(hotline.NotFound, "number.unknown", "the number %.80q is not assigned", called)
}

// subscriber is the user part of a SIP address, or the number of a tel URI with its parameters (RFC 3966).
func subscriber(u *sipmsg.Uri) string {
	if u.Scheme != "tel" {
		return u.User
	}
	_, number, _ := strings.Cut(u.String(), ":")
	return number
}

// number looks up exactly what was dialled, then what it means on this trunk.
func (s *Snapshot) number(user string, t *Trunk) (Number, bool) {
	if !t.Plan().Within(user) {
		return Number{}, false
	}
	read := t.Plan().Read(user)
	for _, key := range []string{strings.ToLower(e164.Strip(user)), read.Value} {
		if n, ok := s.byNumber[key]; ok && (n.TrunkID == "" || n.TrunkID == t.ID) {
			return n, true
		}
	}
	return Number{}, false
}
