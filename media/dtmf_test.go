package media

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestKeypadHearsEachKeyOnce sends random keys over a line that loses, doubles and swaps packets. As long as one packet of a key
// comes through, the key is heard exactly once.
func TestKeypadHearsEachKeyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k keypad
		var want, down, up []byte
		press := func(d byte) { down = append(down, d) }
		release := func(d byte, _ time.Duration) { up = append(up, d) }
		ts := rapid.Uint32().Draw(t, "ts")
		for range rapid.IntRange(1, 8).Draw(t, "keys") {
			digit := digits[rapid.IntRange(0, len(digits)-1).Draw(t, "digit")]
			frames := rapid.IntRange(1, 10).Draw(t, "frames")
			var line []event
			for i := 1; i <= frames; i++ {
				line = append(line, event{digit: digit, duration: uint16(i * frameSamples)})
			}
			for range endPackets {
				line = append(line, event{digit: digit, end: true, duration: uint16(frames * frameSamples)})
			}
			var came []event
			for _, e := range line {
				for range rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(t, "copies") {
					came = append(came, e)
				}
			}
			came = rapid.Permutation(came).Draw(t, "order")
			if len(came) > 0 {
				want = append(want, digit)
			}
			for i, e := range came {
				k.packet(&packet{ts: ts, marker: i == 0}, e, press, release)
			}
			for range rapid.IntRange(0, eventLost+5).Draw(t, "pause") {
				k.tick(release)
			}
			ts += uint32((frames + 2) * frameSamples)
		}
		for range eventLost + 5 {
			k.tick(release)
		}
		if !bytes.Equal(down, want) || !bytes.Equal(up, want) {
			t.Fatalf("sent %q, heard down %q, up %q", want, down, up)
		}
	})
}

func TestKeypadLongKey(t *testing.T) {
	var k keypad
	var down int
	var held time.Duration
	press := func(byte) { down++ }
	release := func(_ byte, d time.Duration) { held = d }
	ts := uint32(1000)
	k.packet(&packet{ts: ts, marker: true}, event{'5', false, 160}, press, release)
	k.packet(&packet{ts: ts}, event{'5', false, 0xffff}, press, release)
	ts += 0xffff // section 2.5.1.3: the next segment
	k.packet(&packet{ts: ts}, event{'5', false, 160}, press, release)
	k.packet(&packet{ts: ts}, event{'5', true, 1600}, press, release)
	if want := samplesDuration(0xffff + 1600); down != 1 || held != want {
		t.Errorf("pressed %d times, for %v (want %v)", down, held, want)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte{5, 0x8a, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e event
		if !e.parse(b) {
			return
		}
		var again [eventSize]byte
		e.put(again[:])
		var e2 event
		if !e2.parse(again[:]) || e2 != e {
			t.Errorf("%+v becomes %+v", e, e2)
		}
	})
}

func FuzzRTP(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3})
	f.Add([]byte{0xb2, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 9, 9, 9, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p packet
		if p.parse(b) && len(p.payload) > len(b)-rtpHeader {
			t.Errorf("%d bytes of payload in %d", len(p.payload), len(b))
		}
	})
}

// detect runs audio through a detector, in frames.
func detect(pcm []int16) string {
	var d detector
	var out []byte
	for len(pcm) > 0 {
		n := min(frameSamples, len(pcm))
		d.frame(pcm[:n], func(c byte) { out = append(out, c) }, func(byte, time.Duration) {})
		pcm = pcm[n:]
	}
	return string(out)
}

// dialled is a string of keys as audio.
func dialled(keys string, tone, gap int, low, high float64, detune float64) []int16 {
	var pcm []int16
	for _, k := range keys {
		at := strings.IndexRune(dtmfKeys, k)
		fl, fh := dtmfRows[at/4]*detune, dtmfColumns[at%4]*detune
		for i := range tone {
			ph := 2 * math.Pi * float64(i) / SampleRate
			pcm = append(pcm, int16(32767*(low*math.Sin(fl*ph)+high*math.Sin(fh*ph))))
		}
		pcm = append(pcm, make([]int16, gap)...)
	}
	return pcm
}

