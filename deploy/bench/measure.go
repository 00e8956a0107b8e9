package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"hotline/deploy/bench/load"
	"hotline/deploy/bench/seed"
	"hotline/media"
	"hotline/postgres"
)

//go:embed flow.yaml
var benchFlow string

// number is what the generator dials: a flow that answers with a tone and obeys one digit.
const number = "4900"

// part is some figures that are taken together.
type part struct {
	name string
	run  func() error
}

// measure takes the figures of the parts that are asked for; the others are taken when one fails.
func measure(only string, parts ...part) (failed error) {
	for _, step := range parts {
		if !strings.Contains(step.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s …\n", step.name)
		if err := step.run(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", step.name, err))
		}
	}
	return failed
}

// measureAll takes every figure.
func measureAll(ctx context.Context, r *run, binary string, tickets int, only string) error {
	failed := measure(only,
		part{"calls to browsers", func() error { return reportBridge(ctx, r) }},
		part{"beside Asterisk", func() error { return reportBeside(ctx, r, binary) }},
	)
	if only != "" && (strings.Contains("calls to browsers", only) || strings.Contains("beside Asterisk", only)) {
		return failed
	}
	return errors.Join(failed, measureProduct(ctx, r, binary, tickets, only))
}

// measureProduct starts the product and takes its figures.
func measureProduct(ctx context.Context, r *run, binary string, tickets int, only string) error {
	p, err := startProduct(ctx, binary)
	if err != nil {
		return err
	}
	defer p.close()
	if err := prepare(ctx, p); err != nil {
		return err
	}
	p.fresh = p.rss()
	g, err := generator(ctx, p.sip, number)
	if err != nil {
		return err
	}
	peer, addr, err := startPeer(ctx)
	if err != nil {
		return err
	}
	defer peer.stop()
	pg, err := generator(ctx, addr, number)
	if err != nil {
		return err
	}
	return measure(only,
		part{"latency", func() error { return reportLatency(ctx, r, g, pg) }},
		part{"agents at work", func() error { return reportDesks(ctx, r, p) }},
		part{"calls with audio", func() error { return reportCrowd(ctx, r, p, g) }},
		part{"calls a second", func() error { return reportRush(ctx, r, p, g, peer, pg) }},
		part{"lists and search", func() error { return reportLists(ctx, r, p, tickets) }},
	)
}

// prepare gives the product a number whose flow plays a tone until a digit comes, then silence.
func prepare(ctx context.Context, p *product) error {
	for name, wav := range map[string][]byte{"bench-tone": toneWAV(1000, time.Minute), "bench-silence": toneWAV(0, 10*time.Second)} {
		for _, language := range []string{"en", "zh-CN"} {
			path := "/api/v1/prompts/" + name + "/" + language + "/audio"
			if _, err := p.api.do(ctx, "PUT", path, "audio/wav", wav); err != nil {
				return err
			}
		}
	}
	for _, step := range []struct {
		method, path string
		body         any
	}{
		{"PUT", "/api/v1/flows/bench/draft", map[string]any{"source": benchFlow}},
		{"POST", "/api/v1/flows/bench/publish", map[string]any{"comment": "bench"}},
		{"PUT", "/api/v1/numbers/" + number, map[string]any{"title": "bench", "flow": "bench", "language": "en"}},
	} {
		if _, err := p.api.do(ctx, step.method, step.path, "", step.body); err != nil {
			return err
		}
	}
	return nil
}

// tonePCM is a pure tone at 8 kHz; 0 Hz is silence.
func tonePCM(hertz float64, dur time.Duration) []int16 {
	pcm := make([]int16, int(dur.Seconds()*8000))
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hertz*float64(i)/8000))
	}
	return pcm
}

