package media

import "math"

// Goertzel returns the power of one frequency in pcm, 0 to 1: 1 is a full-scale sine of that frequency.
func Goertzel(pcm []int16, rate int, freq float64) float64 {
	if len(pcm) == 0 {
		return 0
	}
	c := 2 * math.Cos(2*math.Pi*freq/float64(rate))
	var s1, s2 float64
	for _, v := range pcm {
		s1, s2 = c*s1-s2+float64(v)/32768, s1
	}
	n := float64(len(pcm)) / 2
	return (s1*s1 + s2*s2 - c*s1*s2) / (n * n)
}

// Level returns the level of pcm in dBFS: 0 is a full-scale square wave, -3 a full-scale sine, -100 silence.
func Level(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return -100
	}
	return max(-100, 10*math.Log10(sum/float64(len(pcm))/(32768*32768)))
}
