//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
// conference with a desk phone: all of it goes on, whole. Then once more, with a call out and somebody who is gone when it is back.
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
	x.again()
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

// again kills the product once more: an agent's call out goes on, and an agent who asked somebody that is gone by then is told so, and
// takes the caller back.
func (x *party) again() {
	x.t.Helper()
	const from = "+8613800138134"
	x.talks(x.a, from, callerHz)
	mark := x.a.mark()
	o := x.takes(askedHz, func() { x.a.must("call.consult", number(mobile)) })
	x.a.asks(mark, "talking")
	out, mark := x.dialsOut()
	at := x.a.mark()
	x.kill()
	o.hangup()
	x.start()
	x.a.do("sees", map[string]any{"selector": "text=+86 139 0013 9000 could not be connected again"})
	x.a.up(at)
	x.s.up(mark)
	x.s.phase(mark, "talking")
	out.hears([]float64{supervisorHz}, nil)
	x.s.hears([]float64{handedToHz}, []float64{supervisorHz, callerHz})
	x.a.asks(at, "failed")
	x.lines[from].hearsMusic(agentHz)
	x.a.must("call.consult.cancel", nil)
	x.lines[from].hears([]float64{agentHz}, nil)
	mark = x.s.mark()
	out.hangup()
	x.s.closes(mark, x.ids[mobile])
	x.wentOn(mobile, x.ids[mobile], "answered")
	at = x.a.mark()
	x.lines[from].hangup()
	x.a.closes(at, x.ids[from])
	x.wentOn(from, x.ids[from], "answered")
	x.told(from)
}

// dialsOut has the supervisor call somebody outside.
func (x *party) dialsOut() (out *line, mark int) {
	x.t.Helper()
	mark = x.s.mark()
	out = x.takes(handedToHz, func() { x.s.must("call.dial", map[string]any{"phone": mobile}) })
	x.ids[mobile] = field(x.s.phase(mark, "talking").Data, "id")
	out.hears([]float64{supervisorHz}, nil)
	return out, x.s.mark()
}

// told checks that the ticket says who was lost.
func (x *party) told(from string) {
	x.t.Helper()
	var timeline page[struct {
		Kind string         `json:"kind"`
		Data map[string]any `json:"data"`
	}]
	x.api("GET", fmt.Sprintf("/api/v1/tickets/%d/timeline", x.house.call(x.ids[from]).Ticket), nil, &timeline)
	for _, e := range timeline.Items {
		if e.Kind == "party_lost" && e.Data["number"] == mobile && e.Data["consult"] == true {
			return
		}
	}
	x.t.Errorf("the ticket does not say that %s was lost: %+v", mobile, timeline.Items)
}

// shown checks what the board says a moment after the kill: the agents are in their calls, and the calls are what they were.
func (x *party) shown() {
	x.t.Helper()
	var board struct {
		Agents []struct {
			State string `json:"state"`
			Call  string `json:"call_id"`
		} `json:"agents"`
		Calls []struct {
			ID     string    `json:"id"`
			Phase  string    `json:"phase"`
			Number string    `json:"number"`
			Since  time.Time `json:"since"`
			Agent  *struct {
				Name string `json:"name"`
			} `json:"agent"`
		} `json:"calls"`
	}
	x.api("GET", "/api/v1/board", nil, &board)
	var said []string
	for _, c := range board.Calls {
		who := ""
		if c.Agent != nil {
			who = c.Agent.Name
		}
		said = append(said, strings.Join([]string{c.Phase, who, c.Number}, " "))
	}
	if want := []string{"talking  " + mobile, "consulting Agent " + mobile, "conference Supervisor " + deskPhones[0]}; !slices.Equal(said, want) {
		x.t.Errorf("the board shows %q, want %q", said, want)
	}
	for _, g := range board.Agents {
		if g.State != "talking" || g.Call != x.ids[consults] && g.Call != x.ids[meets] {
			x.t.Errorf("the board shows an agent as %+v", g)
		}
	}
}
