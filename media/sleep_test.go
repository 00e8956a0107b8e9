package media

import (
	"testing"
	"time"

	"hotline/media/srtp"
)

// waitingPeer is a peer whose stream is an idle telephone.
func (b *bench) waitingPeer(edit func(*Setup)) *peer {
	b.t.Helper()
	p := b.newPeer(edit)
	n := p.stream.setup
	p.stream.Close()
	p.events = nil
	var err error
	p.stream, err = b.Open(OpenOptions{OnEvent: func(e StreamEvent) { p.events = append(p.events, e) }, Idle: true})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := p.stream.Configure(n); err != nil {
		b.t.Fatal(err)
	}
	p.heard()
	return p
}

// TestIdleStreamSleeps: a telephone that waits costs nothing, is known to be there, and wakes with its timestamps where they would
// have been.
func TestIdleStreamSleeps(t *testing.T) {
	b := newBench(t)
	keys := &srtp.Keys{Profile: srtp.AEAD_AES_128_GCM, Local: [30]byte{1}, Remote: [30]byte{2}}
	p := b.waitingPeer(func(n *Setup) { n.SRTP = keys })
	p.cipher, _ = srtp.New(srtp.Keys{Profile: srtp.AEAD_AES_128_GCM, Local: keys.Remote, Remote: keys.Local})
	first := p.stream.out.ts
	b.step(10)
	if n := len(p.heard()); n != 0 || !p.stream.waiting.dozes {
		t.Fatalf("%d packets of an idle stream; it dozes: %v", n, p.stream.waiting.dozes)
	}
	for range 70000 / 5 { // the browser's sequence numbers roll over meanwhile; four of five of its packets are lost
		p.seq += 4
		p.cipher.Seal([]byte{0x80, 0, byte(p.seq >> 8), byte(p.seq), 0, 0, 0, 0, 0, 0, 0x12, 0x34})
		p.tone(400)
		b.step(5)
	}
	if n := len(p.heard()); n != 0 {
		t.Fatalf("%d packets of an idle stream", n)
	}
	if heard, busy := p.stream.Activity(); busy || b.time().Sub(heard) > 2*dozing {
		t.Errorf("busy %v, last heard %v ago", busy, b.time().Sub(heard))
	}
	if q := p.stream.Quality(); q.Lost != 0 || q.Invalid != 0 || len(p.events) != 0 {
		t.Errorf("while nobody listens nothing is lost: %+v, %v", q, p.events)
	}
	other := b.newPeer(nil)
	room := NewRoom(b.Engine)
	room.Join(p.stream, Talker)
	room.Join(other.stream, Talker)
	if want := first + 70010*frameSamples; p.stream.out.ts != want {
		t.Errorf("the timestamp is %d, want %d", p.stream.out.ts, want)
	}
	for range 20 {
		p.tone(400)
		other.tone(600)
		b.step(1)
	}
	if q := p.stream.Quality(); q.Lost != 0 || q.Invalid != 0 || q.PacketsReceived != 20 {
		t.Errorf("after waking: %+v", q)
	}
	got := p.heard()
	if len(got) < 19 || !got[0].marker {
		t.Errorf("%d packets after waking, marker %v", len(got), len(got) > 0 && got[0].marker)
	}
	room.Close()
	b.step(idleTail + 2)
	if !p.stream.waiting.dozes {
		t.Error("the stream does not go to sleep again")
	}
}

// TestWakers: whatever is wanted of a sleeping stream wakes it.
func TestWakers(t *testing.T) {
	for name, wake := range map[string]func(*peer){
		"play":  func(p *peer) { p.stream.Play(Tone(400, 100*time.Millisecond, 0.5), PlayOptions{}) },
		"music": func(p *peer) { p.stream.PlayMusic(NewMusic(Tone(400, time.Second, 0.5))) },
		"tap":   func(p *peer) { p.stream.Tap(&recorder{}) },
		"digit": func(p *peer) { p.say(p.packet(101, true, p.ts, eventPayload('5', false, 160))) },
		"setup": func(p *peer) { p.stream.Configure(p.stream.setup) },
	} {
		b := newBench(t)
		p := b.waitingPeer(nil)
		b.step(5)
		if !p.stream.waiting.dozes {
			t.Fatalf("%s: it does not sleep", name)
		}
		wake(p)
		if p.stream.waiting.dozes {
			t.Errorf("%s does not wake it", name)
		}
		b.step(20)
		switch n := len(p.heard()); name {
		case "play", "music":
			if n < 10 {
				t.Errorf("%s: %d packets", name, n)
			}
		case "digit":
			if down, up := p.pressed(); down != "5" || up != "5" {
				t.Errorf("keys %q, %q", down, up)
			}
			fallthrough
		default:
			if n != 0 {
				t.Errorf("%s: %d packets", name, n)
			}
		}
	}
}
