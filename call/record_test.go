package call

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hotline/media"
)

// How much is kept around what is said: see package trim.
const (
	frameTime = 20 * time.Millisecond
	preRoll   = 300 * time.Millisecond
	tailRoll  = 400 * time.Millisecond
)

// sink counts what it gets.
type sink struct {
	mu     sync.Mutex
	frames int
	voiced int
}

func (s *sink) Frame(in, _ []int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames++
	if media.Level(in) > -50 {
		s.voiced++
	}
}

// speech is what a caller does at the beep: speak or be silent for a while, press a key, or hang up.
type speech struct {
	d    time.Duration
	loud bool
}

func TestRecord(t *testing.T) {
	voice := func(d time.Duration) speech { return speech{d, true} }
	pause := func(d time.Duration) speech { return speech{d, false} }
	const s = time.Second
	for name, c := range map[string]message{
		"a key ends it":                      {Record{}, []speech{voice(3 * s)}, "#", false, Recorded{Duration: 3 * s, Voice: 3 * s, Reason: RecordKey, Key: '#'}},
		"another key does not":               {Record{}, []speech{voice(3 * s)}, "1*#", false, Recorded{Duration: 3 * s, Voice: 3 * s, Reason: RecordKey, Key: '#'}},
		"keys of one's own":                  {Record{Terminators: "12"}, []speech{voice(s)}, "#2", false, Recorded{Duration: s, Voice: s, Reason: RecordKey, Key: '2'}},
		"a hang-up ends it":                  {Record{}, []speech{voice(3 * s)}, "", true, Recorded{Duration: 3 * s, Voice: 3 * s, Reason: RecordHangup}},
		"the maximum ends it":                {Record{Max: 2 * s}, []speech{voice(3 * s)}, "", false, Recorded{Duration: 2 * s, Voice: 2 * s, Reason: RecordMax}},
		"silence ends it":                    {Record{Silence: 3 * s}, []speech{voice(s), pause(5 * s)}, "", false, Recorded{Duration: s + tailRoll, Voice: s, Reason: RecordSilence}},
		"a short pause does not":             {Record{Silence: 3 * s}, []speech{voice(s), pause(s), voice(s)}, "#", false, Recorded{Duration: 3 * s, Voice: 2 * s, Reason: RecordKey, Key: '#'}},
		"silence before is cut":              {Record{}, []speech{pause(5 * s), voice(s)}, "#", false, Recorded{Duration: s + preRoll, Voice: s, Reason: RecordKey, Key: '#'}},
		"a long pause is cut to two seconds": {Record{}, []speech{voice(s), pause(10 * s), voice(s)}, "#", false, Recorded{Duration: 4 * s, Voice: 2 * s, Reason: RecordKey, Key: '#'}},
		"ten hours of silence":               {Record{Max: 3 * time.Minute}, []speech{pause(10 * time.Minute)}, "", false, Recorded{Reason: RecordMax}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.test(t) })
		})
	}
}

// message is a caller who leaves a message, and what should be left of it.
type message struct {
	ask    Record
	speech []speech
	keys   string
	hangup bool
	want   Recorded
}

func (c message) test(t *testing.T) {
	to := &sink{}
	c.ask.Sink = to
	var got Recorded
	var after error
	st := begin(t, Config{}, func(ctx context.Context, call *Call) error {
		call.Answer(ctx)
		var err error
		if got, err = call.Record(ctx, c.ask); err != nil {
			t.Error(err)
		}
		after = call.Play(ctx, prompt(time.Second))
		return after
	})
	time.Sleep(300 * time.Millisecond)
	st.press("#") // into the beep: no end
	time.Sleep(400 * time.Millisecond)
	for _, p := range c.speech {
		amplitude := int16(20)
		if p.loud {
			amplitude = 8000
		}
		st.sound.speak(p.d, amplitude)
	}
	st.press(c.keys)
	if c.hangup {
		st.end2(CausePeerHangup)
	}
	st.end(t)
	// The frame of the very instant may or may not be in it.
	if d := got.Duration - c.want.Duration; d > 0 || d < -frameTime {
		t.Errorf("%v long, want %v", got.Duration, c.want.Duration)
	}
	if d := got.Voice - c.want.Voice; d > 0 || d < -frameTime {
		t.Errorf("%v of voice, want %v", got.Voice, c.want.Voice)
	}
	if got.Reason != c.want.Reason || got.Key != c.want.Key {
		t.Errorf("%+v", got)
	}
	if time.Duration(to.frames)*frameTime != got.Duration || time.Duration(to.voiced)*frameTime != got.Voice {
		t.Errorf("the sink got %d frames, %d with voice; %+v", to.frames, to.voiced, got)
	}
	if c.hangup != errors.Is(after, ErrHangup) {
		t.Errorf("the verb after it says %v", after)
	}
	if n := len(st.sound.taps); n > 0 {
		t.Errorf("%d taps are left", n)
	}
}

// While a message is recorded, the line is quiet; afterwards it is not.
func TestNoFillerIntoAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			c.Answer(ctx)
			_, err := c.Record(ctx, Record{Sink: &sink{}, NoBeep: true, Max: 10 * time.Second})
			time.Sleep(2 * time.Second)
			return err
		})
		time.Sleep(5 * time.Second)
		if st.sound.background() != nil {
			t.Error("the filler is in the message")
		}
		time.Sleep(6 * time.Second)
		if st.sound.background() == nil {
			t.Error("after the message nothing is heard")
		}
		st.end(t)
	})
}
