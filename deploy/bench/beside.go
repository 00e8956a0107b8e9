package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"time"

	"hotline/deploy/bench/load"
)

//go:embed line.yaml
var lineFlow string

// lineNumber is what callers dial who wait: recorded, with music, and nobody answers.
const lineNumber = "4901"

const (
	besideRounds = 5   // A-B-C-A-B-C…, of which each one's best counts
	besideRate   = 100 // calls a second while CPU a call is taken
	besideCalls  = 100 // at once while CPU of audio is taken
	memoryCalls  = 200 // at once while memory is taken
)

// subject takes the same calls as the others: a product by one of its edges, or the peer.
type subject struct {
	name       string // of its figures; "" for the peer
	product    *product
	asterisk   *asterisk
	menu, line *load.Generator
	fresh      float64 // kB resident before its first call
	held       held    // after its first calls
	rates      []int   // calls/s that are tried
	crowds     []int   // calls at once that are tried
}

// cost is processor time by who used it.
type cost struct{ hotline, database, asterisk time.Duration }

func (c cost) total() time.Duration { return c.hotline + c.database + c.asterisk }

func (c cost) less(d cost) cost {
	return cost{c.hotline - d.hotline, c.database - d.database, c.asterisk - d.asterisk}
}

func (s *subject) cost() (c cost) {
	if s.product != nil {
		c.hotline, c.database = families(s.product.cmd.Process.Pid)
	}
	if s.asterisk != nil {
		c.asterisk = s.asterisk.cpu()
	}
	return c
}

func (s *subject) cpu() time.Duration { return s.cost().total() }

func (s *subject) rss() (kb float64) {
	if s.product != nil {
		kb += s.product.rss()
	}
	if s.asterisk != nil {
		kb += s.asterisk.rss()
	}
	return kb
}

// settle waits until the calls are filed, or the peer has put its channels away.
func (s *subject) settle(ctx context.Context) error {
	if s.asterisk != nil {
		if err := s.asterisk.idle(ctx); err != nil {
			return err
		}
	}
	if s.product == nil {
		return nil
	}
	return s.product.settle(ctx)
}

// figures are what is kept of one subject.
type figures struct {
	latencies
	rush        cost // of a call, the best round
	menu, line  cost // of a call's second
	rate, crowd int
	memory      float64 // kB a call
}

// each lets every subject do something in turns, so many rounds.
func each(subjects []*subject, rounds int, do func(*subject) error) (failed error) {
	for range rounds {
		for _, s := range subjects {
			if err := do(s); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", s.title(), err))
			}
		}
		if failed != nil {
			break
		}
	}
	return failed
}

func (s *subject) title() string {
	if s.name == "" {
		return dialplan
	}
	return s.name
}

// reportBeside puts the same calls to plain Asterisk, to the product on an Asterisk, and to the product's own edge.
func reportBeside(ctx context.Context, r *run, binary string) error {
	subjects, done, err := startSubjects(ctx, binary)
	defer done()
	if err != nil {
		return err
	}
	plane, err := load.OpenPlane(ctx, 2)
	if err != nil {
		return err
	}
	got := map[*subject]*figures{}
	for _, s := range subjects {
		got[s] = &figures{}
	}
	steps := []struct {
		name   string
		rounds int
		do     func(*subject) error
	}{
		{"memory", 1, func(s *subject) error { return s.hold(ctx, plane, got[s]) }},
		{"what is held", 1, func(s *subject) error { return s.warm(ctx) }},
		{"latency", besideRounds, func(s *subject) error { return s.listen(ctx, got[s]) }},
		{"calls", besideRounds, func(s *subject) error { return s.answer(ctx, got[s]) }},
		{"prompts", besideRounds, func(s *subject) error { return s.sound(ctx, plane, s.menu, &got[s].menu) }},
		{"music", besideRounds, func(s *subject) error { return s.sound(ctx, plane, s.line, &got[s].line) }},
		{"rates", 1, func(s *subject) error { return s.climb(ctx, got[s]) }},
		{"crowds", 1, func(s *subject) error { return s.fill(ctx, plane, got[s]) }},
		{"leaks", 1, func(s *subject) error { return s.leak(ctx, r) }},
	}
	var failed error
	for _, step := range steps {
		begin := time.Now()
		failed = errors.Join(failed, each(subjects, step.rounds, step.do))
		fmt.Fprintf(os.Stderr, "bench:   %s: %.0f s\n", step.name, time.Since(begin).Seconds())
	}
	peer := got[subjects[0]]
	peer.tell(r, subjects[0], nil)
	for _, s := range subjects[1:] {
		got[s].tell(r, s, peer)
	}
	return failed
}

// hold takes the memory of a call: the first calls of a fresh process, in its menu.
func (s *subject) hold(ctx context.Context, plane *load.Plane, f *figures) error {
	s.fresh = s.rss()
	c, err := s.crowd(ctx, plane, s.menu, memoryCalls, time.Second, time.Second)
	f.memory = (c.rss - s.fresh) / memoryCalls
	return err
}

// listen takes what a caller waits for.
func (s *subject) listen(ctx context.Context, f *figures) error {
	one := measureLatency(ctx, s.menu, 30, true)
	f.answer, f.prompt, f.quiet = append(f.answer, one.answer...), append(f.prompt, one.prompt...), append(f.quiet, one.quiet...)
	f.failed += one.failed
	return s.settle(ctx)
}

