package caller

import (
	"fmt"
	"math"
	"sync"

	"hotline/media"
)

// Sound is a kind of what is heard.
type Sound string

// The sounds.
const (
	Silence Sound = "silence"
	Faint   Sound = "faint" // something, but nothing that is said: the line lives
	Tone    Sound = "tone"
	Speech  Sound = "speech" // speech or music: anything loud enough that is not one tone
)

// Heard is what the ear made out.
type Heard struct {
	Sound Sound
	Freq  float64 // of a tone, Hz
	Level float64 // dBFS
}

func (h Heard) String() string {
	switch h.Sound {
	case Tone:
		return fmt.Sprintf("tone %.0f Hz, %.0f dBFS", h.Freq, h.Level)
	case Speech:
		return fmt.Sprintf("speech, %.0f dBFS", h.Level)
	case Faint:
		return fmt.Sprintf("a faint sign of life, %.0f dBFS", h.Level)
	}
	return "silence"
}

const (
	rate       = 8000
	window     = rate / 10 // 100 ms
	steadyFor  = 3         // windows in a row before a change is told: a beep of 400 ms always has three, a vowel is rarely so pure for so long
	pauseFor   = 12        // windows: a pause between words is no silence yet
	quietBelow = -50.0     // dBFS
	faintBelow = -31.0     // dBFS: a sign that the line lives, nothing that is said
	pure       = 0.8       // share of the power that a tone has
)

// Ear listens to a call. It is a [media.Tap]; what it makes out comes on C, at most one change every 300 ms, the oldest given up
// when nobody takes it.
type Ear struct {
	C chan Heard

	mu      sync.Mutex
	pcm     []int16 // since the last judgement
	kept    []int16
	keep    int // samples to keep; 0: none
	last    Heard
	pending Heard
	heard   map[Sound]bool
	silent  int // windows in a row in which nothing was said
	still   int // windows in a row in which nothing was heard at all
	steady  int // windows in a row that were like pending
	loudest float64
}

// NewEar returns an ear that keeps the first keep samples (8,000 a second) for [Ear.PCM].
func NewEar(keep int) *Ear {
	return &Ear{C: make(chan Heard, 64), keep: keep, heard: map[Sound]bool{}, loudest: -100}
}

// Frame implements [media.Tap].
func (e *Ear) Frame(in, _ []int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if room := e.keep - len(e.kept); room > 0 {
		e.kept = append(e.kept, in[:min(room, len(in))]...)
	}
	e.pcm = append(e.pcm, in...)
	if len(e.pcm) < window {
		return
	}
	h := Judge(e.pcm[:window])
	e.pcm = append(e.pcm[:0], e.pcm[window:]...)
	e.note(h)
}

// note tells of a change once it has held.
func (e *Ear) note(h Heard) {
	e.heard[h.Sound] = true
	e.loudest = max(e.loudest, h.Level)
	e.silent, e.still = e.silent+1, e.still+1
	if h.Sound == Speech || h.Sound == Tone {
		e.silent = 0
	}
	if h.Sound != Silence {
		e.still = 0
	}
	if h.like(e.pending) {
		e.steady++
	} else {
		e.steady = 1
	}
	e.pending = h
	switch {
	case e.still >= pauseFor: // h is silence
	case e.silent >= pauseFor && h.Sound == Faint: // between the ticks of a filler it is still
	case e.silent > 0 || e.steady < steadyFor:
		return
	}
	if h.like(e.last) {
		return
	}
	e.last = h
	select {
	case e.C <- h:
	default:
		select {
		case <-e.C:
		default:
		}
		select {
		case e.C <- h:
		default:
		}
	}
}

func (h Heard) like(o Heard) bool {
	return h.Sound == o.Sound && (h.Sound != Tone || math.Abs(h.Freq-o.Freq) <= 10)
}

// Quiet says for how many fifths of a second nothing has been heard.
func (e *Ear) Quiet() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.silent * 5 * window / rate
}

// Heard says whether a sound came at any time.
func (e *Ear) Heard(s Sound) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard[s]
}

// Now returns what was made out last.
func (e *Ear) Now() Heard {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// Loudest returns the highest level of any window, dBFS.
func (e *Ear) Loudest() float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.loudest
}

// PCM returns what was kept, at 8 kHz.
func (e *Ear) PCM() []int16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]int16(nil), e.kept...)
}

// Judge says what a window of audio is.
func Judge(pcm []int16) Heard {
	level := media.Level(pcm)
	if level < quietBelow {
		return Heard{Sound: Silence, Level: level}
	}
	if level < faintBelow {
		return Heard{Sound: Faint, Level: level}
	}
	// The power of a sine of a frequency, as part of the whole. Level is relative to a full square wave, a full sine has -3.
	total := math.Pow(10, level/10) * 2
	best, freq := 0.0, 0.0
	for f := 200.0; f <= 3400; f += 5 {
		if p := media.Goertzel(pcm, rate, f); p > best {
			best, freq = p, f
		}
	}
	if best/total >= pure {
		return Heard{Sound: Tone, Freq: freq, Level: level}
	}
	return Heard{Sound: Speech, Level: level}
}
