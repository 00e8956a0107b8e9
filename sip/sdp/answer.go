package sdp

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Local is what our side can do and where it listens.
type Local struct {
	Addr     netip.AddrPort // of RTP
	Codecs   []string       // "PCMU", "PCMA" in order of preference
	DTMF     bool           // telephone-event
	SRTP     bool           // offer and demand RTP/SAVP
	Secure   bool           // the signalling is encrypted, so an offer of SAVP may be taken (RFC 4568, section 7)
	Session  uint64         // session id of o=
	Version  uint64
	Crypto   Crypto // our key; made by [NewCrypto]
	DTMFType uint8  // payload type we offer for telephone-event; 0 means 101
}

// Result is what both sides agreed on.
type Result struct {
	Codec     string
	PT        uint8
	DTMFPT    uint8 // 0 when there is no telephone-event
	Ptime     int
	Remote    netip.AddrPort // where to send; port 0 or unspecified address: nowhere
	RTCP      netip.AddrPort
	Mux       bool
	Peer      Direction // as the peer sees it
	Ours      Direction // as we see it
	RemoteKey Crypto
	LocalKey  Crypto
	SRTP      bool
	Index     int // of the m-line
}

// Suite is the one SRTP suite that is spoken (RFC 4568, section 6.2.1: the one that must be).
const Suite = "AES_CM_128_HMAC_SHA1_80"

// NewCrypto makes a key for our side.
func NewCrypto() Crypto {
	var b [30]byte
	rand.Read(b[:])
	return Crypto{1, Suite, base64.StdEncoding.EncodeToString(b[:])}
}

// Offer writes our offer. dir is ours.
func (l Local) Offer(dir Direction) []byte {
	proto := "RTP/AVP"
	if l.SRTP {
		proto = "RTP/SAVP"
	}
	var formats []Format
	for _, c := range l.Codecs {
		formats = append(formats, Format{PT: static(c), Name: c, Clock: 8000})
	}
	if l.DTMF {
		formats = append(formats, Format{PT: l.dtmfType(), Name: "telephone-event", Clock: 8000, Fmtp: "0-16"})
	}
	var b strings.Builder
	l.head(&b)
	l.stream(&b, proto, formats, dir, 20, false, l.Crypto)
	return []byte(b.String())
}

func (l Local) dtmfType() uint8 {
	if l.DTMFType != 0 {
		return l.DTMFType
	}
	return 101
}

func static(codec string) uint8 {
	if codec == "PCMA" {
		return 8
	}
	return 0
}

func (l Local) head(b *strings.Builder) {
	family := "IP4"
	if l.Addr.Addr().Is6() {
		family = "IP6"
	}
	addr := l.Addr.Addr().String()
	fmt.Fprintf(b, "v=0\r\no=hotline %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", l.Session, l.Version, family, addr, family, addr)
}

func (l Local) stream(b *strings.Builder, proto string, formats []Format, dir Direction, ptime int, mux bool, key Crypto) {
	fmt.Fprintf(b, "m=audio %d %s", l.Addr.Port(), proto)
	for _, f := range formats {
		fmt.Fprintf(b, " %d", f.PT)
	}
	b.WriteString("\r\n")
	for _, f := range formats {
		fmt.Fprintf(b, "a=rtpmap:%d %s/%d\r\n", f.PT, f.Name, f.Clock)
		if f.Fmtp != "" {
			fmt.Fprintf(b, "a=fmtp:%d %s\r\n", f.PT, f.Fmtp)
		}
	}
	if proto == "RTP/SAVP" {
		fmt.Fprintf(b, "a=crypto:%d %s inline:%s\r\n", key.Tag, key.Suite, key.Key)
	}
	fmt.Fprintf(b, "a=ptime:%d\r\na=%s\r\n", ptime, dir)
	if mux {
		b.WriteString("a=rtcp-mux\r\n")
	}
}

