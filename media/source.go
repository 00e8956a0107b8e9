package media

import "net/netip"

const (
	latchPackets  = 3   // packets in sequence from one unknown source before it is followed
	continuousGap = 100 // sequence numbers by which a source that moved may have gone on
)

// source decides whose packets are heard, and so where ours go (symmetric RTP, RFC 4961). It is the guard against RTP probes and
// injection: the signalled source alone counts, unless the peer may be behind NAT; then one other source is followed, once: the
// first whose packets are in sequence, or, if the signalled source has spoken already, one that goes on with its SSRC and sequence.
type source struct {
	addr    netip.AddrPort // heard, and sent to
	nat     bool
	latchIP netip.Addr
	moved   bool // the one move was made
	spoken  bool // addr has been heard
	ssrc    uint32
	seq     uint16

	candidate     netip.AddrPort
	candidateSSRC uint32
	candidateSeq  uint16
	inSequence    int
}

// set begins anew when signalling names another source; naming the same one again changes nothing.
func (s *source) set(n *Setup, old *Setup) {
	if n.Remote == old.Remote && n.LatchNAT == old.LatchNAT && n.LatchIP == old.LatchIP {
		return
	}
	*s = source{addr: n.Remote, nat: n.LatchNAT, latchIP: n.LatchIP.Unmap()}
}

// possible tells whether a packet from an address deserves to be looked at.
func (s *source) possible(from netip.AddrPort) bool {
	if from == s.addr {
		return true
	}
	if !s.nat || s.moved || !s.addr.IsValid() && !s.latchIP.IsValid() {
		return false // nothing was signalled by which a peer could be known
	}
	return !s.latchIP.IsValid() || from.Addr() == s.latchIP
}

// accept tells whether p, well formed, of a payload type that was negotiated and authentic if there is SRTP, is from the peer.
func (s *source) accept(from netip.AddrPort, p *packet) bool {
	switch {
	case from == s.addr:
	case !s.possible(from):
		return false
	case s.spoken:
		if gap := p.seq - s.seq; p.ssrc != s.ssrc || gap == 0 || gap > continuousGap {
			return false
		}
		s.follow(from)
	default:
		if from != s.candidate || p.ssrc != s.candidateSSRC || p.seq != s.candidateSeq+1 {
			s.candidate, s.inSequence = from, 0
		}
		s.candidateSSRC, s.candidateSeq = p.ssrc, p.seq
		if s.inSequence++; s.inSequence < latchPackets {
			return false
		}
		s.follow(from)
	}
	s.spoken, s.ssrc, s.seq = true, p.ssrc, p.seq
	return true
}

func (s *source) follow(from netip.AddrPort) { s.addr, s.moved = from, true }
