package media

import (
	"math"
	"time"
)

const (
	toneBlock     = 102  // samples of one look: 12.75 ms, 78 Hz of resolution
	toneFloor     = 1e-5 // of full scale, squared: below about -43 dBm0 there is no digit (Q.24)
	toneShare     = 0.72 // of the energy must be in the two tones: speech fails here (talk-off)
	secondShare   = 0.25 // a high tone with a second harmonic as strong as this share is speech
	normalTwist   = 6.3  // the high tone may be 8 dB the stronger,
	reverseTwist  = 6.3  // and so may the low one
	strongerBy    = 5.0  // a tone stands out from its group by 7 dB
	blocksToPress = 2    // equal looks in a row: 25 ms; Q.24 asks to hear 40 ms
	blocksToFree  = 2    // looks without it that end it: 25 ms of pause
	blockTime     = toneBlock * time.Second / SampleRate
)

// detector finds digits in audio by Goertzel's algorithm, for peers that send no telephone-event.
type detector struct {
	block [toneBlock]int16
	n     int

	candidate byte // of the last looks
	same      int  // number of them
	down      byte
	missing   int
	held      int // looks
}

// toneCoef belongs to the eight tones, harmonicCoef to the second harmonics of the columns; those of the rows lie among the columns
// and tell nothing.
var toneCoef, harmonicCoef = func() (tones [8]float64, harmonics [4]float64) {
	for i := range tones {
		f := dtmfRows[i%4]
		if i >= 4 {
			f = dtmfColumns[i-4]
		}
		tones[i] = 2 * math.Cos(2*math.Pi*f/SampleRate)
	}
	for i, f := range dtmfColumns {
		harmonics[i] = 2 * math.Cos(2*math.Pi*2*f/SampleRate)
	}
	return
}()

// frame takes audio and reports to press and release.
func (d *detector) frame(pcm []int16, press func(byte), release func(byte, time.Duration)) {
	for len(pcm) > 0 {
		n := copy(d.block[d.n:], pcm)
		d.n, pcm = d.n+n, pcm[n:]
		if d.n == toneBlock {
			d.n = 0
			d.look(digitIn(d.block[:]), press, release)
		}
	}
}

func (d *detector) look(digit byte, press func(byte), release func(byte, time.Duration)) {
	if d.down != 0 {
		if digit == d.down {
			d.held, d.missing = d.held+1, 0
			return
		}
		if d.missing++; d.missing < blocksToFree {
			return
		}
		down := d.down
		d.down = 0
		release(down, time.Duration(d.held)*blockTime)
	}
	if digit != d.candidate {
		d.candidate, d.same = digit, 0
	}
	if d.same++; digit != 0 && d.same == blocksToPress {
		d.down, d.held, d.missing = digit, blocksToPress, 0
		press(digit)
	}
}

// digitIn returns the digit that a block of audio is, 0 if it is none.
func digitIn(pcm []int16) byte {
	var energy float64
	for _, v := range pcm {
		energy += float64(v) * float64(v)
	}
	if energy/float64(len(pcm))/(32768*32768) < toneFloor {
		return 0
	}
	var power [8]float64
	for i, c := range toneCoef {
		power[i] = goertzel(pcm, c)
	}
	row, column := strongest(power[:4]), 4+strongest(power[4:])
	low, high := power[row], power[column]
	switch {
	case high > low*normalTwist || low > high*reverseTwist:
		return 0
	case !standsOut(power[:4], row) || !standsOut(power[4:], column-4):
		return 0
	case (low+high)*2 < toneShare*energy*float64(len(pcm)): // a pure pair of tones has energy·N/2 in the two
		return 0
	case goertzel(pcm, harmonicCoef[column-4]) > secondShare*high:
		return 0
	}
	return dtmfKeys[row*4+column-4]
}

// goertzel returns the squared magnitude of the frequency with coefficient c.
func goertzel(pcm []int16, c float64) float64 {
	var s1, s2 float64
	for _, v := range pcm {
		s1, s2 = c*s1-s2+float64(v), s1
	}
	return s1*s1 + s2*s2 - c*s1*s2
}

func strongest(power []float64) int {
	best := 0
	for i, v := range power {
		if v > power[best] {
			best = i
		}
	}
	return best
}

func standsOut(power []float64, best int) bool {
	for i, v := range power {
		if i != best && v*strongerBy > power[best] {
			return false
		}
	}
	return true
}
