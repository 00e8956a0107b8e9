package media

import (
	"context"
	"net/netip"
	"time"
)

// OpenOptions of [Engine.Open].
type OpenOptions struct {
	ID      string            // of the leg, for logs
	OnEvent func(StreamEvent) // called in order, from goroutines of the engine and with no lock held; must not block
	Remote  netip.AddrPort    // the peer's RTP address, when it is known already
	Shared  bool              // try a shared socket, on which Remote tells the streams apart; a port of its own if that cannot be
}

// StreamEventKind names what happened on a stream.
type StreamEventKind uint8

// The events of a stream.
const (
	DigitDown StreamEventKind = iota + 1 // a key was pressed; Digit
	DigitUp                              // and released; Digit, Duration
	MediaLost                            // no RTP for Config.SilenceAfter
	MediaBack                            // RTP again
)

// StreamEvent is something that happened on a stream.
type StreamEvent struct {
	Kind     StreamEventKind
	Digit    byte          // 0-9 * # A-D
	Duration time.Duration // DigitUp: how long the key was down
	At       time.Time
}

// Direction says which way audio flows, as Hotline sees it (RFC 3264, section 5.1).
type Direction uint8

// The directions.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

// Setup is what was negotiated for a stream.
type Setup struct {
	Codec           Codec
	PayloadType     uint8          // of Codec
	DTMFPayloadType uint8          // telephone-event; 0: not offered
	Ptime           time.Duration  // of packets that we send, 10 to 60 ms in steps of 10; 0 means 20 ms
	Remote          netip.AddrPort // where RTP goes and comes from; the zero value: nowhere, nothing is sent
	RemoteRTCP      netip.AddrPort // the zero value: Remote when RTCPMux, else the port above it
	RTCPMux         bool           // RFC 5761
	Direction       Direction
	LatchNAT        bool       // the peer may be behind NAT: follow the first continuous RTP stream, once
	LatchIP         netip.Addr // with LatchNAT: only this address (that the signalling came from) may be followed; zero: any
	SRTP            *SRTPKeys  // nil: plain RTP
	InbandDTMF      bool       // detect digits in the audio, because the peer sends no telephone-event
}

// SRTPKeys are the keys of SDES (RFC 4568) for AES_CM_128_HMAC_SHA1_80: 16 bytes of master key, 14 of salt.
type SRTPKeys struct {
	Local  [30]byte // of what we send
	Remote [30]byte // of what the peer sends
}

// Stream is the RTP audio of one leg.
type Stream struct{}

// Local returns the address to be told to the peer.
func (s *Stream) Local() netip.AddrPort { return netip.AddrPort{} }

// Configure sets what was negotiated; again on each new offer and answer.
func (s *Stream) Configure(n Setup) error { return nil }

// Configured tells whether [Stream.Configure] has been called.
func (s *Stream) Configured() bool { return false }

// Close ends the stream and gives its port back. Closing twice is no error.
func (s *Stream) Close() {}

// Quality returns what was measured so far.
func (s *Stream) Quality() Quality { return Quality{} }

// Tap lets t hear both sides every 20 ms until remove is called.
func (s *Stream) Tap(t Tap) (remove func()) { return func() {} }

// Tap hears both sides of a stream on one clock.
type Tap interface {
	// Frame gets 20 ms of each side: in is what came from the peer (loss concealed, silence when there is nothing), out what was
	// sent to it. It is called on the clock: it must not block and must not keep the slices.
	Frame(in, out []int16)
}

// SendDigits presses keys toward the peer and returns when the last was sent.
func (s *Stream) SendDigits(ctx context.Context, digits string, tone, gap time.Duration) error {
	return nil
}

// InjectDigit reports a digit that came by signalling (SIP INFO) as if it had come by RTP.
func (s *Stream) InjectDigit(digit byte, d time.Duration) {}
