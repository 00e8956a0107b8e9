package media

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"hotline"
)

func TestPlayReachesThePeer(t *testing.T) {
	for _, codec := range []Codec{PCMU, PCMA} {
		b := newBench(t)
		p := b.newPeer(func(n *Setup) { n.Codec, n.PayloadType = codec, codec.PayloadType() })
		play := p.stream.PlayAll([]*Prompt{Tone(440, 205*time.Millisecond, 0.5), Tone(880, 200*time.Millisecond, 0.5)}, PlayOptions{})
		pcm := b.listen(p, 30)
		if len(pcm) != 30*frameSamples {
			t.Fatalf("%v: %d samples in 600 ms", codec, len(pcm))
		}
		if !hasTone(pcm[:1600], 440) || !hasTone(pcm[1700:3200], 880) || !isSilent(pcm[3300:]) {
			t.Errorf("%v: wrong audio", codec)
		}
		<-play.Done()
		if r := play.Result(); r.Reason != PlayFinished || r.Played != 405*time.Millisecond {
			t.Errorf("%v: %+v", codec, r)
		}
	}
}

func TestPacketTimes(t *testing.T) {
	for ptime := 10; ptime <= 60; ptime += 10 {
		b := newBench(t)
		p := b.newPeer(func(n *Setup) { n.Ptime = time.Duration(ptime) * time.Millisecond })
		p.stream.Play(Tone(440, time.Second, 0.5), PlayOptions{})
		b.step(50)
		packets := p.heard()
		if want := 1000 / ptime; len(packets) != want {
			t.Errorf("%d ms: %d packets a second, want %d", ptime, len(packets), want)
		}
		for i, k := range packets {
			if len(k.payload) != ptime*8 {
				t.Fatalf("%d ms: packet of %d samples", ptime, len(k.payload))
			}
			if k.marker != (i == 0) {
				t.Errorf("%d ms: marker of packet %d is %v", ptime, i, k.marker)
			}
			if i > 0 && (k.seq != packets[i-1].seq+1 || k.ts != packets[i-1].ts+uint32(ptime*8)) {
				t.Errorf("%d ms: packet %d: seq %d ts %d after seq %d ts %d", ptime, i, k.seq, k.ts, packets[i-1].seq, packets[i-1].ts)
			}
		}
	}
}

// TestReceivedPacketTimes: whatever packet time the peer chooses, a tap hears whole audio.
func TestReceivedPacketTimes(t *testing.T) {
	for ptime := 10; ptime <= 60; ptime += 10 {
		b := newBench(t)
		p := b.newPeer(nil)
		var rec recorder
		defer p.stream.Tap(&rec)()
		sent := 0
		for tick := 1; tick <= 60; tick++ {
			for sent+ptime*8 <= tick*frameSamples {
				p.say(p.audio(p.samples(500, ptime*8)))
				sent += ptime * 8
			}
			b.step(1)
		}
		if heard := rec.in[10*frameSamples:]; !hasTone(heard, 500) || Goertzel(heard, SampleRate, 500) < 0.055 {
			t.Errorf("%d ms: the tap hears %.3f of the tone (full: 0.06)", ptime, Goertzel(heard, SampleRate, 500))
		}
	}
}

type recorder struct{ in, out []int16 }

func (r *recorder) Frame(in, out []int16) {
	r.in, r.out = append(r.in, in...), append(r.out, out...)
}

// TestDigitSilencesTheNextFrame is barge-in: not a sample of the prompt is sent after the digit came.
func TestDigitSilencesTheNextFrame(t *testing.T) {
	for _, ptime := range []time.Duration{20 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond} {
		b := newBench(t)
		p := b.newPeer(func(n *Setup) { n.Ptime = ptime })
		play := p.stream.Play(Tone(440, 10*time.Second, 0.5), PlayOptions{StopOnDigit: true})
		if pcm := b.listen(p, 10); !hasTone(pcm, 440) {
			t.Fatal("no prompt")
		}
		p.say(p.packet(101, true, p.ts, eventPayload('5', false, 160)))
		if r := play.Result(); r.Reason != PlayDigit || r.Played != 200*time.Millisecond {
			t.Errorf("%v: %+v", ptime, r)
		}
		if pcm := b.listen(p, 10); !isSilent(pcm) {
			t.Errorf("%v: %.1f dBFS after the digit", ptime, Level(pcm))
		}
		if down, _ := p.pressed(); down != "5" {
			t.Errorf("%v: heard %q", ptime, down)
		}
	}
}

func TestDigitsByEvents(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(nil)
	for _, d := range "11#*09D" {
		p.pressKey(byte(d), 4)
		b.step(4)
	}
	if down, up := p.pressed(); down != "11#*09D" || up != down {
		t.Errorf("down %q, up %q", down, up)
	}
	for _, e := range p.events {
		if e.Kind == DigitUp && e.Duration != 80*time.Millisecond {
			t.Errorf("%c was held for %v", e.Digit, e.Duration)
		}
	}
}

