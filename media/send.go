package media

import (
	"context"
	"math/rand/v2"
	"time"

	"hotline/media/srtp"
)

// outbound is the way to the peer. The timestamp follows the clock, whether something is sent or not.
type outbound struct {
	ssrc    uint32
	seq     uint16
	ts      uint32 // of the next sample
	silent  bool   // nothing was sent for the last frame: the next packet gets the marker
	packets uint32
	octets  uint32

	frame   [frameSamples]byte // of this tick, encoded
	heard   [frameSamples]int16
	ended   int            // frames of silence since there was something to be heard
	waiting [maxFrame]byte // less than a packet, when the packet time is not that of the clock
	pending int            // bytes in waiting
	buf     [rtpHeader + maxPayload + srtp.Overhead]byte

	keys []*press // digits to be sent

	relayed  time.Time // when the last packet was relayed to this stream
	relaySrc uint32    // its SSRC
	offset   uint32    // from its timestamps to ours
	high     uint32    // timestamp after the newest relayed sample
}

const (
	maxFrame     = 640                    // samples: a packet of 60 ms and a frame
	relayFresh   = 100 * time.Millisecond // a stream that gets relayed packets needs no filling for so long
	idleTail     = 10                     // frames of silence before an idle stream falls silent: else the browser makes up what follows
	maxRelayLead = 3200                   // samples between relayed timestamps and the clock: 400 ms
)

func (o *outbound) begin() {
	o.ssrc, o.seq, o.ts, o.silent = rand.Uint32(), uint16(rand.Uint32()), rand.Uint32(), true
	o.high, o.ended = o.ts, idleTail
}

// mix is what a room lets a stream hear.
type mix struct {
	pcm     *[frameSamples]int16
	relayed bool // it reaches the peer by relaying; pcm is for the taps only
}

// push does the sending side's part of a tick. Digits go before a playback, that before the room, that before music.
func (s *Stream) push(now time.Time, m *mix) {
	if s.configured {
		s.fill(now, m)
		s.report(now)
	}
}

func (s *Stream) fill(now time.Time, m *mix) {
	o, codec := &s.out, s.setup.Codec
	if s.room != nil || s.play != nil || s.music != nil || len(o.keys) > 0 {
		o.ended = 0
	}
	switch {
	case len(o.keys) > 0 && s.setup.DTMFPayloadType != 0:
		s.sendEvent()
		clear(o.heard[:])
		return
	case len(o.keys) > 0:
		s.pressTone()
		codec.Encode(o.frame[:], o.heard[:])
	case s.play != nil:
		s.play.fill(s, o.frame[:])
	case m != nil && m.relayed && now.Sub(o.relayed) < relayFresh:
		o.heard = *m.pcm
		o.ts += frameSamples
		return
	case m != nil:
		codec.Encode(o.frame[:], m.pcm[:])
	case s.music != nil:
		s.music.fill(o.frame[:], codec, now.Sub(s.engine.epoch))
	case s.waiting.idle && o.ended == idleTail:
		o.ts, o.silent, o.pending = o.ts+frameSamples, true, 0
		clear(o.heard[:])
		return
	default:
		o.ended = min(o.ended+1, idleTail)
		silence(o.frame[:], codec)
	}
	switch {
	case len(s.taps) == 0:
	case s.setup.Direction.sends():
		codec.Decode(o.heard[:], o.frame[:])
	default:
		clear(o.heard[:]) // the peer hears nothing
	}
	s.sendFrame()
}

func silence(b []byte, c Codec) {
	v := c.Silence()
	for i := range b {
		b[i] = v
	}
}

// sendFrame cuts the frame into packets of the packet time.
func (s *Stream) sendFrame() {
	o := &s.out
	if int32(o.high-o.ts) > 0 {
		o.ts = o.high // relayed packets ran ahead of the clock
	}
	size := durationSamples(s.setup.Ptime)
	if o.pending == 0 && size == frameSamples {
		s.sendAudio(o.frame[:], o.ts)
		o.ts += frameSamples
		return
	}
	first := o.ts - uint32(o.pending)
	o.pending += copy(o.waiting[o.pending:], o.frame[:])
	o.ts += frameSamples
	at := 0
	for ; o.pending-at >= size; at += size {
		s.sendAudio(o.waiting[at:at+size], first+uint32(at))
	}
	o.pending = copy(o.waiting[:], o.waiting[at:o.pending])
}

func (s *Stream) sendAudio(payload []byte, ts uint32) {
	marker := s.out.silent
	if s.sendPacket(s.setup.PayloadType, marker, ts, payload) {
		s.out.silent = false
	}
}

// sendPacket sends one packet, if the direction and the peer's address allow it.
func (s *Stream) sendPacket(payloadType uint8, marker bool, ts uint32, payload []byte) bool {
	o := &s.out
	to := s.in.source.addr
	if !s.setup.Direction.sends() || !to.IsValid() {
		o.silent = true
		return false
	}
	putHeader(o.buf[:], payloadType, marker, o.seq, ts, o.ssrc)
	b := o.buf[:rtpHeader+copy(o.buf[rtpHeader:], payload)]
	if s.cipher != nil {
		b = s.cipher.Seal(b)
	}
	s.way.Send(b, to)
	o.seq++
	o.packets++
	o.octets += uint32(len(payload))
	return true
}

