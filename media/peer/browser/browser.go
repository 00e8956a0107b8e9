// Package browser is an agent's telephone without a browser: the WebRTC of one audio line, for tests and measurements. It offers,
// checks (ICE), shakes hands (DTLS client) and then sends and hears SRTP with little effort, so that one machine holds many beside the
// server that it measures. It also does what browsers never do: packets with a wrong tag, twice, from elsewhere.
// Start reading at [Connect].
package browser

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
	"github.com/pion/transport/v5/packetio"
)

// Options of a [Browser].
type Options struct {
	Codecs   string                              // payload types in order of preference; "" is "0 8 126"
	TCP      bool                                // no UDP gets out of the network
	NoGCM    bool                                // offer AES-CM with HMAC-SHA1 only
	Local    netip.AddrPort                      // address to send from; the zero value: any
	OnPacket func(p *rtp.Packet, at time.Time)   // what is heard, decrypted; the packet is only valid during the call
	Checks   time.Duration                       // between checks of ICE, as a sign of life; 0: 2 s, less than 0: none after the first
	Tamper   func(offer string) string           // changes the offer before it is sent
	Hello    func(b *Browser, to netip.AddrPort) // does something before the first check
}

// Browser is one telephone.
type Browser struct {
	o    Options
	id   identity
	far  far
	conn net.Conn
	tcp  bool

	dtls    *dtls.Conn
	toDTLS  *packetio.Buffer
	answers chan *stun.Message
	in      *srtp.Context // of the reader's goroutine

	mu       sync.Mutex
	out      *srtp.Context
	SSRC     uint32
	seq      uint16
	stamp    uint32
	heard    atomic.Uint64
	secured  chan struct{}
	stop     context.CancelFunc
	stopped  context.Context
	working  sync.WaitGroup
	shutting sync.Once
}

// errors of what the server did.
var (
	errNoAnswer  = errors.New("browser: the server does not answer checks")
	errNoProfile = errors.New("browser: no SRTP profile was agreed")
)

// Connect offers, and returns when audio can flow. exchange takes the offer to the server and brings its answer.
func Connect(ctx context.Context, o Options, exchange func(offer string) (string, error)) (*Browser, error) {
	b := &Browser{
		o: o, toDTLS: packetio.NewBuffer(), answers: make(chan *stun.Message, 16), SSRC: rand.Uint32(), seq: uint16(rand.Uint32()),
		stamp: rand.Uint32(), secured: make(chan struct{}), tcp: o.TCP,
	}
	b.stopped, b.stop = context.WithCancel(context.Background())
	var err error
	if b.id, err = newIdentity(); err != nil {
		return nil, err
	}
	offer := b.id.offer(o)
	if o.Tamper != nil {
		offer = o.Tamper(offer)
	}
	answer, err := exchange(offer)
	if err != nil {
		return nil, err
	}
	if b.far, err = readAnswer(answer); err != nil {
		return nil, err
	}
	if err := b.dial(); err != nil {
		return nil, err
	}
	b.working.Go(b.read)
	if o.Hello != nil {
		o.Hello(b, b.far.udp)
	}
	if err = b.check(ctx); err == nil {
		err = b.shakeHands(ctx)
	}
	if err != nil {
		b.Vanish()
		return nil, err
	}
	b.working.Go(b.stayAlive)
	return b, nil
}

func (b *Browser) dial() error {
	var err error
	if b.tcp {
		b.conn, err = net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(b.far.tcp))
		return err
	}
	var local *net.UDPAddr
	if b.o.Local.IsValid() {
		local = net.UDPAddrFromAddrPort(b.o.Local)
	}
	b.conn, err = net.DialUDP("udp", local, net.UDPAddrFromAddrPort(b.far.udp))
	return err
}

// Local is the address that the server sees.
func (b *Browser) Local() net.Addr { return b.conn.LocalAddr() }

// Raw sends a packet as it is.
func (b *Browser) Raw(p []byte) error {
	if !b.tcp {
		_, err := b.conn.Write(p)
		return err
	}
	frame := append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...)
	_, err := b.conn.Write(frame)
	return err
}

