package call

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"hotline/media"
)

// fakeSound plays by the clock alone, so that scripts can be tested in no time. What is heard is tested with real audio elsewhere.
type fakeSound struct {
	mu      sync.Mutex
	current *fakePlayback
	log     []heard // what the caller heard, and when it changed
	bg      *media.Music
	taps    map[int]media.Tap
	next    int
}

// heard is what is audible from a moment on: a playback, the background, or nothing.
type heard struct {
	at   time.Time
	what string
}

type fakePlayback struct {
	sound *fakeSound
	digit bool
	timer *time.Timer
	done  chan struct{}
}

func (p *fakePlayback) Done() <-chan struct{} { return p.done }
func (p *fakePlayback) Stop() {
	p.sound.mu.Lock()
	defer p.sound.mu.Unlock()
	p.end()
}

func (p *fakePlayback) end() {
	select {
	case <-p.done:
	default:
		p.timer.Stop()
		close(p.done)
		if p.sound.current == p {
			p.sound.current = nil
			p.sound.note()
		}
	}
}

func (s *fakeSound) note() {
	what := ""
	switch {
	case s.current != nil:
		what = "prompt"
	case s.bg != nil:
		what = "background"
	}
	s.log = append(s.log, heard{time.Now(), what})
}

func (s *fakeSound) play(ps []*media.Prompt, o media.PlayOptions) playback {
	var d time.Duration
	for _, p := range ps {
		d += p.Duration()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.end()
	}
	p := &fakePlayback{sound: s, digit: o.StopOnDigit, done: make(chan struct{})}
	s.current = p
	p.timer = time.AfterFunc(d, p.Stop)
	s.note()
	return p
}

func (s *fakeSound) music(m *media.Music) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bg = m
	s.note()
}

func (s *fakeSound) background() *media.Music {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bg
}

func (s *fakeSound) tap(t media.Tap) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	n := s.next
	if s.taps == nil {
		s.taps = map[int]media.Tap{}
	}
	s.taps[n] = t
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.taps, n)
	}
}

func (s *fakeSound) quality() (string, json.RawMessage) { return "PCMU", json.RawMessage(`{}`) }

func (s *fakeSound) digit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.digit {
		s.current.end()
	}
}

// speak feeds frames to the taps, one every 20 ms, for d.
func (s *fakeSound) speak(d time.Duration, amplitude int16) {
	frame := make([]int16, 160)
	for i := range frame {
		frame[i] = amplitude * int16(1-2*(i/8%2))
	}
	for t := time.Duration(0); t < d; t += frameTime {
		time.Sleep(frameTime)
		s.mu.Lock()
		taps := make([]media.Tap, 0, len(s.taps))
		for _, t := range s.taps {
			taps = append(taps, t)
		}
		s.mu.Unlock()
		for _, t := range taps {
			t.Frame(frame, make([]int16, 160))
		}
	}
}

// longestSilence returns for how long nothing at all was heard between two moments.
func (s *fakeSound) longestSilence(from, to time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	what, since, longest := "", from, time.Duration(0)
	for _, h := range append(s.log, heard{to, "end"}) {
		if h.at.Before(from) {
			what = h.what
			continue
		}
		if what == "" && h.what != "" {
			longest = max(longest, h.at.Sub(since))
		}
		if h.what == "" && what != "" {
			since = h.at
		}
		what = h.what
	}
	return longest
}

// fakeLeg is a leg without audio.
type fakeLeg struct {
	info    Info
	sound   *fakeSound
	mailbox *Mailbox

	mu      sync.Mutex
	ended   bool
	answers int
	hangups []Cause
	refer   error
	deaf    bool // never reports its end
}

func newFakeLeg() *fakeLeg {
	return &fakeLeg{info: testInfo(), sound: &fakeSound{}}
}

func (l *fakeLeg) Info() Info           { return l.info }
func (l *fakeLeg) Audio() *media.Stream { return nil }

func (l *fakeLeg) gone() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return ErrGone
	}
	return nil
}

func (l *fakeLeg) Progress(context.Context, bool) error { return l.gone() }

func (l *fakeLeg) Answer(context.Context) error {
	if err := l.gone(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	return nil
}

func (l *fakeLeg) Hangup(_ context.Context, c Cause) error {
	l.mu.Lock()
	l.hangups = append(l.hangups, c)
	deaf := l.deaf
	l.mu.Unlock()
	if !deaf {
		l.end(c)
	}
	return nil
}

func (l *fakeLeg) Refer(context.Context, string) error {
	if err := l.gone(); err != nil {
		return err
	}
	return l.refer
}

func (l *fakeLeg) end(c Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		l.mailbox.Post(Event{LegID: l.info.LegID, Kind: Ended, At: time.Now(), Cause: c})
	}
}

// press presses keys as the media plane and an edge do: the prompt stops, then the event comes.
func (l *fakeLeg) press(keys string) {
	for _, k := range []byte(keys) {
		l.mu.Lock()
		if !l.ended {
			l.sound.digit()
			l.mailbox.Post(Event{LegID: l.info.LegID, Kind: DigitPressed, At: time.Now(), Digit: k})
		}
		l.mu.Unlock()
	}
}

func (l *fakeLeg) post(k EventKind) {
	l.mailbox.Post(Event{LegID: l.info.LegID, Kind: k, At: time.Now()})
}

// stage runs one script without a switchboard.
type stage struct {
	*fakeLeg
	notes *notes
	call  *Call
	done  chan struct{}
}

// begin starts a script; play is what the caller does meanwhile.
func begin(t *testing.T, cfg Config, s Script, prepare ...func(*fakeLeg)) *stage {
	st := &stage{fakeLeg: newFakeLeg(), notes: &notes{}, done: make(chan struct{})}
	for _, f := range prepare {
		f(st.fakeLeg)
	}
	cfg.Journal, cfg.Node, cfg.Log = st.notes, "n1", quietLog(t)
	cfg = NewSwitchboard(cfg).cfg
	st.call = newCall(cfg, st.fakeLeg, st.sound)
	st.mailbox = st.call.mailbox
	go func() {
		defer close(st.done)
		st.call.run(s)
	}()
	return st
}

// end waits for the script and returns how the call ended, after checks that hold for every call.
func (st *stage) end(t *testing.T) (CallEnded, []Segment) {
	t.Helper()
	<-st.done
	facts := st.notes.all()
	if facts[0].Kind != FactCallStarted || facts[len(facts)-1].Kind != FactCallEnded {
		t.Errorf("the facts begin with %s and end with %s", facts[0].Kind, facts[len(facts)-1].Kind)
	}
	ended, segments := payloads[CallEnded](t, facts, FactCallEnded), payloads[Segment](t, facts, FactSegment)
	if len(ended) != 1 || len(payloads[LegEnded](t, facts, FactLegEnded)) != 1 {
		t.Fatalf("the call ended %d times", len(ended))
	}
	for i := 1; i < len(segments); i++ {
		if !segments[i].StartedAt.Equal(segments[i-1].EndedAt) {
			t.Errorf("there is a hole between the segments %d and %d", i-1, i)
		}
	}
	for _, s := range segments {
		if s.Reason == "" || s.DurationMS != s.EndedAt.Sub(s.StartedAt).Milliseconds() {
			t.Errorf("segment %+v", s)
		}
	}
	return ended[0], segments
}

// last is the error of a verb that returns something else as well.
func last[T any](_ T, err error) error { return err }
