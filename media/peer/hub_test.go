package peer

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"hotline/media"
)

// site is a running engine and hub.
type site struct {
	t      *testing.T
	engine *media.Engine
	hub    *Hub
	stop   func() // and wait until nothing is left
}

func newSite(t *testing.T, tcp string) *site {
	t.Helper()
	before := goleak.IgnoreCurrent()
	engine, err := media.NewEngine(media.Config{BindIP: netip.MustParseAddr("127.0.0.1"), SilenceAfter: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := NewHub(Config{Engine: engine, UDPAddr: "127.0.0.1:0", TCPAddr: tcp, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	hub.patience = patience{connect: 2 * time.Second, talk: 500 * time.Millisecond, idle: 1200 * time.Millisecond, fail: 2 * time.Second}
	engineCtx, stopEngine := context.WithCancel(context.Background())
	hubCtx, stopHub := context.WithCancel(context.Background())
	var engines, hubs sync.WaitGroup
	engines.Go(func() { engine.Run(engineCtx) })
	hubs.Go(func() { hub.Run(hubCtx) })
	s := &site{t: t, engine: engine, hub: hub}
	s.stop = sync.OnceFunc(func() {
		stopHub()
		hubs.Wait()
		stopEngine()
		engines.Wait()
	})
	t.Cleanup(func() {
		s.stop()
		if st := engine.Stats(); st.Streams != 0 || st.PortsInUse != 0 {
			t.Errorf("left over: %+v", st)
		}
		if st := hub.Stats(); st.Peers != 0 || st.TCP != 0 {
			t.Errorf("left over: %+v", st)
		}
		goleak.VerifyNone(t, before)
	})
	return s
}

// chrome is a browser: pion's PeerConnection with a microphone that hears one tone and an ear that remembers the last second.
type chrome struct {
	t     *testing.T
	pc    *webrtc.PeerConnection
	mic   *webrtc.TrackLocalStaticRTP
	dtmf  uint8
	close func()

	mu      sync.Mutex
	pcm     []int16
	packets []rtp.Header // of what was heard
	states  []webrtc.PeerConnectionState
	more    chan struct{} // closed and replaced on each packet

	tone    float64
	quiet   bool // send nothing
	pressed []byte
}

type browserOptions struct {
	tcp    bool
	codecs []string
	tone   float64
}

func newChrome(t *testing.T, o browserOptions) *chrome {
	t.Helper()
	var engine webrtc.MediaEngine
	if len(o.codecs) == 0 {
		o.codecs = []string{webrtc.MimeTypePCMU, webrtc.MimeTypePCMA}
	}
	for _, mime := range o.codecs {
		pt := webrtc.PayloadType(0)
		if mime == webrtc.MimeTypePCMA {
			pt = 8
		}
		must(t, engine.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 8000}, PayloadType: pt,
		}, webrtc.RTPCodecTypeAudio))
	}
	must(t, engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/telephone-event", ClockRate: 8000}, PayloadType: 126,
	}, webrtc.RTPCodecTypeAudio))
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if o.tcp {
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(&engine), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	must(t, err)
	c := &chrome{t: t, pc: pc, dtmf: 126, tone: o.tone, more: make(chan struct{})}
	c.mic, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: o.codecs[0], ClockRate: 8000}, "audio", "mic")
	must(t, err)
	_, err = pc.AddTrack(c.mic)
	must(t, err)
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { c.listen(track) })
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		c.mu.Lock()
		c.states = append(c.states, s)
		c.mu.Unlock()
	})
	ctx, cancel := context.WithCancel(context.Background())
	var talking sync.WaitGroup
	talking.Go(func() { c.talk(ctx) })
	c.close = sync.OnceFunc(func() {
		cancel()
		talking.Wait()
		pc.GracefulClose()
	})
	t.Cleanup(c.close)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// offer returns the browser's SDP.
func (c *chrome) offer() string {
	c.t.Helper()
	o, err := c.pc.CreateOffer(nil)
	must(c.t, err)
	must(c.t, c.pc.SetLocalDescription(o))
	return o.SDP
}

func (c *chrome) answer(sdp string) {
	c.t.Helper()
	must(c.t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}))
}

