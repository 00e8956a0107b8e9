package media

import (
	"net/netip"
	"sync"
	"time"

	"hotline/media/srtp"

	"hotline"
)

// OpenOptions of [Engine.Open].
type OpenOptions struct {
	ID      string            // of the leg, for logs
	OnEvent func(StreamEvent) // called in order, from goroutines of the engine and with no lock held; must not block
	Remote  netip.AddrPort    // the peer's RTP address, when it is known already
	Shared  bool              // try a shared socket, on which Remote tells the streams apart; a port of its own if that cannot be
	Awaits  bool              // with Shared: the peer's address comes with Configure, because ours must be told before (external media)
	Idle    bool              // send nothing at all while nothing is played and the stream is in no room: an agent's telephone waits
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

func (d Direction) sends() bool    { return d == SendRecv || d == SendOnly }
func (d Direction) receives() bool { return d == SendRecv || d == RecvOnly }

// Setup is what was negotiated for a stream.
type Setup struct {
	Codec           Codec
	PayloadType     uint8          // of Codec
	DTMFPayloadType uint8          // telephone-event; 0: not offered
	Ptime           time.Duration  // of packets that we send, 10 to 60 ms in steps of 10; 0 means 20 ms
	Remote          netip.AddrPort // where RTP goes and comes from; the zero value: nowhere, nothing is sent (unless LatchNAT and LatchIP find it)
	RemoteRTCP      netip.AddrPort // the zero value: Remote when RTCPMux, else the port above it
	RTCPMux         bool           // RFC 5761
	Direction       Direction
	LatchNAT        bool       // the peer may be behind NAT: follow the first continuous RTP stream, once
	LatchIP         netip.Addr // with LatchNAT: only this address (that the signalling came from) may be followed; zero: any
	SRTP            *srtp.Keys // nil: plain RTP
	InbandDTMF      bool       // detect digits in the audio, because the peer sends no telephone-event
}

const (
	maxPtime     = 60 * time.Millisecond
	defaultPtime = frameTime
)

// check refuses what cannot be and fills in what was left out.
func (n *Setup) check() error {
	if n.Codec >= codecs {
		return hotline.Errorf(hotline.Invalid, "media.bad_codec", "codec %d is not known", n.Codec)
	}
	if n.PayloadType > 127 || n.DTMFPayloadType > 127 || n.DTMFPayloadType == n.PayloadType && n.PayloadType != 0 {
		return hotline.Errorf(hotline.Invalid, "media.bad_payload_type", "payload types %d and %d: give two different ones below 128", n.PayloadType, n.DTMFPayloadType)
	}
	if n.Ptime == 0 {
		n.Ptime = defaultPtime
	}
	if n.Ptime < 10*time.Millisecond || n.Ptime > maxPtime || n.Ptime%(10*time.Millisecond) != 0 {
		return hotline.Errorf(hotline.Invalid, "media.bad_ptime", "packet time %v: give 10 to 60 ms in steps of 10", n.Ptime)
	}
	n.Remote, n.RemoteRTCP = sendable(n.Remote), sendable(n.RemoteRTCP)
	if !n.RemoteRTCP.IsValid() {
		n.RemoteRTCP = nextPort(n.Remote)
		if n.RTCPMux {
			n.RemoteRTCP = n.Remote
		}
	}
	return nil
}

// sendable returns an address in its plain form, or the zero value when no packet may go there.
func sendable(a netip.AddrPort) netip.AddrPort {
	ip := a.Addr().Unmap()
	if !ip.IsValid() || a.Port() == 0 || ip.IsUnspecified() || ip.IsMulticast() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, a.Port())
}

// Stream is the RTP audio of one leg.
type Stream struct {
	id     string
	engine *Engine
	shard  *shard
	way    Transport

	mu         sync.Mutex
	onEvent    func(StreamEvent)
	setup      Setup
	configured bool
	closed     bool
	cipher     *srtp.Context // nil: plain RTP
	in         inbound
	out        outbound
	control    control
	play       *Playback
	music      *Music
	taps       []*tapped // replaced, never changed
	room       *Room     // which then does the ticking
	events     []StreamEvent
	delivering bool
	waiting    waiting // of a telephone that is idle: sleep.go
}

func newStream(e *Engine, sh *shard, o OpenOptions) *Stream {
	s := &Stream{id: o.ID, engine: e, shard: sh, onEvent: o.OnEvent, waiting: waiting{idle: o.Idle}}
	if s.onEvent == nil {
		s.onEvent = func(StreamEvent) {}
	}
	s.in.allowance = digitBurst
	s.out.begin()
	return s
}

// Listen gives the events to somebody else from now on: see OpenOptions.OnEvent.
func (s *Stream) Listen(onEvent func(StreamEvent)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onEvent = onEvent
}

// Local returns the address to be told to the peer.
func (s *Stream) Local() netip.AddrPort {
	return netip.AddrPortFrom(s.engine.cfg.ExternalIP, s.way.Local().Port())
}

