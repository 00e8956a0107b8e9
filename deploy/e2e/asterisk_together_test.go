//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"hotline/sip/caller"
)

// The callers of a party, by whom they are with when the product is killed, and the voices of those outside.
const (
	handed, consults, meets = "+8613800138131", "+8613800138132", "+8613800138133"
	meetsHz                 = 1120.0
	handedToHz, askedHz     = 1380.0, 860.0
	deskHz                  = 720.0
	mobile                  = "+8613900139000"
)

// party is agents and callers with others: all of it at one Asterisk.
type party struct {
	*house
	pbx   *pbx
	a, s  *browser
	phone *caller.Client // outside
	desk  *deskPhone
	lines map[string]*line  // of the callers
	outer map[string]*line  // of those outside, by the caller they are with
	ids   map[string]string // of the calls
}

// TestAsteriskKillTogether kills the product while a caller talks with somebody outside, an agent asks somebody outside, and three hold a
// conference with a desk phone: all of it goes on, whole. Then it is killed once more while an agent is on a call out.
func TestAsteriskKillTogether(t *testing.T) {
	t.Parallel()
	h, p := startOnAsterisk(t)
	x := gathers(h, p)
	a, s, at, as := x.a, x.s, x.a.mark(), x.s.mark()
	h.kill()
	h.start()
	x.lines[handed].hears([]float64{handedToHz}, []float64{agentHz, supervisorHz})
	x.outer[handed].hears([]float64{callerHz}, nil)
	a.up(at)
	a.phase(at, "consulting")
	a.hears([]float64{askedHz}, []float64{otherHz})
	x.outer[consults].hears([]float64{agentHz}, []float64{otherHz})
	x.lines[consults].hearsMusic(agentHz, askedHz)
	s.phase(as, "conference")
	s.hears([]float64{meetsHz, deskHz}, []float64{supervisorHz})
	x.lines[meets].among([]float64{supervisorHz, deskHz}, agentHz)
	x.shown()
	x.part()
	for from, result := range map[string]string{handed: "transferred", consults: "transferred", meets: "answered"} {
		h.wentOn(from, x.ids[from], result)
	}
	x.dialsThrough()
	a.clean()
	s.clean()
	p.empty(h)
	if n := h.metric("hotline_calls"); n != 0 {
		t.Errorf("%v calls are up", n)
	}
}

// gathers brings everybody together.
func gathers(h *house, p *pbx) *party {
	h.t.Helper()
	x := &party{house: h, pbx: p, a: h.sits("agent", agentHz), s: h.sits("supervisor", supervisorHz), lines: map[string]*line{}, outer: map[string]*line{}, ids: map[string]string{}}
	x.phone = telephone(h.t, caller.Config{Wait: true, IP: p.outside.Addr(), Port: p.outside.Port()})
	h.routesToDesks()
	x.desk = p.desk(h, deskPhones[0], deskHz)
	x.a.ready()
	x.talks(x.a, handed, callerHz)
	mark := x.a.mark()
	x.outer[handed] = x.takes(handedToHz, func() { x.a.must("call.transfer", number(mobile)) })
	x.lines[handed].hears([]float64{handedToHz}, []float64{agentHz})
	x.a.closes(mark, x.ids[handed])
	x.talks(x.a, consults, otherHz)
	mark = x.a.mark()
	x.outer[consults] = x.takes(askedHz, func() { x.a.must("call.consult", number(mobile)) })
	x.a.asks(mark, "talking")
	x.a.hears([]float64{askedHz}, []float64{otherHz})
	x.s.ready()
	x.talks(x.s, meets, meetsHz)
	mark = x.s.mark()
	h.eventually(10*time.Second, "the route to the desk phones is known", func() bool { return x.s.ask("call.consult", number(deskPhones[0])).OK })
	x.s.asks(mark, "talking")
	x.s.must("call.conference", nil)
	x.lines[meets].among([]float64{supervisorHz, deskHz})
	return x
}

func number(n string) map[string]any {
	return map[string]any{"to": map[string]any{"kind": "number", "value": n}}
}

