package asterisk

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotline/call"
)

var (
	many  = flag.Int("calls", 300, "how many calls the test of leaks makes; 10000 takes a few minutes")
	atOne = flag.Int("at-a-time", 8, "how many of them go on at a time")
)

// used is what a process holds, and the processor time that it has used.
func used(pid int) (files int, cpu time.Duration, memory string) {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	var user, system int
	if f := strings.Fields(rest); len(f) > 12 {
		_, _ = fmt.Sscan(f[11]+" "+f[12], &user, &system)
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, m, _ := strings.Cut(string(status), "VmRSS:")
	m, _, _ = strings.Cut(m, "\n")
	return len(list), time.Duration(user+system) * 10 * time.Millisecond, strings.TrimSpace(m)
}

// After many calls, ended from either side, nothing is left: no leg, port or goroutine of ours, no channel, bridge or socket of Asterisk.
func TestNothingIsLeftAfterManyCalls(t *testing.T) {
	p := newPlant(t, freeUDP(t))
	r := p.newRig(t)
	b := newRobot(t, r)
	var refused atomic.Int64
	var came sync.Map // legs by the caller's number
	go func() {
		for l := range r.legs {
			ch, _ := came.LoadOrStore(l.Info().Caller.Number, make(chan *caught, 1))
			ch.(chan *caught) <- l
		}
	}()
	t.Cleanup(func() { close(r.legs) })
	one := func(i int) {
		c := b.invites("4000")
		mine, _ := came.LoadOrStore(c.from, make(chan *caught, 1))
		var l *caught
		select {
		case l = <-mine.(chan *caught):
		case <-c.gone:
			refused.Add(1)
			return
		case <-time.After(20 * time.Second):
			t.Error("a call did not come in")
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := l.Answer(ctx); err != nil && err != call.ErrGone {
			t.Errorf("Answer: %v", err)
		}
		if i%2 == 0 {
			if err := l.Hangup(ctx, call.CauseNormal); err != nil {
				t.Errorf("Hangup: %v", err)
			}
		} else {
			_ = c.Answered(ctx)
			c.Hangup()
		}
		for e := (call.Event{}); e.Kind != call.Ended; {
			var err error
			if e, err = l.box.Next(ctx); err != nil {
				t.Errorf("no end: %v", err)
				return
			}
		}
	}
	run := func(n int) {
		var wg sync.WaitGroup
		var next atomic.Int64
		for range *atOne {
			wg.Go(func() {
				for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
					one(i)
				}
			})
		}
		wg.Wait()
		r.gone()
	}
	run(50) // what is made once is not counted
	goroutines := runtime.NumGoroutine()
	files, before, memory := used(p.a.PID)
	began := time.Now()
	run(*many)
	took := time.Since(began)
	filesNow, after, memoryNow := used(p.a.PID)
	t.Logf("%d calls in %v: %.0f a second, %.0f refused; Asterisk used %.2f ms a call, files %d → %d, memory %s → %s; goroutines %d → %d", *many, took.Round(time.Millisecond),
		float64(*many)/took.Seconds(), float64(refused.Load()), float64((after-before).Microseconds())/1000/float64(*many), files, filesNow, memory, memoryNow, goroutines,
		runtime.NumGoroutine())
	if filesNow > files+*atOne {
		t.Errorf("Asterisk has %d files open, before the calls it had %d", filesNow, files)
	}
	r.until("goroutines are as before", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
	if s := r.eng.Stats(); s.Streams != 0 || s.SharedStreams != 0 {
		t.Errorf("%+v", s)
	}
}
