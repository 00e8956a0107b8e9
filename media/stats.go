package media

import "time"

// Limits of RFC 3550, appendix A.1.
const (
	maxDropout  = 3000
	maxMisorder = 100
	switchAfter = 50 * time.Millisecond // silence of an SSRC before another from the same source may take over
)

// reception is what a receiver keeps of one SSRC (RFC 3550, appendices A.1, A.3 and A.8).
type reception struct {
	ssrc     uint32
	started  bool
	baseSeq  uint32
	maxSeq   uint16
	cycles   uint32
	badSeq   uint32 // the next number of a jump that may be a restart
	seen     uint64 // bit n: maxSeq-n has come
	received uint32
	last     time.Time // arrival of the last packet

	expectedBefore, receivedBefore uint32 // at the last report
	lostEarlier, receivedEarlier   int64  // of SSRCs before this one

	transit int32
	timed   bool
	jitter  float64 // samples

	bursts, lostInBursts uint32

	candidate    uint32 // another SSRC that may take over
	candidateSeq uint16
}

// update counts a packet; false: it is not (yet) part of the stream, do not play it.
func (r *reception) update(p *packet, now time.Time) bool {
	if !r.started {
		r.begin(p, now)
		return true
	}
	if p.ssrc != r.ssrc {
		return r.another(p, now)
	}
	r.last = now
	switch delta := p.seq - r.maxSeq; {
	case delta < maxDropout:
		if p.seq < r.maxSeq {
			r.cycles += 1 << 16
		}
		if delta > 1 {
			r.bursts++
			r.lostInBursts += uint32(delta - 1)
		}
		if delta == 0 {
			return false // a duplicate
		}
		r.maxSeq, r.seen = p.seq, r.seen<<delta|1
	case delta <= 1<<16-1-maxMisorder:
		if uint32(p.seq) != r.badSeq {
			r.badSeq = uint32(p.seq + 1)
			return false
		}
		r.begin(p, now) // two in sequence: the peer has restarted
		return true
	default:
		bit := uint64(1) << (r.maxSeq - p.seq)
		if bit == 0 || r.seen&bit != 0 {
			return false
		}
		r.seen |= bit
	}
	r.received++
	return true
}

// another deals with a packet of an unknown SSRC: it takes over when two are in sequence and the present one is silent. So a
// packet with a forged address but without our peer's SSRC is not heard while the peer talks.
func (r *reception) another(p *packet, now time.Time) bool {
	known := p.ssrc == r.candidate && p.seq == r.candidateSeq+1
	r.candidate, r.candidateSeq = p.ssrc, p.seq
	if !known || now.Sub(r.last) < switchAfter {
		return false
	}
	r.begin(p, now)
	return true
}

func (r *reception) begin(p *packet, now time.Time) {
	lost, received := r.lost(), r.total()
	*r = reception{
		ssrc: p.ssrc, started: true, baseSeq: uint32(p.seq), maxSeq: p.seq, badSeq: 1 << 17, seen: 1, received: 1, last: now,
		lostEarlier: lost, receivedEarlier: received, jitter: r.jitter, bursts: r.bursts, lostInBursts: r.lostInBursts,
	}
}

// measure updates the jitter with an audio packet: the smoothed difference of transit times.
func (r *reception) measure(ts uint32, now time.Duration) {
	transit := int32(uint32(now*SampleRate/time.Second) - ts)
	if r.timed {
		d := transit - r.transit
		if d < 0 {
			d = -d
		}
		if d < SampleRate*2 { // a jump of the timestamps is no jitter
			r.jitter += (float64(d) - r.jitter) / 16
		}
	}
	r.transit, r.timed = transit, true
}

func (r *reception) extended() uint32 { return r.cycles + uint32(r.maxSeq) }

func (r *reception) expected() uint32 {
	if !r.started {
		return 0
	}
	return r.extended() - r.baseSeq + 1
}

// lost is the cumulative number of packets lost. Duplicates are not counted as received.
func (r *reception) lost() int64 { return r.lostEarlier + int64(r.expected()) - int64(r.received) }

func (r *reception) total() int64 { return r.receivedEarlier + int64(r.received) }

// fraction returns the share lost since the last report, in 1/256 (RFC 3550, section 6.4.1).
func (r *reception) fraction() uint8 {
	expected, received := r.expected()-r.expectedBefore, r.received-r.receivedBefore
	r.expectedBefore, r.receivedBefore = r.expected(), r.received
	if expected == 0 || received >= expected {
		return 0
	}
	return uint8(uint64(expected-received) * 256 / uint64(expected))
}
