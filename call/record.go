package call

import (
	"context"
	"strings"
	"sync"
	"time"

	"hotline/call/trim"
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
	c.quiet.Stop()
	defer c.quiet.Start()
	t := trim.New(o.Sink, o.Silence)
	remove := c.sound.tap(t)
	r := c.record(ctx, o, t)
	remove()
	r.Duration, r.Voice = t.Finish()
	return r, nil
}

func (c *Call) record(ctx context.Context, o Record, t *trim.Trimmer) Recorded {
	limit := time.NewTimer(o.Max)
	defer limit.Stop()
	for {
		for d, ok := c.nextDigit(); ok; d, ok = c.nextDigit() {
			if strings.IndexByte(o.Terminators, d) >= 0 {
				return Recorded{Reason: RecordKey, Key: d}
			}
		}
		timedOut, err := c.wait(ctx, t.Quiet, limit.C)
		switch {
		case err == ErrHangup:
			return Recorded{Reason: RecordHangup}
		case err != nil:
			return Recorded{Reason: RecordCut}
		case timedOut:
			return Recorded{Reason: RecordMax}
		}
		select {
		case <-t.Quiet:
			return Recorded{Reason: RecordSilence}
		default:
		}
	}
}
