//go:build e2e

package e2e

import (
	"slices"
	"testing"
	"time"

	"hotline/asterisk/asterisktest"
)

// shift is an agent with callers at all stages, each at an Asterisk.
type shift struct {
	*house
	agent *browser
	call  string // which the agent is in
	lines map[string]*line
	ids   map[string]string // of the calls
}

// The callers of a shift, by what they do when the product is killed.
const talks, first, second, chooses, speaks = "+8613800138121", "+8613800138122", "+8613800138123", "+8613800138124", "+8613800138125"

var everyone = []string{talks, first, second, chooses, speaks}

// TestAsteriskKill kills the product while callers of an Asterisk choose, wait, talk and leave a message: within five seconds of its next
// start they are where they were. The agent, whose page finds the new process by itself, talks on; then the line moves in its order.
func TestAsteriskKill(t *testing.T) {
	t.Parallel()
	h, pbx := newAsteriskHouse(t, asterisktest.Options{}, 1)
	s := begins(h)
	a, mark := s.agent, s.agent.mark()
	h.kill()
	h.start()
	up := time.Now()
	for _, from := range everyone {
		if !soon(5*time.Second-time.Since(up), func() bool { return h.carries(from) }) {
			t.Errorf("%s is not there again %s after the start", from, time.Since(up))
		}
	}
	t.Logf("all callers are there again %s after the product was ready", time.Since(up).Round(10*time.Millisecond))
	a.up(mark)
	a.phase(mark, "talking")
	s.lines[speaks].beeps()
	said := time.Now()
	a.hears([]float64{callerHz}, []float64{otherHz, supervisorHz})
	s.lines[talks].hears([]float64{agentHz}, []float64{callerHz})
	s.lines[chooses].press("2") // English
	s.lines[chooses].press("1") // support
	h.reaches(chooses, "queued")
	if d := 4*time.Second - time.Since(said); d > 0 {
		s.lines[speaks].passes(d)
	}
	s.lines[speaks].hangup()
	s.serves(first, second, chooses)
	for _, from := range everyone {
		result := "answered"
		if from == speaks {
			result = "voicemail"
		}
		h.wentOn(from, s.ids[from], result)
	}
	s.twoParts()
	a.clean()
	h.nothingLeft(pbx[0])
	if n := h.metric("hotline_calls"); n != 0 {
		t.Errorf("%v calls are up", n)
	}
}

// begins brings all callers to their stages.
func begins(h *house) *shift {
	h.t.Helper()
	s := &shift{house: h, agent: h.sits("agent", agentHz), lines: map[string]*line{}, ids: map[string]string{}}
	s.agent.ready()
	mark := s.agent.mark()
	s.lines[talks] = h.queued(talks, callerHz)
	s.call = s.agent.answers(mark)
	s.lines[talks].hears([]float64{agentHz}, []float64{callerHz})
	for _, from := range []string{first, second} {
		s.lines[from] = h.queued(from, otherHz)
		h.reaches(from, "queued")
	}
	s.lines[chooses] = h.dials("4000", chooses, otherHz)
	h.reaches(chooses, "menu")
	s.lines[speaks] = h.queued(speaks, supervisorHz)
	h.reaches(speaks, "queued")
	s.lines[speaks].press("2")
	h.reaches(speaks, "voicemail")
	s.lines[speaks].beeps()
	s.lines[speaks].passes(3 * time.Second)
	for _, from := range everyone {
		s.ids[from] = h.calls(from)[0].ID
	}
	return s
}

// serves lets the agent end the call and take the next, until all have been served in this order.
func (s *shift) serves(callers ...string) {
	s.t.Helper()
	for _, from := range callers {
		mark := s.agent.mark()
		s.agent.must("call.hangup", nil)
		s.agent.closes(mark, s.call)
		if s.call = s.agent.answers(mark); s.call != s.ids[from] {
			s.t.Fatalf("the next is the call %s; it is the turn of %s", s.call, from)
		}
		s.lines[from].hears([]float64{agentHz}, nil)
	}
	s.lines[callers[len(callers)-1]].hangup()
}

// twoParts checks that what was said before the kill is kept beside what was said after it.
func (s *shift) twoParts() {
	s.t.Helper()
	var parts []recordingRow
	for _, r := range s.house.call(s.ids[speaks]).Recordings {
		if r.Kind == "voicemail" {
			parts = append(parts, r)
		}
	}
	if len(parts) != 2 || parts[0].DurationMS < 2000 || parts[1].DurationMS < 3000 {
		s.t.Errorf("what was said is in %+v, want two parts", parts)
	}
}

// carries says whether the product has a call of a caller that goes on.
func (h *house) carries(from string) bool {
	var live page[struct {
		Caller string `json:"caller"`
	}]
	h.api("GET", "/api/v1/calls/live", nil, &live)
	return slices.ContainsFunc(live.Items, func(c struct {
		Caller string `json:"caller"`
	}) bool {
		return c.Caller == from
	})
}

// beeps waits for the tone after which a message is recorded.
func (l *line) beeps() {
	l.t.Helper()
	if !soon(patient, func() bool { return share(l.last(200*time.Millisecond), 1000) > 0.8 }) {
		l.t.Fatal("no beep")
	}
}

// wentOn checks the call of a caller who was there before and after a kill: it is one, on one ticket, and its times have no gap.
func (h *house) wentOn(from, id, result string) {
	h.t.Helper()
	got, c := h.filed(from)
	if got != id || len(h.calls(from)) != 1 || c.Ticket == 0 {
		h.t.Errorf("%s has %d calls, the last is %s on the ticket %d, want %s alone", from, len(h.calls(from)), got, c.Ticket, id)
	}
	if c.Result != result {
		h.t.Errorf("%s: %s, want %s", from, c.Result, result)
	}
	at := c.StartedAt
	for _, s := range c.Segments {
		if s.Kind == "offer" || s.Kind == "wrap" {
			continue
		}
		if gap := s.StartedAt.Sub(at).Abs(); gap > 50*time.Millisecond {
			h.t.Errorf("%s: %s before the %s are missing or counted twice: %+v", from, gap, s.Kind, c.Segments)
		}
		at = s.EndedAt
	}
	if gap := c.EndedAt.Sub(at).Abs(); gap > time.Second {
		h.t.Errorf("%s: the last segment ends %s from the end of the call", from, gap)
	}
	for _, l := range c.Legs {
		if l.EndedAt == nil {
			h.t.Errorf("%s: a leg is open: %+v", from, l)
		}
	}
}
