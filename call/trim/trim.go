// Package trim leaves the silence out of a message that is recorded: before it, behind it, and in long pauses.
package trim

import (
	"sync"
	"time"

	"hotline/media"
)

const (
	frameTime  = 20 * time.Millisecond
	voiceLevel = -42.0                  // dBFS; telephone speech is at -30 to -10, room noise below -50
	preRoll    = 300 * time.Millisecond // kept before the first word: soft consonants
	tailRoll   = 400 * time.Millisecond // kept behind the last
	longPause  = 2 * time.Second        // pauses are cut to so much
)

// Trimmer passes on what is said, on the clock of the audio.
type Trimmer struct {
	sink  media.Tap
	limit int           // frames of silence that end the message; 0: none
	Quiet chan struct{} // closed when they have passed

	mu       sync.Mutex
	held     [][2][]int16 // frames of a pause, not passed on yet
	silent   int          // frames in a row
	voiced   int          // frames with voice
	passed   int
	finished bool
}

// New returns a trimmer of what goes to sink. So much silence closes Quiet; 0 never does.
func New(sink media.Tap, silence time.Duration) *Trimmer {
	return &Trimmer{sink: sink, limit: int(silence / frameTime), Quiet: make(chan struct{})}
}

// Frame implements media.Tap. The lock is contended once, at the end.
func (t *Trimmer) Frame(in, out []int16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return
	}
	if media.Level(in) >= voiceLevel {
		t.voiced++
		t.silent = 0
		for _, f := range t.held {
			t.pass(f[0], f[1])
		}
		t.held = t.held[:0]
		t.pass(in, out)
		return
	}
	if t.silent++; t.silent == t.limit {
		close(t.Quiet)
	}
	keep := int(longPause / frameTime)
	if t.voiced == 0 {
		keep = int(preRoll / frameTime)
	}
	if len(t.held) < keep {
		t.held = append(t.held, [2][]int16{append([]int16(nil), in...), append([]int16(nil), out...)})
		return
	}
	if t.voiced == 0 { // the newest are those before the first word
		oldest := t.held[0]
		copy(t.held, t.held[1:])
		t.held[keep-1] = [2][]int16{append(oldest[0][:0], in...), append(oldest[1][:0], out...)}
	}
}

func (t *Trimmer) pass(in, out []int16) {
	t.passed++
	t.sink.Frame(in, out)
}

// Finish passes on the end of the last word; nothing is passed on afterwards.
func (t *Trimmer) Finish() (duration, voice time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.finished && t.voiced > 0 {
		for _, f := range t.held[:min(len(t.held), int(tailRoll/frameTime))] {
			t.pass(f[0], f[1])
		}
	}
	t.finished = true
	return time.Duration(t.passed) * frameTime, time.Duration(t.voiced) * frameTime
}
