package ivr

import (
	"math"
	"sync"
	"time"

	"hotline/media"
)

// holdMusic is the built-in music: a quiet arpeggio over four chords, made here so that it belongs to nobody else.
var holdMusic = sync.OnceValue(func() *media.Music { return media.NewMusic(media.NewPrompt(arpeggio())) })

const (
	noteTime  = 300 * time.Millisecond
	noteLevel = 0.09
)

func arpeggio() []int16 {
	chords := [][]float64{ // C, a minor, F, G: an octave that the telephone carries well
		{523.25, 659.26, 783.99, 1046.50},
		{440.00, 523.25, 659.26, 880.00},
		{349.23, 440.00, 523.25, 698.46},
		{392.00, 493.88, 587.33, 783.99},
	}
	order := []int{0, 1, 2, 3, 2, 1, 2, 1}
	step := int(noteTime * media.SampleRate / time.Second)
	mix := make([]float64, step*len(order)*len(chords))
	for i := range len(order) * len(chords) {
		freq := chords[i/len(order)][order[i%len(order)]]
		for t := range 4 * step { // a note rings on under the next three, and round the end of the loop
			sec := float64(t) / media.SampleRate
			attack := min(1, sec/0.01)
			v := math.Sin(2*math.Pi*freq*sec) + 0.3*math.Sin(4*math.Pi*freq*sec)*math.Exp(-sec*6)
			mix[(i*step+t)%len(mix)] += noteLevel * attack * math.Exp(-sec*3) * v
		}
	}
	pcm := make([]int16, len(mix))
	for i, v := range mix {
		pcm[i] = int16(math.Round(math.MaxInt16 * max(-1, min(1, v))))
	}
	return pcm
}

// music returns what waiting callers hear: the flow's, the queue's, or the built-in. A prompt becomes music once, however many wait.
func (r *run) music(names ...string) *media.Music {
	for _, name := range names {
		if name == "" {
			continue
		}
		if list := r.voice().prompt(name); len(list) > 0 {
			return r.snap.musicOf(list[0])
		}
	}
	return holdMusic()
}

// musicOf shares music between the calls of a snapshot: it is encoded once for all who wait.
func (s *snapshot) musicOf(p *media.Prompt) *media.Music {
	m, _ := s.music.LoadOrStore(p, media.NewMusic(p))
	return m.(*media.Music)
}

// ringback is what a caller hears while a number rings: 450 Hz, one second in five, as Chinese networks send it.
var ringback = sync.OnceValue(func() *media.Music {
	tone := media.Tone(450, time.Second, 0.1)
	gap := media.Tone(450, 40*time.Millisecond, 0.01) // within four seconds of silence somebody would take the line for dead
	pcm := append([]int16(nil), tone.PCM()...)
	for range 4 {
		pcm = append(pcm, media.Silence(time.Second-gap.Duration()).PCM()...)
		pcm = append(pcm, gap.PCM()...)
	}
	return media.NewMusic(media.NewPrompt(pcm))
})
