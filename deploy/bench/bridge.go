package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"hotline/deploy/bench/bridge"
)

const (
	phones  = 500 // agents in the browser,
	few     = 100 // of whom so many talk at first,
	bridged = 300 // and then so many: what this machine's other half can speak for
	settle  = 2 * time.Second
	looks   = 5 // at what a process uses, of which the least counts: whatever else the machine does only adds
	lookFor = 3 * time.Second
)

// startSite runs this program as the site of package bridge.
func startSite(ctx context.Context) (*process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, self, "-site")
	cmd.Stderr = os.Stderr
	read, write, err := os.Pipe() // its address comes on a descriptor of its own: spawn keeps its standard output
	if err != nil {
		return nil, "", err
	}
	defer read.Close()
	cmd.ExtraFiles = []*os.File{write}
	p, err := spawn(ctx, cmd, "listening")
	write.Close()
	if err != nil {
		return nil, "", err
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	return p, strings.TrimSpace(strings.TrimPrefix(line, "listening ")), err
}

// serveSite is the other side of startSite.
func serveSite(ctx context.Context) error {
	told := os.NewFile(3, "address")
	fmt.Println("listening")
	return bridge.Serve(ctx, told)
}

// reportBridge takes the figures of agents in the browser: memory of a telephone that waits, and CPU and delay of calls to them.
func reportBridge(ctx context.Context, r *run) error {
	p, addr, err := startSite(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	crowd := bridge.NewCrowd(addr)
	defer crowd.Close()
	if err := crowd.Connect(ctx, 20); err != nil { // what is made once is not a telephone's
		return err
	}
	if err := crowd.Tidy(ctx); err != nil {
		return err
	}
	before := p.rss()
	if err := crowd.Connect(ctx, phones-20); err != nil {
		return err
	}
	if err := crowd.Tidy(ctx); err != nil {
		return err
	}
	r.add("rss_kb_per_softphone", (p.rss()-before)/(phones-20), "kB")
	idle := cpuLeast(p)
	r.add("cpu_us_per_idle_softphone", idle*1e6/phones, "µs/s")
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // the generator's own garbage would be everybody's delay
	var used []float64                                 // without the telephones that wait
	var heard bridge.Heard
	up := 0
	for _, calls := range []int{few, bridged} {
		if err := crowd.Ring(ctx, calls-up); err != nil {
			return err
		}
		up = calls
		if heard, err = crowd.Talk(ctx, func() { <-time.After(settle) }, func() {
			used = append(used, cpuLeast(p)-idle*float64(phones-calls)/phones)
		}); err != nil {
			return err
		}
	}
	// A core is full when what is there in any case and what each call adds make a whole: the clocks and the poller cost something
	// however few talk, and packets are sent more at a time the more there are.
	each := (used[1] - used[0]) / (bridged - few)
	r.add("bridged_calls_per_core", (1-(used[0]-few*each))/each, "calls")
	r.add("cpu_us_per_more_bridged_call", each*1e6, "µs/s")
	r.add("cpu_us_per_bridged_call", used[1]/bridged*1e6, "µs/s")
	r.add("added_delay_p50_ms", ms(quantile(heard.Delays, 0.5)), "ms")
	r.add("added_delay_p99_ms", ms(quantile(heard.Delays, 0.99)), "ms")
	r.add("bridged_lost_percent", heard.Lost*100, "%")
	return nil
}

// cpuLeast is the least share of a core that a process uses in several looks.
func cpuLeast(p *process) float64 {
	least := cpuWhile(p, lookFor)
	for range looks - 1 {
		least = min(least, cpuWhile(p, lookFor))
	}
	return least
}

// cpuWhile is the share of a core that a process uses for a while.
func cpuWhile(p *process, d time.Duration) float64 {
	begin, used := time.Now(), p.cpu()
	<-time.After(d)
	return (p.cpu() - used).Seconds() / time.Since(begin).Seconds()
}
