//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
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

// state waits until the agent is in a state.
func (b *browser) state(mark int, state string) {
	b.t.Helper()
	b.after(mark, "agent", 30*time.Second, func(d json.RawMessage) bool { return field(d, "state") == state })
}

// closes wraps a call up and is ready again.
func (b *browser) closes(mark int, call string) {
	b.t.Helper()
	b.after(mark, "wrap", 15*time.Second, func(d json.RawMessage) bool { return field(d, "call_id") == call })
	b.must("wrap.done", map[string]any{"call_id": call, "code": "solved", "note": "Order 42 is on its way."})
	b.state(mark, "ready")
}

// TestAgents lets two agents at real Chromiums and callers at real telephones go through what happens in a day.
func TestAgents(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.sits("agent", agentHz)
	a.ready()
	for _, c := range []struct {
		name string
		run  func(*house, *browser)
	}{{"answer", agentAnswers}, {"caller hangs up", callerHangsUp}, {"reload", agentReloads}, {"outside", agentDials}} {
		if !t.Run(c.name, func(t *testing.T) { c.run(h.in(t), a.in(t)) }) {
			return
		}
	}
	s := h.sits("supervisor", supervisorHz)
	for _, c := range []struct {
		name string
		run  func(*house, *browser, *browser)
	}{{"listen, whisper, barge", supervises}, {"race", twoRace}, {"transfer", agentTransfers}, {"consult", agentConsults}, {"gone for good", agentIsLost}} {
		if !t.Run(c.name, func(t *testing.T) { c.run(h.in(t), a.in(t), s.in(t)) }) {
			return
		}
	}
	a.in(t).clean()
	s.in(t).clean()
}

// in is the house as a part of a test sees it.
func (h *house) in(t *testing.T) *house {
	part := *h
	part.t = t
	return &part
}

func (b *browser) in(t *testing.T) *browser {
	b.t, b.h = t, b.h.in(t)
	return b
}

// agentAnswers: a caller and an agent hear each other and nothing else; hold is music for the one and silence for the other; mute is
// silence; the call is wrapped up, and is a ticket with a recording that has each on its side.
func agentAnswers(h *house, a *browser) {
	t, mark := h.t, a.mark()
	const from = "+8613800138001"
	l := h.queued(from, callerHz)
	call := a.answers(mark)
	a.do("shot", map[string]any{"name": "talking"})
	both := func() {
		l.hears([]float64{agentHz}, []float64{callerHz})
		a.hears([]float64{callerHz}, []float64{agentHz})
	}
	both()
	a.do("press", map[string]any{"key": "Alt+h"})
	a.phase(mark, "held")
	l.hearsMusic(agentHz)
	a.hears(nil, []float64{callerHz, agentHz})
	a.do("press", map[string]any{"key": "Alt+h"})
	both()
	a.do("press", map[string]any{"key": "Alt+m"})
	l.hears(nil, []float64{agentHz})
	a.hears([]float64{callerHz}, nil)
	a.do("press", map[string]any{"key": "Alt+m"})
	both()
	mark = a.mark()
	a.do("press", map[string]any{"key": "Alt+q"})
	l.ended(10 * time.Second)
	a.closes(mark, call)
	row := h.ended(from)
	if row.ID != call || row.Result != "answered" || row.Queue != "support" || len(row.Legs) < 2 {
		t.Errorf("the call's row is %+v", row)
	}
	h.recorded(row, callerHz, agentHz)
	var timeline struct {
		Items []struct {
			Kind string         `json:"kind"`
			Data map[string]any `json:"data"`
		} `json:"items"`
	}
	h.eventually(15*time.Second, "the wrap-up code is on the ticket", func() bool {
		h.api("GET", fmt.Sprintf("/api/v1/tickets/%d/timeline", row.Ticket), nil, &timeline)
		for _, e := range timeline.Items {
			if e.Kind == "wrap" && e.Data["code"] == "solved" {
				return true
			}
		}
		return false
	})
}

// recorded waits for a recording of a call and looks who is on which side: the caller on the left, what the caller hears on the right.
func (h *house) recorded(row callRow, left, right float64) {
	h.t.Helper()
	l, r := h.sound(h.recording(row).ID)
	for _, side := range []struct {
		name    string
		pcm     []int16
		hz, not float64
	}{{"left", l, left, right}, {"right", r, right, left}} {
		if own, other := bestTone(side.pcm, side.hz), bestTone(side.pcm, side.not); own < 0.7 || other > 0.1 {
			h.t.Errorf("%s side of the recording: %.2f of %.0f Hz and %.2f of %.0f Hz", side.name, own, side.hz, other, side.not)
		}
	}
}

// callerHangsUp: the agent's page hears of it, and is in after-call work.
func callerHangsUp(h *house, a *browser) {
	mark := a.mark()
	l := h.queued("+8613800138002", callerHz)
	call := a.answers(mark)
	l.hears([]float64{agentHz}, nil)
	l.hangup()
	a.after(mark, "call.gone", 10*time.Second, nil)
	a.closes(mark, call)
	// Nobody answers: the caller gives up while it rings.
	mark = a.mark()
	l = h.queued("+8613800138002", callerHz)
	offer, _ := a.rung(mark)
	l.hangup()
	a.after(mark, "offer.gone", 10*time.Second, func(d json.RawMessage) bool { return field(d, "id") == offer && field(d, "why") == "caller_left" })
	a.state(mark, "ready")
	a.refused("offer.answer", map[string]any{"offer": offer}, 409, "offer.gone")
}

// agentReloads: the page is loaded anew in the middle of a call; the caller hears music, and the agent is back on the same call.
func agentReloads(h *house, a *browser) {
	mark := a.mark()
	l := h.queued("+8613800138003", callerHz)
	call := a.answers(mark)
	l.hears([]float64{agentHz}, nil)
	a.hears([]float64{callerHz}, nil)
	for range 2 {
		mark, at := a.mark(), l.now()
		a.do("reload", nil)
		a.after(mark, "snapshot", 20*time.Second, func(d json.RawMessage) bool { return field(d, "call", "id") == call })
		l.hears([]float64{agentHz}, []float64{callerHz})
		a.hears([]float64{callerHz}, []float64{agentHz})
		h.t.Logf("the caller was without the agent for %s", without(l.since(at), agentHz))
	}
	mark = a.mark()
	a.must("call.hangup", nil)
	l.ended(10 * time.Second)
	a.closes(mark, call)
	if row := h.ended("+8613800138003"); row.ID != call || row.Result != "answered" {
		h.t.Errorf("after two reloads the call's row is %+v", row)
	}
}
