//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"hotline/sip/caller"
)

// agentCallsBack: who asked for a call-back in the queue is called when an agent has taken it, hears the agent, and the ticket says so.
func agentCallsBack(h *house, a *browser) {
	const from = "+8613900139106"
	phone := telephone(h.t, caller.Config{Wait: true})
	h.trunkTo(phone.Local())
	mark := a.mark()
	a.picks("Meeting")
	a.state(mark, "not_ready")
	l := h.queued(from, callerHz)
	l.passes(3 * time.Second)
	l.press("1") // call me back
	l.passes(5 * time.Second)
	l.press("1") // at this number
	l.ended(30 * time.Second)
	asked := h.ended(from)
	if asked.Result != "callback" {
		h.t.Fatalf("the call ended as %s: %s", asked.Result, asked.path())
	}
	taken := make(chan *caller.Call, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	go func() {
		c, _ := phone.Take(ctx, caller.Taking{Ring: 300 * time.Millisecond})
		taken <- c
	}()
	mark = a.mark()
	a.picks("Ready")
	offer := a.after(mark, "offer", 20*time.Second, nil)
	if field(offer.Data, "kind") != "callback" || field(offer.Data, "pop", "caller", "number") != from {
		h.t.Errorf("the agent is offered %s", offer.Data)
	}
	a.sees(`[data-offer-kind="callback"]`)
	a.do("shot", map[string]any{"name": "callback"})
	a.takes(mark)
	c := <-taken
	if c == nil {
		h.t.Fatal("the customer's telephone did not ring")
	}
	out := talkOn(h.t, c, otherHz)
	a.phase(mark, "talking")
	out.hears([]float64{agentHz}, nil)
	a.hears([]float64{otherHz}, nil)
	mark = a.mark()
	out.hangup()
	gone := a.after(mark, "call.gone", 10*time.Second, nil)
	a.closes(mark, field(gone.Data, "id"))
	h.reached(asked)
}

// reached: the ticket of a call-back says that the customer was reached, and nothing is left to be done.
func (h *house) reached(asked callRow) {
	h.t.Helper()
	h.eventually(15*time.Second, "the ticket says that the customer was reached", func() bool {
		var timeline page[struct {
			Kind string         `json:"kind"`
			Data map[string]any `json:"data"`
		}]
		h.api("GET", fmt.Sprintf("/api/v1/tickets/%d/timeline", asked.Ticket), nil, &timeline)
		for _, e := range timeline.Items {
			if e.Kind == "callback" && e.Data["result"] == "answered" && e.Data["callback_id"] == asked.ID {
				return true
			}
		}
		return false
	})
	for _, task := range h.ticket(asked.Ticket).Tasks {
		if task.State == "open" {
			h.t.Errorf("a task is open after the call-back: %+v", task)
		}
	}
}

// agentDeclines: a call that is declined, with a reason, rings for the next agent, and not again for the one who declined it.
func agentDeclines(h *house, a, s *browser) {
	at, as := a.mark(), s.mark()
	l := h.queued("+8613800138107", callerHz)
	_, call := a.rung(at)
	s.ready() // who has been ready for longer is rung first
	a.sees("[data-decline]")
	a.do("press", map[string]any{"key": "Alt+n"})
	a.click(`[role=menuitem]:has-text("cannot")`)
	a.after(at, "offer.gone", 10*time.Second, func(d json.RawMessage) bool { return field(d, "why") == "declined" })
	a.state(at, "ready")
	_, next := s.rung(as)
	if next != call {
		h.t.Errorf("the next agent is rung for %s, declined was %s", next, call)
	}
	l.passes(3 * time.Second) // both could be rung
	s.answers(as)
	l.hears([]float64{supervisorHz}, []float64{agentHz})
	s.hangsUp(call, l)
	as = s.mark()
	s.must("agent.pause", map[string]any{"reason": "meeting"})
	s.state(as, "not_ready")
	offers := map[string]bool{}
	a.mu.Lock()
	for _, m := range a.seen[at:] {
		if m.Event == "offer" && field(m.Data, "call_id") == call {
			offers[field(m.Data, "id")] = true
		}
	}
	a.mu.Unlock()
	if len(offers) != 1 {
		h.t.Errorf("who declined was offered the call %d times", len(offers))
	}
}

// listensWithout: a supervisor whose browser has no microphone listens all the same. Where the browser holds the sound back the page says
// so, and one click gives it. To speak the microphone is asked for, and barging in is heard by both.
func listensWithout(h *house, a, s *browser) {
	mark := a.mark()
	l := h.queued("+8613800138108", callerHz)
	call := a.answers(mark)
	l.hears([]float64{agentHz}, nil)
	ms := s.mark()
	s.do("anew", map[string]any{"url": "/board#listen"})
	s.after(ms, "supervise", 20*time.Second, nil)
	var shown, playing bool
	h.eventually(10*time.Second, "the page says that the browser holds the sound back", func() bool {
		s.js(`document.querySelector('[data-phone-trouble="autoplay"]') !== null`, &shown)
		return shown
	})
	const plays = `(() => { const a = document.querySelector('[data-softphone-audio]'); return a !== null && !a.paused && a.srcObject?.active === true })()`
	if s.js(plays, &playing); playing {
		h.t.Error("the browser plays before anybody has clicked: the block is not tried")
	}
	s.do("shot", map[string]any{"name": "autoplay"})
	s.click(`[data-trouble-action="autoplay"]`)
	h.eventually(10*time.Second, "one click gives the sound", func() bool { s.js(plays, &playing); return playing })
	s.js("e2eEar.context.resume()", nil)
	s.hears([]float64{callerHz, agentHz}, nil)
	var state string
	if s.js("navigator.permissions.query({ name: 'microphone' }).then((p) => p.state)", &state); state == "granted" {
		h.t.Error("the supervisor has a microphone")
	}
	s.click(`[data-supervise] [data-mode="barge"]`)
	s.sees(`[data-phone-trouble="mic-blocked"]`)
	s.hears([]float64{callerHz, agentHz}, nil) // refused, and listening on
	s.do("permit", map[string]any{"permissions": []string{"microphone", "notifications"}})
	s.sees(`[data-supervise] [data-mode="barge"]`)
	s.js("e2eEar?.context.resume()", nil)
	s.click(`[data-supervise] [data-mode="barge"]`)
	l.hears([]float64{agentHz, otherHz}, nil)
	a.hears([]float64{callerHz, otherHz}, nil)
	s.js("e2eEar.context.resume()", nil)
	s.hears([]float64{callerHz, agentHz}, nil)
	s.click("[data-stop]")
	l.hears([]float64{agentHz}, []float64{otherHz})
	a.hangsUp(call, l)
}

// endsOutside: a caller whom the agent has sent to a number outside is a call in progress on the board, with that number, and a supervisor
// ends it there.
func endsOutside(h *house, a, s *browser) {
	phone := telephone(h.t, caller.Config{Wait: true})
	h.trunkTo(phone.Local())
	mark := a.mark()
	l := h.queued("+8613800138109", callerHz)
	call := a.answers(mark)
	l.hears([]float64{agentHz}, nil)
	taken := make(chan *caller.Call, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	go func() {
		c, _ := phone.Take(ctx, caller.Taking{Ring: 300 * time.Millisecond})
		taken <- c
	}()
	a.must("call.transfer", map[string]any{"to": map[string]any{"kind": "number", "value": "+8613900139109"}})
	c := <-taken
	if c == nil {
		h.t.Fatal("the telephone outside did not ring")
	}
	out := talkOn(h.t, c, otherHz)
	l.hears([]float64{otherHz}, []float64{agentHz})
	a.closes(mark, call)
	s.sees(`[data-outside="+8613900139109"]`)
	s.do("shot", map[string]any{"name": "outside"})
	s.click("[data-end-call]")
	s.click(`[role=dialog] button:has-text("End the call"), [role=alertdialog] button:has-text("End the call")`)
	l.ended(10 * time.Second)
	out.ended(10 * time.Second)
	var trail page[struct {
		Action  string `json:"action"`
		Subject string `json:"subject"`
	}]
	h.api("GET", "/api/v1/audit?limit=50", nil, &trail)
	for _, e := range trail.Items {
		if e.Action == "call.end" && e.Subject == "call:"+call {
			return
		}
	}
	h.t.Errorf("the audit does not say who ended the call: %+v", trail.Items)
}
