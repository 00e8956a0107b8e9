//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// node is the state of the product's one Asterisk as the API tells it.
type node struct {
	Connected bool   `json:"connected"`
	Calls     int    `json:"calls"`
	Err       string `json:"last_error"`
	Counts    struct {
		Reconnects int `json:"reconnects"`
	} `json:"counts"`
}

func (h *house) node() node {
	h.t.Helper()
	var all page[node]
	h.api("GET", "/api/v1/asterisks", nil, &all)
	if len(all.Items) != 1 {
		h.t.Fatalf("the product tells of %d Asterisks", len(all.Items))
	}
	return all.Items[0]
}

// noticed waits until the product knows that its Asterisk is there, or is not.
func (h *house) noticed(connected bool, limit time.Duration) {
	h.t.Helper()
	begin := time.Now()
	h.eventually(limit, fmt.Sprintf("the product knows that Asterisk is connected: %t", connected), func() bool { return h.node().Connected == connected })
	h.t.Logf("noticed within %s", time.Since(begin).Round(10*time.Millisecond))
}

// TestAsteriskFaults does to Asterisk, and to the way to it, what happens in the field, while calls go on.
func TestAsteriskFaults(t *testing.T) {
	t.Parallel()
	h, p := startOnAsterisk(t)
	a := h.sits("agent", agentHz)
	a.ready()
	for _, fault := range []struct {
		name string
		on   func(*house, *pbx, *browser)
	}{
		{"the socket is cut", socketCut},
		{"the connection is half open", halfOpen},
		{"ARI is slow", ariSlow},
		{"ARI loses answers", ariFails},
		{"Asterisk stands still", standsStill},
		{"Asterisk is killed", asteriskKilled},
	} {
		if !t.Run(fault.name, func(t *testing.T) {
			h := h.in(t)
			fault.on(h, p, a.in(t))
			p.empty(h)
			if calls := h.node().Calls; calls != 0 {
				t.Errorf("the product still holds %d legs", calls)
			}
		}) {
			return
		}
	}
	a.in(t).clean()
}

// talks puts a caller through to the agent.
func (h *house) talks(a *browser, from string) (l *line, call string) {
	h.t.Helper()
	mark := a.mark()
	l = h.queued(from, callerHz)
	call = a.answers(mark)
	l.hears([]float64{agentHz}, nil)
	a.hears([]float64{callerHz}, nil)
	return l, call
}

// ends has the agent hang up, the caller hear it, and the call closed well.
func (h *house) ends(a *browser, l *line, call, from string) {
	h.t.Helper()
	mark := a.mark()
	a.must("call.hangup", nil)
	l.ended(10 * time.Second)
	a.closes(mark, call)
	if row := h.ended(from); row.ID != call || row.Result != "answered" {
		h.t.Errorf("the call's row is %+v", row)
	}
}

// socketCut: all connections with ARI break in mid-call. Nobody hears anything of it, and the call is the same one afterwards.
func socketCut(h *house, p *pbx, a *browser) {
	const from = "+8613800138051"
	l, call := h.talks(a, from)
	before, at := h.node().Counts.Reconnects, l.now()
	p.wire.cut()
	h.eventually(15*time.Second, "the product connects again", func() bool { n := h.node(); return n.Connected && n.Counts.Reconnects > before })
	l.passes(time.Second)
	if gap := without(l.since(at), agentHz); gap > 200*time.Millisecond {
		h.t.Errorf("the caller was without the agent for %s", gap)
	}
	a.hears([]float64{callerHz}, nil)
	h.ends(a, l, call, from)
}

// halfOpen: nothing comes through any more, and nobody says so. It is noticed within ten seconds; the conversation goes on; a caller who
// hangs up meanwhile is gone when the connection is back, and the agent is free.
func halfOpen(h *house, p *pbx, a *browser) {
	const from, waits = "+8613800138052", "+8613800138053"
	l, call := h.talks(a, from)
	w := h.queued(waits, otherHz)
	h.reaches(waits, "queued")
	p.wire.set(func(w *wire) { w.frozen = true })
	h.noticed(false, 11*time.Second)
	l.hears([]float64{agentHz}, nil)
	a.hears([]float64{callerHz}, nil)
	w.hangup()
	p.wire.set(func(w *wire) { w.frozen = false; w.drop() })
	h.noticed(true, 15*time.Second)
	if row := h.ended(waits); row.Result == "" || row.Ticket == 0 {
		h.t.Errorf("who hung up meanwhile is filed as %+v", row)
	}
	l.hears([]float64{agentHz}, nil)
	h.ends(a, l, call, from)
}

