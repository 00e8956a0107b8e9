//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"net/netip"
	"sync"
	"time"

	"hotline/sip/caller"
)

// agentDials: click-to-dial reaches a telephone outside through the trunk, both hear each other; what no route has is refused, and so
// is a role that may not.
func agentDials(h *house, a *browser) {
	phone := telephone(h.t, caller.Config{Wait: true})
	h.trunkTo(phone.Local())
	taken := make(chan *caller.Call, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	go func() {
		c, _ := phone.Take(ctx, caller.Taking{Ring: 300 * time.Millisecond})
		taken <- c
	}()
	mark := a.mark()
	a.must("call.dial", map[string]any{"phone": "+8613900139000"})
	c := <-taken
	if c == nil {
		h.t.Fatal("the telephone outside did not ring")
	}
	l := talkOn(h.t, c, otherHz)
	a.phase(mark, "talking")
	l.hears([]float64{agentHz}, []float64{otherHz})
	a.hears([]float64{otherHz}, []float64{agentHz})
	a.must("call.digits", map[string]any{"digits": "5"})
	mark = a.mark()
	l.hangup()
	gone := a.after(mark, "call.gone", 10*time.Second, nil)
	a.closes(mark, field(gone.Data, "id"))
	row := h.ended("+8613900139000")
	if row.ID != field(gone.Data, "id") || row.Ticket == 0 {
		h.t.Errorf("the call out is filed as %+v", row)
	}
	a.refused("call.dial", map[string]any{"phone": "+12125550100"}, 403, "dial.not_allowed")
	a.refused("call.dial", map[string]any{"phone": "+8613900139000;phone-context=+1900"}, 422, "call.number")
	h.limits(func(l map[string]any) { l["roles"] = []string{"supervisor"} })
	h.eventually(10*time.Second, "the role agent may not dial any more", func() bool {
		got := a.ask("call.dial", map[string]any{"phone": "+8613900139000"})
		return !got.OK && got.Problem.Status == 403
	})
	h.limits(func(l map[string]any) { l["roles"] = []string{"agent", "supervisor", "admin"} })
}

// trunkTo points the demonstration's trunk for calls out at a telephone.
func (h *house) trunkTo(at netip.AddrPort) {
	h.t.Helper()
	var trunks page[map[string]any]
	h.api("GET", "/api/v1/trunks", nil, &trunks)
	for _, t := range trunks.Items {
		if t["name"] == "demo phone" {
			t["settings"].(map[string]any)["port"] = at.Port()
			body := map[string]any{"name": t["name"], "enabled": true, "settings": t["settings"], "version": t["version"]}
			h.api("PUT", "/api/v1/trunks/"+t["id"].(string), body, &t)
			return
		}
	}
	h.t.Fatal("the demonstration has no trunk for calls out")
}

// limits changes what calls out are allowed.
func (h *house) limits(change func(map[string]any)) {
	h.t.Helper()
	var l map[string]any
	h.api("GET", "/api/v1/outbound-limits", nil, &l)
	change(l)
	delete(l, "updated_at")
	h.api("PUT", "/api/v1/outbound-limits", l, &l)
}

// supervises: who listens hears both and is heard by nobody; who whispers is heard by the agent alone; who barges in by both. The
// caller's recording never has the whisper.
func supervises(h *house, a, s *browser) {
	mark := a.mark()
	const from = "+8613800138004"
	l := h.queued(from, callerHz)
	call := a.answers(mark)
	s.up(0)
	s.must("supervise.start", map[string]any{"call_id": call, "mode": "listen"})
	s.hears([]float64{callerHz, agentHz}, []float64{supervisorHz})
	a.hears([]float64{callerHz}, []float64{supervisorHz})
	l.hears([]float64{agentHz}, []float64{supervisorHz})
	s.must("supervise.mode", map[string]any{"mode": "whisper"})
	a.hears([]float64{callerHz, supervisorHz}, nil)
	l.hears([]float64{agentHz}, []float64{supervisorHz})
	s.hears([]float64{callerHz, agentHz}, nil)
	s.must("supervise.stop", nil)
	a.hears([]float64{callerHz}, []float64{supervisorHz})
	mark = a.mark()
	a.must("call.hangup", nil)
	l.ended(10 * time.Second)
	a.closes(mark, call)
	row := h.ended(from)
	h.recorded(row, callerHz, agentHz)
	_, right := h.sound(h.recording(row).ID)
	if heard := bestTone(right, supervisorHz); heard > 0.1 {
		h.t.Errorf("the whisper is on the caller's recording: %.2f", heard)
	}
	a.refused("supervise.start", map[string]any{"call_id": call, "mode": "listen"}, 403, "socket.denied")
}

// twoRace: all are rung, both answer in the same moment, and exactly one has the call; the other is told.
func twoRace(h *house, a, s *browser) {
	h.strategy("ring_all")
	s.ready()
	for range 3 {
		at, as := a.mark(), s.mark()
		l := h.queued("+8613800138005", callerHz)
		offerA, call := a.rung(at)
		offerS, _ := s.rung(as)
		var got [2]answer
		var both sync.WaitGroup
		both.Go(func() { got[0] = a.ask("offer.answer", map[string]any{"offer": offerA}) })
		both.Go(func() { got[1] = s.ask("offer.answer", map[string]any{"offer": offerS}) })
		both.Wait()
		if got[0].OK == got[1].OK {
			h.t.Fatalf("both answered: %+v and %+v", got[0], got[1])
		}
		winner, wins, loser, lost, hz, not := a, at, s, got[1], agentHz, supervisorHz
		if got[1].OK {
			winner, wins, loser, lost, hz, not = s, as, a, got[0], supervisorHz, agentHz
		}
		if lost.Problem.Status != 409 {
			h.t.Errorf("the one who lost was told %+v", lost.Problem)
		}
		l.hears([]float64{hz}, []float64{not})
		winner.hears([]float64{callerHz}, nil)
		loser.hears(nil, []float64{callerHz})
		winner.must("call.hangup", nil)
		l.ended(10 * time.Second)
		winner.closes(wins, call)
	}
	h.strategy("longest_idle")
}

// strategy changes how the support queue offers calls.
func (h *house) strategy(name string) {
	h.t.Helper()
	var q map[string]any
	h.api("GET", "/api/v1/queues/support", nil, &q)
	settings := q["settings"].(map[string]any)
	offering, _ := settings["offering"].(map[string]any)
	if offering == nil {
		offering = map[string]any{}
	}
	offering["strategy"] = name
	settings["offering"] = offering
	h.api("PUT", "/api/v1/queues/support", map[string]any{"title": q["title"], "settings": settings, "version": q["version"]}, &q)
}

// alone has the supervisor stand aside and the agent talk with a caller.
func alone(h *house, a, s *browser, from string) (l *line, call string) {
	h.t.Helper()
	at, as := a.mark(), s.mark()
	s.must("agent.pause", map[string]any{"reason": "meeting"})
	s.state(as, "not_ready")
	l = h.queued(from, callerHz)
	call = a.answers(at)
	l.hears([]float64{agentHz}, nil)
	return l, call
}

// readyAgain lets somebody take calls again, and returns the place in the events from which they are.
func readyAgain(s *browser) (mark int) {
	s.t.Helper()
	mark = s.mark()
	s.must("agent.ready", nil)
	s.state(mark, "ready")
	return mark // what waits is offered in the same instant
}

// agentTransfers: a blind transfer to a colleague; the caller hears the colleague, and the agent nothing more.
func agentTransfers(h *house, a, s *browser) {
	l, call := alone(h, a, s, "+8613800138006")
	as := readyAgain(s)
	at := a.mark()
	a.must("call.transfer", map[string]any{"to": map[string]any{"kind": "agent", "value": h.account("supervisor")}})
	s.answers(as)
	l.hears([]float64{supervisorHz}, []float64{agentHz})
	s.hears([]float64{callerHz}, []float64{agentHz})
	a.hears(nil, []float64{callerHz, supervisorHz})
	a.closes(at, call)
	s.must("call.hangup", nil)
	l.ended(10 * time.Second)
	s.closes(as, call)
}

func (h *house) account(login string) string {
	h.t.Helper()
	var all page[struct {
		ID    string `json:"id"`
		Login string `json:"login"`
	}]
	h.api("GET", "/api/v1/accounts", nil, &all)
	for _, one := range all.Items {
		if one.Login == login {
			return one.ID
		}
	}
	h.t.Fatalf("there is no account %s", login)
	return ""
}

// agentConsults: a question to a colleague that the caller does not hear, a conference of three, and the call handed over.
func agentConsults(h *house, a, s *browser) {
	l, call := alone(h, a, s, "+8613800138007")
	as := readyAgain(s)
	a.must("call.consult", map[string]any{"to": map[string]any{"kind": "agent", "value": h.account("supervisor")}})
	l.hearsMusic(agentHz)
	s.takes(as)
	a.hears([]float64{supervisorHz}, []float64{callerHz})
	s.hears([]float64{agentHz}, []float64{callerHz})
	l.hearsMusic(agentHz, supervisorHz)
	a.must("call.swap", nil)
	l.hears([]float64{agentHz}, []float64{supervisorHz})
	a.must("call.conference", nil)
	l.hears([]float64{agentHz, supervisorHz}, []float64{callerHz})
	a.hears([]float64{callerHz, supervisorHz}, []float64{agentHz})
	s.hears([]float64{callerHz, agentHz}, []float64{supervisorHz})
	at := a.mark()
	a.must("call.hangup", nil)
	l.hears([]float64{supervisorHz}, []float64{agentHz})
	a.closes(at, call)
	as = s.mark()
	s.must("call.hangup", nil)
	l.ended(10 * time.Second)
	s.closes(as, call)
}

// agentIsLost: the page is gone for good in the middle of a call: the caller hears music, then an apology, and the next agent answers.
func agentIsLost(h *house, a, s *browser) {
	l, call := alone(h, a, s, "+8613800138008")
	a.do("leave", nil)
	l.hearsMusic(agentHz)
	as := readyAgain(s)
	s.after(as, "offer", 60*time.Second, func(d json.RawMessage) bool { return field(d, "call_id") == call })
	s.answers(as)
	l.hears([]float64{supervisorHz}, []float64{agentHz})
	s.must("call.hangup", nil)
	l.ended(10 * time.Second)
	s.closes(as, call)
	row := h.ended("+8613800138008")
	if row.Result != "answered" || row.ID != call {
		h.t.Errorf("the call's row is %+v", row)
	}
}
