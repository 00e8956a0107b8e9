package jitter

const (
	pitchMin = 40  // samples: 200 Hz
	pitchMax = 120 // samples: 66 Hz
	historyN = 400
	fadeFrom = 80  // concealment at full level for 10 ms,
	fadeTo   = 480 // silent after 60 ms
	joinN    = 40  // samples of cross-fade back to real audio
)

// concealer makes up what was lost by repeating the last pitch period, after ITU-T G.711 appendix I.
type concealer struct {
	history [historyN]int16 // the last samples played
	period  int             // of the concealment that goes on; 0: none does
	made    int             // samples made up in this loss
}

// good takes real audio that is about to be played; after a loss it is joined smoothly.
func (c *concealer) good(pcm []int16) {
	if c.period > 0 {
		n := min(joinN, len(pcm))
		for i := range n {
			synth := int(c.next())
			pcm[i] = int16((int(pcm[i])*(i+1) + synth*(n-i-1)) / n)
		}
		c.period, c.made = 0, 0
	}
	c.remember(pcm)
}

// fill makes up len(pcm) samples.
func (c *concealer) fill(pcm []int16) {
	if c.period == 0 {
		c.period, c.made = pitch(c.history[:]), 0
	}
	for i := range pcm {
		pcm[i] = c.next()
	}
}

// next makes one sample: the history is left as it was when the loss began, its last period is repeated.
func (c *concealer) next() int16 {
	v := int(c.history[historyN-c.period+c.made%c.period])
	switch {
	case c.made >= fadeTo:
		v = 0
	case c.made > fadeFrom:
		v = v * (fadeTo - c.made) / (fadeTo - fadeFrom)
	}
	c.made++
	return int16(v)
}

func (c *concealer) remember(pcm []int16) {
	if len(pcm) >= historyN {
		copy(c.history[:], pcm[len(pcm)-historyN:])
		return
	}
	copy(c.history[:], c.history[len(pcm):])
	copy(c.history[historyN-len(pcm):], pcm)
}

// pitch returns the lag at which the end of pcm resembles itself most, by the normalised correlation of its last 20 ms.
func pitch(pcm []int16) int {
	end := len(pcm)
	template := pcm[end-FrameSamples:]
	best, bestScore := pitchMin, -1.0
	for lag := pitchMin; lag <= pitchMax; lag++ {
		var dot, energy float64
		for i := 0; i < FrameSamples; i += 2 {
			v := float64(pcm[end-FrameSamples-lag+i])
			dot += float64(template[i]) * v
			energy += v * v
		}
		if dot <= 0 || energy == 0 {
			continue
		}
		if score := dot * dot / energy; score > bestScore {
			best, bestScore = lag, score
		}
	}
	return best
}
