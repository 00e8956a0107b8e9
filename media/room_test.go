package media

import (
	"fmt"
	"testing"
	"time"
)

// chatter lets each of the peers say a tone of its own, 400 Hz · (1 + number), for n ticks, and returns what each hears.
func (b *bench) chatter(n int, peers ...*peer) [][]int16 {
	heard := make([][]int16, len(peers))
	for range n {
		for i, p := range peers {
			p.tone(toneOf(i))
		}
		b.step(1)
		for i, p := range peers {
			for _, k := range p.heard() {
				if k.payloadType == p.pt {
					pcm := make([]int16, len(k.payload))
					p.codec.Decode(pcm, k.payload)
					heard[i] = append(heard[i], pcm...)
				}
			}
		}
	}
	return heard
}

func toneOf(i int) float64 { return float64(400 * (1 + i)) }

// hearing writes down who hears whom: "0:12" means that 0 hears 1 and 2.
func hearing(heard [][]int16, skip int) (out []string) {
	for i, pcm := range heard {
		line := fmt.Sprint(i, ":")
		for j := range heard {
			if len(pcm) > skip*frameSamples && hasTone(pcm[skip*frameSamples:], toneOf(j)) {
				line += fmt.Sprint(j)
			}
		}
		out = append(out, line)
	}
	return out
}

func expectHearing(t *testing.T, what string, heard [][]int16, want ...string) {
	t.Helper()
	if got := hearing(heard, 8); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: who hears whom is %v, want %v", what, got, want)
	}
}

func TestRoomRoles(t *testing.T) {
	b := newBench(t)
	peers := make([]*peer, 4) // caller, agent, supervisor, another
	for i := range peers {
		peers[i] = b.newPeer(func(n *Setup) {
			if i == 1 {
				n.Codec, n.PayloadType = PCMA, 8
			}
		})
	}
	room := NewRoom(b.Engine)
	set := func(roles ...Role) {
		t.Helper()
		places := make([]Place, len(roles))
		for i, role := range roles {
			if room.find(peers[i].stream) == nil {
				if err := room.Join(peers[i].stream, role); err != nil {
					t.Fatal(err)
				}
			}
			places[i] = Place{peers[i].stream, role}
		}
		if err := room.SetRoles(places...); err != nil {
			t.Fatal(err)
		}
	}
	set(Talker, Talker)
	expectHearing(t, "two talk", b.chatter(30, peers...), "0:1", "1:0", "2:", "3:")
	set(Talker, Talker, Listener)
	expectHearing(t, "listen", b.chatter(30, peers...), "0:1", "1:0", "2:01", "3:")
	set(Talker, Coached, Coach)
	expectHearing(t, "whisper", b.chatter(30, peers...), "0:1", "1:02", "2:01", "3:")
	set(Talker, Talker, Talker)
	expectHearing(t, "barge", b.chatter(30, peers...), "0:12", "1:02", "2:01", "3:")
	set(Held, Talker, Held, Talker)
	expectHearing(t, "consult", b.chatter(30, peers...), "0:", "1:3", "2:", "3:1")
	set(Talker, Talker, Talker, Talker)
	expectHearing(t, "conference", b.chatter(30, peers...), "0:123", "1:023", "2:013", "3:012")
	room.Leave(peers[1].stream)
	peers[2].stream.Close()
	expectHearing(t, "after a transfer", b.chatter(30, peers[0], peers[1], peers[3]), "0:2", "1:", "2:0")
	room.Close()
	expectHearing(t, "closed", b.chatter(30, peers[0], peers[1], peers[3]), "0:", "1:", "2:")
	if err := room.SetRole(peers[0].stream, Talker); err == nil {
		t.Error("a role was given to a stream that is not there")
	}
	if room.ticking {
		t.Error("an empty room is on the clock")
	}
}

