package media

import "math/bits"

// Codec is an audio codec of RFC 3551 that Hotline speaks. Both are 8 kHz, one byte a sample.
type Codec uint8

// The codecs.
const (
	PCMU Codec = iota // G.711 µ-law, static payload type 0
	PCMA              // G.711 A-law, static payload type 8
	codecs
)

// SampleRate is the rate of all audio inside the package, in Hz.
const SampleRate = 8000

// frameSamples is the number of samples of one tick of the clock: 20 ms.
const frameSamples = 160

// Name returns the encoding name of RFC 3551.
func (c Codec) Name() string {
	if c == PCMA {
		return "PCMA"
	}
	return "PCMU"
}

func (c Codec) String() string { return c.Name() }

// PayloadType returns the static payload type of RFC 3551, table 4.
func (c Codec) PayloadType() uint8 {
	if c == PCMA {
		return 8
	}
	return 0
}

// Silence returns the byte that encodes a sample of zero.
func (c Codec) Silence() byte {
	if c == PCMA {
		return 0xd5
	}
	return 0xff
}

// CodecByName returns the codec of an encoding name of RFC 3551, in the case in which it is registered.
func CodecByName(name string) (Codec, bool) {
	switch name {
	case "PCMU":
		return PCMU, true
	case "PCMA":
		return PCMA, true
	}
	return 0, false
}

// Encode writes the encoded samples of pcm to dst, which must be at least as long, and returns their number.
func (c Codec) Encode(dst []byte, pcm []int16) int {
	table := &encodeTables[c]
	dst = dst[:len(pcm)]
	for i, s := range pcm {
		dst[i] = table[uint16(s)>>2]
	}
	return len(pcm)
}

// Decode writes the decoded samples of b to dst, which must be at least as long, and returns their number.
func (c Codec) Decode(dst []int16, b []byte) int {
	table := &decodeTables[c]
	dst = dst[:len(b)]
	for i, v := range b {
		dst[i] = table[v]
	}
	return len(b)
}

// translate turns n bytes of one codec into the other, in place.
func (c Codec) translate(b []byte, to Codec) {
	if c == to {
		return
	}
	table := &translateTables[to]
	for i, v := range b {
		b[i] = table[v]
	}
}

var (
	decodeTables    [codecs][256]int16
	encodeTables    [codecs][1 << 14]byte // by the upper 14 bits: G.711 is defined on 14-bit (µ) and 13-bit (A) samples
	translateTables [codecs][256]byte     // to a codec, from the other
)

func init() {
	for i := range 256 {
		decodeTables[PCMU][i] = decodeMu(byte(i))
		decodeTables[PCMA][i] = decodeA(byte(i))
	}
	for i := range 1 << 14 {
		s := int16(uint16(i) << 2)
		encodeTables[PCMU][i] = encodeMu(s)
		encodeTables[PCMA][i] = encodeA(s)
	}
	for i := range 256 {
		translateTables[PCMA][i] = encodeTables[PCMA][uint16(decodeTables[PCMU][i])>>2]
		translateTables[PCMU][i] = encodeTables[PCMU][uint16(decodeTables[PCMA][i])>>2]
	}
}

// decodeMu expands a µ-law byte (ITU-T G.711, table 2b) to 16 bits.
func decodeMu(b byte) int16 {
	b = ^b
	v := (int(b&0x0f)<<3 + 0x84) << (b >> 4 & 7)
	if b&0x80 != 0 {
		return int16(0x84 - v)
	}
	return int16(v - 0x84)
}

// encodeMu compresses a 16-bit sample, of which 14 bits count.
func encodeMu(s int16) byte {
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, 32635) + 0x84
	exp := bits.Len(uint(v)) - 8
	return ^(sign | byte(exp)<<4 | byte(v>>(exp+3)&0x0f))
}

// decodeA expands an A-law byte (ITU-T G.711, table 1b) to 16 bits.
func decodeA(b byte) int16 {
	b ^= 0x55
	exp, v := b>>4&7, int(b&0x0f)<<4+8
	if exp > 0 {
		v = (v + 0x100) << (exp - 1)
	}
	if b&0x80 == 0 {
		return int16(-v)
	}
	return int16(v)
}

// encodeA compresses a 16-bit sample, of which 13 bits count.
func encodeA(s int16) byte {
	v, sign := int(s)>>3, byte(0x80)
	if v < 0 {
		v, sign = ^v, 0
	}
	b := byte(v >> 1)
	if v >= 32 {
		exp := bits.Len(uint(v)) - 5
		b = byte(exp)<<4 | byte(v>>exp&0x0f)
	}
	return (sign | b) ^ 0x55
}
