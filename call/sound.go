package call

import (
	"encoding/json"

	"hotline/media"
)

// sound is what a call does with its leg's audio. It is met by a media.Stream; scripts are tested without one.
type sound interface {
	play(ps []*media.Prompt, o media.PlayOptions) playback
	music(m *media.Music)
	tap(t media.Tap) (remove func())
	quality() (codec string, report json.RawMessage)
}

type playback interface {
	Done() <-chan struct{}
	Stop()
}

type streamSound struct{ stream *media.Stream }

func (s streamSound) play(ps []*media.Prompt, o media.PlayOptions) playback {
	return s.stream.PlayAll(ps, o)
}
func (s streamSound) music(m *media.Music)   { s.stream.PlayMusic(m) }
func (s streamSound) tap(t media.Tap) func() { return s.stream.Tap(t) }
func (s streamSound) quality() (string, json.RawMessage) {
	q := s.stream.Quality()
	raw, err := json.Marshal(q)
	if err != nil { // a NaN: a fault of ours, and no reason to lose the rest
		return q.Codec, nil
	}
	return q.Codec, raw
}
