// Package jitter puts audio that comes over a network back on the clock: 20 ms a turn, 8 kHz, what was lost made up.
package jitter

// FrameSamples is how much audio [Buffer.Get] gives.
const FrameSamples = 160

const (
	ringN       = 4096          // samples: half a second
	startSlack  = 80            // samples by which the first packet waits: 10 ms
	leastSlack  = 80            // what is left of the slack when the buffer shrinks
	shrinkAfter = 100           // ticks without need before the buffer shrinks: 2 s,
	shrinkLater = 400           // and 8 s after a packet came too late
	maxRewind   = 1600          // a packet later than this does not make the buffer grow: 200 ms
	forgetAfter = 50            // ticks without audio after which the next packet begins anew: 1 s
	ringMask    = ringN - 1     // timestamps wrap, the ring is a power of two
	maxAhead    = ringN - 2*480 // samples a packet may be ahead of what is played
)

// Buffer puts audio back in order and on the clock. It is kept in samples, by timestamp, not in packets: the packet time of
// the peer does not matter.
//
// Its delay adapts by what it sees: a packet that comes too late, with nothing newer there, is played nevertheless, which makes the
// delay grow by its lateness; when for seconds more lay waiting than was needed, a pitch period is left out, which nobody hears.
type Buffer struct {
	ring    [ringN]int16
	have    [ringN]bool
	running bool
	pos     uint32 // timestamp of the next sample to be played
	end     uint32 // timestamp after the newest sample
	starved int    // ticks in a row with nothing to play

	least   int // least slack in the window, in samples
	window  int // ticks left in the window
	shrink  int // samples to be left out
	grow    bool
	conceal concealer

	late    uint64 // packets
	missing uint64 // samples that were made up
}

// Put stores decoded samples that begin at timestamp ts.
func (j *Buffer) Put(ts uint32, pcm []int16) {
	ahead := int32(ts - j.pos)
	if !j.running || ahead > maxAhead || ahead < -ringN {
		j.begin(ts)
		ahead = startSlack
	}
	if ahead < 0 {
		j.late++
		j.window, j.least, j.shrink = shrinkLater, ringN, 0
		newest := int32(ts-j.end) >= 0
		switch {
		case newest && ahead >= -maxRewind:
			j.pos = ts
		case newest:
			j.begin(ts)
		default: // something newer has been played: this one is lost, the next may come in time
			j.grow = true
			return
		}
	}
	for i, v := range pcm {
		at := (ts + uint32(i)) & ringMask
		j.ring[at], j.have[at] = v, true
	}
	if end := ts + uint32(len(pcm)); int32(end-j.end) > 0 {
		j.end = end
	}
}

func (j *Buffer) begin(ts uint32) {
	j.running, j.pos, j.end, j.starved = true, ts-startSlack, ts, 0
	j.window, j.least, j.shrink, j.grow = shrinkAfter, ringN, 0, false
	clear(j.have[:])
}

// stop forgets what is stored, because nobody listens any more.
func (j *Buffer) stop() { j.running, j.conceal = false, concealer{} }

// Late returns how many packets came too late to be played in time.
func (j *Buffer) Late() uint64 { return j.late }

// Concealed returns how many frames were made up.
func (j *Buffer) Concealed() uint64 { return j.missing / FrameSamples }

// Delay returns how many samples wait.
func (j *Buffer) Delay() int {
	if !j.running {
		return 0
	}
	return max(0, int(int32(j.end-j.pos)))
}

// Get writes the next frame; false when the peer has sent nothing for it. With expected false the peer has a reason to send no audio
// (it sends digits) and what is made up does not count.
func (j *Buffer) Get(frame *[FrameSamples]int16, expected bool) bool {
	if !j.running {
		clear(frame[:])
		return false
	}
	if j.grow {
		j.grow = false
		j.missing += FrameSamples
		j.conceal.fill(frame[:])
		return true
	}
	j.adapt()
	if j.shrink >= pitchMin && j.accelerate(frame) {
		return true
	}
	found := 0
	for i := 0; i < FrameSamples; {
		at, n := (j.pos+uint32(i))&ringMask, 1
		have := j.have[at]
		for i+n < FrameSamples && j.have[(j.pos+uint32(i+n))&ringMask] == have {
			n++
		}
		if part := frame[i : i+n]; have {
			j.copy(part, j.pos+uint32(i))
			j.conceal.good(part)
			found += n
		} else {
			j.conceal.fill(part)
			if expected {
				j.missing += uint64(n)
			}
		}
		i += n
	}
	j.advance(FrameSamples)
	if found > 0 {
		j.starved = 0
		return true
	}
	if j.starved++; j.starved > forgetAfter {
		j.stop()
	}
	return false
}

// adapt watches the slack: what lies in the buffer beyond the frame that is about to be played.
func (j *Buffer) adapt() {
	j.least = min(j.least, int(int32(j.end-j.pos))-FrameSamples)
	if j.window--; j.window > 0 {
		return
	}
	if extra := j.least - leastSlack; extra >= pitchMin {
		j.shrink = extra
	}
	j.window, j.least = shrinkAfter, ringN
}

// accelerate plays a frame that fades from now to one pitch period later, and so leaves the period out.
func (j *Buffer) accelerate(frame *[FrameSamples]int16) bool {
	var look [FrameSamples + pitchMax]int16
	n := FrameSamples + min(pitchMax, j.shrink)
	for i := range n {
		if !j.have[(j.pos+uint32(i))&ringMask] {
			return false
		}
	}
	j.copy(look[:n], j.pos)
	lag := likeness(look[:n], n-FrameSamples)
	for i := range frame {
		frame[i] = int16((int(look[i])*(FrameSamples-i) + int(look[i+lag])*i) / FrameSamples)
	}
	j.conceal.good(frame[:])
	j.shrink -= lag
	j.advance(FrameSamples + lag)
	j.starved = 0
	return true
}

// likeness returns the lag, at most longest, after which pcm is most like its beginning.
func likeness(pcm []int16, longest int) int {
	best, bestDiff := pitchMin, -1
	for lag := pitchMin; lag <= longest; lag++ {
		diff := 0
		for i := 0; i < FrameSamples; i += 2 {
			d := int(pcm[i]) - int(pcm[i+lag])
			diff += max(d, -d)
		}
		if bestDiff < 0 || diff < bestDiff {
			best, bestDiff = lag, diff
		}
	}
	return best
}

func (j *Buffer) copy(dst []int16, ts uint32) {
	n := copy(dst, j.ring[ts&ringMask:])
	copy(dst[n:], j.ring[:])
}

func (j *Buffer) advance(n int) {
	for i := range n {
		j.have[(j.pos+uint32(i))&ringMask] = false
	}
	j.pos += uint32(n)
	if int32(j.end-j.pos) < 0 {
		j.end = j.pos
	}
}
