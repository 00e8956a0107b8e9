package media

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"hotline"
)

// digits in the order of their event codes (RFC 4733, table 3).
const digits = "0123456789*#ABCD"

const (
	eventSize     = 4
	eventLost     = 10 // ticks without an event packet after which a key counts as released: 200 ms
	endPackets    = 3  // RFC 4733, section 2.5.1.4
	eventVolume   = 10 // -10 dBm0
	digitBurst    = 32 // digits that may come at once (a number dialled by SIP INFO or by a machine),
	digitsPerTick = 0.5
)

// event is the payload of a telephone-event packet (RFC 4733, section 2.3).
type event struct {
	digit    byte
	end      bool
	duration uint16
}

// parse reads a payload; false when it is malformed or no digit (flash, tones). Of redundant events only the first counts.
func (e *event) parse(b []byte) bool {
	if len(b) < eventSize || int(b[0]) >= len(digits) {
		return false
	}
	e.digit, e.end, e.duration = digits[b[0]], b[1]&0x80 != 0, binary.BigEndian.Uint16(b[2:])
	return true
}

func (e *event) put(b []byte) {
	b[0], b[1] = byte(strings.IndexByte(digits, e.digit)), eventVolume
	if e.end {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], e.duration)
}

// keypad turns event packets into one press and one release a key. Events are told apart by their timestamp alone (RFC 4733,
// section 2.5.1.2): retransmissions, reordering and lost ends do no harm.
type keypad struct {
	known    bool   // ts is that of an event
	ts       uint32 // of the newest event
	down     byte   // the key that is held, 0: none
	duration uint32 // of it, in samples, over all its segments
	earlier  uint32 // of its segments before this one
	idle     int    // ticks since its last packet
}

// packet takes an event packet and reports to press and release.
func (k *keypad) packet(p *packet, e event, press func(byte), release func(byte, time.Duration)) {
	age := int32(p.ts - k.ts)
	switch {
	case k.known && age < 0 && age > -SampleRate*10:
		return // an old packet that was overtaken
	case k.known && age == 0:
		if k.down == 0 || e.digit != k.down {
			return
		}
	case k.known && k.down == e.digit && !p.marker && uint32(age) == k.duration-k.earlier:
		k.earlier, k.ts = k.duration, p.ts // the next segment of a key held for more than 8 s (section 2.5.1.3)
	default:
		k.up(release)
		*k = keypad{known: true, ts: p.ts, down: e.digit}
		press(e.digit)
	}
	k.idle = 0
	k.duration = max(k.duration, k.earlier+uint32(e.duration))
	if e.end {
		k.up(release)
	}
}

// tick releases a key whose end was lost.
func (k *keypad) tick(release func(byte, time.Duration)) {
	if k.down == 0 {
		return
	}
	if k.idle++; k.idle > eventLost {
		k.up(release)
	}
}

func (k *keypad) up(release func(byte, time.Duration)) {
	if k.down == 0 {
		return
	}
	digit := k.down
	k.down = 0
	release(digit, samplesDuration(int(k.duration)))
}

// press is one digit to be sent.
type press struct {
	digit     byte
	tone, gap int // ticks
	elapsed   int // ticks since the key went down
	ts        uint32
	done      chan struct{} // closed after the gap of the last digit; nil for the others
}

// parseDigits checks a string of digits.
func parseDigits(s string) (string, error) {
	s = strings.ToUpper(s)
	for i, r := range s {
		if !strings.ContainsRune(digits, r) {
			return "", hotline.Errorf(hotline.Invalid, "media.bad_digit", "character %d (%q) is no key of a telephone: use 0-9, *, #, A-D", i+1, r)
		}
	}
	return s, nil
}

// Frequencies of the keys (ITU-T Q.23): rows are low, columns high.
var (
	dtmfRows    = [4]float64{697, 770, 852, 941}
	dtmfColumns = [4]float64{1209, 1336, 1477, 1633}
)

const dtmfKeys = "123A456B789C*0#D" // row by row

// dualTone writes samples of the tone of a digit, beginning at sample from; each frequency at -9 dBFS.
func dualTone(dst []int16, digit byte, from int) {
	at := strings.IndexByte(dtmfKeys, digit)
	low, high := dtmfRows[at/4], dtmfColumns[at%4]
	for i := range dst {
		t := 2 * math.Pi * float64(from+i) / SampleRate
		dst[i] = int16(0.35 * math.MaxInt16 * (math.Sin(low*t) + math.Sin(high*t)))
	}
}
