package media

import "time"

// PlayOptions of [Stream.Play].
type PlayOptions struct {
	Loop        bool // from the start again, until stopped
	StopOnDigit bool // a digit ends it: the frame after the digit is silence
}

// PlayReason says why a playback ended.
type PlayReason string

// The reasons.
const (
	PlayFinished PlayReason = "finished"
	PlayStopped  PlayReason = "stopped" // by Stop, or another Play replaced it
	PlayDigit    PlayReason = "digit"
	PlayClosed   PlayReason = "closed" // the stream ended
)

// PlayResult is how a playback ended.
type PlayResult struct {
	Reason PlayReason
	Played time.Duration
}

// Playback is a list of prompts being played on one stream. It waits while the stream is not configured.
type Playback struct {
	stream  *Stream
	prompts []*Prompt
	options PlayOptions
	done    chan struct{}

	index, offset int // of the next sample; with the rest guarded by stream.mu
	played        int // samples
	reason        PlayReason
}

// Play plays one prompt instead of what is playing.
func (s *Stream) Play(p *Prompt, o PlayOptions) *Playback { return s.PlayAll([]*Prompt{p}, o) }

// PlayAll plays prompts one after the other, without a gap, instead of what is playing.
func (s *Stream) PlayAll(ps []*Prompt, o PlayOptions) *Playback {
	p := &Playback{stream: s, prompts: ps, options: o, done: make(chan struct{})}
	total := 0
	for _, prompt := range ps {
		total += len(prompt.pcm)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endPlay(PlayStopped)
	s.play = p
	s.wake()
	switch {
	case s.closed:
		s.endPlay(PlayClosed)
	case total == 0:
		s.endPlay(PlayFinished)
	default:
		s.encodeAhead()
	}
	return p
}

// encodeAhead encodes what is to be played on the goroutine of the caller: the clock has no time for it.
func (s *Stream) encodeAhead() {
	if !s.configured {
		return
	}
	if s.play != nil {
		for _, p := range s.play.prompts {
			p.Encoded(s.setup.Codec)
		}
	}
	if s.music != nil {
		s.music.prompt.Encoded(s.setup.Codec)
	}
}

// endPlay ends what is playing; s.mu is held.
func (s *Stream) endPlay(reason PlayReason) {
	if p := s.play; p != nil {
		s.play = nil
		p.reason = reason
		close(p.done)
	}
}

// fill writes the next frame and ends the playback after its last.
func (p *Playback) fill(s *Stream, frame []byte) {
	n := 0
	for n < len(frame) && p.index < len(p.prompts) {
		encoded := p.prompts[p.index].Encoded(s.setup.Codec)
		copied := copy(frame[n:], encoded[p.offset:])
		n, p.offset = n+copied, p.offset+copied
		if p.offset == len(encoded) {
			p.index, p.offset = p.index+1, 0
			if p.index == len(p.prompts) && p.options.Loop {
				p.index = 0
			}
		}
	}
	p.played += n
	silence(frame[n:], s.setup.Codec)
	if p.index == len(p.prompts) {
		s.endPlay(PlayFinished)
	}
}

// Done is closed when the playback has ended.
func (p *Playback) Done() <-chan struct{} { return p.done }

// Result returns how the playback ended; before that the reason is "".
func (p *Playback) Result() PlayResult {
	p.stream.mu.Lock()
	defer p.stream.mu.Unlock()
	return PlayResult{Reason: p.reason, Played: samplesDuration(p.played)}
}

// Stop ends the playback.
func (p *Playback) Stop() {
	p.stream.mu.Lock()
	defer p.stream.mu.Unlock()
	if p.stream.play == p {
		p.stream.endPlay(PlayStopped)
		p.stream.out.pending = 0
	}
}

// Music is a loop that all who listen hear at the same place; it is encoded once per codec, however many listen.
type Music struct{ prompt *Prompt }

// NewMusic makes music of a prompt.
func NewMusic(p *Prompt) *Music { return &Music{prompt: p} }

// fill writes the frame that is on at a time since the engine's beginning.
func (m *Music) fill(frame []byte, c Codec, since time.Duration) {
	encoded := m.prompt.Encoded(c)
	if len(encoded) == 0 {
		silence(frame, c)
		return
	}
	at := int(since / frameTime * frameSamples % time.Duration(len(encoded)))
	for n := 0; n < len(frame); at = 0 {
		n += copy(frame[n:], encoded[at:])
	}
}

// PlayMusic lets the stream hear m whenever nothing else is played to it; nil ends it.
func (s *Stream) PlayMusic(m *Music) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.music = m
	s.encodeAhead()
	s.wake()
}
