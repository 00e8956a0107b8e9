package media

import (
	"math"
	"sync"
	"time"
)

// Prompt is audio to be played: immutable, shared by all streams, encoded once per codec when first needed.
type Prompt struct {
	pcm     []int16
	once    [codecs]sync.Once
	encoded [codecs][]byte
}

// NewPrompt makes a prompt of 8 kHz mono samples. It keeps pcm, which must not be changed any more.
func NewPrompt(pcm []int16) *Prompt { return &Prompt{pcm: pcm} }

// Duration returns how long the prompt is.
func (p *Prompt) Duration() time.Duration { return samplesDuration(len(p.pcm)) }

// PCM returns the samples of the prompt, which must not be changed.
func (p *Prompt) PCM() []int16 { return p.pcm }

// Encoded returns the prompt in a codec, one byte a sample. It must not be changed.
func (p *Prompt) Encoded(c Codec) []byte {
	p.once[c].Do(func() {
		p.encoded[c] = make([]byte, len(p.pcm))
		c.Encode(p.encoded[c], p.pcm)
	})
	return p.encoded[c]
}

// Silence returns a prompt of nothing.
func Silence(d time.Duration) *Prompt { return NewPrompt(make([]int16, durationSamples(d))) }

// Tone returns a prompt of one frequency in Hz. The amplitude is that of the peak, 0 to 1. Five milliseconds at each end are faded.
func Tone(freq float64, d time.Duration, amplitude float64) *Prompt {
	pcm := make([]int16, durationSamples(d))
	fade := min(len(pcm)/2, 40)
	for i := range pcm {
		v := amplitude * math.MaxInt16 * math.Sin(2*math.Pi*freq*float64(i)/SampleRate)
		if edge := min(i, len(pcm)-1-i); edge < fade {
			v *= float64(edge) / float64(fade)
		}
		pcm[i] = int16(math.Round(v))
	}
	return NewPrompt(pcm)
}

func samplesDuration(n int) time.Duration { return time.Duration(n) * time.Second / SampleRate }

func durationSamples(d time.Duration) int { return int(d * SampleRate / time.Second) }
