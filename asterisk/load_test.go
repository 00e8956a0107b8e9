package asterisk

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotline/call"
	"hotline/trunks/siptest"
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

// crowd calls us, from a number of its own each time, and is answered; every other call is hung up by us.
type crowd struct {
	*rig
	b       *siptest.Robot
	came    sync.Map // chan *caught, by the caller's number
	refused atomic.Int64
	mu      sync.Mutex
	took    []time.Duration // from the INVITE to our 200 and connected audio
}

func (c *crowd) place(number string) chan *caught {
	ch, _ := c.came.LoadOrStore(number, make(chan *caught, 1))
	return ch.(chan *caught)
}

// usher brings each leg to who waits for it.
func (c *crowd) usher() {
	for l := range c.legs {
		c.place(l.Info().Caller.Number) <- l
	}
}

func (c *crowd) one(i int) {
	began := time.Now()
	phone := c.b.Invite("4000")
	var l *caught
	select {
	case l = <-c.place(phone.Number):
	case <-phone.Over():
		c.refused.Add(1)
		return
	case <-time.After(20 * time.Second):
		c.t.Error("a call did not come in")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := l.Answer(ctx); err != nil && err != call.ErrGone {
		c.t.Errorf("Answer: %v", err)
	}
	c.mu.Lock()
	c.took = append(c.took, time.Since(began))
	c.mu.Unlock()
	if i%2 == 0 {
		if err := l.Hangup(ctx, call.CauseNormal); err != nil {
			c.t.Errorf("Hangup: %v", err)
		}
	} else {
		_ = phone.Answered(ctx)
		phone.Hangup()
	}
	for e := (call.Event{}); e.Kind != call.Ended; {
		var err error
		if e, err = l.box.Next(ctx); err != nil {
			c.t.Errorf("no end: %v", err)
			return
		}
	}
}

func (c *crowd) run(n int) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range *atOne {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				c.one(i)
			}
		})
	}
	wg.Wait()
	c.gone()
}

// After many calls, ended from either side, nothing is left: no leg, port or goroutine of ours, no channel, bridge or socket of Asterisk.
func TestNothingIsLeftAfterManyCalls(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	c := &crowd{rig: r, b: newRobot(t, r)}
	go c.usher()
	t.Cleanup(func() { close(r.legs) })
	c.run(50) // what is made once is not counted
	goroutines := runtime.NumGoroutine()
	files, before, memory := used(p.a.PID)
	began := time.Now()
	c.run(*many)
	took := time.Since(began)
	slices.Sort(c.took)
	filesNow, after, memoryNow := used(p.a.PID)
	t.Logf("%d calls in %v: %.0f a second, %d refused, answered after %v (median) and %v (p99); Asterisk used %.2f ms a call, files %d → %d, memory %s → %s; goroutines %d → %d", *many,
		took.Round(time.Millisecond), float64(*many)/took.Seconds(), c.refused.Load(), c.took[len(c.took)/2].Round(time.Millisecond/10),
		c.took[len(c.took)*99/100].Round(time.Millisecond/10), float64((after-before).Microseconds())/1000/float64(*many), files, filesNow,
		memory, memoryNow, goroutines, runtime.NumGoroutine())
	if filesNow > files+*atOne {
		t.Errorf("Asterisk has %d files open, before the calls it had %d", filesNow, files)
	}
	r.until("goroutines are as before", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
	if s := r.eng.Stats(); s.Streams != 0 || s.SharedStreams != 0 {
		t.Errorf("%+v", s)
	}
}