func toneWAV(hertz float64, dur time.Duration) []byte {
	var b bytes.Buffer
	if err := media.WriteWAV(&b, media.WAV{Rate: 8000, Channels: 1, PCM: tonePCM(hertz, dur)}); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// reportLatency takes what one caller waits for on a quiet machine, beside the floor in turns.
func reportLatency(ctx context.Context, r *run, g, peer *load.Generator) error {
	var ours, floors latencies
	for range 5 {
		a := measureLatency(ctx, g, 40, true)
		b := measureLatency(ctx, peer, 40, false)
		ours.answer, ours.prompt, ours.quiet = append(ours.answer, a.answer...), append(ours.prompt, a.prompt...), append(ours.quiet, a.quiet...)
		floors.answer = append(floors.answer, b.answer...)
		ours.failed += a.failed
	}
	if len(ours.quiet) == 0 {
		return fmt.Errorf("no call went through (%d failed)", ours.failed)
	}
	r.beside("invite_to_200_p50_ms", ms(quantile(ours.answer, 0.5)), "ms", floor, ms(quantile(floors.answer, 0.5)))
	r.beside("invite_to_200_p99_ms", ms(quantile(ours.answer, 0.99)), "ms", floor, ms(quantile(floors.answer, 0.99)))
	r.add("invite_to_prompt_p50_ms", ms(quantile(ours.prompt, 0.5)), "ms")
	r.add("invite_to_prompt_p99_ms", ms(quantile(ours.prompt, 0.99)), "ms")
	r.add("digit_to_stop_p50_ms", ms(quantile(ours.quiet, 0.5)), "ms")
	r.add("digit_to_stop_p99_ms", ms(quantile(ours.quiet, 0.99)), "ms")
	r.add("latency_calls_failed", float64(ours.failed), "calls")
	return nil
}

// reportRush raises the rate until calls fail. CPU a call is the process's from the first INVITE until the last call is filed, so the
// rate that it allows a core counts filing too; the peer files nothing. Both take it at one rate, in turns, best of three.
func reportRush(ctx context.Context, r *run, p *product, g *load.Generator, peer *process, pg *load.Generator) error {
	const rate = 500
	ours, floors := math.Inf(1), math.Inf(1)
	for range 3 {
		a, err := fullRush(ctx, p, g, rate, 2*time.Second)
		if err != nil {
			return err
		}
		b := measureRush(ctx, peer, pg, rate, 2*time.Second)
		if a.done == 0 || b.done == 0 {
			return fmt.Errorf("no call of the rush went through (ours %d failed, peer %d)", a.failed, b.failed)
		}
		ours, floors = min(ours, a.cpuPerCall()), min(floors, b.cpuPerCall())
	}
	best, calls, start, peerBest := 0.0, int64(0), time.Now(), 0.0
	for _, rate := range []int{500, 1000, 1500, 2000, 2500, 3000} {
		a := measureRush(ctx, p.process, g, rate, 2*time.Second)
		calls += a.done
		a.report()
		if !a.sustained() {
			break
		}
		best = a.perSecond()
	}
	filed, late := p.api.settle(ctx)
	for _, rate := range []int{1000, 2000, 3000, 4000, 5000, 6000} {
		b := measureRush(ctx, peer, pg, rate, 2*time.Second)
		if !b.sustained() {
			break
		}
		floors, peerBest = min(floors, b.cpuPerCall()), b.perSecond()
	}
	r.beside("cpu_us_per_ivr_call", ours, "µs, filing included", floor, floors)
	r.beside("answered_calls_per_s", best, "calls/s, generator on the same cores", floor, peerBest)
	r.beside("answered_calls_per_s_core", 1e6/ours, "calls/s a core, by CPU used", floor, 1e6/floors)
	if late != nil {
		return late
	}
	r.add("filed_calls_per_s", float64(calls)/filed.Sub(start).Seconds(), "calls/s answered, ended and filed as tickets")
	return nil
}

// fullRush is a rush whose calls are all filed in the end.
func fullRush(ctx context.Context, p *product, g *load.Generator, rate int, dur time.Duration) (rush, error) {
	cpu, start := p.cpu(), time.Now()
	a := measureRush(ctx, p.process, g, rate, dur)
	end, err := p.api.settle(ctx)
	a.report()
	fmt.Fprintf(os.Stderr, "bench:   … of which filed %.0f/s, %.0f µs of CPU each with filing\n",
		float64(a.done)/end.Sub(start).Seconds(), float64((p.cpu()-cpu).Microseconds())/float64(a.done))
	a.cpu = p.cpu() - cpu
	return a, err
}

// reportCrowd holds more and more calls with audio both ways until packets are lost or late.
func reportCrowd(ctx context.Context, r *run, p *product, g *load.Generator) error {
	plane, err := load.OpenPlane(ctx, runtime.NumCPU())
	if err != nil {
		return err
	}
	g.Plane = plane
	defer func() { g.Plane = nil }()
	var best crowd
	for _, n := range []int{100, 500, 1000, 1500, 2000, 2500, 3000, 4000, 5000} {
		c, err := measureCrowd(ctx, p, g, n, 2*time.Second, 4*time.Second)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "bench:   %d calls: %.2f %% lost, %.2f %% late, %d failed, %.0f %% of a core, generator %.0f %%\n",
			n, 100*c.lost, 100*c.late, c.failed, c.cpu.Seconds()*100, c.generator.Seconds()*100)
		if c.failed > 0 || c.lost > 0.005 || c.late > 0.01 {
			break
		}
		best = c
	}
	if best.calls == 0 {
		return fmt.Errorf("not even 100 calls had clean audio")
	}
	r.add("concurrent_calls_with_audio", float64(best.calls), "calls, generator on the same cores")
	r.add("cpu_percent_per_100_calls_with_audio", best.cpu.Seconds()*100/float64(best.calls)*100, "% of a core")
	r.add("audio_calls_per_core", float64(best.calls)/best.cpu.Seconds(), "calls, by CPU used")
	r.add("rss_kb_per_call", (best.rss-p.fresh)/float64(best.calls), "kB, with what the parts before have left")
	r.add("rss_mb_at_peak", best.rss/1024, "MB")
	r.add("cores", float64(runtime.NumCPU()), "")
	return nil
}