// TestRolesWhenOneHasGone: who vanishes between two changes is passed over, the others get their roles.
func TestRolesWhenOneHasGone(t *testing.T) {
	b := newBench(t)
	x, y, stranger := b.newPeer(nil), b.newPeer(nil), b.newPeer(nil)
	room := NewRoom(b.Engine)
	room.Join(x.stream, Talker)
	room.Join(y.stream, Talker)
	y.stream.Close()
	if err := room.SetRoles(Place{x.stream, Held}, Place{y.stream, Talker}); err != nil || room.find(x.stream).role != Held {
		t.Errorf("%v, role %d", err, room.find(x.stream).role)
	}
	if err := room.SetRoles(Place{x.stream, Talker}, Place{stranger.stream, Talker}); err == nil || room.find(x.stream).role != Held {
		t.Error("a stream that was never there got a role, or the others got theirs all the same")
	}
}

// TestRelay: two talkers alone with one codec get each other's packets at once, as they are.
func TestRelay(t *testing.T) {
	b := newBench(t)
	x, y := b.newPeer(nil), b.newPeer(func(n *Setup) { n.PayloadType = 96 })
	room := NewRoom(b.Engine)
	for _, p := range []*peer{x, y} {
		if err := room.Join(p.stream, Talker); err != nil {
			t.Fatal(err)
		}
	}
	b.step(2)
	y.heard()
	payload := make([]byte, frameSamples)
	for i := range payload {
		payload[i] = byte(i)
	}
	x.say(x.packet(0, false, x.ts, payload))
	x.ts += frameSamples
	b.flush()
	got := y.heard()
	if len(got) != 1 || string(got[0].payload) != string(payload) || got[0].payloadType != 96 || got[0].ssrc == x.ssrc {
		t.Fatalf("y got %+v", got)
	}
	if x.stream.in.jitter != nil {
		t.Error("samples were made though nobody needs them")
	}
	// 300 frames relayed, then a prompt, then relayed again: sequence numbers without a gap, timestamps that never go back
	heard := [][]packet{got}
	for range 300 {
		x.tone(500)
		b.step(1)
		heard = append(heard, y.heard())
	}
	y.stream.Play(Tone(900, 100*time.Millisecond, 0.5), PlayOptions{})
	for range 20 {
		x.tone(500)
		b.step(1)
		heard = append(heard, y.heard())
	}
	var last *packet
	n := 0
	for _, tick := range heard {
		for i := range tick {
			if last != nil && (tick[i].seq != last.seq+1 || int32(tick[i].ts-last.ts) < frameSamples) {
				t.Fatalf("packet %d: seq %d ts %d after seq %d ts %d", n, tick[i].seq, tick[i].ts, last.seq, last.ts)
			}
			last = &tick[i]
			n++
		}
	}
	if n < 318 || n > 330 {
		t.Errorf("%d packets for 321 frames", n)
	}
	b.step(20) // x is silent: y must not be left with nothing
	if n := len(y.heard()); n < 14 {
		t.Errorf("%d packets in 400 ms while the other is silent", n)
	}
}

// TestRelayBetweenLaws: A-law and µ-law are turned into each other on the way, packet by packet.
func TestRelayBetweenLaws(t *testing.T) {
	b := newBench(t)
	x, y := b.newPeer(nil), b.newPeer(func(n *Setup) { n.Codec, n.PayloadType = PCMA, 8 })
	room := NewRoom(b.Engine)
	room.Join(x.stream, Talker)
	room.Join(y.stream, Talker)
	b.step(2)
	for _, way := range []struct {
		from, to   *peer
		codec, law Codec
	}{{x, y, PCMU, PCMA}, {y, x, PCMA, PCMU}} {
		way.to.heard()
		said := sine(SampleRate, 700, frameSamples, 0.5)
		payload := make([]byte, frameSamples)
		way.codec.Encode(payload, said)
		way.from.say(way.from.packet(way.codec.PayloadType(), false, way.from.ts, payload))
		way.from.ts += frameSamples
		b.flush()
		got := way.to.heard()
		if len(got) != 1 || got[0].payloadType != way.law.PayloadType() {
			t.Fatalf("%v to %v: got %+v", way.codec, way.law, got)
		}
		pcm := make([]int16, frameSamples)
		way.law.Decode(pcm, got[0].payload)
		if power := Goertzel(pcm, SampleRate, 700); power < 0.24 || power > 0.26 {
			t.Errorf("%v to %v: the tone has a power of %.3f", way.codec, way.law, power)
		}
	}
	if x.stream.in.jitter != nil {
		t.Error("samples were made though nobody needs them")
	}
}

