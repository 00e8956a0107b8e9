//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotline/deploy/bench/load"
)

// TestNothingIsLeftOver answers 10,000 calls and then looks for what a call may leave behind: goroutines, RTP ports, files, rows.
func TestNothingIsLeftOver(t *testing.T) {
	const calls, rate = 10_000, 200
	h := newHouse(t, "HOTLINE_LOG_LEVEL=error")
	warm, _ := h.place(t, 500, rate) // what is made once: connections to the database, sockets, buffers
	h.settled()
	before := h.holding()
	answered, failed := h.place(t, calls, rate)
	if failed > calls/100 {
		t.Errorf("%d calls were answered, %d failed", answered, failed)
	}
	h.catchUp(t)
	h.settled()
	h.everyCallFiled(warm + answered)
	after := held{}
	if !soon(60*time.Second, func() bool { after = h.holding(); return after.near(before) }) {
		t.Errorf("before the calls: %+v; after them: %+v", before, after)
	}
	t.Logf("%d calls answered, %d failed; before %+v, after %+v", answered, failed, before, after)
}

// place makes calls at a rate, each from a number of its own; each hangs up when it has heard the first audio. A call fails when it
// is not answered, hears nothing, or gets no answer to its BYE.
func (h *house) place(t *testing.T, calls, rate int) (answered, bad int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(calls/rate)*time.Second*3+time.Minute)
	defer cancel()
	g := &load.Generator{Target: netip.MustParseAddrPort(h.sip), Number: "4000"}
	if err := g.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	var ok, failed atomic.Int64
	var running sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for range calls {
		<-tick.C
		running.Go(func() {
			one, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			c, err := g.Call(one)
			if err != nil {
				failed.Add(1)
				return
			}
			ok.Add(1)
			c.RTP.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err = c.RTP.Read(make([]byte, 1500))
			if errors.Join(err, c.Hangup(one)) != nil {
				failed.Add(1)
			}
		})
	}
	running.Wait()
	return int(ok.Load()), int(failed.Load())
}

// catchUp waits until the database has all that the journal holds: calls are answered faster than they are filed, and the journal
// takes what is between. It fails when nothing moves.
func (h *house) catchUp(t *testing.T) {
	t.Helper()
	begun, depth := time.Now(), h.metric("hotline_journal_depth")
	most := depth
	for depth > 0 {
		before := depth
		if !soon(30*time.Second, func() bool { depth = h.metric("hotline_journal_depth"); return depth == 0 || depth < before-500 }) {
			t.Fatalf("%v facts wait, and for 30 s hardly any was filed", depth)
		}
	}
	t.Logf("%v facts were filed within %.0f s after the last call", most, time.Since(begun).Seconds())
}

// held is what a process holds.
type held struct {
	goroutines, descriptors, sockets, rtpPorts int
}

// near allows for a few that come and go: requests of this test, connections of the pool, timers.
func (a held) near(b held) bool {
	return a.goroutines <= b.goroutines+25 && a.descriptors <= b.descriptors+10 && a.sockets <= b.sockets+10 && a.rtpPorts <= b.rtpPorts
}

func (h *house) holding() held {
	h.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", h.cmd.Process.Pid)
	open, err := os.ReadDir(dir)
	if err != nil {
		h.t.Fatal(err)
	}
	now := held{goroutines: int(h.metric("go_goroutines")), descriptors: len(open), rtpPorts: int(h.metric("hotline_rtp_ports_in_use"))}
	for _, f := range open {
		if to, err := os.Readlink(dir + "/" + f.Name()); err == nil && len(to) > 7 && to[:7] == "socket:" {
			now.sockets++
		}
	}
	return now
}

// everyCallFiled reads the whole list: each call has ended, with a result and a ticket, and none is missing or twice.
func (h *house) everyCallFiled(want int) {
	h.t.Helper()
	seen, tickets := map[string]bool{}, map[int64]bool{}
	open, without := 0, 0
	for cursor := ""; ; {
		var p page[callRow]
		h.api("GET", "/api/v1/calls?limit=200"+cursor, nil, &p)
		for _, c := range p.Items {
			if seen[c.ID] {
				h.t.Fatalf("call %s is in the list twice", c.ID)
			}
			seen[c.ID], tickets[c.Ticket] = true, true
			if c.EndedAt == nil || c.Phase != "ended" {
				open++
			}
			if c.Ticket == 0 || c.Result == "" {
				without++
			}
		}
		if p.Next == nil {
			break
		}
		cursor = "&cursor=" + *p.Next
	}
	if len(seen) < want || open > 0 || without > 0 {
		h.t.Errorf("%d calls are filed of %d; %d of them are open, %d without ticket or result", len(seen), want, open, without)
	}
	// Nearly every call has a caller of its own: two that drew one number share a ticket.
	if len(tickets) < len(seen)*99/100 {
		h.t.Errorf("%d calls have %d tickets", len(seen), len(tickets))
	}
}
