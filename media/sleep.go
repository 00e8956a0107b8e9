package media

import "time"

// An idle stream (an agent's telephone that waits, for hours) is off the clock: nothing is sent, and of what the browser sends one
// packet in half a second is looked at, so that it is known to be there and the roll-over counter of SRTP stays right.

const dozing = 500 * time.Millisecond

// waiting is the state of a stream that may be idle.
type waiting struct {
	idle  bool      // it sends nothing while nobody is to be heard
	dozes bool      // it is off the clock,
	since time.Time // from then on
}

// mayDoze tells whether a stream has nothing to do until somebody wants something of it; s.mu is held.
func (s *Stream) mayDoze() bool {
	return s.waiting.idle && s.room == nil && s.play == nil && s.music == nil && len(s.out.keys) == 0 && len(s.taps) == 0 &&
		(s.out.ended == idleTail || !s.configured) && s.in.keypad.down == 0 && s.in.detector == nil
}

// doze takes the stream off the clock.
func (s *Stream) doze(now time.Time) {
	s.pull(now, false) // gives the jitter buffer back
	s.waiting.dozes, s.waiting.since = true, now
	s.out.silent, s.out.pending = true, 0
}

// wake puts the stream on the clock again, its timestamp where it would have been; s.mu is held.
func (s *Stream) wake() {
	if !s.waiting.dozes {
		return
	}
	now := s.engine.now()
	s.waiting.dozes = false
	s.out.ts += (1 + uint32(max(0, now.Sub(s.waiting.since)/frameTime))) * frameSamples // with the tick at which it fell asleep
	s.in.awaited, s.in.allowance = now, digitBurst
	s.in.stats.rest()
	s.shard.join(s)
}

// glance looks at a packet that came while the stream dozes; at the first one in any case, as the roll-over counter begins with it.
func (s *Stream) glance(b []byte) {
	now := s.engine.now()
	if s.in.met && now.Sub(s.in.heardAt) < dozing {
		return
	}
	if s.cipher != nil && s.cipher.Open(b) == nil {
		s.in.invalid++
		return
	}
	s.alive(now)
}

// rest lets the next packet begin a new count: what came meanwhile was neither counted nor lost.
func (r *reception) rest() {
	if r.started {
		lost, received := r.lost(), r.total()
		*r = reception{lostEarlier: lost, receivedEarlier: received, jitter: r.jitter, bursts: r.bursts, lostInBursts: r.lostInBursts}
	}
}
