package calltest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"hotline/call"
	"hotline/media"
)

// limit is what tests wait for at the most: longer than anything takes on a slow machine.
const limit = 30 * time.Second

// Ears keep what a stream hears of its peer.
type Ears struct {
	mu  sync.Mutex
	pcm []int16
}

// Frame implements [media.Tap].
func (e *Ears) Frame(in, _ []int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pcm = append(e.pcm, in...)
}

// PCM returns all of it.
func (e *Ears) PCM() []int16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.pcm)
}

// Hears waits until a stream clearly hears a frequency from its peer, in Hz.
func Hears(t testing.TB, s *media.Stream, freq float64) {
	t.Helper()
	tap := &Ears{}
	defer s.Tap(tap)()
	const lately = media.SampleRate / 5
	for deadline := time.Now().Add(limit); ; <-time.After(20 * time.Millisecond) {
		pcm := tap.PCM()
		if len(pcm) >= lately {
			pcm = pcm[len(pcm)-lately:]
			if media.Level(pcm) > -40 && media.Goertzel(pcm, media.SampleRate, freq) > 20*media.Goertzel(pcm, media.SampleRate, freq*1.31) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%g Hz is not heard in %d samples", freq, len(pcm))
		}
	}
}

// Next waits for the next event of a leg and checks its kind. That the peer is silent is passed over, unless it is wanted: the
// telephones of tests often are.
func Next(t testing.TB, box *call.Mailbox, kind call.EventKind) call.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	e, err := box.Next(ctx)
	for err == nil && (e.Kind == call.MediaLost || e.Kind == call.MediaBack) && e.Kind != kind {
		e, err = box.Next(ctx)
	}
	if err != nil {
		t.Fatalf("waiting for %s: %v", kind, err)
	}
	if e.Kind != kind {
		t.Fatalf("event %s (%+v), want %s", e.Kind, e, kind)
	}
	return e
}
