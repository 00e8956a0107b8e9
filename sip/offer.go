package sip

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"time"

	"hotline/media/srtp"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/call"
	"hotline/media"
	"hotline/sip/sdp"
	"hotline/sip/wire"
)

// negotiation is the state of offer and answer (RFC 3264).
type negotiation struct {
	id      uint64 // session id of our o= line
	version uint64
	key     sdp.Crypto
	result  sdp.Result
	sdp     []byte // our last description
	offered bool   // we have made an offer at all
	pending bool   // and wait for the answer
	ready   bool   // audio may be sent
	held    bool   // the peer does not listen
}

var errNotAcceptable = errors.New("no audio stream that can be spoken")

func isSDP(m sipmsg.Message) bool {
	return wire.MediaType(valueOf(m, "Content-Type")) == "application/sdp"
}

// ours is what the leg can do.
func (l *Leg) ours() sdp.Local {
	n := &l.neg
	if n.id == 0 {
		var b [8]byte
		rand.Read(b[:])
		n.id = binary.BigEndian.Uint64(b[:]) >> 2
		n.key = sdp.NewCrypto()
	}
	secure := l.dlg.transport == "TLS"
	o := sdp.Local{
		Addr: l.stream.Local(), Codecs: []string{"PCMU", "PCMA"}, DTMF: true, Secure: secure, Session: n.id, Version: n.version, Crypto: n.key,
	}
	if a := l.e.localAddr("UDP", l.dlg.peer.Addr()).Addr(); o.Addr.Addr().IsUnspecified() {
		o.Addr = netip.AddrPortFrom(a, o.Addr.Port())
	}
	if l.trunk == nil {
		return o
	}
	if len(l.trunk.Settings.Codecs) > 0 {
		o.Codecs = l.trunk.Settings.Codecs
	}
	if d := l.trunk.Settings.DTMF; d == "info" || d == "inband" {
		o.DTMF = false
	}
	o.SRTP = l.trunk.Settings.SRTP && secure
	return o
}

// firstOffer reads the offer of an INVITE and prepares the answer. Nothing is configured before it is sent.
func (l *Leg) firstOffer(body []byte) error {
	_, err := l.consider(body)
	return err
}

// expected returns where the audio of an INVITE's offer will come from, if that is certain.
func (l *Leg) expected(req *sipmsg.Request) netip.AddrPort {
	s, err := sdp.Parse(req.Body())
	if err != nil || !isSDP(req) {
		return netip.AddrPort{}
	}
	r, _ := sdp.Local{Codecs: []string{"PCMU", "PCMA"}, Secure: true}.Choose(s)
	to, latch := l.believe(r.Remote)
	if latch {
		return netip.AddrPort{}
	}
	return to
}

// consider agrees on an offer and writes the answer.
func (l *Leg) consider(body []byte) ([]byte, error) {
	s, err := sdp.Parse(body)
	if err != nil {
		return nil, err
	}
	ours := l.ours()
	ours.Version = l.neg.version + 1
	r, ok := ours.Choose(s)
	if !ok {
		return nil, errNotAcceptable
	}
	l.neg.version++
	l.neg.result, l.neg.sdp = r, ours.Answer(s, r)
	return l.neg.sdp, nil
}

// takeOffer takes a new offer inside the dialog and returns the answer. What was agreed before stands if it cannot be taken.
func (l *Leg) takeOffer(body []byte) ([]byte, error) {
	before := l.neg
	answer, err := l.consider(body)
	if err == nil {
		err = l.configure()
	}
	if err != nil {
		l.neg = before
		return nil, err
	}
	l.noteHold()
	return answer, nil
}

// offer makes an offer: everything we can do, or when something is agreed already, that again.
func (l *Leg) offer() []byte {
	l.neg.version++
	ours := l.ours()
	l.neg.sdp = ours.Offer(sdp.SendRecv)
	l.neg.offered, l.neg.pending = true, true
	return l.neg.sdp
}

// takeAnswer takes the answer to our offer.
func (l *Leg) takeAnswer(body []byte) error {
	s, err := sdp.Parse(body)
	if err != nil {
		return err
	}
	r, ok := l.ours().Accept(s)
	if !ok {
		return errNotAcceptable
	}
	l.neg.result, l.neg.pending = r, false
	if err := l.configure(); err != nil {
		return err
	}
	l.noteHold()
	return nil
}