// answer takes the processor time of calls that are answered and hung up, until the last is filed.
func (s *subject) answer(ctx context.Context, f *figures) error {
	before := s.cost()
	one := measureRush(ctx, s, s.menu, besideRate, time.Second)
	if err := s.settle(ctx); err != nil {
		return err
	}
	used := s.cost().less(before)
	f.failed += int(one.failed)
	if one.done == 0 {
		return errors.New("no call went through")
	}
	f.rush = cheaper(f.rush, used.over(float64(one.done)))
	return nil
}

// sound takes the processor time of calls with audio both ways.
func (s *subject) sound(ctx context.Context, plane *load.Plane, g *load.Generator, f *cost) error {
	var used cost
	counted := &during{subject: s, used: &used}
	g.Plane = plane
	defer func() { g.Plane = nil }()
	c, err := measureCrowd(ctx, counted, g, besideCalls, time.Second/2, 1500*time.Millisecond)
	if err == nil && (c.failed > 0 || c.lost > 0.01) {
		err = fmt.Errorf("of %d calls with audio %d failed, %.1f %% of the packets were lost", c.calls, c.failed, 100*c.lost)
	}
	if err == nil {
		*f = cheaper(*f, used.over(besideCalls*c.elapsed.Seconds()))
	}
	return err
}

// during is a subject that notes what is used between the two looks that measureCrowd takes.
type during struct {
	*subject
	begin cost
	used  *cost
}

func (d *during) cpu() time.Duration {
	now := d.cost()
	*d.used = now.less(d.begin)
	d.begin = now
	return now.total()
}

func (c cost) over(n float64) cost {
	part := func(d time.Duration) time.Duration { return time.Duration(float64(d) / n) }
	return cost{part(c.hotline), part(c.database), part(c.asterisk)}
}

func cheaper(a, b cost) cost {
	if a.total() == 0 || b.total() < a.total() {
		return b
	}
	return a
}

// crowd holds n calls.
func (s *subject) crowd(ctx context.Context, plane *load.Plane, g *load.Generator, n int, quiet, dur time.Duration) (crowd, error) {
	g.Plane = plane
	defer func() { g.Plane = nil }()
	c, err := measureCrowd(ctx, s, g, n, quiet, dur)
	fmt.Fprintf(os.Stderr, "bench:   %s, %d calls: %.2f %% lost, %.2f %% late, %d failed, %.0f %% of a core, generator %.0f %%\n",
		s.title(), n, 100*c.lost, 100*c.late, c.failed, c.cpu.Seconds()*100, c.generator.Seconds()*100)
	return c, err
}

// climb raises the rate until calls fail or wait.
func (s *subject) climb(ctx context.Context, f *figures) error {
	for _, rate := range s.rates {
		one := measureRush(ctx, s, s.menu, rate, 2*time.Second)
		fmt.Fprintf(os.Stderr, "bench:   %s:\n", s.title())
		one.report()
		if err := s.settle(ctx); err != nil {
			return err
		}
		if !one.sustained() {
			break
		}
		f.rate = rate
	}
	return nil
}

// fill raises the number of calls with audio until packets are lost or late.
func (s *subject) fill(ctx context.Context, plane *load.Plane, f *figures) error {
	for _, n := range s.crowds {
		c, err := s.crowd(ctx, plane, s.menu, n, time.Second, 2*time.Second)
		if err != nil {
			return err
		}
		if c.failed > 0 || c.lost > 0.005 || c.late > 0.01 {
			break
		}
		f.crowd = n
	}
	return nil
}

// tell adds the figures of a subject, beside those of the peer; the peer's own stand by themselves.
func (f *figures) tell(r *run, s *subject, peer *figures) {
	name := s.name
	if peer == nil {
		name = "dialplan"
	}
	put := func(what, unit string, of func(*figures) float64) {
		switch own := of(f); {
		case own == 0: // it failed
		case peer == nil:
			r.add(name+"_"+what, own, unit)
		case of(peer) == 0:
		default:
			r.beside(name+"_"+what, own, unit, dialplan, of(peer))
		}
	}
	micro := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	put("cpu_us_per_call", "µs, filing included", func(f *figures) float64 { return micro(f.rush.total()) })
	put("cpu_us_per_prompt_s", "µs a call's second of prompt", func(f *figures) float64 { return micro(f.menu.total()) })
	put("cpu_us_per_wait_s", "µs a call's second of music, recorded", func(f *figures) float64 { return micro(f.line.total()) })
	if s.product != nil {
		for _, c := range []struct {
			what string
			cost
		}{{"call", f.rush}, {"prompt_s", f.menu}, {"wait_s", f.line}} {
			r.add(name+"_cpu_us_per_"+c.what+"_hotline", micro(c.hotline), "µs")
			r.add(name+"_cpu_us_per_"+c.what+"_database", micro(c.database), "µs")
			if s.asterisk != nil {
				r.add(name+"_cpu_us_per_"+c.what+"_asterisk", micro(c.cost.asterisk), "µs")
			}
		}
	}
	put("calls_per_s", "calls/s answered and hung up, generator on the same cores", func(f *figures) float64 { return float64(f.rate) })
	put("calls_with_audio", "calls at once, generator on the same cores", func(f *figures) float64 { return float64(f.crowd) })
	put("rss_kb_per_call", "kB", func(f *figures) float64 { return f.memory })
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		put("invite_to_200_"+q.name+"_ms", "ms", func(f *figures) float64 { return ms(quantile(f.answer, q.q)) })
		put("invite_to_prompt_"+q.name+"_ms", "ms", func(f *figures) float64 { return ms(quantile(f.prompt, q.q)) })
		put("digit_to_stop_"+q.name+"_ms", "ms", func(f *figures) float64 { return ms(quantile(f.quiet, q.q)) })
	}
	r.add(name+"_calls_failed", float64(f.failed), "calls")
}
