// Package resample converts audio from one sampling rate to another.
package resample

import "math"

const (
	sincZeros  = 24   // zero crossings of the filter on each side
	sincBeta   = 8.96 // Kaiser window: about -90 dB in the stop band
	sincCutoff = 0.93 // of the lower Nyquist frequency
)

// Mono converts mono samples from one rate to another with a polyphase windowed-sinc filter of linear phase: no aliases, no
// delay. The result has ceil(len(pcm)·to/from) samples.
func Mono(pcm []int16, from, to int) []int16 {
	if from == to || from <= 0 || to <= 0 || len(pcm) == 0 {
		return pcm
	}
	g := gcd(from, to)
	up, down := to/g, from/g
	scale := math.Min(1, float64(to)/float64(from)) * sincCutoff
	half := int(math.Ceil(sincZeros / scale))
	phases := make([][]float32, up)
	out := make([]int16, (len(pcm)*up+down-1)/down)
	for i := range out {
		at := i * down
		centre, phase := at/up, at%up
		if phases[phase] == nil {
			phases[phase] = sincPhase(float64(phase)/float64(up), scale, half)
		}
		first := centre - half + 1
		var sum float32
		for k, c := range phases[phase] {
			if n := first + k; n >= 0 && n < len(pcm) {
				sum += c * float32(pcm[n])
			}
		}
		out[i] = int16(math.Round(float64(min(math.MaxInt16, max(math.MinInt16, sum)))))
	}
	return out
}

// sincPhase returns the coefficients for an output sample that lies frac of an input sample behind one: 2·half of them. They add up
// to one, so that a constant stays what it is.
func sincPhase(frac, scale float64, half int) []float32 {
	c := make([]float64, 2*half)
	sum := 0.0
	for k := range c {
		x := float64(k-half+1) - frac
		c[k] = sinc(x*scale) * kaiser(x/float64(half))
		sum += c[k]
	}
	out := make([]float32, len(c))
	for k := range c {
		out[k] = float32(c[k] / sum)
	}
	return out
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the window at x of -1 to 1.
func kaiser(x float64) float64 {
	if x < -1 || x > 1 {
		return 0
	}
	return bessel(sincBeta*math.Sqrt(1-x*x)) / bessel(sincBeta)
}

// bessel is the modified Bessel function of order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1; term > sum*1e-12; k++ {
		term *= x * x / 4 / float64(k*k)
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
