package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"hotline/deploy/bench/desk"
	"hotline/deploy/bench/load"
)

const (
	desks         = 8
	calmDesks     = 2   // of them handle calls while the others wait: nobody's call waits for a core
	calmCalls     = 252 // each: 504 in all
	rushCalls     = 32  // each, all desks at once: more than two cores can do without waiting
	idleEvery     = 4   // of so many calls one waits for an agent who is not ready yet
	reloadsEach   = 5
	benchPassword = "a long secret of the bench, made up"
)

// deskFlow puts callers into a queue at once.
const deskFlow = `flow: NAME
languages: [en]
language: en
record: never
start: line
fallback: message
nodes:
  line: {kind: queue, queue: NAME, timeout: message}
  message: {kind: voicemail, queue: NAME}
`

// pair is a desk and the caller that only it can answer: a number, a flow and a queue of its own.
type pair struct {
	seat *desk.Seat
	gen  *load.Generator
}

// work is what callers and agents wait for.
type work struct {
	pop, ring, audio, reload []time.Duration
	failed                   error
}

func (w *work) add(other work) {
	w.pop, w.ring = append(w.pop, other.pop...), append(w.ring, other.ring...)
	w.audio, w.reload = append(w.audio, other.audio...), append(w.reload, other.reload...)
	w.failed = errors.Join(w.failed, other.failed)
}

// reportDesks takes the figures of agents at work.
func reportDesks(ctx context.Context, r *run, p *product) error {
	var pairs []pair
	defer func() {
		for _, x := range pairs {
			x.seat.Leave()
		}
	}()
	for n := range desks {
		x, err := staff(ctx, p, n)
		if err != nil {
			return err
		}
		pairs = append(pairs, x)
	}
	calm := atOnce(pairs[:calmDesks], func(x pair) work { return x.work(ctx, calmCalls) })
	rush := atOnce(pairs, func(x pair) work { return x.work(ctx, rushCalls) })
	again := atOnce(pairs, func(x pair) work { return x.reload(ctx) })
	for _, f := range []struct {
		name string
		took []time.Duration
		q    float64
	}{
		{"invite_to_pop_p50_ms", calm.pop, 0.5}, {"invite_to_pop_p99_ms", calm.pop, 0.99},
		{"free_to_ring_p50_ms", calm.ring, 0.5}, {"free_to_ring_p99_ms", calm.ring, 0.99},
		{"answer_to_audio_p50_ms", calm.audio, 0.5}, {"answer_to_audio_p99_ms", calm.audio, 0.99},
		{"invite_to_pop_rush_p99_ms", rush.pop, 0.99}, {"free_to_ring_rush_p99_ms", rush.ring, 0.99}, {"answer_to_audio_rush_p99_ms", rush.audio, 0.99},
		{"reload_gap_p50_ms", again.reload, 0.5}, {"reload_gap_p95_ms", again.reload, 0.95},
	} {
		if len(f.took) > 0 {
			r.add(f.name, ms(quantile(f.took, f.q)), "ms")
		}
	}
	return errors.Join(calm.failed, rush.failed, again.failed)
}

// atOnce lets all pairs work at the same time.
func atOnce(pairs []pair, shift func(pair) work) (all work) {
	var mu sync.Mutex
	var working sync.WaitGroup
	for _, x := range pairs {
		working.Go(func() {
			one := shift(x)
			mu.Lock()
			defer mu.Unlock()
			all.add(one)
		})
	}
	working.Wait()
	return all
}

// staff makes an agent with a queue that nobody else serves, and the number that leads there.
func staff(ctx context.Context, p *product, n int) (pair, error) {
	name, number := fmt.Sprintf("bench-desk-%d", n), fmt.Sprintf("49%02d", 10+n)
	settings := map[string]any{"wrap": map[string]any{"mode": "none"}}
	var account struct {
		ID string `json:"id"`
	}
	for _, step := range []struct {
		method, path string
		body         any
	}{
		{"PUT", "/api/v1/queues/" + name, map[string]any{"title": map[string]string{"en": name, "zh-CN": name}, "settings": settings}},
		{"PUT", "/api/v1/flows/" + name + "/draft", map[string]any{"source": strings.ReplaceAll(deskFlow, "NAME", name)}},
		{"POST", "/api/v1/flows/" + name + "/publish", map[string]any{"comment": "bench"}},
		{"PUT", "/api/v1/numbers/" + number, map[string]any{"title": name, "flow": name, "language": "en"}},
		{"POST", "/api/v1/accounts", map[string]any{"login": name, "password": benchPassword, "role": "agent"}},
	} {
		raw, err := p.api.do(ctx, step.method, step.path, "", step.body)
		if err != nil {
			return pair{}, err
		}
		if err := json.Unmarshal(raw, &account); err != nil && step.path == "/api/v1/accounts" {
			return pair{}, err
		}
	}
	agent := map[string]any{"queues": []string{name}, "skills": map[string]int{}}
	if _, err := p.api.do(ctx, "PUT", "/api/v1/agents/"+account.ID, "", agent); err != nil {
		return pair{}, err
	}
	seat, err := desk.Login(ctx, p.api.base, name, benchPassword)
	if err != nil {
		return pair{}, err
	}
	if err := seat.Sit(ctx); err != nil {
		return pair{}, err
	}
	gen, err := generator(ctx, p.sip, number)
	if err != nil {
		return pair{}, err
	}
	return pair{seat, gen}, seat.Start(ctx)
}

