package media

import (
	"encoding/binary"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline/media/srtp"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

// bench is an engine whose clock is turned by hand: audio moves when step is called, packets arrive when a peer says so.
type bench struct {
	*Engine
	t testing.TB

	mu  sync.Mutex
	clk time.Time
}

func newBench(t testing.TB) *bench {
	t.Helper()
	e, err := NewEngine(Config{BindIP: loopback, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Engine: e, t: t, clk: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	e.epoch, e.now = b.clk, b.time
	t.Cleanup(func() {
		for s := range e.open {
			s.Close()
		}
		e.closeShared()
		e.closeShards()
		if n := e.ports.inUse(); n != 0 {
			t.Errorf("%d ports in use after all streams were closed", n)
		}
	})
	return b
}

func (b *bench) time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clk
}

// advance lets time pass without a tick.
func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clk = b.clk.Add(d)
}

// step moves everything by n frames of 20 ms.
func (b *bench) step(n int) {
	for range n {
		b.mu.Lock()
		b.clk = b.clk.Add(frameTime)
		now := b.clk
		b.mu.Unlock()
		for _, sh := range b.shards {
			sh.tick(now)
		}
	}
}

// peer is the other side of a stream: it sends by handing packets to the stream as if they came from its socket, and reads what
// the stream has really sent from that socket.
type peer struct {
	t      testing.TB
	conn   *net.UDPConn
	addr   netip.AddrPort
	stream *Stream
	codec  Codec
	pt     uint8
	ssrc   uint32
	seq    uint16
	ts     uint32
	events []StreamEvent
	phase  int
	cipher *srtp.Context
}

// newPeer opens a stream and a peer for it, and configures the stream with what edit makes of the default.
func (b *bench) newPeer(edit func(*Setup)) *peer {
	b.t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	p := &peer{t: b.t, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), ssrc: 0x1234, seq: 65530, ts: 0xffffff00}
	n := Setup{Remote: p.addr, DTMFPayloadType: 101, RTCPMux: true}
	if edit != nil {
		edit(&n)
	}
	p.codec, p.pt = n.Codec, n.PayloadType
	p.stream, err = b.Open(OpenOptions{ID: b.t.Name(), OnEvent: func(e StreamEvent) { p.events = append(p.events, e) }, Remote: p.addr})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := p.stream.Configure(n); err != nil {
		b.t.Fatal(err)
	}
	return p
}

// packet builds the next packet.
func (p *peer) packet(pt uint8, marker bool, ts uint32, payload []byte) []byte {
	b := make([]byte, rtpHeader+len(payload))
	putHeader(b, pt, marker, p.seq, ts, p.ssrc)
	copy(b[rtpHeader:], payload)
	p.seq++
	if p.cipher != nil {
		b = append([]byte(nil), p.cipher.Seal(b)...)
	}
	return b
}

// audio builds the next packet of samples.
func (p *peer) audio(pcm []int16) []byte {
	payload := make([]byte, len(pcm))
	p.codec.Encode(payload, pcm)
	b := p.packet(p.pt, false, p.ts, payload)
	p.ts += uint32(len(pcm))
	return b
}

func (p *peer) say(b []byte) { p.stream.Receive(b, p.addr) }

// tone says 20 ms of a tone, going on where the last one ended.
func (p *peer) tone(freq float64) {
	p.say(p.audio(p.samples(freq, frameSamples)))
}

func (p *peer) samples(freq float64, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*freq*float64(p.phase+i)/SampleRate))
	}
	p.phase += n
	return pcm
}

// read reads what has arrived, without waiting: on loopback a packet is there when it has been sent.
func (p *peer) read(buf []byte) (n int) {
	p.t.Helper()
	raw, err := p.conn.SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	raw.Read(func(fd uintptr) bool {
		n, _, _ = syscall.Recvfrom(int(fd), buf, syscall.MSG_DONTWAIT)
		return true
	})
	return n
}

// heard returns the RTP packets that have reached the peer's socket.
func (p *peer) heard() []packet {
	p.t.Helper()
	var out []packet
	for {
		buf := make([]byte, 2048)
		n := p.read(buf)
		if n <= 0 {
			return out
		}
		if isRTCP(buf[:n]) {
			continue
		}
		b := buf[:n]
		if p.cipher != nil {
			if b = p.cipher.Open(b); b == nil {
				p.t.Fatal("the peer cannot decrypt what it got")
			}
			b = append([]byte(nil), b...)
		}
		var k packet
		if !k.parse(b) {
			p.t.Fatalf("the peer got a packet that is no RTP: %x", b)
		}
		out = append(out, k)
	}
}

// listen steps the clock n times and returns what the peer hears meanwhile.
func (b *bench) listen(p *peer, n int) []int16 {
	var pcm []int16
	for range n {
		b.step(1)
		for _, k := range p.heard() {
			if k.payloadType == p.pt {
				at := len(pcm)
				pcm = append(pcm, make([]int16, len(k.payload))...)
				p.codec.Decode(pcm[at:], k.payload)
			}
		}
	}
	return pcm
}

func hasTone(pcm []int16, freq float64) bool { return Goertzel(pcm, SampleRate, freq) > 0.01 }

func isSilent(pcm []int16) bool { return Level(pcm) < -65 }

// eventPayload is a telephone-event.
func eventPayload(digit byte, end bool, duration int) []byte {
	b := make([]byte, eventSize)
	e := event{digit: digit, end: end, duration: uint16(duration)}
	e.put(b)
	return b
}

// pressKey sends a key as a well-behaved peer does.
func (p *peer) pressKey(digit byte, frames int) {
	ts := p.ts
	for i := 1; i <= frames; i++ {
		p.say(p.packet(101, i == 1, ts, eventPayload(digit, false, i*frameSamples)))
	}
	for range endPackets {
		p.say(p.packet(101, false, ts, eventPayload(digit, true, frames*frameSamples)))
	}
	p.ts += uint32(frames * frameSamples)
}

// pressed returns the digits of the DigitDown events, and those of the DigitUp events.
func (p *peer) pressed() (down, up string) {
	for _, e := range p.events {
		switch e.Kind {
		case DigitDown:
			down += string(e.Digit)
		case DigitUp:
			up += string(e.Digit)
		}
	}
	return down, up
}

func bytesOf(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
