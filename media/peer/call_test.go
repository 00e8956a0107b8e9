package peer

import (
	"bytes"
	"context"
	"math"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"hotline/media"
	"hotline/media/peer/browser"
)

// caller is the other side of a trunk: RTP on a socket of its own, and a stream of ours that speaks with it.
type caller struct {
	t      *testing.T
	stream *media.Stream
	conn   *net.UDPConn
	codec  media.Codec

	mu      sync.Mutex
	seq     uint16
	stamp   uint32
	pcm     []int16
	packets []rtp.Packet
	more    chan struct{}
}

func (s *site) call(codec media.Codec) *caller {
	s.t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(s.t, err)
	c := &caller{t: s.t, conn: conn, codec: codec, more: make(chan struct{})}
	remote := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	c.stream, err = s.engine.Open(media.OpenOptions{ID: "caller", Remote: remote})
	must(s.t, err)
	must(s.t, c.stream.Configure(media.Setup{Codec: codec, PayloadType: codec.PayloadType(), DTMFPayloadType: 101, Remote: remote, RTCPMux: true}))
	var reading sync.WaitGroup
	reading.Go(c.read)
	s.t.Cleanup(func() {
		c.stream.Close()
		conn.Close()
		reading.Wait()
	})
	return c
}

func (c *caller) read() {
	b := make([]byte, 1500)
	for {
		n, err := c.conn.Read(b)
		if err != nil {
			return
		}
		var p rtp.Packet
		if b[1] >= 192 && b[1] <= 223 || p.Unmarshal(bytes.Clone(b[:n])) != nil {
			continue
		}
		c.mu.Lock()
		c.packets = append(c.packets, p)
		if p.PayloadType == c.codec.PayloadType() {
			pcm := make([]int16, len(p.Payload))
			c.codec.Decode(pcm, p.Payload)
			c.pcm = append(c.pcm, pcm...)
		}
		close(c.more)
		c.more = make(chan struct{})
		c.mu.Unlock()
	}
}

// say sends one packet.
func (c *caller) say(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq, c.stamp = c.seq+1, c.stamp+160
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: c.codec.PayloadType(), SequenceNumber: c.seq, Timestamp: c.stamp, SSRC: 4711}, Payload: payload}
	raw, err := p.Marshal()
	if err != nil {
		panic(err)
	}
	local := c.stream.Local()
	c.conn.WriteToUDPAddrPort(raw, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), local.Port()))
}

// whistle says a tone, frame by frame, until stop is called.
func (c *caller) whistle(tone float64) (stop func()) {
	return every20ms(func(n int) {
		payload := make([]byte, 160)
		c.codec.Encode(payload, toneAt(tone, n*160))
		c.say(payload)
	})
}

func every20ms(do func(n int)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				do(n)
			}
		}
	})
	return func() { cancel(); working.Wait() }
}

func toneAt(tone float64, from int) []int16 {
	pcm := make([]int16, 160)
	for i := range pcm {
		pcm[i] = int16(9000 * math.Sin(2*math.Pi*tone*float64(from+i)/8000))
	}
	return pcm
}

func (c *caller) until(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		c.mu.Lock()
		done, more := ok(), c.more
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-more:
		case <-deadline:
			c.t.Fatalf("the caller does not %s", what)
		}
	}
}

func (c *caller) hears(tone float64) {
	c.t.Helper()
	c.until("hear", func() bool { return sounds(c.pcm, tone) })
}

// TestCallerAndBrowser: what one says reaches the other, whatever law of G.711 each speaks.
func TestCallerAndBrowser(t *testing.T) {
	for _, law := range []struct {
		caller  media.Codec
		browser string
	}{{media.PCMU, webrtc.MimeTypePCMU}, {media.PCMA, webrtc.MimeTypePCMU}, {media.PCMA, webrtc.MimeTypePCMA}} {
		t.Run(law.caller.Name()+" "+law.browser, func(t *testing.T) {
			s := newSite(t, "")
			b := newChrome(t, browserOptions{tone: 440, codecs: []string{law.browser}})
			c := s.call(law.caller)
			defer c.whistle(1000)()
			p := s.ring(b, Options{})
			room := media.NewRoom(s.engine)
			must(t, room.Join(c.stream, media.Talker))
			must(t, room.Join(p.Stream(), media.Talker))
			b.hears(1000)
			c.hears(440)
			if q := p.Quality(); q.Lost != 0 || q.Concealed != 0 || q.DelayMS != 0 {
				t.Errorf("samples were made though nobody needs them: %+v", q)
			}
			must(t, room.SetRoles(media.Place{Stream: c.stream, Role: media.Held}))
			c.stream.PlayMusic(media.NewMusic(media.Tone(700, time.Second, 0.3)))
			c.hears(700)
			b.hears(0)
			must(t, room.SetRoles(media.Place{Stream: c.stream, Role: media.Talker}))
			b.hears(1000)
			c.hears(440)
		})
	}
}

// TestRelayedBitByBit: between caller and browser no sample is touched.
func TestRelayedBitByBit(t *testing.T) {
	for _, o := range []browser.Options{{}, {NoGCM: true}} {
		s := newSite(t, "")
		heard := make(chan []byte, 100)
		o.OnPacket = func(p *rtp.Packet, _ time.Time) { heard <- bytes.Clone(p.Payload) }
		c := s.call(media.PCMU)
		b, p := s.connect(o, Options{})
		room := media.NewRoom(s.engine)
		must(t, room.Join(c.stream, media.Talker))
		must(t, room.Join(p.Stream(), media.Talker))
		said := make([]byte, 160)
		for i := range said {
			said[i] = byte(i)
		}
		c.say(said)
		for got := range heard {
			if bytes.Equal(got, said) {
				break
			}
		}
		must(t, b.Send(said))
		c.until("get the packet as it was sent", func() bool {
			return len(c.packets) > 0 && bytes.Equal(c.packets[len(c.packets)-1].Payload, said)
		})
		b.Close()
	}
}

