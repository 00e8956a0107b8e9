package softphonetest

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"hotline/media"
)

// Audio is a browser's PeerConnection: a microphone that hears a tone, and an ear that remembers.
type Audio struct {
	pc  *webrtc.PeerConnection
	mic *webrtc.TrackLocalStaticRTP

	stop    context.CancelFunc
	running sync.WaitGroup
	once    sync.Once

	mu      sync.Mutex
	tone    float64
	cut     bool // the microphone sends nothing
	pcm     []int16
	heardAt time.Time     // when the last packet came
	more    chan struct{} // closed and replaced with each packet
}

// NewAudio makes the audio of a tab. Nothing is sent before the answer is there.
func NewAudio(tone float64) (*Audio, error) {
	var codecs webrtc.MediaEngine
	for _, known := range []struct {
		mime string
		pt   webrtc.PayloadType
	}{{webrtc.MimeTypePCMU, 0}, {webrtc.MimeTypePCMA, 8}, {"audio/telephone-event", 126}} {
		c := webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: known.mime, ClockRate: 8000}, PayloadType: known.pt}
		if err := codecs.RegisterCodec(c, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, err
		}
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	api := webrtc.NewAPI(webrtc.WithMediaEngine(&codecs), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	a := &Audio{pc: pc, tone: tone, more: make(chan struct{})}
	a.mic, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}, "audio", "mic")
	if err == nil {
		_, err = pc.AddTrack(a.mic)
	}
	if err != nil {
		_ = pc.Close()
		return nil, err
	}
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { a.listen(t) })
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	a.running.Go(func() { a.speak(ctx) })
	return a, nil
}

// Offer is the browser's SDP.
func (a *Audio) Offer() (string, error) {
	o, err := a.pc.CreateOffer(nil)
	if err != nil {
		return "", err
	}
	return o.SDP, a.pc.SetLocalDescription(o)
}

// Answer takes the hotline's SDP.
func (a *Audio) Answer(sdp string) error {
	return a.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp})
}

// speak is the microphone: a packet every 20 ms, whether anybody listens or not, as browsers do.
func (a *Audio) speak(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	p := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: 65500, Timestamp: 1000}}
	for n := 0; ; n += 160 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.mu.Lock()
		tone, cut := a.tone, a.cut
		a.mu.Unlock()
		p.Timestamp += 160
		if cut {
			continue
		}
		pcm := make([]int16, 160)
		for i := range pcm {
			pcm[i] = int16(6000 * math.Sin(2*math.Pi*tone*float64(n+i)/8000))
		}
		p.Payload = make([]byte, 160)
		media.PCMU.Encode(p.Payload, pcm)
		_ = a.mic.WriteRTP(&p)
		p.SequenceNumber++
	}
}

func (a *Audio) listen(t *webrtc.TrackRemote) {
	b := make([]byte, 1500)
	for {
		n, _, err := t.Read(b)
		if err != nil {
			return
		}
		var p rtp.Packet
		if p.Unmarshal(b[:n]) != nil || (p.PayloadType != 0 && p.PayloadType != 8) {
			continue
		}
		codec := media.PCMU
		if p.PayloadType == 8 {
			codec = media.PCMA
		}
		pcm := make([]int16, len(p.Payload))
		codec.Decode(pcm, p.Payload)
		a.mu.Lock()
		a.pcm, a.heardAt = append(a.pcm, pcm...), time.Now()
		close(a.more)
		a.more = make(chan struct{})
		a.mu.Unlock()
	}
}

// Hum changes the tone of the microphone.
func (a *Audio) Hum(tone float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tone = tone
}

// CutMicrophone lets nothing out any more, or again: as when the network goes, or comes back.
func (a *Audio) CutMicrophone(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut = on
}

const ear = 1600 // samples: what is heard is judged by the last 200 ms

// Hears waits until all the tones of on are heard at once and none of off, and says whether that was in time.
func (a *Audio) Hears(timeout time.Duration, on, off []float64) bool {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		a.mu.Lock()
		pcm, more := a.pcm[max(0, len(a.pcm)-ear):], a.more
		a.mu.Unlock()
		if len(pcm) == ear && tuned(pcm, on, off) {
			return true
		}
		select {
		case <-more:
		case <-deadline.C:
			return false
		}
	}
}

func tuned(pcm []int16, on, off []float64) bool {
	for _, f := range on {
		if media.Goertzel(pcm, media.SampleRate, f) < 1e-4 {
			return false
		}
	}
	for _, f := range off {
		if media.Goertzel(pcm, media.SampleRate, f) > 1e-5 {
			return false
		}
	}
	return true
}

// Heard returns what was heard so far.
func (a *Audio) Heard() []int16 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]int16(nil), a.pcm...)
}

// HeardAt is when the last packet came.
func (a *Audio) HeardAt() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.heardAt
}

// Close ends the audio as a browser does when its page goes.
func (a *Audio) Close() {
	a.once.Do(func() {
		a.stop()
		a.running.Wait()
		_ = a.pc.GracefulClose()
	})
}
