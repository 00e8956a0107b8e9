package asterisk

import (
	"testing"
	"time"

	"hotline/call"
	"hotline/media"
	"hotline/sip/caller"
)

// A caller's keys come once each, in order, whether his side sends events or has only the tones.
func TestKeysOfEitherKind(t *testing.T) {
	const keys = "1234567890*#55550"
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	for name, tones := range map[string]bool{"events": false, "tones": true} {
		t.Run(name, func(t *testing.T) {
			up := p.dials(t, newCaller(t, caller.Config{}), caller.Invite{NoDTMF: tones})
			l := r.leg()
			if err := l.Answer(t.Context()); err != nil {
				t.Fatal(err)
			}
			next(t, l.box, call.Answered)
			c := <-up
			if !tones { // what sounds like a key beside the events is none
				<-c.Stream().Play(dual(770, 1336, 200*time.Millisecond), media.PlayOptions{}).Done()
			}
			if err := c.Press(t.Context(), keys); err != nil {
				t.Fatal(err)
			}
			got := ""
			for len(got) < len(keys) {
				got += string(next(t, l.box, call.DigitPressed).Digit)
			}
			if got != keys {
				t.Errorf("keys %s, want %s", got, keys)
			}
			c.Hangup(t.Context())
			next(t, l.box, call.Ended)
		})
	}
	r.gone()
}
