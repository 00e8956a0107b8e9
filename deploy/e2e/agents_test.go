//go:build e2e

package e2e

import (
	"encoding/json"
	"testing"
	"time"
)

// The voices of those who talk: far enough from each other, and from what prompts and music sound like, to be told apart.
const (
	callerHz     = 1000.0
	otherHz      = 1240.0 // another caller, or somebody outside
	agentHz      = 640.0
	supervisorHz = 1560.0
)

// queued calls the demonstration and waits in the support queue.
func (h *house) queued(from string, hz float64) *line {
	h.t.Helper()
	l := h.dials("4000", from, hz)
	l.press("2") // English
	l.press("1") // support
	return l
}

// TestAgentAnswersInTheBrowser: a caller and an agent hear each other and nothing else; hold is music for the one and silence for the
// other; mute is silence; the call ends on both sides, is wrapped up, and is a ticket with a recording that has each on its side.
func TestAgentAnswersInTheBrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.sits("agent", agentHz)
	a.ready()
	mark := a.mark()
	l := h.queued("+8613800138001", callerHz)
	call := a.answers(mark)
	a.do("shot", map[string]any{"name": "talking"})
	both := func() {
		t.Helper()
		l.hears([]float64{agentHz}, []float64{callerHz})
		a.hears([]float64{callerHz}, []float64{agentHz})
	}
	both()
	at := l.now()
	a.do("press", map[string]any{"key": "Alt+h"})
	a.phase(mark, "held")
	l.hearsMusic(agentHz)
	a.hears(nil, []float64{callerHz, agentHz})
	a.do("press", map[string]any{"key": "Alt+h"})
	both()
	if gap := without(l.since(at), agentHz); gap < 200*time.Millisecond {
		t.Errorf("on hold the caller was without the agent's voice for %s only", gap)
	}
	a.do("press", map[string]any{"key": "Alt+m"})
	l.hears(nil, []float64{agentHz})
	a.hears([]float64{callerHz}, nil)
	a.do("press", map[string]any{"key": "Alt+m"})
	both()
	mark = a.mark()
	a.do("press", map[string]any{"key": "Alt+q"})
	l.ended(10 * time.Second)
	a.after(mark, "wrap", 10*time.Second, nil)
	a.must("wrap.done", map[string]any{"call_id": call, "code": "solved", "note": "Order 42 is on its way."})
	a.after(mark, "agent", 10*time.Second, func(d json.RawMessage) bool { return field(d, "state") == "ready" })
	a.clean()
}