// TestTapsInARelayedRoom: recording must not cost the talkers their direct way, and must have both sides.
func TestTapsInARelayedRoom(t *testing.T) {
	b := newBench(t)
	x, y := b.newPeer(nil), b.newPeer(nil)
	var rec recorder
	defer x.stream.Tap(&rec)()
	room := NewRoom(b.Engine)
	room.Join(x.stream, Talker)
	room.Join(y.stream, Talker)
	expectHearing(t, "recorded", b.chatter(40, x, y), "0:1", "1:0")
	if !hasTone(rec.in[1600:], toneOf(0)) || hasTone(rec.in[1600:], toneOf(1)) || !hasTone(rec.out[1600:], toneOf(1)) || hasTone(rec.out[1600:], toneOf(0)) {
		t.Error("the sides of the recording are wrong")
	}
	if x.stream.in.relay != y.stream {
		t.Error("a tap ended the relaying")
	}
	if len(rec.in) != len(rec.out) || len(rec.in) != 40*frameSamples {
		t.Errorf("%d and %d samples in 40 ticks", len(rec.in), len(rec.out))
	}
}

func TestMusicIsTheSameForAll(t *testing.T) {
	b := newBench(t)
	music := NewMusic(NewPrompt(append(Tone(440, 170*time.Millisecond, 0.5).PCM(), Tone(880, 170*time.Millisecond, 0.5).PCM()...)))
	x, y := b.newPeer(nil), b.newPeer(nil)
	x.stream.PlayMusic(music)
	b.step(7)
	x.heard()
	y.heard()
	y.stream.PlayMusic(music)
	a, c := b.listen(x, 40), []int16(nil)
	for _, k := range y.heard() {
		pcm := make([]int16, len(k.payload))
		PCMU.Decode(pcm, k.payload)
		c = append(c, pcm...)
	}
	if len(a) != len(c) {
		t.Fatalf("%d and %d samples", len(a), len(c))
	}
	for i := range a {
		if a[i] != c[i] {
			t.Fatalf("they hear different music at sample %d", i)
		}
	}
	if !toneSomewhere(a, 440) || !toneSomewhere(a, 880) {
		t.Error("no music")
	}
	x.stream.Play(Tone(1500, 200*time.Millisecond, 0.5), PlayOptions{})
	if over := b.listen(x, 10); !hasTone(over, 1500) || hasTone(over, 440) {
		t.Error("a prompt must go before music")
	}
	if after := b.listen(x, 20); !toneSomewhere(after, 440) {
		t.Error("music does not come back after a prompt")
	}
	x.stream.PlayMusic(nil)
	if after := b.listen(x, 5); !isSilent(after) {
		t.Error("music does not end")
	}
}

// toneSomewhere looks for 100 ms of a tone.
func toneSomewhere(pcm []int16, freq float64) bool {
	for at := 0; at+800 <= len(pcm); at += frameSamples {
		if hasTone(pcm[at:at+800], freq) {
			return true
		}
	}
	return false
}

// TestHeldHearsMusic in the room where the others consult.
func TestHeldHearsMusic(t *testing.T) {
	b := newBench(t)
	x, y, z := b.newPeer(nil), b.newPeer(nil), b.newPeer(nil)
	x.stream.PlayMusic(NewMusic(Tone(3000, time.Second, 0.5)))
	room := NewRoom(b.Engine)
	room.Join(x.stream, Held)
	room.Join(y.stream, Talker)
	room.Join(z.stream, Talker)
	heard := b.chatter(30, x, y, z)
	expectHearing(t, "held", heard, "0:", "1:2", "2:1")
	if !hasTone(heard[0], 3000) || hasTone(heard[1], 3000) {
		t.Error("music must be heard by the one who is held")
	}
	if y.stream.in.relay != z.stream {
		t.Error("the two who consult are not relayed")
	}
}
