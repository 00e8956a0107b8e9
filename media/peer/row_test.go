package peer

import (
	"testing"

	"hotline/media"
)

// TestCallsInARow: one browser takes fifty calls one after the other on its one connection, with a rest between them or none, alone with
// the caller or with somebody who listens; each caller hears it, and it hears each caller.
func TestCallsInARow(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	b := newChrome(t, browserOptions{tone: 440})
	p := s.ring(b, Options{})
	for n := range 50 {
		c := s.call(media.PCMU)
		stop := c.whistle(1000)
		room := media.NewRoom(s.engine)
		must(t, room.Join(c.stream, media.Talker))
		must(t, room.Join(p.Stream(), media.Talker))
		p.Stream().Begin()
		if n%3 == 2 { // decoded and mixed instead of relayed
			listener := s.call(media.PCMU)
			must(t, room.Join(listener.stream, media.Listener))
			defer listener.stream.Close()
		}
		c.hears(440)
		b.hears(1000)
		room.Close()
		stop()
		c.stream.Close()
		if n%2 == 1 {
			b.idle()
		}
	}
}
