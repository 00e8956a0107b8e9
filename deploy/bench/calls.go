package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hotline/deploy/bench/load"
)

// quantile returns the q-th quantile of the values, which it sorts.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func generator(ctx context.Context, addr, number string) (*load.Generator, error) {
	target, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	g := &load.Generator{Target: target, Number: number}
	return g, g.Listen(ctx)
}

// latencies are what one caller waits for.
type latencies struct {
	answer, prompt, quiet []time.Duration
	failed                int
}

// measureLatency places 20 calls a second and looks at the first answer, the first audio and the barge-in of each.
func measureLatency(ctx context.Context, g *load.Generator, calls int, audio bool) latencies {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all latencies
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range calls {
		<-tick.C
		wg.Go(func() {
			one, err := oneCall(ctx, g, audio)
			mu.Lock()
			defer mu.Unlock()
			all.answer, all.prompt, all.quiet = append(all.answer, one.answer...), append(all.prompt, one.prompt...), append(all.quiet, one.quiet...)
			if err != nil {
				all.failed++
			}
		})
	}
	wg.Wait()
	return all
}

func oneCall(ctx context.Context, g *load.Generator, audio bool) (l latencies, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := g.Call(ctx)
	if err != nil {
		return l, err
	}
	defer c.Hangup(ctx)
	l.answer = append(l.answer, c.Answered.Sub(c.Invited))
	if !audio {
		return l, nil
	}
	c.SendFrame(silence[:]) // a telephone speaks from the answer on, and Asterisk waits for it
	first, err := c.Sound(time.Now().Add(2 * time.Second))
	if err != nil {
		return l, err
	}
	l.prompt = append(l.prompt, first.Sub(c.Invited))
	for range 5 { // the caller's stream is known before the digit comes
		c.SendFrame(silence[:])
		if _, err := c.Sound(time.Now().Add(time.Second)); err != nil {
			return l, err
		}
	}
	pressed, release := c.Press(1)
	defer release()
	quiet, err := c.Quiet(time.Now().Add(2 * time.Second))
	if err != nil {
		return l, fmt.Errorf("the prompt did not stop: %w", err)
	}
	l.quiet = append(l.quiet, quiet.Sub(pressed))
	return l, nil
}

var silence = func() (f [160]byte) {
	for i := range f {
		f[i] = 0xff
	}
	return f
}()

// rush places calls at a fixed rate, each answered and hung up at once.
type rush struct {
	rate         int
	done, failed int64
	elapsed, cpu time.Duration
	answer       []time.Duration
}

func (r rush) cpuPerCall() float64 { return float64(r.cpu.Microseconds()) / float64(r.done) }

func (r rush) perSecond() float64 { return float64(r.done) / r.elapsed.Seconds() }

func (r rush) report() {
	fmt.Fprintf(os.Stderr, "bench:   %d calls/s: %d failed, answered within %.1f ms (p99), %.0f µs of CPU each while they lasted\n",
		r.rate, r.failed, ms(quantile(r.answer, 0.99)), r.cpuPerCall())
}

// sustained tells whether the server kept up: no more than one call in a thousand failed, and none waited noticeably.
func (r rush) sustained() bool {
	return r.failed*1000 <= r.done && quantile(r.answer, 0.99) <= time.Second && r.perSecond() > 0.95*float64(r.rate)
}

func measureRush(ctx context.Context, p interface{ cpu() time.Duration }, g *load.Generator, rate int, dur time.Duration) rush {
	var mu sync.Mutex
	var wg sync.WaitGroup
	r := rush{rate: rate}
	var done, failed atomic.Int64
	cpu, start := p.cpu(), time.Now()
	placed := 0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for time.Since(start) < dur {
		<-tick.C
		for due := int(time.Since(start).Seconds() * float64(rate)); placed < due; placed++ {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
				defer cancel()
				c, err := g.Call(ctx)
				if err == nil {
					mu.Lock()
					r.answer = append(r.answer, c.Answered.Sub(c.Invited))
					mu.Unlock()
					err = c.Hangup(ctx)
				}
				if err != nil {
					failed.Add(1)
					return
				}
				done.Add(1)
			})
		}
	}
	r.elapsed = time.Since(start)
	wg.Wait()
	r.done, r.failed, r.cpu = done.Load(), failed.Load(), p.cpu()-cpu
	return r
}

// crowd holds many calls with audio both ways.
type crowd struct {
	calls      int
	failed     int
	lost, late float64       // share of the packets that should have come
	cpu        time.Duration // of the server, a second
	generator  time.Duration // of this process, a second
	rss        float64       // kB of the whole process
	elapsed    time.Duration // how long it was looked at
}

// server is what crowds call.
type server interface {
	cpu() time.Duration
	rss() float64
	settle(context.Context) error // waits until what came before is done with
}

func measureCrowd(ctx context.Context, p server, g *load.Generator, n int, quiet, dur time.Duration) (crowd, error) {
	c := crowd{calls: n}
	calls := placeCrowd(ctx, g, n)
	c.failed = n - len(calls)
	talking, stop := context.WithCancel(ctx)
	talked := make(chan struct{})
	go func() {
		g.Plane.Talk(talking, calls)
		close(talked)
	}()
	wait(ctx, quiet) // let every stream begin and the journal be filed, if the machine has time for it
	received, late, cpu, own, start := g.Plane.Received.Load(), g.Plane.Late.Load(), p.cpu(), ownCPU(), time.Now()
	wait(ctx, dur)
	elapsed := time.Since(start)
	c.elapsed = elapsed
	c.generator = time.Duration(float64(ownCPU()-own) / elapsed.Seconds())
	got := float64(g.Plane.Received.Load() - received)
	c.cpu, c.rss = time.Duration(float64(p.cpu()-cpu)/elapsed.Seconds()), p.rss()
	expected := float64(len(calls)) * elapsed.Seconds() * 50
	c.lost = max(0, 1-got/expected)
	c.late = float64(g.Plane.Late.Load()-late) / expected
	stop()
	<-talked
	hangAll(ctx, calls)
	return c, p.settle(ctx)
}

func placeCrowd(ctx context.Context, g *load.Generator, n int) []*load.Call {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var calls []*load.Call
	slots := make(chan struct{}, 20)
	for range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			limited, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			if c, err := g.Call(limited); err == nil {
				mu.Lock()
				calls = append(calls, c)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return calls
}

func hangAll(ctx context.Context, calls []*load.Call) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 50)
	for _, c := range calls {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			limited, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			c.Hangup(limited)
		})
	}
	wg.Wait()
}

// wait pauses the measurement; ctx ends it early.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
