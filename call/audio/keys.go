package audio

import (
	"context"
	"sync"
	"time"

	"hotline/media"
)

// Keys presses digits in their order, without the call waiting for it.
type Keys struct {
	ctx    context.Context
	cancel context.CancelFunc
	queue  chan pressed
	wait   sync.WaitGroup
}

// NewKeys returns keys that can be pressed until ctx ends, or [Keys.Close].
func NewKeys(ctx context.Context) *Keys {
	ctx, cancel := context.WithCancel(ctx)
	return &Keys{ctx: ctx, cancel: cancel}
}

type pressed struct {
	stream *media.Stream
	digits string
}

const (
	keyTone    = 100 * time.Millisecond
	keyGap     = 60 * time.Millisecond
	maxPresses = 128 // that wait to be sent; what is pressed beyond them is dropped
)

// Press sends digits on a stream, behind those before. It does not block.
func (k *Keys) Press(s *media.Stream, digits string) {
	if k.queue == nil {
		k.queue = make(chan pressed, maxPresses)
		k.wait.Go(func() {
			for p := range k.queue {
				_ = p.stream.SendDigits(k.ctx, p.digits, keyTone, keyGap) // a stream that has closed needs no keys
			}
		})
	}
	select {
	case k.queue <- pressed{s, digits}:
	default:
	}
}

// Close ends what is being pressed.
func (k *Keys) Close() {
	k.cancel()
	if k.queue != nil {
		close(k.queue)
		k.wait.Wait()
	}
}