func TestDigitWhoseEndIsLost(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(nil)
	p.say(p.packet(101, true, p.ts, eventPayload('7', false, 160)))
	b.step(15)
	if down, up := p.pressed(); down != "7" || up != "7" {
		t.Errorf("down %q, up %q", down, up)
	}
}

func TestDigitsBySignalling(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(nil)
	play := p.stream.Play(Tone(440, 10*time.Second, 0.5), PlayOptions{StopOnDigit: true})
	p.stream.InjectDigit('3', 100*time.Millisecond)
	if down, up := p.pressed(); down != "3" || up != "3" || play.Result().Reason != PlayDigit {
		t.Errorf("down %q, up %q, %+v", down, up, play.Result())
	}
}

func TestDigitFloodIsCut(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(nil)
	for range 1000 {
		p.stream.InjectDigit('1', 0)
	}
	down, up := p.pressed()
	if len(down) != digitBurst || len(up) != digitBurst || p.stream.Quality().DigitsDropped != 1000-digitBurst {
		t.Errorf("%d down, %d up, %+v", len(down), len(up), p.stream.Quality())
	}
	b.step(100)
	p.stream.InjectDigit('2', 0)
	if down, _ := p.pressed(); down[len(down)-1] != '2' {
		t.Error("no digit is heard after the flood")
	}
}

func TestDigitsInTheAudio(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(func(n *Setup) { n.DTMFPayloadType, n.InbandDTMF = 0, true })
	pcm := dialled("19#", 800, 800, 0.3, 0.3, 1)
	play := p.stream.Play(Tone(440, 10*time.Second, 0.5), PlayOptions{StopOnDigit: true})
	for len(pcm) > 0 {
		p.say(p.audio(pcm[:frameSamples]))
		pcm = pcm[frameSamples:]
		b.step(1)
	}
	if down, up := p.pressed(); down != "19#" || up != down || play.Result().Reason != PlayDigit {
		t.Errorf("down %q, up %q, %+v", down, up, play.Result())
	}
}

// TestSendDigits lets one stream dial and another hear it, both ways of dialling.
func TestSendDigits(t *testing.T) {
	for _, inband := range []bool{false, true} {
		b := newBench(t)
		edit := func(n *Setup) {
			if inband {
				n.DTMFPayloadType, n.InbandDTMF = 0, true
			}
		}
		from, to := b.newPeer(edit), b.newPeer(edit)
		done := make(chan error, 1)
		go func() {
			done <- from.stream.SendDigits(context.Background(), "112a#", 100*time.Millisecond, 60*time.Millisecond)
		}()
		var events, ends int
		for running := true; running; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				running = false
			default:
			}
			b.step(1)
			for _, k := range from.heard() {
				buf := make([]byte, rtpHeader+len(k.payload))
				putHeader(buf, k.payloadType, k.marker, k.seq, k.ts, k.ssrc)
				copy(buf[rtpHeader:], k.payload)
				to.stream.Receive(buf, to.addr)
				if k.payloadType == 101 {
					events++
					if k.payload[1]&0x80 != 0 {
						ends++
					}
				}
			}
		}
		b.step(15)
		if down, up := to.pressed(); down != "112A#" || up != down {
			t.Errorf("inband %v: down %q, up %q", inband, down, up)
		}
		if !inband && (events != 5*7 || ends != 5*endPackets) {
			t.Errorf("%d event packets, %d of them ends", events, ends)
		}
	}
}