// Choose finds the first m-line of s that we can speak, as an offer to us. ok is false when there is none.
func (l Local) Choose(s *Session) (r Result, ok bool) {
	for i := range s.Media {
		if r, ok = l.match(&s.Media[i]); ok {
			r.Index = i
			return r, true
		}
	}
	return Result{}, false
}

// Accept reads the answer to an offer of ours, which had one m-line.
func (l Local) Accept(s *Session) (r Result, ok bool) { return l.match(&s.Media[0]) }

func (l Local) match(m *Media) (r Result, ok bool) {
	if m.Kind != "audio" || m.Port == 0 {
		return r, false
	}
	switch m.Proto {
	case "RTP/AVP", "RTP/AVPF":
		if l.SRTP {
			return r, false
		}
	case "RTP/SAVP", "RTP/SAVPF":
		if r.RemoteKey, ok = pickCrypto(m.Cryptos); !ok || !l.Secure {
			return r, false
		}
		r.SRTP, r.LocalKey = true, l.Crypto
		r.LocalKey.Tag = r.RemoteKey.Tag
	default:
		return r, false
	}
	format := l.pick(m)
	if format == nil {
		return r, false
	}
	r.Codec, r.PT, r.Ptime, r.Mux = format.Name, format.PT, m.Ptime, m.Mux
	if r.Ptime < 10 || r.Ptime > 60 || r.Ptime%10 != 0 {
		r.Ptime = 20
	}
	if l.DTMF {
		for _, f := range m.Formats {
			if f.Name == "TELEPHONE-EVENT" && f.Clock == 8000 {
				r.DTMFPT = f.PT
				break
			}
		}
	}
	r.Peer = m.Direction
	if m.Addr.IsValid() && m.Addr.IsUnspecified() { // hold of RFC 2543: it cannot hear us
		if r.Peer == SendRecv || r.Peer == RecvOnly {
			r.Peer = SendOnly
		}
	}
	r.Ours = r.Peer.Reverse()
	r.Remote = netip.AddrPortFrom(m.Addr, uint16(m.Port))
	r.RTCP = m.RTCP
	if !r.RTCP.IsValid() && m.Addr.IsValid() && m.Port < 65535 {
		r.RTCP = netip.AddrPortFrom(m.Addr, uint16(m.Port)+1)
	}
	return r, true
}

// pick takes the codec that we like best among those that both have.
func (l Local) pick(m *Media) *Format {
	for i := range m.Formats {
		for _, c := range l.Codecs {
			if m.Formats[i].Name == c && m.Formats[i].Clock == 8000 {
				return &m.Formats[i]
			}
		}
	}
	return nil
}

func pickCrypto(cs []Crypto) (Crypto, bool) {
	for _, c := range cs {
		if key, err := base64.StdEncoding.DecodeString(c.Key); err != nil || len(key) != 30 {
			continue
		}
		if c.Suite == Suite {
			return c, true
		}
	}
	return Crypto{}, false
}

// Answer writes the answer to offer s on which r was agreed: the m-line r.Index is taken, each other one refused with port 0
// (RFC 3264, section 6).
func (l Local) Answer(s *Session, r Result) []byte {
	var b strings.Builder
	l.head(&b)
	for i := range s.Media {
		m := &s.Media[i]
		if i != r.Index {
			b.WriteString("m=" + m.Kind + " 0 " + m.Proto + " " + m.FormatsAs + "\r\n")
			continue
		}
		formats := []Format{{PT: r.PT, Name: r.Codec, Clock: 8000}}
		if r.DTMFPT != 0 {
			formats = append(formats, Format{PT: r.DTMFPT, Name: "telephone-event", Clock: 8000, Fmtp: "0-16"})
		}
		proto := m.Proto
		if r.SRTP {
			proto = "RTP/SAVP"
		}
		l.stream(&b, proto, formats, r.Ours, r.Ptime, r.Mux, r.LocalKey)
	}
	return []byte(b.String())
}

// String is for logs and errors: what was agreed, without keys.
func (r Result) String() string {
	return r.Codec + "/" + strconv.Itoa(int(r.PT)) + " " + string(r.Ours) + " " + r.Remote.String()
}