// connect connects a light browser.
func (s *site) connect(o browser.Options, po Options) (*browser.Browser, *Peer) {
	s.t.Helper()
	b, p, err := s.tryConnect(o, po)
	must(s.t, err)
	return b, p
}

func (s *site) tryConnect(o browser.Options, po Options) (*browser.Browser, *Peer, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	st, listener := newStates(), po.OnState
	po.OnState = func(x State) {
		st.take(x)
		if listener != nil {
			listener(x)
		}
	}
	var p *Peer
	b, err := browser.Connect(ctx, o, func(offer string) (answer string, err error) {
		p, answer, err = s.hub.Accept(ctx, offer, po)
		return answer, err
	})
	if err == nil {
		s.t.Cleanup(b.Close)
		st.wait(s.t, Connected)
	}
	return b, p, err
}

func TestDigitsBothWays(t *testing.T) {
	s := newSite(t, "")
	events := make(chan media.StreamEvent, 100)
	chrome := newChrome(t, browserOptions{tone: 440})
	p := s.ring(chrome, Options{OnEvent: func(e media.StreamEvent) { events <- e }})
	must(t, p.Stream().SendDigits(context.Background(), "42#", 100*time.Millisecond, 60*time.Millisecond))
	chrome.until("see the digits", func() bool {
		var keys []byte
		for _, k := range chrome.pressed {
			if len(keys) == 0 || keys[len(keys)-1] != k {
				keys = append(keys, k)
			}
		}
		return bytes.Equal(keys, []byte{4, 2, 11})
	})
	light, _ := s.connect(browser.Options{}, Options{OnEvent: func(e media.StreamEvent) { events <- e }})
	must(t, light.Send(make([]byte, 160)))
	must(t, light.Press(7))
	must(t, light.Press(11))
	var keys []byte
	for e := range events {
		if e.Kind == media.DigitDown {
			if keys = append(keys, e.Digit); string(keys) == "7#" {
				break
			}
		}
	}
}

// TestCallsComeAndGo: an idle telephone is sent nothing; the next call is heard at once, with nothing negotiated again.
func TestCallsComeAndGo(t *testing.T) {
	s := newSite(t, "")
	b := newChrome(t, browserOptions{tone: 440})
	p := s.ring(b, Options{})
	for n, tone := range []float64{1000, 1300, 600} {
		c := s.call(media.PCMU)
		stop := c.whistle(tone)
		room := media.NewRoom(s.engine)
		must(t, room.Join(c.stream, media.Talker))
		must(t, room.Join(p.Stream(), media.Talker))
		p.Stream().Begin()
		b.hears(tone)
		c.hears(440)
		if q := p.Quality(); q.PacketsReceived == 0 || q.PacketsReceived > 150 || q.Lost != 0 {
			t.Errorf("call %d: its quality is not its own: %+v", n, q)
		}
		stop()
		room.Close()
		c.stream.Close()
		b.idle()
	}
	if p.Stream().Play(media.Tone(800, 300*time.Millisecond, 0.3), media.PlayOptions{}); p.State() != Connected {
		t.Fatal("not connected")
	}
	b.hears(800)
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.packets[0]
	for _, h := range b.packets[1:] {
		if h.SSRC != before.SSRC || h.SequenceNumber != before.SequenceNumber+1 || int32(h.Timestamp-before.Timestamp) < 160 {
			t.Fatalf("seq %d, ts %d, SSRC %d after seq %d, ts %d, SSRC %d", h.SequenceNumber, h.Timestamp, h.SSRC, before.SequenceNumber, before.Timestamp, before.SSRC)
		}
		if gap := h.Timestamp - before.Timestamp; gap > 1600 && !h.Marker {
			t.Errorf("after a pause of %d samples there is no marker", gap)
		}
		before = h
	}
}

// idle waits until nothing was sent to the browser for half a second, and until what came last was silence.
func (c *chrome) idle() {
	c.t.Helper()
	quiet := time.Now()
	n := -1
	c.until("stop hearing packets", func() bool {
		if len(c.packets) != n {
			n, quiet = len(c.packets), time.Now()
		}
		return time.Since(quiet) > 500*time.Millisecond && sounds(c.pcm, 0)
	})
}

// TestReload: the page is loaded again in mid-call. The new peer takes the old one's place, the caller stays.
func TestReload(t *testing.T) {
	s := newSite(t, "")
	c := s.call(media.PCMU)
	defer c.whistle(1000)()
	room := media.NewRoom(s.engine)
	must(t, room.Join(c.stream, media.Talker))
	old := newChrome(t, browserOptions{tone: 440})
	p := s.ring(old, Options{})
	must(t, room.Join(p.Stream(), media.Talker))
	c.hears(440)
	old.close()
	again := newChrome(t, browserOptions{tone: 550})
	q := s.ring(again, Options{})
	p.Close()
	must(t, room.Join(q.Stream(), media.Talker))
	again.hears(1000)
	c.hears(550)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, h := range c.packets[1:] {
		if before := c.packets[i]; h.SSRC != before.SSRC || h.SequenceNumber != before.SequenceNumber+1 {
			t.Fatalf("the caller sees the reload: %v after %v", h.Header, before.Header)
		}
	}
}
