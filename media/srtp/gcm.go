package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// SRTP with AES-GCM for RTP (RFC 7714) is our own, as every packet of a browser goes through it: the library spends twice as much on
// looking up what a stream of one SSRC knows as on the cipher itself (decision 017). SRTCP and AES-CM stay with the library, which the
// tests hold this against.

const (
	gcmTag     = 16
	maxSources = 64 // SSRCs of one peer; a packet of yet another one is dropped: each costs memory
)

// gcm protects the RTP of one peer: one SSRC of ours, whatever SSRCs the peer has.
type gcm struct {
	out, in struct {
		aead cipher.AEAD
		salt [12]byte
	}
	nonce   [12]byte // scratch
	sent    rollover
	sources map[uint32]*window
	recent  *window // of the last packet
}

// rollover extends sequence numbers to the 48 bits of a packet index (RFC 3711, section 3.3.1).
type rollover struct {
	begun   bool
	highest uint64
}

// window is what a receiver keeps of an SSRC (RFC 3711, section 3.3.2).
type window struct {
	rollover
	ssrc uint32
	seen uint64 // bit n: highest-n has come
}

func newGCM(keys *Keys) (*gcm, error) {
	g := &gcm{sources: make(map[uint32]*window)}
	for _, way := range []struct {
		aead   *cipher.AEAD
		salt   *[12]byte
		master *[30]byte
	}{{&g.out.aead, &g.out.salt, &keys.Local}, {&g.in.aead, &g.in.salt, &keys.Remote}} {
		prf, err := aes.NewCipher(way.master[:keySize])
		if err != nil {
			return nil, err
		}
		var key [keySize]byte
		derive(key[:], prf, way.master[keySize:keySize+12], 0)
		derive(way.salt[:], prf, way.master[keySize:keySize+12], 2)
		block, err := aes.NewCipher(key[:])
		if err != nil {
			return nil, err
		}
		if *way.aead, err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// derive makes a session key or salt (RFC 3711, section 4.3; with GCM the master salt is padded with zeros, RFC 7714, section 11).
func derive(out []byte, prf cipher.Block, salt []byte, label byte) {
	var x [aes.BlockSize]byte
	copy(x[:], salt)
	x[7] ^= label
	cipher.NewCTR(prf, x[:]).XORKeyStream(out, make([]byte, len(out)))
}

// index returns the index that a sequence number most likely stands for; false when it would lie before the first.
func (c *rollover) index(seq uint16) (uint64, bool) {
	if !c.begun {
		return uint64(seq), true
	}
	i := c.highest&^0xffff | uint64(seq)
	switch d := int64(i - c.highest); {
	case d < -1<<15:
		i += 1 << 16
	case d > 1<<15:
		if i < 1<<16 {
			return 0, false
		}
		i -= 1 << 16
	}
	return i, i < 1<<48
}

// fresh tells whether a packet has not come yet, as far as is remembered.
func (w *window) fresh(i uint64) bool {
	if !w.begun || i > w.highest {
		return true
	}
	behind := w.highest - i
	return behind < 64 && w.seen&(1<<behind) == 0
}

// take notes an authentic packet.
func (w *window) take(i uint64) {
	switch {
	case !w.begun:
		w.begun, w.highest, w.seen = true, i, 1
	case i > w.highest:
		w.seen, w.highest = w.seen<<min(i-w.highest, 64)|1, i
	default:
		w.seen |= 1 << (w.highest - i)
	}
}

// iv writes the nonce of a packet (RFC 7714, section 8.1).
func (g *gcm) iv(salt *[12]byte, ssrc uint32, i uint64) []byte {
	n := &g.nonce
	n[0], n[1] = salt[0], salt[1]
	binary.BigEndian.PutUint32(n[2:], binary.BigEndian.Uint32(salt[2:])^ssrc)
	binary.BigEndian.PutUint32(n[6:], binary.BigEndian.Uint32(salt[6:])^uint32(i>>16))
	binary.BigEndian.PutUint16(n[10:], binary.BigEndian.Uint16(salt[10:])^uint16(i))
	return n[:]
}

// seal encrypts a packet of ours in place, which has a plain header and room behind it for the tag.
func (g *gcm) seal(b []byte) []byte {
	i, ok := g.sent.index(binary.BigEndian.Uint16(b[2:]))
	if !ok {
		return nil // after 2^48 packets keys are used up (RFC 3711, section 9.2)
	}
	g.sent.begun, g.sent.highest = true, i
	return g.out.aead.Seal(b[:rtpHeader], g.iv(&g.out.salt, binary.BigEndian.Uint32(b[8:]), i), b[rtpHeader:], b[:rtpHeader])
}

// open authenticates and decrypts in place; nil: forged, replayed or broken. Nothing is kept of what is not authentic.
func (g *gcm) open(b []byte) []byte {
	start, ok := PayloadStart(b)
	if !ok || len(b) < start+gcmTag {
		return nil
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	w := g.recent
	if w == nil || w.ssrc != ssrc {
		if w = g.sources[ssrc]; w == nil {
			if len(g.sources) == maxSources {
				return nil
			}
			w = &window{ssrc: ssrc}
		}
	}
	i, ok := w.index(binary.BigEndian.Uint16(b[2:]))
	if !ok || !w.fresh(i) {
		return nil
	}
	plain, err := g.in.aead.Open(b[:start], g.iv(&g.in.salt, ssrc, i), b[start:], b[:start])
	if err != nil {
		return nil
	}
	if !w.begun {
		g.sources[ssrc] = w
	}
	w.take(i)
	g.recent = w
	return plain
}