func TestSendDigitsRefusesAndStops(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(nil)
	if err := p.stream.SendDigits(context.Background(), "12x", 0, 0); hotline.KindOf(err) != hotline.Invalid {
		t.Errorf("error is %v", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("why")
	cancel(why)
	if err := p.stream.SendDigits(ctx, "123", time.Second, time.Second); !errors.Is(err, why) {
		t.Errorf("error is %v", err)
	}
	b.step(5)
	for _, k := range p.heard() {
		if k.payloadType == 101 {
			t.Error("a digit is sent that was taken back")
		}
	}
	done := make(chan error, 1)
	go func() { done <- p.stream.SendDigits(context.Background(), "123", time.Second, time.Second) }()
	for queued := false; !queued; {
		p.stream.mu.Lock()
		queued = len(p.stream.out.keys) > 0
		p.stream.mu.Unlock()
	}
	p.stream.Close()
	if err := <-done; !errors.Is(err, errStreamClosed) {
		t.Errorf("closed while dialling: %v", err)
	}
}

// TestDirections: what the hold table of RFC 3264 asks of media.
func TestDirections(t *testing.T) {
	for _, c := range []struct {
		direction   Direction
		sent, heard bool
	}{{SendRecv, true, true}, {SendOnly, true, false}, {RecvOnly, false, true}, {Inactive, false, false}} {
		b := newBench(t)
		p := b.newPeer(func(n *Setup) { n.Direction = c.direction })
		var rec recorder
		defer p.stream.Tap(&rec)()
		for range 20 {
			p.tone(500)
			b.step(1)
		}
		if sent := len(p.heard()) > 0; sent != c.sent {
			t.Errorf("direction %d: sent %v", c.direction, sent)
		}
		if heard := hasTone(rec.in, 500); heard != c.heard {
			t.Errorf("direction %d: heard %v", c.direction, heard)
		}
	}
}

func TestNothingIsSentNowhere(t *testing.T) {
	b := newBench(t)
	for _, remote := range []string{"0.0.0.0:4000", "127.0.0.1:0", "224.0.0.1:4000"} {
		p := b.newPeer(func(n *Setup) { n.Remote = netip.MustParseAddrPort(remote) })
		b.step(5)
		if q := p.stream.Quality(); q.PacketsSent != 0 {
			t.Errorf("%s: %d packets sent", remote, q.PacketsSent)
		}
	}
}

// TestHoldAndResume keeps sequence numbers and timestamps over a re-INVITE.
func TestHoldAndResume(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(nil)
	setup := p.stream.negotiated()
	b.step(3)
	before := p.heard()
	held := setup
	held.Direction = RecvOnly
	if err := p.stream.Configure(held); err != nil {
		t.Fatal(err)
	}
	b.step(100)
	if n := len(p.heard()); n != 0 {
		t.Errorf("%d packets while held", n)
	}
	if err := p.stream.Configure(setup); err != nil {
		t.Fatal(err)
	}
	b.step(2)
	after := p.heard()
	last, first := before[len(before)-1], after[0]
	if first.seq != last.seq+1 || first.ts != last.ts+101*frameSamples || first.ssrc != last.ssrc || !first.marker {
		t.Errorf("before %+v, after %+v", last, first)
	}
}

func TestWatchdog(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(nil)
	for range 300 {
		p.tone(500)
		b.step(1)
	}
	if len(p.events) != 0 {
		t.Fatalf("%+v", p.events)
	}
	b.step(260)
	if len(p.events) != 1 || p.events[0].Kind != MediaLost {
		t.Fatalf("after 5.2 s of silence: %+v", p.events)
	}
	b.step(260)
	p.tone(500)
	if len(p.events) != 2 || p.events[1].Kind != MediaBack {
		t.Fatalf("after a packet: %+v", p.events)
	}
}

func TestRTCP(t *testing.T) {
	for _, mux := range []bool{true, false} {
		b := newBench(t)
		x, err := b.Open(OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.Open(OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for s, other := range map[*Stream]*Stream{x: y, y: x} {
			if err := s.Configure(Setup{Remote: other.Local(), RTCPMux: mux}); err != nil {
				t.Fatal(err)
			}
		}
		buf := newBatch()
		for range 1000 { // 20 s
			b.step(1)
			b.advance(3 * time.Millisecond) // the way takes 3 ms
			for _, s := range []*Stream{x, y} {
				way := s.way.(*port)
				way.rtp.read(buf)
				if way.rtcp != nil {
					way.rtcp.read(buf)
				}
			}
		}
		for _, s := range []*Stream{x, y} {
			if q := s.Quality(); q.RTTMS > 40 || q.MOS < 4 || q.RemoteLost != 0 || q.Lost != 0 || s.control.next.IsZero() || s.control.peerSR == 0 {
				t.Errorf("mux %v: %+v", mux, q)
			}
		}
		if x.Quality().RTTMS == 0 && y.Quality().RTTMS == 0 {
			t.Errorf("mux %v: no round trip was measured", mux)
		}
	}
}

func TestConfigureRefuses(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(nil)
	for name, n := range map[string]Setup{
		"codec": {Codec: 9}, "ptime": {Ptime: 25 * time.Millisecond}, "long ptime": {Ptime: 80 * time.Millisecond}, "type": {PayloadType: 200},
		"same types": {PayloadType: 96, DTMFPayloadType: 96},
	} {
		if err := p.stream.Configure(n); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.stream.Close()
	p.stream.Close()
	if err := p.stream.Configure(Setup{}); !errors.Is(err, errStreamClosed) {
		t.Error(err)
	}
	if r := p.stream.Play(Tone(440, time.Second, 1), PlayOptions{}).Result(); r.Reason != PlayClosed {
		t.Errorf("%+v", r)
	}
}

// negotiated is what the stream was configured with.
func (s *Stream) negotiated() Setup {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setup
}
