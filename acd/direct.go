package acd

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"hotline"
)

// direct asks for an agent for a call that waits in no line.
type direct struct {
	answer chan Taken // capacity 1
	no     chan Gone  // capacity 1

	mu   sync.Mutex
	over bool
}

func (d *direct) took(t Taken) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return false
	}
	d.over = true
	d.answer <- t
	return true
}

func (d *direct) refused(_ *ringing, why Gone) {
	select {
	case d.no <- why:
	default:
	}
}

// close says whether nobody has answered; from then on nobody can.
func (d *direct) close() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.over
	d.over = true
	return !was
}

// OfferTo rings one agent for a call that waits in no line: a transfer to them, or a colleague's question. It blocks until the agent
// has answered; when ctx ends, the offer is taken back. The error is of kind Unavailable, with the code agent.no_answer,
// agent.declined, agent.busy or agent.away, when the agent does not answer; NotFound when there is no such agent.
func (l *Line) OfferTo(ctx context.Context, callID, agent string, kind Kind, queue, from string) (Taken, error) {
	a := l.cfg.Agents
	if a == nil {
		return Taken{}, unknownAgent(agent)
	}
	g, ok := a.Get(agent)
	switch {
	case !ok:
		return Taken{}, unknownAgent(agent)
	case g.busy():
		return Taken{}, hotline.Errorf(hotline.Unavailable, "agent.busy", "%s is in another call", g.Name)
	case !g.free(a.cfg.Node):
		return Taken{}, hotline.Errorf(hotline.Unavailable, "agent.away", "%s takes no calls now", g.Name)
	}
	return l.direct(ctx, g, Offer{
		Kind: kind, CallID: callID, Queue: queue, From: from, RingFor: seconds(a.offering(queue).RingS), At: time.Now(),
	})
}

// direct rings one agent.
func (l *Line) direct(ctx context.Context, g Agent, o Offer) (Taken, error) {
	a := l.cfg.Agents
	d := &direct{answer: make(chan Taken, 1), no: make(chan Gone, 1)}
	r := &round{id: hotline.NewID(), asker: d}
	n, err := a.ring(ctx, r, o, []string{g.ID})
	if err != nil {
		return Taken{}, err
	}
	if n == 0 {
		return Taken{}, hotline.Errorf(hotline.Unavailable, "agent.busy", "%s is in another call", g.Name)
	}
	select {
	case t := <-d.answer:
		return t, nil
	case why := <-d.no:
		return Taken{}, notTaken(g, why)
	case <-ctx.Done():
	}
	if !d.close() { // it was answered as ctx ended
		t := <-d.answer
		a.withdraw(&ringing{Offer: t.Offer}, GoneCaller)
		a.undo(ctx, t.Offer)
	}
	a.cancel(r, GoneCaller)
	return Taken{}, context.Cause(ctx)
}

func notTaken(g Agent, why Gone) error {
	switch why {
	case GoneTimeout:
		return hotline.Errorf(hotline.Unavailable, "agent.no_answer", "%s does not answer", g.Name)
	case GoneDeclined:
		return hotline.Errorf(hotline.Unavailable, "agent.declined", "%s cannot take the call now", g.Name)
	}
	return hotline.Errorf(hotline.Unavailable, "agent.away", "%s takes no calls now", g.Name)
}

// OfferToQueue rings the agents of a queue for a call that waits in no line, one after the other, the one who is idle longest first,
// as long as there is one who is free: a question to whoever can answer it.
func (l *Line) OfferToQueue(ctx context.Context, callID, queue string, kind Kind, from string) (Taken, error) {
	a := l.cfg.Agents
	asked := map[string]bool{from: true}
	for a != nil && ctx.Err() == nil {
		free := a.free()
		at := slices.IndexFunc(free, func(g Agent) bool { return slices.Contains(g.Queues, queue) && !asked[g.ID] })
		if at < 0 {
			break
		}
		g := free[at]
		asked[g.ID] = true
		t, err := l.direct(ctx, g, Offer{Kind: kind, CallID: callID, Queue: queue, From: from, RingFor: seconds(a.offering(queue).RingS), At: time.Now()})
		var refused *hotline.Error
		if err == nil || !errors.As(err, &refused) || refused.Kind != hotline.Unavailable || refused.Code == "agent.database" {
			return t, err
		}
	}
	if ctx.Err() != nil {
		return Taken{}, context.Cause(ctx)
	}
	return Taken{}, hotline.Errorf(hotline.Unavailable, "agent.away", "nobody of the queue %q is free", queue)
}