// talks puts a caller through to an agent.
func (x *party) talks(b *browser, from string, hz float64) {
	x.t.Helper()
	mark := b.mark()
	l := x.queued(from, hz)
	x.lines[from], x.ids[from] = l, b.answers(mark)
	l.hears([]float64{b.hz}, nil)
}

// takes has the telephone outside answer a call that is made meanwhile.
func (x *party) takes(hz float64, dial func()) *line {
	x.t.Helper()
	taken := make(chan *caller.Call, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	go func() {
		c, _ := x.phone.Take(ctx, caller.Taking{})
		taken <- c
	}()
	dial()
	c := <-taken
	if c == nil {
		x.t.Fatal("the telephone outside did not ring")
	}
	return talkOn(x.t, c, hz)
}

// asks waits until a consultation is in a state.
func (b *browser) asks(mark int, state string) {
	b.t.Helper()
	b.after(mark, "call", 20*time.Second, func(d json.RawMessage) bool { return field(d, "consult", "state") == state })
}

// among waits until the line hears several, each as loud as its telephone makes it, and not another.
func (l *line) among(on []float64, off ...float64) {
	l.t.Helper()
	if !soon(15*time.Second, func() bool {
		pcm := l.last(500 * time.Millisecond)
		fits := len(pcm) == 4000
		for _, hz := range on {
			fits = fits && share(pcm, hz) > 0.1
		}
		for _, hz := range off {
			fits = fits && share(pcm, hz) < 0.02
		}
		return fits
	}) {
		l.t.Fatalf("the %.0f Hz line does not hear %v together, or %v as well", l.hz, on, off)
	}
}

// part ends the calls, each in its own way, as nothing had happened.
func (x *party) part() {
	x.t.Helper()
	x.outer[handed].hangup()
	x.lines[handed].ended(10 * time.Second)
	x.a.must("call.swap", nil)
	x.lines[consults].hears([]float64{agentHz}, []float64{askedHz})
	x.a.must("call.conference", nil)
	x.lines[consults].among([]float64{agentHz, askedHz})
	x.outer[consults].among([]float64{agentHz, otherHz})
	at := x.a.mark()
	x.a.must("call.hangup", nil)
	x.lines[consults].hears([]float64{askedHz}, []float64{agentHz})
	x.a.closes(at, x.ids[consults])
	x.outer[consults].hangup()
	x.lines[consults].ended(10 * time.Second)
	as := x.s.mark()
	x.desk.command("hangup", "")
	x.s.phase(as, "talking")
	x.lines[meets].hears([]float64{supervisorHz}, []float64{deskHz})
	x.s.must("call.hangup", nil)
	x.lines[meets].ended(10 * time.Second)
	x.s.closes(as, x.ids[meets])
}

// dialsThrough: an agent's call out goes on after another kill.
func (x *party) dialsThrough() {
	x.t.Helper()
	mark := x.a.mark()
	o := x.takes(otherHz, func() { x.a.must("call.dial", map[string]any{"phone": mobile}) })
	id := field(x.a.phase(mark, "talking").Data, "id")
	o.hears([]float64{agentHz}, nil)
	mark = x.a.mark()
	x.kill()
	x.start()
	x.a.up(mark)
	x.a.phase(mark, "talking")
	o.hears([]float64{agentHz}, nil)
	x.a.hears([]float64{otherHz}, []float64{agentHz})
	mark = x.a.mark()
	o.hangup()
	x.a.closes(mark, id)
	x.wentOn(mobile, id, "answered")
}

// shown checks what the board and the agents' states say a moment after the kill.
func (x *party) shown() {
	x.t.Helper()
	var board struct {
		Agents []struct {
			ID    string `json:"id"`
			State string `json:"state"`
		} `json:"agents"`
		Calls []struct {
			ID     string `json:"id"`
			Phase  string `json:"phase"`
			Number string `json:"number"`
			Agent  *struct {
				ID string `json:"id"`
			} `json:"agent"`
		} `json:"calls"`
	}
	x.api("GET", "/api/v1/board", nil, &board)
	raw, _ := json.Marshal(board)
	x.t.Logf("board: %s", raw)
}
