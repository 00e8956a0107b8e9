package media

import (
	"testing"
	"time"

	"hotline/media/srtp"
)

func TestSRTP(t *testing.T) {
	b := newBench(t)
	var keys, reversed srtp.Keys
	for i := range keys.Local {
		keys.Local[i], keys.Remote[i] = byte(i), byte(100+i)
	}
	reversed.Local, reversed.Remote = keys.Remote, keys.Local
	p := b.newPeer(func(n *Setup) { n.SRTP = &keys })
	var err error
	if p.cipher, err = srtp.New(reversed); err != nil {
		t.Fatal(err)
	}
	p.stream.Play(Tone(440, 10*time.Second, 0.5), PlayOptions{})
	var rec recorder
	defer p.stream.Tap(&rec)()
	replay := p.audio(p.samples(500, frameSamples))
	p.say(replay)
	plain := make([]byte, 172)
	putHeader(plain, 0, false, p.seq, p.ts, p.ssrc)
	for i := range 30 {
		if i == 20 {
			setup := p.stream.negotiated()
			if err := p.stream.Configure(setup); err != nil { // the same keys again: counters must go on
				t.Fatal(err)
			}
		}
		p.say(replay)
		p.say(plain)
		forged := p.audio(p.samples(500, frameSamples))
		forged[20] ^= 1
		p.say(forged)
		forged[20] ^= 1
		p.say(forged)
		b.step(1)
	}
	if q := p.stream.Quality(); q.PacketsReceived != 31 || q.Invalid != 90 || q.Lost != 0 {
		t.Errorf("%+v", q)
	}
	if !hasTone(rec.in[1600:], 500) {
		t.Error("the peer's tone is not heard")
	}
	var pcm []int16
	for _, k := range p.heard() {
		part := make([]int16, len(k.payload))
		PCMU.Decode(part, k.payload)
		pcm = append(pcm, part...)
	}
	if !hasTone(pcm, 440) {
		t.Error("the peer does not hear the prompt")
	}
}

// TestStrangerIsNeitherHeardNorAnswered: abuse cases 17 and 18.
func TestStrangerIsNeitherHeardNorAnswered(t *testing.T) {
	for _, nat := range []bool{false, true} {
		b := newBench(t)
		p := b.newPeer(func(n *Setup) { n.LatchNAT = nat })
		stranger := b.newPeer(nil) // for its socket alone
		stranger.stream.Close()
		stranger.ssrc = 0xbad
		var rec recorder
		remove := p.stream.Tap(&rec)
		for i := range 50 {
			p.tone(500)
			p.stream.Receive(stranger.audio(stranger.samples(1200, frameSamples)), stranger.addr)
			p.stream.Receive(stranger.packet(101, true, uint32(i)*8000, eventPayload('9', false, 160)), stranger.addr)
			p.stream.ReceiveRTCP([]byte{0x81, 201, 0, 7}, stranger.addr)
			// and with the peer's address forged, but not its SSRC
			p.say(stranger.audio(stranger.samples(1200, frameSamples)))
			for _, junk := range [][]byte{nil, {0x80}, make([]byte, 12), {0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, bytesOf(0x81c80001)} {
				p.say(junk)
			}
			b.step(1)
		}
		remove()
		if n := len(stranger.heard()); n != 0 {
			t.Errorf("nat %v: the stranger got %d packets", nat, n)
		}
		if heard := rec.in[1600:]; !hasTone(heard, 500) || Goertzel(heard, SampleRate, 1200) > 0.0005 {
			t.Errorf("nat %v: the recording has %.4f of the peer and %.4f of the stranger", nat, Goertzel(heard, SampleRate, 500), Goertzel(heard, SampleRate, 1200))
		}
		if down, _ := p.pressed(); down != "" {
			t.Errorf("nat %v: the stranger pressed %q", nat, down)
		}
		if q := p.stream.Quality(); q.Strangers == 0 || q.Invalid == 0 {
			t.Errorf("nat %v: not counted: %+v", nat, q)
		}
	}
}

func TestNATIsFollowedBothWays(t *testing.T) {
	b := newBench(t)
	p := b.newPeer(func(n *Setup) { n.LatchNAT = true })
	behind := b.newPeer(nil)
	behind.stream.Close()
	b.step(3)
	if len(p.heard()) != 3 {
		t.Fatal("the signalled address gets nothing before the peer speaks")
	}
	for range 5 {
		p.stream.Receive(behind.audio(behind.samples(500, frameSamples)), behind.addr)
		b.step(1)
	}
	p.heard()
	b.step(3)
	if len(p.heard()) != 0 || len(behind.heard()) < 3 {
		t.Error("audio does not go where it comes from")
	}
}

// FuzzStream feeds a stream what a hostile peer could send from the signalled address.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3}, []byte{0x80, 101, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 0x80, 1, 0})
	f.Add([]byte{0x81, 200, 0, 12, 0, 0, 0, 1}, []byte{0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Add([]byte{0x80, 203, 0, 1, 0, 0, 0, 1}, []byte{0xb0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		b := newBench(t)
		p := b.newPeer(func(n *Setup) { n.InbandDTMF = true })
		var rec recorder
		defer p.stream.Tap(&rec)()
		for _, packet := range [][]byte{one, two, one} {
			p.say(packet)
			p.stream.ReceiveRTCP(packet, p.addr)
			b.step(1)
		}
		b.step(3)
		if len(rec.in) != 6*frameSamples || len(p.heard()) != 6 {
			t.Errorf("%d samples recorded in 6 ticks", len(rec.in))
		}
	})
}
