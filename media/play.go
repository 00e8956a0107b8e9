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

// Playback is a list of prompts being played on one stream.
type Playback struct{}

// Play plays one prompt instead of what is playing.
func (s *Stream) Play(p *Prompt, o PlayOptions) *Playback { return s.PlayAll([]*Prompt{p}, o) }

// PlayAll plays prompts one after the other, without a gap, instead of what is playing.
func (s *Stream) PlayAll(ps []*Prompt, o PlayOptions) *Playback { return &Playback{} }

// Done is closed when the playback has ended.
func (p *Playback) Done() <-chan struct{} { return nil }

// Result returns how the playback ended; before that the reason is "".
func (p *Playback) Result() PlayResult { return PlayResult{} }

// Stop ends the playback.
func (p *Playback) Stop() {}

// Music is a loop that all who listen hear at the same place; it is encoded once per codec, however many listen.
type Music struct{ prompt *Prompt }

// NewMusic makes music of a prompt.
func NewMusic(p *Prompt) *Music { return &Music{prompt: p} }

// PlayMusic lets the stream hear m whenever nothing else is played to it; nil ends it.
func (s *Stream) PlayMusic(m *Music) {}