// noteHold tells the call when the peer stops or starts to listen (RFC 3264, section 8.4).
func (l *Leg) noteHold() {
	held := !l.neg.result.Peer.Receives()
	if held == l.neg.held {
		return
	}
	l.neg.held = held
	kind := call.Resumed
	if held {
		kind = call.Held
	}
	l.post(call.Event{Kind: kind})
}

var directions = map[sdp.Direction]media.Direction{
	sdp.SendRecv: media.SendRecv, sdp.SendOnly: media.SendOnly, sdp.RecvOnly: media.RecvOnly, sdp.Inactive: media.Inactive,
}

// configure hands what was agreed to the stream.
func (l *Leg) configure() error {
	r := l.neg.result
	codec, ok := media.CodecByName(r.Codec)
	if !ok {
		return errNotAcceptable
	}
	setup := media.Setup{
		Codec: codec, PayloadType: r.PT, DTMFPayloadType: r.DTMFPT, Ptime: time.Duration(r.Ptime) * time.Millisecond,
		RTCPMux: r.Mux, Direction: directions[r.Ours], InbandDTMF: l.inband(r),
	}
	setup.Remote, setup.LatchNAT = l.believe(r.Remote)
	if setup.Remote.IsValid() && r.RTCP.Addr() == setup.Remote.Addr() {
		setup.RemoteRTCP = r.RTCP
	}
	if setup.LatchNAT {
		setup.LatchIP = l.dlg.peer.Addr()
	}
	if r.SRTP {
		keys := &srtp.Keys{}
		if !decodeKey(&keys.Local, r.LocalKey.Key) || !decodeKey(&keys.Remote, r.RemoteKey.Key) {
			return errNotAcceptable
		}
		setup.SRTP = keys
	}
	if err := l.stream.Configure(setup); err != nil {
		return err
	}
	l.neg.ready = true
	return nil
}

func decodeKey(to *[30]byte, key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && copy(to[:], b) == len(to)
}

// inband reports whether digits must be heard in the audio.
func (l *Leg) inband(r sdp.Result) bool {
	mode := ""
	if l.trunk != nil {
		mode = l.trunk.Settings.DTMF
	}
	return mode == "inband" || (mode == "" || mode == "auto") && r.DTMFPT == 0
}

// believe decides where audio is sent (abuse 20). A peer on the public side that names a private address is behind NAT: nothing is
// sent until its own packets show where it is. Our own address, the loopback of somebody else, multicast: nowhere.
func (l *Leg) believe(remote netip.AddrPort) (to netip.AddrPort, latch bool) {
	a, from := remote.Addr(), l.dlg.peer.Addr()
	switch {
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || remote.Port() == 0 || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.AddrPort{}, !a.IsValid()
	case a.IsLoopback() && !from.IsLoopback(), a.IsLinkLocalUnicast() && !from.IsLinkLocalUnicast():
		return netip.AddrPort{}, false
	case l.stream != nil && (a == l.stream.Local().Addr() && a != from || remote == l.stream.Local()):
		return netip.AddrPort{}, false
	case a.IsPrivate() && !local(from):
		return netip.AddrPort{}, true
	}
	return remote, a != from && local(a) // near each other and yet not the same: its packets may come from either
}

// dtmfInfo reads the body of an INFO with a digit: "Signal=5\r\nDuration=160", or the bare digit.
func dtmfInfo(contentType string, body []byte) (digit byte, d time.Duration, ok bool) {
	d = 160 * time.Millisecond
	text := strings.TrimSpace(string(body))
	if wire.MediaType(contentType) == "application/dtmf-relay" {
		signal := ""
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(line, "=")
			value = strings.TrimSpace(value)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "signal":
				signal = value
			case "duration":
				if n, err := time.ParseDuration(value + "ms"); err == nil && n > 0 && n < 10*time.Second {
					d = n
				}
			}
		}
		text = signal
	}
	switch strings.ToUpper(text) {
	case "10":
		text = "*"
	case "11":
		text = "#"
	}
	if len(text) != 1 || !strings.Contains("0123456789*#ABCD", strings.ToUpper(text)) {
		return 0, 0, false
	}
	return strings.ToUpper(text)[0], d, true
}
