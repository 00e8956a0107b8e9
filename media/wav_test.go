package media

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"hotline"
)

func sine(rate int, freq float64, n int, amplitude float64) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(amplitude * 32767 * math.Sin(2*math.Pi*freq*float64(i)/float64(rate))))
	}
	return pcm
}

func TestReadWAVOfSox(t *testing.T) {
	needSox(t)
	want := sine(16000, 700, 1600, 0.5)
	var src bytes.Buffer
	if err := WriteWAV(&src, WAV{Rate: 16000, Channels: 1, PCM: want}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		off  int // how far a sample may be off
	}{
		{"8", []string{"-b", "8", "-e", "unsigned"}, 256},
		{"16", []string{"-b", "16", "-e", "signed"}, 0},
		{"24", []string{"-b", "24", "-e", "signed"}, 0},
		{"32", []string{"-b", "32", "-e", "signed"}, 0},
		{"a-law", []string{"-e", "a-law"}, 520},
		{"mu-law", []string{"-e", "mu-law"}, 520},
		{"stereo", []string{"-b", "24", "-e", "signed", "-c", "2"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-D", "-t", "wav", "IN"}, append(c.args, "-t", "wav", "OUT")...)
			got, err := ReadWAV(bytes.NewReader(runSox(t, src.Bytes(), args...)))
			if err != nil {
				t.Fatal(err)
			}
			pcm := Mono(got)
			if got.Rate != 16000 || len(pcm) != len(want) {
				t.Fatalf("%d Hz, %d samples", got.Rate, len(pcm))
			}
			for i := range want {
				if d := int(pcm[i]) - int(want[i]); d > c.off || d < -c.off {
					t.Fatalf("sample %d is %d, not %d", i, pcm[i], want[i])
				}
			}
		})
	}
}

func TestReadWAVRefuses(t *testing.T) {
	var good bytes.Buffer
	WriteWAV(&good, WAV{Rate: 8000, Channels: 1, PCM: make([]int16, 100)})
	patch := func(at int, b ...byte) []byte {
		c := append([]byte(nil), good.Bytes()...)
		copy(c[at:], b)
		return c
	}
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte("hello, this is not audio at all"), "no data": good.Bytes()[:36], "no format": patch(12, 'j', 'u', 'n', 'k'),
		"channels": patch(22, 0, 0), "rate": patch(24, 1, 0, 0, 0), "float": patch(20, 3, 0), "bits": patch(34, 12, 0), "fmt size": patch(16, 4, 0, 0, 0),
	} {
		if _, err := ReadWAV(bytes.NewReader(b)); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if torn, err := ReadWAV(bytes.NewReader(good.Bytes()[:45+21])); err != nil || len(torn.PCM) != 11 {
		t.Errorf("a torn file gives %d samples, %v", len(torn.PCM), err)
	}
	if w, err := ReadWAV(bytes.NewReader(patch(40, 0xff, 0xff, 0xff, 0xff))); err != nil || len(w.PCM) != 100 {
		t.Errorf("a streamed file gives %d samples, %v", len(w.PCM), err)
	}
}

// TestResample fits a sine to the result and looks at what is left over.
func TestResample(t *testing.T) {
	for _, from := range []int{8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000} {
		for _, to := range []int{8000, 16000, 48000} {
			t.Run(fmt.Sprint(from, "-", to), func(t *testing.T) {
				in := sine(from, 1000, from/2, 0.5)
				out := Resample(in, from, to)
				if want := (len(in)*to + from - 1) / from; len(out) != want {
					t.Fatalf("%d samples, not %d", len(out), want)
				}
				want := sine(to, 1000, len(out), 0.5) // same phase: the filter must not delay
				var noise float64
				middle := out[to/20 : len(out)-to/20]
				for i := range middle {
					d := float64(middle[i]) - float64(want[to/20+i])
					noise += d * d
				}
				if db := 10 * math.Log10(noise/float64(len(middle))/(0.125*32768*32768)+1e-12); db > -70 {
					t.Errorf("noise is at %.1f dB", db)
				}
			})
		}
	}
}

func TestResampleKeepsAliasesOut(t *testing.T) {
	for _, from := range []int{16000, 44100, 48000} {
		for _, freq := range []float64{4400, 5000, 6000, 7500} {
			out := Resample(sine(from, freq, from, 0.9), from, 8000)
			if l := Level(out[400 : len(out)-400]); l > -70 {
				t.Errorf("%d Hz: %.0f Hz comes out at %.1f dBFS", from, freq, l)
			}
		}
	}
	if l := Level(Resample(sine(48000, 3400, 48000, 0.9), 48000, 8000)); l < -4.5 {
		t.Errorf("3400 Hz comes out at %.1f dBFS", l)
	}
}

func FuzzReadWAV(f *testing.F) {
	var good bytes.Buffer
	WriteWAV(&good, WAV{Rate: 8000, Channels: 2, PCM: make([]int16, 20)})
	f.Add(good.Bytes())
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x00\x00\x00\x00\x03\x00\x18\x00data\x05\x00\x00\x00abcde"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := ReadWAV(bytes.NewReader(b))
		if err != nil {
			return
		}
		if w.Channels < 1 || w.Rate < 1 || len(w.PCM)%w.Channels != 0 || len(w.PCM) > len(b) {
			t.Errorf("%d Hz, %d channels, %d samples of %d bytes", w.Rate, w.Channels, len(w.PCM), len(b))
		}
		Mono(w)
	})
}

func TestGoertzelAndLevel(t *testing.T) {
	pcm := sine(8000, 1000, 800, 1)
	if p := Goertzel(pcm, 8000, 1000); p < 0.99 || p > 1.01 {
		t.Errorf("power of a full-scale sine is %f", p)
	}
	if p := Goertzel(pcm, 8000, 1500); p > 0.001 {
		t.Errorf("power beside it is %f", p)
	}
	if l := Level(pcm); math.Abs(l+3.01) > 0.05 {
		t.Errorf("level of a full-scale sine is %f", l)
	}
	if l := Level(make([]int16, 100)); l != -100 {
		t.Errorf("level of silence is %f", l)
	}
}