func TestDetectorHearsDigits(t *testing.T) {
	const all = "1234567890*#ABCD112233"
	ms := SampleRate / 1000
	for _, c := range []struct {
		name      string
		tone, gap int
		low, high float64
		detune    float64
	}{
		{"plain", 100 * ms, 100 * ms, 0.3, 0.3, 1},
		{"short (Q.24)", 45 * ms, 45 * ms, 0.3, 0.3, 1},
		{"quiet", 80 * ms, 60 * ms, 0.01, 0.01, 1},
		{"loud", 80 * ms, 60 * ms, 0.48, 0.48, 1},
		{"twist +6 dB", 80 * ms, 60 * ms, 0.15, 0.3, 1},
		{"twist -6 dB", 80 * ms, 60 * ms, 0.3, 0.15, 1},
		{"1.5 % high", 80 * ms, 60 * ms, 0.3, 0.3, 1.015},
		{"1.5 % low", 80 * ms, 60 * ms, 0.3, 0.3, 0.985},
	} {
		for _, codec := range []Codec{PCMU, PCMA} {
			for shift := 0; shift < toneBlock; shift += 17 {
				pcm := append(make([]int16, shift), dialled(all, c.tone, c.gap, c.low, c.high, c.detune)...)
				b := make([]byte, len(pcm))
				codec.Encode(b, pcm)
				codec.Decode(pcm, b)
				if got := detect(pcm); got != all {
					t.Errorf("%s, %v, shifted by %d: heard %q", c.name, codec, shift, got)
				}
			}
		}
	}
}

func TestDetectorHearsNoise(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	pcm := dialled("159D*0", 800, 800, 0.2, 0.2, 1)
	for i := range pcm {
		pcm[i] += int16(rnd.NormFloat64() * 32767 * 0.2 / math.Pow(10, 18.0/20)) // 18 dB below each tone
	}
	if got := detect(pcm); got != "159D*0" {
		t.Errorf("in noise: heard %q", got)
	}
}

// TestDetectorIsNotTalkedOff lets the detector hear what is not a digit: speech in two languages, noise, tones of the network.
func TestDetectorIsNotTalkedOff(t *testing.T) {
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		t.Fatal("this test needs speech: apt-get install -y espeak-ng")
	}
	text := "Thank you for calling. For support press one, for sales press two, to hear the state of your ticket press three. " +
		"All our people are talking; you are number seven in the line. Please leave a message after the beep, we will ring you back. " +
		"She sells sea shells by the sea shore, while eleven benevolent elephants whistle and the bees hum in the meadows all day long."
	for _, voice := range [][]string{{"-v", "en"}, {"-v", "en+f3", "-p", "80"}, {"-v", "en+m7", "-s", "220"}, {"-v", "cmn"}, {"-v", "en+whisper"}} {
		words := text
		if voice[1] == "cmn" {
			words = strings.Repeat("感谢您的来电。技术支持请按一，销售请按二，查询工单状态请按三，转人工请按零。请在提示音之后留言，我们会尽快给您回电。", 4)
		}
		file := filepath.Join(t.TempDir(), "speech.wav")
		if out, err := exec.Command("espeak-ng", append(voice, "-w", file, words)...).CombinedOutput(); err != nil {
			t.Fatalf("espeak-ng: %v\n%s", err, out)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ReadPrompt(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if p.Duration() < 5*time.Second {
			t.Fatalf("only %v of speech", p.Duration())
		}
		if got := detect(p.PCM()); got != "" {
			t.Errorf("%v: %v of speech is heard as %q", voice, p.Duration(), got)
		}
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	noise := make([]int16, SampleRate*60)
	for i := range noise {
		noise[i] = int16(rnd.NormFloat64() * 4000)
	}
	for name, pcm := range map[string][]int16{
		"noise": noise, "425 Hz": Tone(425, 5*time.Second, 0.5).PCM(), "350+440 Hz": sum(350, 440), "1100 Hz": Tone(1100, 3*time.Second, 0.5).PCM(),
		"two of a row": sum(697, 770), "two of a column": sum(1209, 1336), "697 Hz alone": Tone(697, time.Second, 0.6).PCM(),
	} {
		if got := detect(pcm); got != "" {
			t.Errorf("%s is heard as %q", name, got)
		}
	}
}

func sum(f1, f2 float64) []int16 {
	a, b := Tone(f1, 2*time.Second, 0.3).PCM(), Tone(f2, 2*time.Second, 0.3).PCM()
	for i := range a {
		a[i] += b[i]
	}
	return a
}
