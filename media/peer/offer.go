package peer

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"hotline"
	"hotline/media"
)

const (
	maxOffer = 64 << 10 // bytes
	maxLines = 8        // m-lines
)

// offer is what is needed of a browser's SDP.
type offer struct {
	ufrag       string
	fingerprint string // SHA-256, upper case
	setup       media.Setup
	audio       int // index of the line that is accepted
	lines       []*sdp.MediaDescription
}

func badOffer(format string, args ...any) error {
	return hotline.Errorf(hotline.Invalid, "peer.bad_offer", "the browser's offer cannot be answered: "+format, args...)
}

// parseOffer reads an offer (RFC 8829): one audio line with G.711, ICE, DTLS and multiplexed RTCP. Its other lines are refused, its
// candidates are not looked at.
func parseOffer(text string) (*offer, error) {
	if len(text) > maxOffer {
		return nil, badOffer("it is longer than %d bytes", maxOffer)
	}
	var s sdp.SessionDescription
	if err := s.UnmarshalString(text); err != nil {
		return nil, badOffer("%w", err)
	}
	if len(s.MediaDescriptions) > maxLines {
		return nil, badOffer("it has %d media lines", len(s.MediaDescriptions))
	}
	o := &offer{lines: s.MediaDescriptions, audio: -1}
	for i, m := range s.MediaDescriptions {
		if m.MediaName.Media == "audio" && m.MediaName.Port.Value != 0 {
			o.audio = i
			break
		}
	}
	if o.audio < 0 {
		return nil, badOffer("it has no audio")
	}
	return o, o.read(&s, o.lines[o.audio])
}

func (o *offer) read(s *sdp.SessionDescription, m *sdp.MediaDescription) error {
	attribute := func(key string) string {
		if v, ok := m.Attribute(key); ok {
			return v
		}
		v, _ := s.Attribute(key)
		return v
	}
	if proto := strings.Join(m.MediaName.Protos, "/"); !strings.HasSuffix(proto, "TLS/RTP/SAVPF") {
		return badOffer("its audio is %s, not DTLS-SRTP", proto)
	}
	if _, mux := m.Attribute("rtcp-mux"); !mux {
		return badOffer("it does not multiplex RTP and RTCP")
	}
	if o.ufrag = attribute("ice-ufrag"); len(o.ufrag) < 4 || len(o.ufrag) > 256 {
		return badOffer("it has no ICE user name")
	}
	if way := attribute("setup"); way != "actpass" && way != "active" {
		return badOffer("its DTLS role is %q: it has to leave ours to us", way)
	}
	for _, list := range [][]sdp.Attribute{m.Attributes, s.Attributes} {
		for _, a := range list {
			algorithm, sum, _ := strings.Cut(a.Value, " ")
			if o.fingerprint == "" && a.Key == "fingerprint" && strings.EqualFold(algorithm, "sha-256") {
				o.fingerprint = strings.ToUpper(strings.TrimSpace(sum))
			}
		}
	}
	if o.fingerprint == "" {
		return badOffer("it has no SHA-256 fingerprint")
	}
	if err := o.readDirection(s, m); err != nil {
		return err
	}
	return o.readCodecs(m)
}

// readDirection turns the browser's view into ours. One that only listens has no microphone: a supervisor's.
func (o *offer) readDirection(s *sdp.SessionDescription, m *sdp.MediaDescription) error {
	for _, list := range [][]sdp.Attribute{m.Attributes, s.Attributes} {
		for _, a := range list {
			switch a.Key {
			case "sendrecv":
				o.setup.Direction = media.SendRecv
			case "recvonly":
				o.setup.Direction = media.SendOnly
			case "sendonly":
				o.setup.Direction = media.RecvOnly
			case "inactive":
				return badOffer("its audio is inactive")
			default:
				continue
			}
			return nil
		}
	}
	return nil // sendrecv, if nothing is said
}

