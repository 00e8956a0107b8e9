//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"hotline/testport"
)

// TestAgentsNetwork lets an agent sit in another network, with HTTPS by the product's own certificate, and cuts the cable in the middle
// of a call: for two seconds, for longer than a socket lives, and for good. The caller hears music meanwhile, and the agent is back on the
// same call; in the end the caller is in the queue again, and the agent's page is told.
func TestAgentsNetwork(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	h := newHouse(t, fmt.Sprintf("HOTLINE_HTTP_ADDR=%s:%d", s.house, testport.Free(t, "tcp")), "HOTLINE_HTTP_TLS=self-signed",
		fmt.Sprintf("HOTLINE_WEBRTC_ADDR=%s:0", s.house))
	a := h.opens(agentHz, s.name)
	a.logIn("agent", h.password["agent"])
	a.ready()
	mark := a.mark()
	const from = "+8613800138020"
	l := h.queued(from, callerHz)
	call := a.answers(mark)
	both := func() {
		t.Helper()
		l.hears([]float64{agentHz}, []float64{callerHz})
		a.hears([]float64{callerHz}, []float64{agentHz})
	}
	both()
	for _, off := range []time.Duration{2 * time.Second, 15 * time.Second} {
		at := l.now()
		s.cut(true)
		l.hearsMusic(agentHz)
		l.passes(off - time.Second) // the telephone's own clock: the music goes on
		s.cut(false)
		both()
		t.Logf("a cut of %s: the caller was without the agent for %s", off, without(l.since(at), agentHz))
	}
	if c := h.call(call); c.EndedAt != nil || c.Phase != "talking" {
		t.Errorf("after two cuts the call is %+v", c)
	}
	mark = a.mark()
	s.cut(true)
	l.hearsMusic(agentHz)
	h.eventually(40*time.Second, "the caller is in the queue again", func() bool { return h.call(call).Phase == "queued" })
	s.cut(false)
	a.after(mark, "call.gone", 30*time.Second, func(d json.RawMessage) bool { return field(d, "id") == call })
	l.hangup()
}
