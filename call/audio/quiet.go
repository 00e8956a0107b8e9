// Package audio is what a call does with its sound while nobody thinks of it: no silence on the line, keys that are pressed in their
// order, an end when nothing is heard from the peer any more.
package audio

import (
	"sync"
	"time"

	"hotline/media"
)

const (
	// Silence is at most quietAfter + the filler's period: 1.7 s.
	quietAfter = 700 * time.Millisecond
	TickPeriod = time.Second
)

// SoftTick is the default filler: 200 ms at -34 dBFS, once a period. It is loud enough to be noticed on any phone, and soft enough to
// be no tone that asks for something.
func SoftTick() *media.Music {
	tick := media.Tone(425, 200*time.Millisecond, 0.028)
	pcm := append([]int16(nil), tick.PCM()...)
	pcm = append(pcm, media.Silence(TickPeriod-tick.Duration()).PCM()...)
	return media.NewMusic(media.NewPrompt(pcm))
}

// Quiet lets the caller hear the filler when nothing else was heard for a while. It is on from Answer on, off while a message is
// recorded or somebody talks.
type Quiet struct {
	Music  func(*media.Music) // what is heard when nothing else is
	Filler *media.Music

	mu     sync.Mutex
	music  *media.Music // the script's: then no filler is needed
	timer  *time.Timer
	on     bool
	closed bool
}

// Start arms the filler: nothing is heard from now on.
func (q *Quiet) Start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.music != nil {
		return
	}
	q.on = true
	if q.timer == nil {
		q.timer = time.AfterFunc(quietAfter, q.fill)
	} else {
		q.timer.Reset(quietAfter)
	}
}

func (q *Quiet) fill() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.on && q.music == nil && !q.closed {
		q.Music(q.Filler)
	}
}

// Stop takes the filler away: something is heard, or silence is wanted.
func (q *Quiet) Stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.silence()
}

func (q *Quiet) silence() {
	if q.timer != nil {
		q.timer.Stop()
	}
	if q.on && q.music == nil {
		q.Music(nil)
	}
	q.on = false
}

// Play sets the script's own music, which goes on under everything until it is nil.
func (q *Quiet) Play(m *media.Music) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.silence()
	q.music = m
	q.Music(m)
}

// End lets nothing be heard any more.
func (q *Quiet) End() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.silence()
	q.closed = true
}