// ariSlow: each answer and each event comes 150 ms late. Calls take longer and work.
func ariSlow(h *house, p *pbx, a *browser) {
	p.wire.set(func(w *wire) { w.delay = 150 * time.Millisecond })
	defer p.wire.set(func(w *wire) { w.delay = 0 })
	const from = "+8613800138054"
	l, call := h.talks(a, from)
	h.ends(a, l, call, from)
}

// ariFails: of seven requests one is lost with its connection, after Asterisk has had it. Callers may be refused; none is left hanging,
// and afterwards all is well.
func ariFails(h *house, p *pbx, a *browser) {
	p.wire.set(func(w *wire) { w.lose = 7 })
	before := p.wire.losses()
	answered, cut := 0, 0
	for n := range 12 {
		from := fmt.Sprintf("+86138001381%02d", n)
		c, err := h.tryRing("4000", from, otherHz)
		if err != nil {
			continue
		}
		answered++
		over := func() bool {
			select {
			case <-c.call.Ended:
				return true
			default:
				return false
			}
		}
		if !soon(10*time.Second, func() bool { return c.sounding.Load() > 5 || over() }) {
			h.t.Errorf("%s was answered, hears nothing, and is not hung up", from)
		}
		if over() {
			cut++
		}
		c.hangup()
		h.ended(from)
	}
	p.wire.set(func(w *wire) { w.lose = 0 })
	h.t.Logf("of 12 callers %d were answered and %d of those hung up, while %d answers were lost", answered, cut, p.wire.losses()-before)
	if p.wire.losses() == before {
		h.t.Error("no answer was lost")
	}
	const from = "+8613800138055"
	l, call := h.talks(a, from)
	h.ends(a, l, call, from)
}

// standsStill: Asterisk stops in its tracks, audio and all. It is noticed, the agent is told that nothing is heard, and when it goes on,
// so does the call.
func standsStill(h *house, p *pbx, a *browser) {
	const from = "+8613800138056"
	l, call := h.talks(a, from)
	mark := a.mark()
	p.Freeze()
	defer p.Thaw()
	h.noticed(false, 11*time.Second)
	a.after(mark, "quality", 15*time.Second, func(d json.RawMessage) bool { return field(d, "one_way") == "caller" })
	p.Thaw()
	h.noticed(true, 20*time.Second)
	l.hears([]float64{agentHz}, nil)
	a.hears([]float64{callerHz}, nil)
	h.ends(a, l, call, from)
}

// asteriskKilled: Asterisk dies while one talks, one waits and one is in the menu, and is started again. Their calls are closed as lost, with
// somebody to call back; the agent is free, and takes the next call within seconds.
func asteriskKilled(h *house, p *pbx, a *browser) {
	const talks, waits, chooses = "+8613800138057", "+8613800138058", "+8613800138059"
	_, call := h.talks(a, talks)
	h.queued(waits, otherHz)
	h.reaches(waits, "queued")
	h.dials("4000", chooses, otherHz)
	h.reaches(chooses, "menu")
	mark := a.mark()
	p.Kill()
	h.noticed(false, 10*time.Second)
	p.Restart()
	back := time.Now()
	h.noticed(true, 15*time.Second)
	a.after(mark, "call.gone", 15*time.Second, func(d json.RawMessage) bool { return field(d, "id") == call })
	a.closes(mark, call)
	h.t.Logf("the agent was free %s after Asterisk was back", time.Since(back).Round(10*time.Millisecond))
	for _, from := range []string{talks, waits, chooses} {
		_, row := h.filed(from)
		if row.Result != "cut_by_system" || row.EndedAt == nil {
			h.t.Errorf("the row of %s is %+v", from, row)
		}
		if tasks := h.ticket(row.Ticket).Tasks; len(tasks) != 1 || tasks[0].Kind != "callback" || tasks[0].Reason != "cut_by_system" {
			h.t.Errorf("the tasks for %s are %+v", from, tasks)
		}
	}
	const next = "+8613800138060"
	l, call := h.talks(a, next)
	h.ends(a, l, call, next)
	h.t.Logf("the next call was over %s after Asterisk was back", time.Since(back).Round(10*time.Millisecond))
}