// reportLists fills the database and takes list and search through the API.
func reportLists(ctx context.Context, r *run, p *product, tickets int) error {
	if tickets == 0 {
		return nil
	}
	server, err := postgres.Attach(ctx, postgres.Config{DataDir: p.dir})
	if err != nil {
		return err
	}
	defer server.Close()
	pool, err := postgres.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	defer pool.Close()
	start := time.Now()
	if err := seed.Seed(ctx, pool, tickets, 2*tickets); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "bench:   %d tickets seeded in %.0f s\n", tickets, time.Since(start).Seconds())
	for _, f := range []struct {
		name  string
		paths []string
	}{
		{"list_1m_p95_ms", []string{"/api/v1/tickets?limit=50", "/api/v1/tickets?limit=50&state=open", "/api/v1/tickets?limit=50&queue=support&state=new,open"}},
		{"search_2m_word_p95_ms", searches("invoice", "router", "refund order")},
		{"search_2m_zh2_p95_ms", searches("退款", "发票", "宽带")},
	} {
		times, err := timeGets(ctx, p.api, f.paths, 100)
		if err != nil {
			return err
		}
		r.add(f.name, ms(quantile(times, 0.95)), "ms")
	}
	return nil
}

func searches(words ...string) []string {
	var paths []string
	for _, w := range words {
		paths = append(paths, "/api/v1/search?q="+url.QueryEscape(w))
	}
	return paths
}

// timeGets asks each path rounds times and follows the pages of lists.
func timeGets(ctx context.Context, api *client, paths []string, rounds int) ([]time.Duration, error) {
	var times []time.Duration
	for _, path := range paths {
		cursor := ""
		for range rounds {
			start := time.Now()
			raw, err := api.do(ctx, "GET", path+cursor, "", nil)
			if err != nil {
				return nil, err
			}
			times = append(times, time.Since(start))
			var page struct {
				Items []json.RawMessage
				Next  *string
			}
			if err := json.Unmarshal(raw, &page); err != nil {
				return nil, err
			}
			if len(page.Items) == 0 && cursor == "" {
				return nil, fmt.Errorf("%s found nothing", path)
			}
			cursor = ""
			if page.Next != nil {
				cursor = "&cursor=" + url.QueryEscape(*page.Next)
			}
		}
	}
	return times, nil
}
