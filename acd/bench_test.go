package acd

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/acd/roster"
	"hotline/postgres/pgtest"
)

// BenchmarkJoinToPop is the time from joining the line to the pop when agents are free, and from going ready to the pop when callers
// wait, with a hundred agents.
func BenchmarkJoinToPop(b *testing.B) {
	a, l, d := busyFloor(b, 100)
	ctx := b.Context()
	var pops []time.Duration
	for b.Loop() {
		began := time.Now()
		p, err := l.Join(ctx, Waiter{CallID: hotline.NewID(), Queue: "q", Caller: "+8613800138000"})
		if err != nil {
			b.Fatal(err)
		}
		o := <-d.shown
		pops = append(pops, time.Since(began))
		if err := a.Answer(ctx, o.ID, seat(o.Agent)); err != nil {
			b.Fatal(err)
		}
		p.Take()
		p.Leave(LeftAnswered)
		if err := a.Ended(ctx, o.Agent, o.CallID); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(pops)
	b.ReportMetric(float64(pops[len(pops)/2].Microseconds())/1000, "pop-p50-ms")
	b.ReportMetric(float64(pops[len(pops)*99/100].Microseconds())/1000, "pop-p99-ms")
}

// busyFloor is n agents who are ready.
func busyFloor(b *testing.B, agents int) (*Agents, *Line, *desks) {
	b.Helper()
	pool := pgtest.New(b)
	ctx := b.Context()
	queues, err := OpenQueues(ctx, pool, quiet())
	if err != nil {
		b.Fatal(err)
	}
	s := DefaultSettings()
	s.Wrap.Mode = WrapNone
	if _, err := queues.Create(ctx, Queue{Name: "q", Settings: s}); err != nil {
		b.Fatal(err)
	}
	r, err := roster.Open(ctx, pool, quiet(), nil)
	if err != nil {
		b.Fatal(err)
	}
	var ids []string
	for range agents {
		id := hotline.NewID()
		ids = append(ids, id)
		if _, err := pool.Exec(ctx, `insert into account (id, login, name, password_hash, role) values ($1, $2, $2, '', 'agent')`, id, id); err != nil {
			b.Fatal(err)
		}
		if _, err := r.PutAgent(ctx, roster.Agent{ID: id, Queues: []string{"q"}}); err != nil {
			b.Fatal(err)
		}
	}
	d := &desks{shown: make(chan Offer, 1000), broken: map[string]bool{}}
	a, err := OpenAgents(ctx, AgentsConfig{Pool: pool, Queues: queues, Node: "n", Popper: d, Log: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	l := NewLine(LineConfig{Queues: queues, Agents: a, Pool: pool, Log: quiet()})
	running, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.Run(running) })
	wg.Go(func() { l.Run(running) })
	b.Cleanup(func() { stop(); wg.Wait() })
	for _, id := range ids {
		if _, err := a.Arrive(ctx, id, "tab"); err != nil {
			b.Fatal(err)
		}
		if err := a.Media(ctx, id, "tab", true); err != nil {
			b.Fatal(err)
		}
		if _, err := a.Ready(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
	return a, l, d
}
