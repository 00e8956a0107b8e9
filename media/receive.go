package media

import (
	"net/netip"
	"time"

	"hotline/media/jitter"
)

// inbound is the way from the peer.
type inbound struct {
	source   source
	stats    reception
	keypad   keypad
	detector *detector      // nil: no digits in the audio
	jitter   *jitter.Buffer // made when somebody wants samples
	relay    *Stream        // packets go straight there, undecoded; set by a room

	frame   [frameSamples]int16 // of this tick
	heard   bool                // frame holds audio of the peer
	met     bool                // an authentic packet has come
	heardAt time.Time           // when the last packet came, or could have begun to come
	awaited time.Time           // until when there was no reason to hear it
	lost    bool                // MediaLost was reported

	allowance     float64 // digits that may be reported now
	swallowed     byte    // a digit that was not
	digitsDropped uint64
	strangers     uint64
	invalid       uint64
}

const (
	maxPayload = 1200 // samples: 150 ms
	cnPayload  = 13   // comfort noise (RFC 3389)
)

// Receive takes a packet that came in on the RTP port; b is changed (decrypted) and not kept.
func (s *Stream) Receive(b []byte, from netip.AddrPort) {
	var p packet
	s.mu.Lock()
	if s.closed || !s.configured {
		s.mu.Unlock()
		return
	}
	if isRTCP(b) && s.setup.RTCPMux {
		s.takeRTCP(b, from)
		s.deliver()
		return
	}
	relay := s.take(b, from, &p)
	codec := s.setup.Codec
	s.deliver()
	if relay != nil {
		relay.forward(&p, codec)
	}
}

// take judges a packet, counts it and puts it where it belongs. It returns the stream that it is to be relayed to, if any.
func (s *Stream) take(b []byte, from netip.AddrPort, p *packet) (relay *Stream) {
	if !s.in.source.possible(from) {
		s.in.strangers++
		return nil
	}
	if !p.parse(b) {
		s.in.invalid++
		return nil
	}
	if s.waiting.dozes {
		if p.payloadType != s.setup.DTMFPayloadType || s.setup.DTMFPayloadType == 0 {
			s.glance(b)
			return nil
		}
		s.wake()
	}
	if s.cipher != nil {
		if b = s.cipher.Open(b); b == nil || !p.parse(b) {
			s.in.invalid++
			return nil
		}
	}
	audio, dtmf := p.payloadType == s.setup.PayloadType, s.setup.DTMFPayloadType != 0 && p.payloadType == s.setup.DTMFPayloadType
	if !audio && !dtmf && p.payloadType != cnPayload {
		s.in.invalid++
		return nil
	}
	if !s.in.source.accept(from, p) {
		s.in.strangers++
		return nil
	}
	now := s.engine.now()
	if !s.in.stats.update(p, now) {
		return nil
	}
	s.alive(now)
	switch {
	case !s.setup.Direction.receives():
	case dtmf:
		var e event
		if e.parse(p.payload) {
			s.in.keypad.packet(p, e, s.press, s.release)
		}
	case audio && len(p.payload) > 0 && len(p.payload) <= maxPayload:
		s.in.stats.measure(p.ts, now.Sub(s.engine.epoch))
		if s.in.jitter != nil {
			var pcm [maxPayload]int16
			n := s.setup.Codec.Decode(pcm[:], p.payload)
			s.in.jitter.Put(p.ts, pcm[:n])
		}
		return s.in.relay
	}
	return nil
}

func (s *Stream) alive(now time.Time) {
	s.in.heardAt, s.in.met = now, true
	if s.in.lost {
		s.in.lost = false
		s.emit(StreamEvent{Kind: MediaBack, At: now})
	}
}

// pull does the receiving side's part of a tick: afterwards in.frame holds what the peer said. Samples are made only when they are
// needed: by a tap, the detection of digits, or (wanted) a room.
func (s *Stream) pull(now time.Time, wanted bool) {
	s.in.keypad.tick(s.release)
	s.in.allowance = min(digitBurst, s.in.allowance+digitsPerTick)
	if s.configured && s.setup.Direction.receives() {
		if s.missed(now) {
			s.in.lost = true
			s.emit(StreamEvent{Kind: MediaLost, At: now})
		}
	} else {
		s.in.heardAt = now
	}
	if wanted || len(s.taps) > 0 || s.in.detector != nil {
		if s.in.jitter == nil {
			s.in.jitter = &jitter.Buffer{}
		}
		s.in.heard = s.in.jitter.Get(&s.in.frame, s.in.keypad.down == 0)
	} else if s.in.jitter != nil {
		s.control.late += s.in.jitter.Late()
		s.control.concealed += s.in.jitter.Concealed()
		s.in.jitter, s.in.heard = nil, false
		clear(s.in.frame[:])
	}
	if s.in.detector != nil {
		s.in.detector.frame(s.in.frame[:], s.press, s.release)
	}
}

// missed tells whether the peer is silent although it should not be. One that waits may be: it is asked from its call on.
func (s *Stream) missed(now time.Time) bool {
	if s.waiting.idle && s.room == nil {
		s.in.awaited = now
	}
	silent := s.engine.cfg.SilenceAfter
	return !s.in.lost && now.Sub(s.in.heardAt) > silent && now.Sub(s.in.awaited) > silent
}

// press reports a key that went down, at once, and stops what is to be stopped by it: barge-in happens here, so that the next
// frame is silent already.
func (s *Stream) press(digit byte) {
	if s.in.allowance < 1 {
		s.in.swallowed = digit
		s.in.digitsDropped++
		return
	}
	s.in.allowance--
	s.in.swallowed = 0
	if s.play != nil && s.play.options.StopOnDigit {
		s.endPlay(PlayDigit)
		s.out.pending = 0
	}
	s.emit(StreamEvent{Kind: DigitDown, Digit: digit, At: s.engine.now()})
}

func (s *Stream) release(digit byte, held time.Duration) {
	if s.in.swallowed == digit {
		s.in.swallowed = 0
		return
	}
	s.emit(StreamEvent{Kind: DigitUp, Digit: digit, Duration: held, At: s.engine.now()})
}

// InjectDigit reports a digit that came by signalling (SIP INFO) as if it had come by RTP.
func (s *Stream) InjectDigit(digit byte, d time.Duration) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.press(digit)
	s.release(digit, d)
	s.deliver()
}