// talk is the microphone: a tone, 50 packets a second, whether anybody listens or not.
func (c *chrome) talk(ctx context.Context) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	seq, ts, n := uint16(65500), uint32(1000), 0
	codec := media.PCMU
	if c.mic.Codec().MimeType == webrtc.MimeTypePCMA {
		codec = media.PCMA
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		pcm := make([]int16, 160)
		for i := range pcm {
			pcm[i] = int16(9000 * math.Sin(2*math.Pi*c.tone*float64(n+i)/8000))
		}
		n += 160
		ts += 160
		payload := make([]byte, 160)
		codec.Encode(payload, pcm)
		c.mu.Lock()
		quiet := c.quiet
		c.mu.Unlock()
		if !quiet {
			c.mic.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: codec.PayloadType(), SequenceNumber: seq, Timestamp: ts}, Payload: payload})
			seq++
		}
	}
}

func (c *chrome) listen(track *webrtc.TrackRemote) {
	b := make([]byte, 1500)
	for {
		n, _, err := track.Read(b)
		if err != nil {
			return
		}
		var p rtp.Packet
		if p.Unmarshal(b[:n]) != nil {
			continue
		}
		c.mu.Lock()
		c.packets = append(c.packets, p.Header)
		switch p.PayloadType {
		case c.dtmf:
			c.pressed = append(c.pressed, p.Payload[0])
		case 0, 8:
			codec := media.PCMU
			if p.PayloadType == 8 {
				codec = media.PCMA
			}
			pcm := make([]int16, len(p.Payload))
			codec.Decode(pcm, p.Payload)
			c.pcm = append(c.pcm, pcm...)
		}
		close(c.more)
		c.more = make(chan struct{})
		c.mu.Unlock()
	}
}

// hears waits until what the browser heard last is the tone, or silence if it is 0.
func (c *chrome) hears(tone float64) {
	c.t.Helper()
	c.until("hear", func() bool { return sounds(c.pcm, tone) })
}

// until waits for what holds with c.mu locked.
func (c *chrome) until(what string, ok func() bool) {
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
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("the browser does not %s: %d samples, level %.1f dB, states %v", what, len(c.pcm), media.Level(last(c.pcm)), c.states)
		}
	}
}

const listenFor = 1600 // samples: 200 ms

func last(pcm []int16) []int16 { return pcm[max(0, len(pcm)-listenFor):] }

// sounds tells whether the end of pcm is a tone and nothing else, or silence if it is 0.
func sounds(pcm []int16, tone float64) bool {
	if len(pcm) < listenFor {
		return false
	}
	pcm = last(pcm)
	if tone == 0 {
		return media.Level(pcm) < -60
	}
	var energy float64
	for _, v := range pcm {
		energy += float64(v) * float64(v) / (32768 * 32768)
	}
	power := energy / float64(len(pcm)) * 2 // of a sine that is all there is
	return media.Level(pcm) > -20 && media.Goertzel(pcm, 8000, tone) > 0.9*power
}

// states collects what a peer reports.
type states struct {
	ch chan State
}

func newStates() states       { return states{make(chan State, 100)} }
func (s states) take(x State) { s.ch <- x }
func (s states) wait(t *testing.T, want State) {
	t.Helper()
	deadline := time.After(40 * time.Second)
	for {
		select {
		case got := <-s.ch:
			if got == want {
				return
			}
			if got.final() {
				t.Fatalf("the peer is %s, want %s", got, want)
			}
		case <-deadline:
			t.Fatalf("the peer is not %s", want)
		}
	}
}

// ring connects a browser to the site.
func (s *site) ring(c *chrome, o Options) *Peer {
	s.t.Helper()
	st := newStates()
	o.OnState = st.take
	p, answer, err := s.hub.Accept(context.Background(), c.offer(), o)
	must(s.t, err)
	c.answer(answer)
	st.wait(s.t, Connected)
	return p
}

func TestTwoBrowsersHearEachOther(t *testing.T) {
	s := newSite(t, "")
	a, b := newChrome(t, browserOptions{tone: 440}), newChrome(t, browserOptions{tone: 1000})
	p, q := s.ring(a, Options{ID: "a"}), s.ring(b, Options{ID: "b"})
	room := media.NewRoom(s.engine)
	must(t, room.Join(p.Stream(), media.Talker))
	must(t, room.Join(q.Stream(), media.Talker))
	a.hears(1000)
	b.hears(440)
	if st := s.hub.Stats(); st.Peers != 2 || st.Connected != 2 {
		t.Errorf("stats: %+v", st)
	}
	t.Logf("%+v", p.Quality())
	a.close()
	b.close()
}
