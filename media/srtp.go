package media

import (
	"encoding/binary"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"hotline"
)

// SRTPProfile names what protects the packets (RFC 3711, RFC 7714).
type SRTPProfile uint8

// The profiles.
const (
	AES_CM_128_HMAC_SHA1_80 SRTPProfile = iota // what SDES on trunks speaks
	AEAD_AES_128_GCM                           // what browsers prefer; several times faster
	srtpProfiles
)

// SRTPKeys are the master keys and salts, by SDES (RFC 4568) or DTLS (RFC 5764).
type SRTPKeys struct {
	Profile SRTPProfile
	Local   [30]byte // of what we send: 16 bytes of key, then 14 of salt (12 with GCM)
	Remote  [30]byte // of what the peer sends
}

const (
	keySize      = 16
	replayWindow = 128
)

// protection returns pion's name of a profile and the length of its salt.
func (p SRTPProfile) protection() (srtp.ProtectionProfile, int) {
	if p == AEAD_AES_128_GCM {
		return srtp.ProtectionProfileAeadAes128Gcm, 12
	}
	return srtp.ProtectionProfileAes128CmHmacSha1_80, 14
}

// protector is the SRTP of a stream. pion keeps roll-over counters and replay windows a SSRC.
type protector struct {
	keys    SRTPKeys
	gcm     *gcm // of RTP; nil: AES-CM
	out, in *srtp.Context
	header  rtp.Header // scratch
	sent    []byte     // scratch
}

func newProtector(keys SRTPKeys) (*protector, error) {
	if keys.Profile >= srtpProfiles {
		return nil, hotline.Errorf(hotline.Invalid, "media.srtp_profile", "SRTP profile %d is not known", keys.Profile)
	}
	profile, salt := keys.Profile.protection()
	c := &protector{keys: keys, sent: make([]byte, 0, maxPacket)}
	var err error
	if c.out, err = srtp.CreateContext(keys.Local[:keySize], keys.Local[keySize:keySize+salt], profile); err == nil {
		c.in, err = srtp.CreateContext(keys.Remote[:keySize], keys.Remote[keySize:keySize+salt], profile,
			srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	}
	if err == nil && keys.Profile == AEAD_AES_128_GCM {
		c.gcm, err = newGCM(&keys)
	}
	if err != nil {
		return nil, hotline.Errorf(hotline.Invalid, "media.srtp_keys", "SRTP keys are refused: %w", err)
	}
	return c, nil
}

// seal encrypts a packet of ours, which has a plain header and room for what is added. What it returns is valid until the next call.
func (c *protector) seal(b []byte) []byte {
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

// open authenticates and decrypts in place; nil: forged, replayed or broken.
func (c *protector) open(b []byte) []byte {
	if c.gcm != nil {
		return c.gcm.open(b)
	}
	plain, err := c.in.DecryptRTP(b, b, &c.header)
	if err != nil {
		return nil
	}
	return plain
}

func (c *protector) sealRTCP(b []byte) []byte {
	sealed, err := c.out.EncryptRTCP(nil, b, nil)
	if err != nil {
		return nil
	}
	return sealed
}

func (c *protector) openRTCP(b []byte) []byte {
	plain, err := c.in.DecryptRTCP(nil, b, nil)
	if err != nil {
		return nil
	}
	return plain
}