// readCodecs takes the browser's first G.711 and its telephone-event.
func (o *offer) readCodecs(m *sdp.MediaDescription) error {
	names := map[string]string{"0": "PCMU/8000", "8": "PCMA/8000"} // RFC 3551: static ones need no rtpmap
	for _, a := range m.Attributes {
		if number, name, ok := strings.Cut(a.Value, " "); ok && a.Key == "rtpmap" {
			names[number] = strings.TrimSpace(name)
		}
	}
	found := false
	for _, f := range m.MediaName.Formats {
		number, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			continue
		}
		name, rest, _ := strings.Cut(strings.ToUpper(names[f]), "/")
		if rest != "8000" && rest != "8000/1" {
			continue
		}
		if codec, ok := media.CodecByName(name); ok && !found {
			o.setup.Codec, o.setup.PayloadType, found = codec, uint8(number), true
		} else if name == "TELEPHONE-EVENT" && o.setup.DTMFPayloadType == 0 {
			o.setup.DTMFPayloadType = uint8(number)
		}
	}
	if !found {
		return badOffer("it has neither PCMU nor PCMA, which browsers must have (RFC 7874)")
	}
	if o.setup.DTMFPayloadType == o.setup.PayloadType {
		o.setup.DTMFPayloadType = 0
	}
	return nil
}

// answer writes the SDP of our side: ICE-lite with all addresses, passive DTLS, the codec that was chosen.
func (h *Hub) answer(p *Peer) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	session, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	mid, bundled := p.offer.lines[p.offer.audio].Attribute("mid")
	line("v=0\r\no=- %d 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0", session)
	if bundled {
		line("a=group:BUNDLE %s", mid)
	}
	line("a=ice-lite")
	for i, m := range p.offer.lines {
		if i == p.offer.audio {
			h.answerAudio(p, line)
			continue
		}
		line("m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\na=inactive", m.MediaName.Media, strings.Join(m.MediaName.Protos, "/"), strings.Join(m.MediaName.Formats, " "))
		if mid, ok := m.Attribute("mid"); ok {
			line("a=mid:%s", mid)
		}
	}
	return b.String()
}

var directions = map[media.Direction]string{media.SendRecv: "sendrecv", media.SendOnly: "sendonly", media.RecvOnly: "recvonly"}

func (h *Hub) answerAudio(p *Peer, line func(string, ...any)) {
	udp, tcp := h.Addrs()
	setup := &p.offer.setup
	formats := strconv.Itoa(int(setup.PayloadType))
	if setup.DTMFPayloadType != 0 {
		formats += fmt.Sprintf(" %d", setup.DTMFPayloadType)
	}
	family := "IP4"
	if h.hosts[0].Is6() {
		family = "IP6"
	}
	line("m=audio %d UDP/TLS/RTP/SAVPF %s\r\nc=IN %s %s", udp.Port(), formats, family, h.hosts[0])
	if mid, ok := p.offer.lines[p.offer.audio].Attribute("mid"); ok {
		line("a=mid:%s", mid)
	}
	line("a=%s\r\na=msid:hotline audio\r\na=rtcp-mux", directions[setup.Direction])
	line("a=rtpmap:%d %s/8000", setup.PayloadType, setup.Codec.Name())
	if setup.DTMFPayloadType != 0 {
		line("a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15", setup.DTMFPayloadType, setup.DTMFPayloadType)
	}
	line("a=ssrc:%d cname:hotline\r\na=ssrc:%d msid:hotline audio", p.stream.SSRC(), p.stream.SSRC())
	line("a=ptime:20\r\na=setup:passive\r\na=fingerprint:sha-256 %s", h.fingerprint)
	line("a=ice-ufrag:%s\r\na=ice-pwd:%s", p.name, p.password)
	for i, host := range h.hosts {
		line("a=candidate:%d 1 udp %d %s %d typ host", i+1, 2130706431-i, host, udp.Port())
		if tcp.IsValid() {
			line("a=candidate:%d 1 tcp %d %s %d typ host tcptype passive", maxHosts+i+1, 1671430143-i, host, tcp.Port())
		}
	}
	line("a=end-of-candidates")
}
