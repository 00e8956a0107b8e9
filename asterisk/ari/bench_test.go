package ari_test

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
)

// spent is the processor time of this process, or of the one with a pid.
func spent(b *testing.B, pid int) time.Duration {
	b.Helper()
	if pid == 0 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:])
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// measure runs op n times on some lanes at once, and reports rate and processor time of both sides.
func measure(b *testing.B, pid, lanes int, op func(lane int, n uint64)) {
	ours, theirs, began := spent(b, 0), spent(b, pid), time.Now()
	var next atomic.Uint64
	done := make(chan struct{})
	for lane := range lanes {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
				op(lane, n)
			}
		}()
	}
	for range lanes {
		<-done
	}
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(b.N) }
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "op/s")
	b.ReportMetric(per(spent(b, 0)-ours), "our-µs/op")
	b.ReportMetric(per(spent(b, pid)-theirs), "asterisk-µs/op")
}

// BenchmarkTransports compares HTTP with the websocket: one request, and all that a call asks for.
func BenchmarkTransports(b *testing.B) {
	a := asterisktest.Start(b, asterisktest.Options{Extra: map[string]string{"extensions.conf": echo}})
	for _, transport := range []ari.Transport{ari.HTTP, ari.Websocket} {
		for _, lanes := range []int{1, 16} {
			name := string(transport) + "/" + strconv.Itoa(lanes)
			b.Run("request/"+name, func(b *testing.B) {
				e := newEar()
				c := run(b, config(a, transport), e)
				e.connected(b, 1)
				b.ResetTimer()
				measure(b, a.PID, lanes, func(int, uint64) {
					if _, err := c.GetVariable(b.Context(), "ASTDATADIR"); err != nil {
						b.Error(err)
					}
				})
			})
			b.Run("call/"+name, func(b *testing.B) { benchCalls(b, a, transport, lanes) })
		}
	}
}

// benchCalls makes calls as the edge does: channel, answer, external media, bridge, both into it, and all of it down again.
func benchCalls(b *testing.B, a *asterisktest.Asterisk, transport ari.Transport, lanes int) {
	e := newEar()
	c := run(b, config(a, transport), e)
	e.connected(b, 1)
	ctx := b.Context()
	run := strconv.FormatInt(time.Now().UnixNano(), 36)
	b.ResetTimer()
	measure(b, a.PID, lanes, func(_ int, n uint64) {
		id := run + "-" + strconv.FormatUint(n, 10)
		in := make(chan struct{}, 2)
		stop := c.WatchAll([]string{"hl-" + id, "hl-m-" + id}, func(ev ari.Event) {
			if ev.Type == "StasisStart" {
				in <- struct{}{}
			}
		})
		defer stop()
		_, err := c.Create(ctx, ari.CreateChannel{ID: "hl-" + id, Endpoint: "Local/100@echo"})
		steps := []func() error{
			func() error { <-in; return c.Dial(ctx, "hl-"+id, time.Second) },
			func() error {
				_, err := c.ExternalMedia(ctx, ari.ExternalMedia{ID: "hl-m-" + id, Host: "127.0.0.1:9", Format: "ulaw"})
				return err
			},
			func() error { _, err := c.CreateBridge(ctx, "hl-b-"+id, "mixing"); return err },
			func() error { <-in; return c.AddToBridge(ctx, "hl-b-"+id, "hl-"+id, "hl-m-"+id) },
			func() error { return c.Hangup(ctx, "hl-"+id, 16) },
			func() error { return c.Hangup(ctx, "hl-m-"+id, 16) },
			func() error { return c.DestroyBridge(ctx, "hl-b-"+id) },
		}
		for _, step := range steps {
			if err == nil {
				err = step()
			}
		}
		if err != nil {
			b.Error(err)
		}
	})
}