// Configure sets what was negotiated; again on each new offer and answer. What stays the same goes on undisturbed: sequence
// numbers, SRTP counters, a NAT binding, the playback.
func (s *Stream) Configure(n Setup) error {
	if err := n.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errStreamClosed
	}
	next := s.cipher
	if n.SRTP == nil {
		next = nil
	} else if next == nil || !next.Protects(n.SRTP) {
		var err error
		if next, err = srtp.New(*n.SRTP); err != nil {
			return err
		}
	}
	if err := s.way.Expect(n.Remote, n.RemoteRTCP, n.RTCPMux); err != nil {
		return err
	}
	s.in.source.set(&n, &s.setup)
	if !n.InbandDTMF {
		s.in.detector = nil
	} else if s.in.detector == nil {
		s.in.detector = &detector{}
	}
	if n.Codec != s.setup.Codec || n.Ptime != s.setup.Ptime {
		s.out.pending = 0
	}
	if !s.configured || n.Direction.receives() != s.setup.Direction.receives() {
		s.in.heardAt = s.engine.now()
	}
	if !s.configured {
		s.control.next = s.engine.now().Add(firstReport)
	}
	s.cipher, s.setup, s.configured = next, n, true
	s.encodeAhead()
	s.wake()
	return nil
}

var errStreamClosed = hotline.Errorf(hotline.Conflict, "media.stream_closed", "the stream is closed")

// Configured tells whether [Stream.Configure] has been called.
func (s *Stream) Configured() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.configured
}

// Close ends the stream and gives its port back. Closing twice is no error. An event that is being delivered may still arrive.
func (s *Stream) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.sendGoodbye()
	s.closed = true
	s.events = nil
	s.endPlay(PlayClosed)
	s.out.abandon()
	room := s.room
	s.mu.Unlock()
	if room != nil {
		room.Leave(s)
	}
	s.engine.flush()
	s.way.Close()
	s.engine.forget(s)
}

// tick is 20 ms of a stream that is in no room.
func (s *Stream) tick(now time.Time) bool {
	s.mu.Lock()
	if s.closed || s.room != nil {
		alive := !s.closed
		s.mu.Unlock()
		return alive
	}
	if s.mayDoze() {
		s.doze(now)
		s.deliver()
		return false
	}
	s.pull(now, false)
	s.push(now, nil)
	s.finishTick()
	return true
}

// finishTick lets taps hear and events out, and releases s.mu.
func (s *Stream) finishTick() {
	taps := s.taps
	if s.closed {
		taps = nil
	}
	for _, t := range taps {
		t.mu.Lock()
		t.in, t.out = s.in.frame, s.out.heard
	}
	s.deliver()
	for _, t := range taps {
		if !t.removed {
			t.tap.Frame(t.in[:], t.out[:])
		}
		t.mu.Unlock()
	}
}

// emit queues an event; s.mu is held.
func (s *Stream) emit(e StreamEvent) { s.events = append(s.events, e) }

// deliver hands the queued events to the listener in order, one goroutine at a time, with no lock held. It releases s.mu.
func (s *Stream) deliver() {
	if s.delivering {
		s.mu.Unlock() // that goroutine will see ours
		return
	}
	s.delivering = true
	for len(s.events) > 0 {
		batch, listener := s.events, s.onEvent
		s.events = nil
		s.mu.Unlock()
		for _, e := range batch {
			listener(e)
		}
		s.mu.Lock()
	}
	s.delivering = false
	s.mu.Unlock()
}

// Tap hears both sides of a stream on one clock.
type Tap interface {
	// Frame gets 20 ms of each side: in is what came from the peer (loss concealed, silence when there is nothing), out what was
	// sent to it. It is called on the clock: it must not block, keep the slices, or call the stream.
	Frame(in, out []int16)
}

type tapped struct {
	mu      sync.Mutex
	tap     Tap
	in, out [frameSamples]int16
	removed bool
}

// Tap lets t hear both sides every 20 ms until remove is called; when remove has returned, t is not called any more.
func (s *Stream) Tap(t Tap) (remove func()) {
	entry := &tapped{tap: t}
	s.mu.Lock()
	s.taps = append(s.taps[:len(s.taps):len(s.taps)], entry)
	s.wake()
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		kept := make([]*tapped, 0, len(s.taps))
		for _, other := range s.taps {
			if other != entry {
				kept = append(kept, other)
			}
		}
		s.taps = kept
		s.mu.Unlock()
		entry.mu.Lock()
		entry.removed = true
		entry.mu.Unlock()
	}
}

// Activity tells when the last (authentic) packet of the peer came, and whether the stream is in use: in a room, or played to.
func (s *Stream) Activity() (heard time.Time, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.heardAt, s.room != nil || s.play != nil || s.music != nil
}

// SSRC returns what our packets bear, for the life of the stream.
func (s *Stream) SSRC() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.ssrc
}
