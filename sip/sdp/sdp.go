// Package sdp reads and writes the session descriptions of telephone calls (RFC 8866) and works out answers (RFC 3264): one audio
// stream of G.711 with telephone-event, over RTP or SRTP by SDES. Everything else in an offer is refused line by line.
//
// It knows no SIP and opens no socket. What it reads comes from strangers: sizes are bounded, nothing is trusted. Start at [Parse]
// and [Media.Answer].
package sdp

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Limits on a description. An offer beyond them is refused whole.
const (
	maxSize  = 32 << 10
	maxMedia = 16 // m-lines
	maxLines = 1024
)

// Errors of Parse.
var (
	ErrSyntax = errors.New("malformed session description")
	ErrLarge  = errors.New("session description too large")
)

// Direction of a stream, as the side that wrote the description sees it.
type Direction string

// The directions of RFC 3264, section 5.1.
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Reverse is the direction as the other side sees it.
func (d Direction) Reverse() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	}
	return d
}

// Sends reports whether the writer sends.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives reports whether the writer wants to receive.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// Format is one payload type of an m-line.
type Format struct {
	PT    uint8
	Name  string // upper case: "PCMU"; "" when the payload type is dynamic and has no rtpmap
	Clock int
	Fmtp  string
}

// Crypto is one a=crypto line (RFC 4568).
type Crypto struct {
	Tag   int
	Suite string
	Key   string // base64 of master key and salt
}

// Media is one m-line with what belongs to it.
type Media struct {
	Kind      string // "audio", "video", …
	Port      int
	Proto     string // "RTP/AVP", "RTP/SAVP", …
	FormatsAs string // the formats as written, for refusing the line
	Formats   []Format
	Addr      netip.Addr // connection address; invalid when it is a name
	Direction Direction
	Ptime     int // milliseconds, 0 when absent
	RTCP      netip.AddrPort
	Mux       bool
	Cryptos   []Crypto
}

// Session is a description.
type Session struct {
	Origin  string // user, session id and version, as written
	Version uint64
	Media   []Media
}

// Parse reads a description.
func Parse(b []byte) (*Session, error) {
	if len(b) > maxSize {
		return nil, ErrLarge
	}
	p := parser{s: &Session{}, dir: SendRecv}
	lines := 0
	for rest := string(b); rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		line = strings.TrimRight(line, "\r")
		if line == "" {
			continue
		}
		if lines++; lines > maxLines {
			return nil, ErrLarge
		}
		if len(line) < 2 || line[1] != '=' || lines == 1 && line != "v=0" {
			return nil, ErrSyntax
		}
		if err := p.line(line[0], line[2:]); err != nil {
			return nil, err
		}
	}
	if lines == 0 || p.s.Origin == "" || len(p.s.Media) == 0 {
		return nil, ErrSyntax
	}
	return p.s, nil
}

type parser struct {
	s    *Session
	addr netip.Addr // of the session
	dir  Direction
}

func (p *parser) line(kind byte, v string) error {
	switch kind {
	case 'o':
		f := strings.Fields(v)
		if len(f) != 6 {
			return ErrSyntax
		}
		version, err := strconv.ParseUint(f[2], 10, 64)
		if err != nil {
			return ErrSyntax
		}
		p.s.Origin, p.s.Version = v, version
	case 'c':
		addr, err := connection(v)
		if err != nil {
			return err
		}
		if m := p.media(); m != nil {
			m.Addr = addr
		} else {
			p.addr = addr
		}
	case 'm':
		if len(p.s.Media) >= maxMedia {
			return ErrLarge
		}
		m, err := mline(v)
		if err != nil {
			return err
		}
		m.Addr, m.Direction = p.addr, p.dir
		p.s.Media = append(p.s.Media, m)
	case 'a':
		p.attribute(v)
	}
	return nil
}

func (p *parser) media() *Media {
	if n := len(p.s.Media); n > 0 {
		return &p.s.Media[n-1]
	}
	return nil
}

func connection(v string) (netip.Addr, error) {
	f := strings.Fields(v)
	if len(f) != 3 || f[0] != "IN" {
		return netip.Addr{}, ErrSyntax
	}
	host, _, _ := strings.Cut(f[2], "/")
	addr, _ := netip.ParseAddr(host) // a name stays invalid: it is never looked up
	return addr.Unmap(), nil
}

func mline(v string) (Media, error) {
	f := strings.Fields(v)
	if len(f) < 4 || len(f) > 64+3 {
		return Media{}, ErrSyntax
	}
	portText, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return Media{}, ErrSyntax
	}
	m := Media{Kind: f[0], Port: int(port), Proto: f[2], FormatsAs: strings.Join(f[3:], " ")}
	for _, pt := range f[3:] {
		n, err := strconv.ParseUint(pt, 10, 7)
		if err != nil {
			continue // not RTP
		}
		format := Format{PT: uint8(n)}
		switch n {
		case 0:
			format.Name, format.Clock = "PCMU", 8000
		case 8:
			format.Name, format.Clock = "PCMA", 8000
		case 13:
			format.Name, format.Clock = "CN", 8000
		}
		m.Formats = append(m.Formats, format)
	}
	return m, nil
}

func (p *parser) attribute(v string) {
	name, value, _ := strings.Cut(v, ":")
	m := p.media()
	switch d := Direction(name); d {
	case SendRecv, SendOnly, RecvOnly, Inactive:
		if m != nil {
			m.Direction = d
		} else {
			p.dir = d
		}
		return
	}
	if m == nil {
		return
	}
	switch name {
	case "rtpmap":
		m.rtpmap(value)
	case "fmtp":
		pt, params, _ := strings.Cut(value, " ")
		if f := m.format(pt); f != nil {
			f.Fmtp = params
		}
	case "ptime":
		if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && n > 0 && n <= 200 {
			m.Ptime = n
		}
	case "rtcp-mux":
		m.Mux = true
	case "rtcp":
		m.rtcp(value)
	case "crypto":
		m.crypto(value)
	}
}

func (m *Media) format(pt string) *Format {
	n, err := strconv.ParseUint(pt, 10, 7)
	if err != nil {
		return nil
	}
	for i := range m.Formats {
		if m.Formats[i].PT == uint8(n) {
			return &m.Formats[i]
		}
	}
	return nil
}

func (m *Media) rtpmap(value string) {
	pt, encoding, _ := strings.Cut(value, " ")
	f := m.format(pt)
	if f == nil {
		return
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(encoding), "/")
	clock, channels, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(clock)
	if err != nil || channels != "" && channels != "1" {
		f.Name, f.Clock = "", 0
		return
	}
	f.Name, f.Clock = strings.ToUpper(name), n
}

func (m *Media) rtcp(value string) { // RFC 3605
	f := strings.Fields(value)
	if len(f) == 0 {
		return
	}
	port, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil || port == 0 {
		return
	}
	addr := m.Addr
	if len(f) == 4 {
		if addr, err = netip.ParseAddr(f[3]); err != nil {
			return
		}
	}
	m.RTCP = netip.AddrPortFrom(addr.Unmap(), uint16(port))
}

func (m *Media) crypto(value string) {
	f := strings.Fields(value)
	if len(f) < 3 || len(m.Cryptos) >= 16 {
		return
	}
	tag, err := strconv.Atoi(f[0])
	key, ok := strings.CutPrefix(f[2], "inline:")
	if err != nil || tag < 0 || !ok {
		return
	}
	key, _, _ = strings.Cut(key, "|")
	m.Cryptos = append(m.Cryptos, Crypto{tag, f[1], key})
}