// next reads one packet.
func (b *Browser) next(buf []byte) (int, error) {
	if !b.tcp {
		return b.conn.Read(buf)
	}
	var size [2]byte
	if _, err := io.ReadFull(b.conn, size[:]); err != nil {
		return 0, err
	}
	return io.ReadFull(b.conn, buf[:min(len(buf), int(binary.BigEndian.Uint16(size[:])))])
}

// read takes what comes until the connection is closed.
func (b *Browser) read() {
	defer b.toDTLS.Close()
	buf, plain := make([]byte, 2048), make([]byte, 0, 2048)
	var p rtp.Packet
	for {
		n, err := b.next(buf)
		if err != nil {
			if b.stopped.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
				return
			}
			continue // nobody listens there now (ICMP): a network that is cut
		}
		switch {
		case n == 0:
		case buf[0] <= 3:
			m := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
			if m.Decode() == nil {
				select {
				case b.answers <- m:
				default:
				}
			}
		case buf[0] >= 20 && buf[0] <= 63:
			b.toDTLS.Write(buf[:n], nil)
		case buf[0] >= 128 && n > 12 && (buf[1] < 192 || buf[1] > 223):
			b.hear(buf[:n], plain, &p)
		}
	}
}

func (b *Browser) hear(sealed, plain []byte, p *rtp.Packet) {
	select {
	case <-b.secured:
	default:
		return
	}
	at := time.Now()
	b.heard.Add(1)
	if b.o.OnPacket == nil {
		return // counted: a generator need not listen
	}
	open, err := b.in.DecryptRTP(plain, sealed, nil)
	if err == nil && p.Unmarshal(open) == nil {
		b.o.OnPacket(p, at)
	}
}

// Heard is how many packets of audio came.
func (b *Browser) Heard() uint64 { return b.heard.Load() }

// Send sends 20 ms of audio.
func (b *Browser) Send(payload []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stamp += uint32(len(payload))
	return b.send(b.far.payloadType, false, b.stamp, payload)
}

// Press sends a key as telephone-event (RFC 4733): its beginning and the three packets of its end.
func (b *Browser) Press(event byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.send(b.far.events, true, b.stamp, []byte{event, 10, 0, 160})
	for range 3 {
		err = errors.Join(err, b.send(b.far.events, false, b.stamp, []byte{event, 0x80 | 10, 640 >> 8, 640 & 0xff}))
	}
	b.stamp += 640
	return err
}

func (b *Browser) send(payloadType uint8, marker bool, stamp uint32, payload []byte) error {
	p, err := b.seal(payloadType, marker, b.seq, stamp, payload)
	if err != nil {
		return err
	}
	b.seq++
	return b.Raw(p)
}

// Seal makes an SRTP packet of its own sequence number and gives it back instead of sending it.
func (b *Browser) Seal(seq uint16, payload []byte) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seal(b.far.payloadType, false, seq, b.stamp+uint32(seq)*160, payload)
}

// SetSeq chooses the sequence number of the next packet.
func (b *Browser) SetSeq(seq uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seq = seq
}

func (b *Browser) seal(payloadType uint8, marker bool, seq uint16, stamp uint32, payload []byte) ([]byte, error) {
	h := rtp.Header{Version: 2, PayloadType: payloadType, Marker: marker, SequenceNumber: seq, Timestamp: stamp, SSRC: b.SSRC}
	var buf [1500]byte
	n, err := h.MarshalTo(buf[:])
	if err != nil {
		return nil, err
	}
	n += copy(buf[n:], payload)
	return b.out.EncryptRTP(nil, buf[:n], nil)
}

// stayAlive repeats the check, by which the server knows that the browser is there.
func (b *Browser) stayAlive() {
	every := b.o.Checks
	if every == 0 {
		every = 2 * time.Second
	}
	if every < 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-b.stopped.Done():
			return
		case <-ticker.C:
			b.Raw(b.far.request(&b.id))
		}
	}
}

// Close says goodbye and ends.
func (b *Browser) Close() {
	b.shutting.Do(func() {
		b.dtls.Close()
		b.end()
	})
}

// Vanish ends without a word, as a laptop that is closed.
func (b *Browser) Vanish() { b.shutting.Do(b.end) }

func (b *Browser) end() {
	b.stop()
	b.conn.Close()
	b.working.Wait()
	if b.dtls != nil {
		b.dtls.Close()
	}
}
