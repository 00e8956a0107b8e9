package call

import (
	"context"
	"strings"
	"sync"
	"time"

	"hotline/media"
)

// Record says how a message is recorded.
type Record struct {
	Sink        media.Tap     // gets the message: silence before, behind and in long pauses is left out
	Beep        *media.Prompt // nil: 1 kHz for 500 ms
	NoBeep      bool
	Max         time.Duration // 0 means 3 min
	Silence     time.Duration // ends the message after so much silence; 0: it does not
	Terminators string        // keys that end it; "" means "#"
}

// RecordReason says what ended a message.
type RecordReason string

// The reasons.
const (
	RecordKey     RecordReason = "key"
	RecordHangup  RecordReason = "hangup"
	RecordMax     RecordReason = "max"
	RecordSilence RecordReason = "silence"
	RecordCut     RecordReason = "cut" // the call was ended by us
)

// Recorded is a message as it was recorded.
type Recorded struct {
	Duration time.Duration // of what the sink got
	Voice    time.Duration // of that, speech; 0 means that nothing was said
	Reason   RecordReason
	Key      byte
}

// The beep stands apart from the words before it, so that people and machines know it for what it is.
var (
	breath = sync.OnceValue(func() *media.Prompt { return media.Silence(200 * time.Millisecond) })
	beep   = sync.OnceValue(func() *media.Prompt { return media.Tone(1000, 500*time.Millisecond, 0.25) })
)

// Record plays a beep and records until a key, the caller's hang-up, silence or the maximum. A hang-up is an ordinary end of a message
// and no error: the verb after it returns [ErrHangup].
func (c *Call) Record(ctx context.Context, o Record) (Recorded, error) {
	if o.Max <= 0 {
		o.Max = 3 * time.Minute
	}
	if o.Terminators == "" {
		o.Terminators = "#"
	}
	if o.Beep == nil {
		o.Beep = beep()
	}
	if !o.NoBeep {
		if err := c.Play(ctx, breath(), o.Beep); err != nil {
			return Recorded{}, err
		}
	} else if err := c.alive(ctx); err != nil {
		return Recorded{}, err
	}
	c.Forget() // keys pressed into the greeting do not end the message
	c.quiet.stop()
	defer c.quiet.start()
	t := newTrimmer(o.Sink, o.Silence)
	remove := c.sound.tap(t)
	r := c.record(ctx, o, t)
	remove()
	r.Duration, r.Voice = t.finish()
	return r, nil
}

func (c *Call) record(ctx context.Context, o Record, t *trimmer) Recorded {
	limit := time.NewTimer(o.Max)
	defer limit.Stop()
	for {
		for d, ok := c.nextDigit(); ok; d, ok = c.nextDigit() {
			if strings.IndexByte(o.Terminators, d) >= 0 {
				return Recorded{Reason: RecordKey, Key: d}
			}
		}
		timedOut, err := c.wait(ctx, t.quiet, limit.C)
		switch {
		case err == ErrHangup:
			return Recorded{Reason: RecordHangup}
		case err != nil:
			return Recorded{Reason: RecordCut}
		case timedOut:
			return Recorded{Reason: RecordMax}
		}
		select {
		case <-t.quiet:
			return Recorded{Reason: RecordSilence}
		default:
		}
	}
}

const (
	frameTime  = 20 * time.Millisecond
	voiceLevel = -42.0                  // dBFS; telephone speech is at -30 to -10, room noise below -50
	preRoll    = 300 * time.Millisecond // kept before the first word: soft consonants
	tailRoll   = 400 * time.Millisecond // kept behind the last
	longPause  = 2 * time.Second        // pauses are cut to so much
)

// trimmer passes on what is said, on the clock of the audio.
type trimmer struct {
	sink  media.Tap
	limit int           // frames of silence that end the message; 0: none
	quiet chan struct{} // closed when they have passed

	mu       sync.Mutex
	held     [][2][]int16 // frames of a pause, not passed on yet
	silent   int          // frames in a row
	voiced   int          // frames with voice
	passed   int
	finished bool
}

func newTrimmer(sink media.Tap, silence time.Duration) *trimmer {
	return &trimmer{sink: sink, limit: int(silence / frameTime), quiet: make(chan struct{})}
}

// Frame implements media.Tap. The lock is contended once, at the end.
func (t *trimmer) Frame(in, out []int16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return
	}
	if media.Level(in) >= voiceLevel {
		t.voiced++
		t.silent = 0
		for _, f := range t.held {
			t.pass(f[0], f[1])
		}
		t.held = t.held[:0]
		t.pass(in, out)
		return
	}
	if t.silent++; t.silent == t.limit {
		close(t.quiet)
	}
	keep := int(longPause / frameTime)
	if t.voiced == 0 {
		keep = int(preRoll / frameTime)
	}
	if len(t.held) < keep {
		t.held = append(t.held, [2][]int16{append([]int16(nil), in...), append([]int16(nil), out...)})
		return
	}
	if t.voiced == 0 { // the newest are those before the first word
		oldest := t.held[0]
		copy(t.held, t.held[1:])
		t.held[keep-1] = [2][]int16{append(oldest[0][:0], in...), append(oldest[1][:0], out...)}
	}
}

func (t *trimmer) pass(in, out []int16) {
	t.passed++
	t.sink.Frame(in, out)
}

// finish passes on the end of the last word; nothing is passed on afterwards.
func (t *trimmer) finish() (duration, voice time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.finished && t.voiced > 0 {
		for _, f := range t.held[:min(len(t.held), int(tailRoll/frameTime))] {
			t.pass(f[0], f[1])
		}
	}
	t.finished = true
	return time.Duration(t.passed) * frameTime, time.Duration(t.voiced) * frameTime
}