// work handles so many of the pair's calls one after the other.
func (x pair) work(ctx context.Context, calls int) (w work) {
	for n := range calls {
		if err := x.one(ctx, &w, n%idleEvery == idleEvery-1, false); err != nil {
			w.failed = fmt.Errorf("%s, call %d: %w", x.gen.Number, n, err)
			return w
		}
	}
	return w
}

// reload handles calls in the middle of which the page is loaded again. Their other times do not count: eight browsers that connect at
// once are no usual load.
func (x pair) reload(ctx context.Context) (w work) {
	for n := range reloadsEach {
		var one work
		if err := x.one(ctx, &one, false, true); err != nil {
			w.failed = fmt.Errorf("%s, reload %d: %w", x.gen.Number, n, err)
			return w
		}
		w.reload = append(w.reload, one.reload...)
	}
	return w
}

// one is a call: it waits for an agent who is not ready yet, or finds one who is; is answered; perhaps the page is loaded again; and
// the caller hangs up.
func (x pair) one(ctx context.Context, w *work, waits, reloads bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if waits {
		if err := x.seat.Offline(ctx); err != nil {
			return err
		}
	}
	from := x.seat.Tab.Position()
	c, err := x.gen.Call(ctx)
	if err != nil {
		return err
	}
	hangUp := sync.OnceValue(func() error { return c.Hangup(ctx) })
	defer hangUp()
	since := c.Invited
	if waits {
		if _, err := c.Sound(time.Now().Add(5 * time.Second)); err != nil { // music: the caller waits
			return err
		}
		c.RTP.SetReadDeadline(time.Time{})
		since = time.Now()
		if err := x.seat.Ready(ctx); err != nil {
			return err
		}
	}
	offer, at, err := x.seat.Offer(ctx, from)
	if err != nil {
		return err
	}
	if waits {
		w.ring = append(w.ring, at.Sub(since))
	} else {
		w.pop = append(w.pop, at.Sub(since))
	}
	if err := x.talk(ctx, w, c, offer.ID, reloads); err != nil {
		return err
	}
	from = x.seat.Tab.Position()
	if err := hangUp(); err != nil {
		return err
	}
	return x.seat.State(ctx, from, "ready")
}

// talk answers and waits until both hear each other.
func (x pair) talk(ctx context.Context, w *work, c *load.Call, offer string, reload bool) error {
	voice := uint64(time.Now().UnixNano())
	defer desk.Speak(voice, c.SendFrame)()
	ear := desk.NewEar()
	var listening sync.WaitGroup
	listening.Go(func() { listen(c, ear) })
	defer listening.Wait()
	defer c.RTP.SetReadDeadline(time.Now()) // ends the listening
	since := time.Now()
	if err := x.seat.Answer(ctx, offer); err != nil {
		return err
	}
	both := func() (time.Time, error) {
		a, err := ear.First(ctx, x.seat.Voice)
		if err != nil {
			return a, fmt.Errorf("at the caller: %w", err)
		}
		b, err := x.seat.Ear.First(ctx, voice)
		if err != nil {
			return b, fmt.Errorf("at the agent: %w", err)
		}
		if b.After(a) {
			a = b
		}
		return a, nil
	}
	at, err := both()
	if err != nil {
		return err
	}
	w.audio = append(w.audio, at.Sub(since))
	if !reload {
		return nil
	}
	old := x.seat.Voice
	x.seat.Leave()
	if err := x.seat.Sit(ctx); err != nil {
		return err
	}
	if at, err = both(); err != nil {
		return err
	}
	w.reload = append(w.reload, at.Sub(ear.Last(old)))
	return nil
}

// listen is the caller's ear until its reading is ended.
func listen(c *load.Call, ear *desk.Ear) {
	b := make([]byte, 1500)
	for {
		n, _, err := c.RTP.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if n > 12 && b[1]&0x7f == 0 {
			ear.Take(b[12:n], time.Now())
		}
	}
}
