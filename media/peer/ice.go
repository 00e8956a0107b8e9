package peer

import (
	"crypto/subtle"
	"net"
	"strings"
	"time"

	"github.com/pion/stun/v4"
)

// We are an ICE-lite agent (RFC 8445, section 2.5): we have addresses that everybody can reach, the browser checks, chooses, and
// proves every few seconds that it is still there. So all that is left of ICE is to answer the checks of those who know the password.

// takeSTUN answers a connectivity check. Whoever does not know the password gets no answer: we are no reflector.
func (h *Hub) takeSTUN(b []byte, from path) {
	m := stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.BindingRequest {
		h.strangers.Add(1)
		return
	}
	ours, theirs, _ := strings.Cut(attribute(&m, stun.AttrUsername), ":")
	h.mu.RLock()
	p := h.byName[ours]
	h.mu.RUnlock()
	if p == nil {
		h.strangers.Add(1)
		return
	}
	if from.line != nil && from.line.peer.Load() != nil && from.line.peer.Load() != p { // a connection is one browser's
		h.refused.Add(1)
		return
	}
	if subtle.ConstantTimeCompare([]byte(theirs), []byte(p.offer.ufrag)) == 0 ||
		stun.Fingerprint.Check(&m) != nil || stun.NewShortTermIntegrity(p.password).Check(&m) != nil {
		h.refused.Add(1)
		return
	}
	if m.Contains(stun.AttrICEControlled) { // a lite agent is controlled (section 6.1.1): the other one has to choose
		h.answerSTUN(p, &m, from, stun.NewType(stun.MethodBinding, stun.ClassErrorResponse), stun.CodeRoleConflict)
		return
	}
	p.follow(from, m.Contains(stun.AttrUseCandidate))
	h.answerSTUN(p, &m, from, stun.BindingSuccess,
		&stun.XORMappedAddress{IP: net.IP(from.addr.Addr().AsSlice()), Port: int(from.addr.Port())})
	p.checked(time.Now())
}

func attribute(m *stun.Message, t stun.AttrType) string {
	v, err := m.Get(t)
	if err != nil {
		return ""
	}
	return string(v)
}

func (h *Hub) answerSTUN(p *Peer, request *stun.Message, to path, t stun.MessageType, what stun.Setter) {
	answer, err := stun.Build(stun.NewTransactionIDSetter(request.TransactionID), t, what, stun.NewShortTermIntegrity(p.password), stun.Fingerprint)
	if err != nil {
		h.log.Error("cannot build a STUN answer", "error", err, "peer", p.id)
		return
	}
	h.send(answer.Raw, to)
}
