package call

import (
	"encoding/json"
	"sync"
	"time"

	"hotline/media"
)

// sound is what a call does with its leg's audio. It is met by a media.Stream; scripts are tested without one.
type sound interface {
	play(ps []*media.Prompt, o media.PlayOptions) playback
	music(m *media.Music)
	tap(t media.Tap) (remove func())
	quality() (codec string, report json.RawMessage)
}

type playback interface {
	Done() <-chan struct{}
	Stop()
}

type streamSound struct{ stream *media.Stream }

func (s streamSound) play(ps []*media.Prompt, o media.PlayOptions) playback {
	return s.stream.PlayAll(ps, o)
}
func (s streamSound) music(m *media.Music)   { s.stream.PlayMusic(m) }
func (s streamSound) tap(t media.Tap) func() { return s.stream.Tap(t) }
func (s streamSound) quality() (string, json.RawMessage) {
	q := s.stream.Quality()
	raw, err := json.Marshal(q)
	if err != nil { // a NaN: a fault of ours, and no reason to lose the rest
		return q.Codec, nil
	}
	return q.Codec, raw
}

const (
	// Silence is at most quietAfter + the filler's period: 1.7 s.
	quietAfter = 700 * time.Millisecond
	tickPeriod = time.Second
)

// softTick is the default filler: 200 ms at -34 dBFS, once a period. It is loud enough to be noticed on any phone, and soft enough to
// be no tone that asks for something.
func softTick() *media.Music {
	tick := media.Tone(425, 200*time.Millisecond, 0.028)
	pcm := append([]int16(nil), tick.PCM()...)
	pcm = append(pcm, media.Silence(tickPeriod-tick.Duration()).PCM()...)
	return media.NewMusic(media.NewPrompt(pcm))
}

// quiet lets the caller hear the filler when nothing else was heard for a while. It is on from Answer on, off while a message is
// recorded or somebody talks.
type quiet struct {
	sound  sound
	filler *media.Music

	mu     sync.Mutex
	music  *media.Music // the script's: then no filler is needed
	timer  *time.Timer
	on     bool
	closed bool
}

// start arms the filler: nothing is heard from now on.
func (q *quiet) start() {
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

func (q *quiet) fill() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.on && q.music == nil && !q.closed {
		q.sound.music(q.filler)
	}
}

// stop takes the filler away: something is heard, or silence is wanted.
func (q *quiet) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.silence()
}

func (q *quiet) silence() {
	if q.timer != nil {
		q.timer.Stop()
	}
	if q.on && q.music == nil {
		q.sound.music(nil)
	}
	q.on = false
}

// play sets the script's own music, which goes on under everything until it is nil.
func (q *quiet) play(m *media.Music) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.silence()
	q.music = m
	q.sound.music(m)
}

func (q *quiet) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.silence()
	q.closed = true
}
