package jitter

import (
	"math"
	"math/rand/v2"
	"testing"
)

const sampleRate = 8000

// line is a peer whose packets take a while: a packet of 20 ms sent at tick n arrives at a time that delay chooses, in ms after it.
type line struct {
	buf   Buffer
	start uint32
	delay func(n int) (ms float64, lost bool)
}

// run plays ticks frames and returns what was heard. The packet that is sent at tick n holds the samples of a sine.
func (l *line) run(ticks int) []int16 {
	type arrival struct {
		n  int
		at float64
	}
	var queue []arrival
	var out []int16
	for tick := range ticks {
		if ms, lost := l.delay(tick); !lost {
			queue = append(queue, arrival{tick, float64(tick)*20 + ms})
		}
		kept := queue[:0]
		for _, a := range queue {
			if a.at > float64(tick)*20+19 {
				kept = append(kept, a)
				continue
			}
			l.buf.Put(l.start+uint32(a.n*FrameSamples), sineAt(a.n*FrameSamples, FrameSamples))
		}
		queue = kept
		var frame [FrameSamples]int16
		l.buf.Get(&frame, true)
		out = append(out, frame[:]...)
	}
	return out
}

func sineAt(from, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*400*float64(from+i)/sampleRate))
	}
	return pcm
}

// breaks counts places where a sine of 400 Hz and amplitude 8000 jumps: it moves by at most 2513 a sample.
func breaks(pcm []int16) (n int) {
	for i := 1; i < len(pcm); i++ {
		if d := int(pcm[i]) - int(pcm[i-1]); d > 4200 || d < -4200 {
			n++
		}
	}
	return n
}

func steady(ms float64) func(int) (float64, bool) {
	return func(int) (float64, bool) { return ms, false }
}

func TestJitterBufferSteady(t *testing.T) {
	l := &line{delay: steady(5), start: math.MaxUint32 - 1000} // the timestamps wrap under way
	pcm := l.run(500)
	if l.buf.Concealed() != 0 || l.buf.late != 0 {
		t.Errorf("concealed %d, late %d", l.buf.Concealed(), l.buf.late)
	}
	if d := l.buf.Delay(); d > 320 {
		t.Errorf("%d samples wait", d)
	}
	if n := breaks(pcm[400:]); n != 0 {
		t.Errorf("%d breaks", n)
	}
}

func TestJitterBufferPutsInOrder(t *testing.T) {
	l := &line{delay: func(n int) (float64, bool) {
		if n > 50 && n%10 == 0 {
			return 25, false // after its successor
		}
		return 1, false
	}}
	pcm := l.run(500)
	if l.buf.late > 3 {
		t.Errorf("%d packets were late: the buffer has not learnt", l.buf.late)
	}
	if n := breaks(pcm[100*FrameSamples:]); n > 3 {
		t.Errorf("%d breaks", n)
	}
}

func TestJitterBufferConcealsLoss(t *testing.T) {
	l := &line{delay: func(n int) (float64, bool) { return 5, n > 10 && n%20 == 0 }}
	pcm := l.run(1000)
	if l.buf.Concealed() < 45 || l.buf.Concealed() > 55 {
		t.Errorf("%d frames concealed of 50 that are missing", l.buf.Concealed())
	}
	if n := breaks(pcm); n > 5 {
		t.Errorf("%d breaks", n)
	}
	if got := level(pcm[2000:]); got < -16.5 {
		t.Errorf("the level fell to %.1f dBFS: losses were not filled", got)
	}
	if d := l.buf.Delay(); d > 400 {
		t.Errorf("loss made the delay grow to %d samples", d)
	}
}

func TestJitterBufferGrowsAndShrinks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	l := &line{delay: func(n int) (float64, bool) {
		if n < 1000 {
			return rnd.Float64() * 80, false
		}
		return 2, false
	}}
	l.run(1000)
	grown, late := l.buf.Delay(), l.buf.late
	if grown < 400 {
		t.Errorf("only %d samples wait where jitter is 80 ms", grown)
	}
	if late > 40 {
		t.Errorf("%d packets late of 1000", late)
	}
	l.delay = steady(2)
	out := l.runFrom(1000, 1500)
	if d := l.buf.Delay(); d > 360 {
		t.Errorf("%d samples still wait after 30 s without jitter", d)
	}
	if n := breaks(out[2000:]); n > 2 {
		t.Errorf("%d breaks while it shrank", n)
	}
}

// runFrom goes on at a tick.
func (l *line) runFrom(from, ticks int) []int16 {
	l.start += uint32(from * FrameSamples)
	return l.run(ticks)
}

func TestJitterBufferPauseAndRestart(t *testing.T) {
	l := &line{delay: func(n int) (float64, bool) { return 5, n >= 100 && n < 130 }} // the peer suppresses silence for 600 ms
	l.run(200)
	if d := l.buf.Delay(); d > 320 {
		t.Errorf("%d samples wait after a pause", d)
	}
	l.start -= 1 << 20 // the peer starts anew, with other timestamps
	pcm := l.run(100)
	if level(pcm[FrameSamples*5:]) < -16.5 {
		t.Error("nothing is heard after the timestamps jumped")
	}
	l.delay = func(int) (float64, bool) { return 0, true }
	l.runFrom(100, 100)
	if l.buf.running {
		t.Error("still running 2 s after the peer fell silent")
	}
	if l.buf.Concealed() > 100 {
		t.Errorf("%d frames concealed", l.buf.Concealed())
	}
}

// TestJitterBufferDrift: the peer's clock is 200 ppm fast, then slow. The delay must stay bounded.
func TestJitterBufferDrift(t *testing.T) {
	for _, ppm := range []float64{200, -200} {
		l := &line{delay: func(n int) (float64, bool) {
			return 10 - math.Mod(float64(n)*20*ppm*1e-6, 20) + 10, false
		}}
		l.run(15000) // 5 minutes: 60 ms of drift
		if d := l.buf.Delay(); d > 700 {
			t.Errorf("%+.0f ppm: %d samples wait", ppm, d)
		}
	}
}

func FuzzJitterBuffer(f *testing.F) {
	f.Add([]byte{0, 0, 160, 1, 1, 160, 2, 200, 240})
	f.Fuzz(func(t *testing.T, b []byte) {
		var j Buffer
		ts := uint32(0)
		pcm := make([]int16, 1020)
		for len(b) >= 3 {
			switch b[0] % 4 {
			case 0:
				ts += uint32(b[1])
			case 1:
				ts -= uint32(b[1])
			case 2:
				ts += uint32(b[1]) << (b[2] % 25)
			}
			j.Put(ts, pcm[:int(b[2])*4])
			var frame [FrameSamples]int16
			j.Get(&frame, true)
			if d := j.Delay(); d > ringN {
				t.Fatalf("%d samples wait", d)
			}
			b = b[3:]
		}
	})
}

// level returns the level of pcm in dBFS.
func level(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return max(-100, 10*math.Log10(sum/float64(len(pcm))/(32768*32768)))
}