// forward sends on a packet of another stream with our own header: the timestamps keep their distances, the sequence is ours. What is
// said stays as it is, but for the law of G.711.
func (s *Stream) forward(p *packet, codec Codec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.configured || s.play != nil || len(s.out.keys) > 0 {
		return
	}
	codec.translate(p.payload, s.setup.Codec) // in the packet that came: nobody reads it after us
	o := &s.out
	ts := p.ts + o.offset
	lead := int32(ts - o.ts)
	marker := o.silent
	if p.ssrc != o.relaySrc || o.relayed.IsZero() || max(lead, -lead) > maxRelayLead {
		if int32(o.high-o.ts) > 0 {
			o.ts = o.high
		}
		o.relaySrc, o.offset, o.pending = p.ssrc, o.ts-p.ts, 0
		ts, marker = o.ts, true
	}
	if s.sendPacket(s.setup.PayloadType, marker, ts, p.payload) {
		o.silent = false
	}
	if end := ts + uint32(len(p.payload)); int32(end-o.high) > 0 {
		o.high = end
	}
	o.relayed = s.engine.now()
}

// SendDigits presses keys toward the peer: telephone-event packets when it understands them, else tones. It returns when the last
// key is released and its gap is over. Times are rounded up to 20 ms; Q.24 asks for 40 ms each at least.
func (s *Stream) SendDigits(ctx context.Context, digits string, tone, gap time.Duration) error {
	digits, err := parseDigits(digits)
	if err != nil || digits == "" {
		return err
	}
	done := make(chan struct{})
	keys := make([]*press, len(digits))
	for i := range keys {
		keys[i] = &press{digit: digits[i], tone: ticks(tone), gap: ticks(gap)}
	}
	keys[len(keys)-1].done = done
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errStreamClosed
	}
	s.out.keys = append(s.out.keys, keys...)
	s.wake()
	s.mu.Unlock()
	select {
	case <-done:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed && keys[len(keys)-1].left() {
			return errStreamClosed
		}
		return nil
	case <-ctx.Done():
		s.takeBack(keys)
		return context.Cause(ctx)
	}
}

func ticks(d time.Duration) int { return max(1, int((d+frameTime-1)/frameTime)) }

// left tells whether something of the key is still to be sent.
func (k *press) left() bool { return k.elapsed < k.tone+k.gap }

// takeBack forgets keys that were not pressed yet; one that is down is released properly.
func (s *Stream) takeBack(keys []*press) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := make(map[*press]bool, len(keys))
	for _, k := range keys {
		mine[k] = true
	}
	kept := s.out.keys[:0]
	for _, k := range s.out.keys {
		if !mine[k] || k.elapsed > 0 {
			kept = append(kept, k)
		}
	}
	clear(s.out.keys[len(kept):])
	s.out.keys = kept
}

// abandon lets those who wait for digits go on: the stream is closed.
func (o *outbound) abandon() {
	for _, k := range o.keys {
		if k.done != nil {
			close(k.done)
		}
	}
	o.keys = nil
}

// sendEvent sends the event packet of this tick, three when the key comes up (RFC 4733, section 2.5.1).
func (s *Stream) sendEvent() {
	o, k := &s.out, s.out.keys[0]
	if k.elapsed == 0 {
		k.ts = o.ts
		o.pending = 0
	}
	k.elapsed++
	o.ts += frameSamples
	if k.elapsed <= k.tone {
		e := event{digit: k.digit, duration: uint16(min(k.elapsed*frameSamples, 0xffff)), end: k.elapsed == k.tone}
		n := 1
		if e.end {
			n = endPackets
		}
		var payload [eventSize]byte
		e.put(payload[:])
		for range n {
			s.sendPacket(s.setup.DTMFPayloadType, k.elapsed == 1, k.ts, payload[:])
		}
		o.silent = true
	} else {
		silence(o.frame[:], s.setup.Codec)
		s.sendAudio(o.frame[:], o.ts-frameSamples)
	}
	s.nextKey()
}

// pressTone writes this tick of a key as two tones to out.heard.
func (s *Stream) pressTone() {
	o, k := &s.out, s.out.keys[0]
	if k.elapsed < k.tone {
		dualTone(o.heard[:], k.digit, k.elapsed*frameSamples)
	} else {
		clear(o.heard[:])
	}
	k.elapsed++
	s.nextKey()
}

func (s *Stream) nextKey() {
	o := &s.out
	k := o.keys[0]
	if k.left() {
		return
	}
	if k.done != nil {
		close(k.done)
	}
	o.keys[0] = nil
	if o.keys = o.keys[1:]; len(o.keys) == 0 {
		o.keys = nil
	}
}
