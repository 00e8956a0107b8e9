// Package srtp protects the RTP and RTCP of one stream (RFC 3711, RFC 7714). Start at [New].
package srtp

import (
	"encoding/binary"

	"github.com/pion/rtp"
	pion "github.com/pion/srtp/v3"

	"hotline"
)

// Profile names what protects the packets (RFC 3711, RFC 7714).
type Profile uint8

// The profiles.
const (
	AES_CM_128_HMAC_SHA1_80 Profile = iota // what SDES on trunks speaks
	AEAD_AES_128_GCM                       // what browsers prefer; several times faster
	profiles
)

// Keys are the master keys and salts, by SDES (RFC 4568) or DTLS (RFC 5764).
type Keys struct {
	Profile Profile
	Local   [30]byte // of what we send: 16 bytes of key, then 14 of salt (12 with GCM)
	Remote  [30]byte // of what the peer sends
}

const (
	rtpHeader    = 12
	keySize      = 16
	replayWindow = 128
)

// Overhead is the room in bytes that [Context.Seal] needs behind a packet.
const Overhead = gcmTag

// protection returns pion's name of a profile and the length of its salt.
func (p Profile) protection() (pion.ProtectionProfile, int) {
	if p == AEAD_AES_128_GCM {
		return pion.ProtectionProfileAeadAes128Gcm, 12
	}
	return pion.ProtectionProfileAes128CmHmacSha1_80, 14
}

// Context is the SRTP of a stream. pion keeps roll-over counters and replay windows a SSRC.
type Context struct {
	keys    Keys
	gcm     *gcm // of RTP; nil: AES-CM
	out, in *pion.Context
	header  rtp.Header // scratch
	sent    []byte     // scratch
}

// New makes the context of a stream whose packets nobody has seen yet.
func New(keys Keys) (*Context, error) {
	if keys.Profile >= profiles {
		return nil, hotline.Errorf(hotline.Invalid, "media.srtp_profile", "SRTP profile %d is not known", keys.Profile)
	}
	profile, salt := keys.Profile.protection()
	c := &Context{keys: keys, sent: make([]byte, 0, 1500)}
	var err error
	if c.out, err = pion.CreateContext(keys.Local[:keySize], keys.Local[keySize:keySize+salt], profile); err == nil {
		c.in, err = pion.CreateContext(keys.Remote[:keySize], keys.Remote[keySize:keySize+salt], profile,
			pion.SRTPReplayProtection(replayWindow), pion.SRTCPReplayProtection(replayWindow))
	}
	if err == nil && keys.Profile == AEAD_AES_128_GCM {
		c.gcm, err = newGCM(&keys)
	}
	if err != nil {
		return nil, hotline.Errorf(hotline.Invalid, "media.srtp_keys", "SRTP keys are refused: %w", err)
	}
	return c, nil
}

// Protects tells whether it was made of these keys.
func (c *Context) Protects(keys *Keys) bool { return c.keys == *keys }

// Seal encrypts an RTP packet of ours, which has a plain header and room for what is added. What it returns is valid until the next call.
func (c *Context) Seal(b []byte) []byte {
	if c.gcm != nil {
		return c.gcm.seal(b)
	}
	c.header = rtp.Header{
		Version: 2, PayloadType: b[1] & 0x7f, Marker: b[1]&0x80 != 0,
		SequenceNumber: binary.BigEndian.Uint16(b[2:]), Timestamp: binary.BigEndian.Uint32(b[4:]), SSRC: binary.BigEndian.Uint32(b[8:]),
	}
	sealed, err := c.out.EncryptRTP(c.sent, b, &c.header)
	if err != nil {
		return nil
	}
	return sealed
}

// Open authenticates and decrypts an RTP packet in place; nil: forged, replayed or broken.
func (c *Context) Open(b []byte) []byte {
	if c.gcm != nil {
		return c.gcm.open(b)
	}
	plain, err := c.in.DecryptRTP(b, b, &c.header)
	if err != nil {
		return nil
	}
	return plain
}

// SealRTCP encrypts a compound packet of ours, into memory of its own.
func (c *Context) SealRTCP(b []byte) []byte {
	sealed, err := c.out.EncryptRTCP(nil, b, nil)
	if err != nil {
		return nil
	}
	return sealed
}

// OpenRTCP authenticates and decrypts, into memory of its own; nil: forged, replayed or broken.
func (c *Context) OpenRTCP(b []byte) []byte {
	plain, err := c.in.DecryptRTCP(nil, b, nil)
	if err != nil {
		return nil
	}
	return plain
}

// PayloadStart returns how long the header of the packet in b is, with CSRCs and extension; false when b is no RTP packet.
func PayloadStart(b []byte) (n int, ok bool) {
	if len(b) < rtpHeader || b[0]>>6 != 2 {
		return 0, false
	}
	n = rtpHeader + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return 0, false
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	return n, n <= len(b)
}
