//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"hotline/media"
	"hotline/sip/caller"
)

// line is a real SIP telephone with a tone for a voice that keeps everything it hears.
type line struct {
	t    testing.TB
	call *caller.Call
	hz   float64

	mu  sync.Mutex
	pcm []int16 // heard since the answer, 8 kHz
}

// Frame implements [media.Tap].
func (l *line) Frame(in, _ []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pcm = append(l.pcm, in...)
}

// telephone opens a telephone that is closed when the test ends.
func telephone(t testing.TB, cfg caller.Config) *caller.Client {
	t.Helper()
	c, err := caller.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// dials calls a number with a tone.
func (h *house) dials(number, from string, hz float64) *line {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := telephone(h.t, caller.Config{}).Call(ctx, caller.Invite{To: "sip:" + number + "@" + h.sip, From: from})
	if err != nil {
		h.t.Fatalf("%s calls %s: %v", from, number, err)
	}
	return talkOn(h.t, c, hz)
}

// talkOn speaks a tone into a call and listens, until the call or the test ends.
func talkOn(t testing.TB, c *caller.Call, hz float64) *line {
	l := &line{t: t, call: c, hz: hz}
	c.Stream().Tap(l)
	c.Stream().Play(media.Tone(hz, time.Second, 0.4), media.PlayOptions{Loop: true})
	t.Cleanup(l.hangup)
	return l
}

func (l *line) hangup() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	l.call.Hangup(ctx)
}

// press presses keys; the tone goes on after it.
func (l *line) press(keys string) {
	l.t.Helper()
	if err := l.call.Press(context.Background(), keys); err != nil {
		l.t.Fatal(err)
	}
}

// ended waits until the other side has hung up.
func (l *line) ended(limit time.Duration) {
	l.t.Helper()
	select {
	case <-l.call.Ended():
	case <-time.After(limit):
		l.t.Fatalf("the call of the %.0f Hz line was not hung up within %s", l.hz, limit)
	}
}

// last returns the newest d of what was heard.
func (l *line) last(d time.Duration) []int16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int(d.Milliseconds()) * 8
	return append([]int16(nil), l.pcm[max(0, len(l.pcm)-n):]...)
}

// now is the place in what was heard: samples since the answer.
func (l *line) now() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pcm)
}

// since returns what was heard from a place on.
func (l *line) since(at int) []int16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]int16(nil), l.pcm[min(at, len(l.pcm)):]...)
}

// share is how much of the power of some audio is at a frequency: 1 is a pure tone.
func share(pcm []int16, hz float64) float64 {
	if len(pcm) == 0 {
		return 0
	}
	var power float64
	for _, s := range pcm {
		power += float64(s) * float64(s)
	}
	power /= float64(len(pcm)) * 32768 * 32768
	if power < 1e-7 { // silence
		return 0
	}
	return media.Goertzel(pcm, 8000, hz) / (2 * power)
}

// hears waits until the line hears the tones of on, and not those of off, for half a second.
func (l *line) hears(on, off []float64) {
	l.t.Helper()
	said := ""
	ok := soon(15*time.Second, func() bool {
		pcm := l.last(500 * time.Millisecond)
		said = ""
		for _, hz := range append(append([]float64{}, on...), off...) {
			said += fmt.Sprintf("%.0f Hz: %.2f  ", hz, share(pcm, hz))
		}
		for _, hz := range on {
			if share(pcm, hz) < 0.8/float64(len(on)) {
				return false
			}
		}
		for _, hz := range off {
			if share(pcm, hz) > 0.02 {
				return false
			}
		}
		return len(pcm) == 4000
	})
	if !ok {
		l.t.Fatalf("the %.0f Hz line hears %s; wants %v and not %v", l.hz, said, on, off)
	}
}

// hearsMusic waits until the line hears sound that is none of the tones.
func (l *line) hearsMusic(not ...float64) {
	l.t.Helper()
	ok := soon(15*time.Second, func() bool {
		pcm := l.last(time.Second)
		for _, hz := range not {
			if share(pcm, hz) > 0.05 {
				return false
			}
		}
		return len(pcm) == 8000 && media.Level(pcm) > -40
	})
	if !ok {
		l.t.Fatalf("the %.0f Hz line hears no music: %.0f dBFS", l.hz, media.Level(l.last(time.Second)))
	}
}

// without is the longest time within some audio in which a tone was not heard, looked at in steps of 20 ms.
func without(pcm []int16, hz float64) time.Duration {
	longest, run := 0, 0
	for i := 0; i+160 <= len(pcm); i += 160 {
		if share(pcm[i:i+160], hz) > 0.5 {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return time.Duration(longest) * 20 * time.Millisecond
}

// passes waits until so much more audio has come.
func (l *line) passes(d time.Duration) {
	l.t.Helper()
	want := l.now() + int(d.Milliseconds())*8
	if !soon(d+20*time.Second, func() bool { return l.now() >= want }) {
		l.t.Fatalf("the audio to the %.0f Hz line stopped", l.hz)
	}
}
