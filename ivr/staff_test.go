package ivr

import (
	"context"
	"sync"
	"time"

	"hotline"
	"hotline/acd"
	"hotline/acd/roster"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

// staff are the agents of a house: their browsers, what they are shown, and the telephones that are called.
type staff struct {
	*house
	shown chan acd.Offer
	rung  chan *calltest.Leg

	mu    sync.Mutex
	views []call.TalkView
	moved chan struct{} // capacity 1
}

func newStaff() *staff {
	return &staff{shown: make(chan acd.Offer, 100), rung: make(chan *calltest.Leg, 10), moved: make(chan struct{}, 1)}
}

// Expect implements acd.Popper.
func (s *staff) Expect(acd.Offer) {}

// Offer implements acd.Popper.
func (s *staff) Offer(_ context.Context, o acd.Offer) error {
	s.shown <- o
	return nil
}

// Withdraw implements acd.Popper.
func (s *staff) Withdraw(string, string, acd.Gone) {}

// callers lets the line ask the exchange, which is made after it.
type callers struct{ h *house }

func (c callers) Callback(ctx context.Context, d acd.CallbackDial) error {
	return c.h.exchange.Callback(ctx, d)
}

// Dial implements call.Dialer: every number but "+8610000" has a telephone.
func (s *staff) Dial(_ context.Context, d call.Dial) (call.Leg, error) {
	if d.To == "+8610000" {
		return nil, hotline.Errorf(hotline.Denied, "dial.not_allowed", "nobody calls there")
	}
	l := calltest.NewLeg(s.t, s.engine, call.Info{LegID: d.LegID, CallID: d.CallID, Direction: call.Outbound, Edge: s.edge(), ForeignID: hotline.NewID()})
	l.Attach(d.Mailbox)
	s.rung <- l
	return l, nil
}

// edge carries what is dialled: the one that keeps calls, if there is one.
func (s *staff) edge() string {
	if s.kept != nil {
		return "kept"
	}
	return ""
}

func (s *staff) observe(v call.TalkView) {
	s.mu.Lock()
	s.views = append(s.views, v)
	s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

const patience = 20 * time.Second

// hire makes an agent of some queues, with a browser that gives a tone.
func (h *house) hire(name string, tone float64, queues ...string) *calltest.Browser {
	h.t.Helper()
	if h.exchange.cfg.Dialer == nil {
		h.exchange.cfg.Dialer = h.staff
	}
	id := hotline.NewID()
	if _, err := h.pool.Exec(h.t.Context(), `insert into account (id, login, name, password_hash, role) values ($1, $2, $2, '', 'agent')`, id, name); err != nil {
		h.t.Fatal(err)
	}
	for _, q := range queues {
		if _, ok := h.queues.Lookup(q); !ok {
			if _, err := h.queues.Create(h.t.Context(), acd.Queue{Name: q, Settings: acd.DefaultSettings()}); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	if _, err := h.agents.Roster().PutAgent(h.t.Context(), roster.Agent{ID: id, Queues: queues}); err != nil {
		h.t.Fatal(err)
	}
	b := calltest.NewBrowser(h.t, h.engine, id)
	b.Phone.Hum(tone)
	return b
}

// ready lets an agent take calls.
func (h *house) ready(b *calltest.Browser) {
	h.t.Helper()
	_, err := h.agents.Arrive(h.t.Context(), b.Seat.Agent, "tab")
	if err == nil {
		err = h.agents.Media(h.t.Context(), b.Seat.Agent, "tab", true)
	}
	if err == nil {
		_, err = h.agents.Ready(h.t.Context(), b.Seat.Agent)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// rings waits until an agent is rung.
func (h *house) rings(b *calltest.Browser) acd.Offer {
	h.t.Helper()
	select {
	case o := <-h.staff.shown:
		if o.Agent != b.Seat.Agent {
			h.t.Fatalf("the wrong agent is rung: %+v", o)
		}
		return o
	case <-time.After(patience):
		h.t.Fatal("nobody is rung")
		return acd.Offer{}
	}
}

// answers waits until an agent is rung, and answers.
func (h *house) answers(b *calltest.Browser) acd.Offer {
	h.t.Helper()
	o := h.rings(b)
	if err := h.agents.Answer(h.t.Context(), o.ID, b.Seat); err != nil {
		h.t.Fatal(err)
	}
	return o
}

// state waits until an agent is in a state.
func (h *house) state(b *calltest.Browser, want acd.State) acd.Agent {
	h.t.Helper()
	sub := h.agents.Changes()
	defer sub.Close()
	limit := time.After(patience)
	for {
		a, _ := h.agents.Get(b.Seat.Agent)
		if a.State == want {
			return a
		}
		select {
		case <-sub.C():
		case <-limit:
			h.t.Fatalf("the agent is never %s but %s", want, a.State)
		}
	}
}

// view waits until a conversation looks so.
func (h *house) view(callID, what string, fits func(call.TalkView) bool) call.TalkView {
	h.t.Helper()
	limit := time.After(patience)
	for {
		h.staff.mu.Lock()
		for i := len(h.staff.views) - 1; i >= 0; i-- {
			if v := h.staff.views[i]; v.CallID == callID {
				if fits(v) {
					h.staff.mu.Unlock()
					return v
				}
				break
			}
		}
		h.staff.mu.Unlock()
		select {
		case <-h.staff.moved:
		case <-limit:
			h.t.Fatalf("the conversation is never %s: %+v", what, h.staff.views)
		}
	}
}

func (h *house) talks(callID string, b *calltest.Browser) {
	h.t.Helper()
	h.view(callID, "held with the agent", func(v call.TalkView) bool {
		return v.Agent == b.Seat.Agent && v.Ended == nil && v.Phase == call.TalkTalking
	})
}

// do runs an operation in a call that talks.
func (h *house) do(callID string, f func(*call.Talk) error) {
	h.t.Helper()
	c, ok := h.board.Call(callID)
	if !ok {
		h.t.Fatal("the call is over")
	}
	if err := c.Do(h.t.Context(), f); err != nil {
		h.t.Fatal(err)
	}
}

// tunes checks what somebody hears.
func (h *house) tunes(who string, p *calltest.Phone, on float64, off ...float64) {
	h.t.Helper()
	if !p.Tunes(patience, []float64{on}, off) {
		pcm := p.Heard()
		last := pcm[max(0, len(pcm)-800):]
		h.t.Errorf("%s does not hear %.0f Hz alone: %f %f", who, on, media.Goertzel(last, media.SampleRate, on), media.Level(last))
	}
}
