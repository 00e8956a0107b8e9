package media

import (
	"encoding/binary"

	"hotline/media/srtp"
)

// packet is a parsed RTP packet (RFC 3550, section 5.1). The payload is part of the buffer that was parsed.
type packet struct {
	payloadType uint8
	marker      bool
	seq         uint16
	ts          uint32
	ssrc        uint32
	payload     []byte
}

const rtpHeader = 12

// parse reads the packet in b; false when it is none. It is our own because it is on the way of every packet and must not
// allocate; CSRCs and extensions are skipped.
func (p *packet) parse(b []byte) bool {
	start, ok := srtp.PayloadStart(b)
	if !ok {
		return false
	}
	p.payloadType, p.marker = b[1]&0x7f, b[1]&0x80 != 0
	p.seq = binary.BigEndian.Uint16(b[2:])
	p.ts = binary.BigEndian.Uint32(b[4:])
	p.ssrc = binary.BigEndian.Uint32(b[8:])
	end := len(b)
	if b[0]&0x20 != 0 {
		pad := int(b[end-1])
		if pad == 0 || start+pad > end {
			return false
		}
		end -= pad
	}
	p.payload = b[start:end]
	return true
}

// putHeader writes an RTP header without CSRCs and extensions.
func putHeader(b []byte, payloadType uint8, marker bool, seq uint16, ts, ssrc uint32) {
	b[0], b[1] = 0x80, payloadType
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
}

// isRTCP tells RTCP from RTP on one port (RFC 5761, section 4).
func isRTCP(b []byte) bool { return len(b) >= 2 && b[1] >= 192 && b[1] <= 223 }
