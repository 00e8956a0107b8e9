package recordings

import (
	"context"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline"
	"hotline/media"
)

// disk is a disk that can be slow and full.
type disk struct {
	mu   sync.Mutex
	full bool
	slow chan struct{} // not nil: writes wait until it is closed
}

func (d *disk) writeAt(f *os.File, p []byte, off int64) error {
	d.mu.Lock()
	full, slow := d.full, d.slow
	d.mu.Unlock()
	if slow != nil {
		<-slow
	}
	if full {
		writeAt(f, p[:len(p)/2], off) // as far as it fits
		return syscall.ENOSPC
	}
	return writeAt(f, p, off)
}

func (d *disk) set(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// Fault: disk full while recording. The talk goes on, the recording is partial, there is an alarm, and what fits plays.
func TestDiskFull(t *testing.T) {
	b := newBench(t, nil)
	d := &disk{}
	b.writeAt = d.writeAt
	r := b.start(t, OfCall)
	talkPaced(r, 2*time.Second, 440, 1000)
	for len(r.queue) > 0 {
		time.Sleep(time.Millisecond)
	}
	d.set(true)
	began := time.Now()
	talk(r, 30*time.Second, 440, 1000) // far more than the queue holds
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the clock was kept waiting: %v", took)
	}
	waitFor(t, func() bool { return b.Stats().Alarm != "" })
	rec := stopped(t, r)
	if rec.State != Partial || rec.DurationMS < 1500 || rec.DurationMS > 2000 {
		t.Errorf("%+v", rec)
	}
	d.set(false)
	b.flush(t)
	wav, _ := b.played(t, rec.ID)
	if !hears(side(wav, 0), 440) {
		t.Error("what was written before is not heard")
	}
	r = b.start(t, OfCall) // and the next one is whole
	talkPaced(r, time.Second, 440, 1000)
	if rec := stopped(t, r); rec.State != Complete {
		t.Errorf("%+v", rec)
	}
	if b.Stats().Alarm != "" {
		t.Errorf("the alarm goes on: %s", b.Stats().Alarm)
	}
}

// Fault: a slow store. What does not fit into the queue is silence of the same length.
func TestSlowStore(t *testing.T) {
	b := newBench(t, nil)
	slow := make(chan struct{})
	d := &disk{}
	b.writeAt = d.writeAt
	r := b.start(t, OfCall)
	d.mu.Lock()
	d.slow = slow
	d.mu.Unlock()
	const all = 20 * time.Second
	talk(r, all, 440, 1000)
	close(slow)
	for len(r.queue) > 0 {
		time.Sleep(time.Millisecond)
	}
	talkPaced(r, 2*time.Second, 440, 1000)
	rec := stopped(t, r)
	b.flush(t)
	if rec.State != Partial || rec.DurationMS != (all+2*time.Second).Milliseconds() {
		t.Errorf("%+v", rec)
	}
	wav, _ := b.played(t, rec.ID)
	pcm := side(wav, 0)
	if !hears(pcm[:8*8000], 440) || !hears(pcm[len(pcm)-8000:], 440) {
		t.Error("what fitted is not heard")
	}
	if l := media.Level(pcm[14*8000 : 19*8000]); l > -90 {
		t.Errorf("the gap is at %.1f dBFS", l)
	}
}

// A disk that never answers does not keep a call from ending.
func TestStuckDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the time-out of Stop")
	}
	b := newBench(t, nil)
	r := b.start(t, OfCall)
	slow := make(chan struct{})
	d := &disk{slow: slow}
	b.writeAt = d.writeAt
	talk(r, 2*time.Second, 440, 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := r.Stop(ctx); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("%v", err)
	}
	close(slow)
	stopped(t, r)
	b.flush(t)
	if rec, err := b.Get(t.Context(), r.ID()); err != nil || rec.DurationMS != 2000 {
		t.Errorf("%+v, %v", rec, err)
	}
}

// Case 22: quota and watermark refuse a recording; calls go on without.
func TestNoRoom(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MinFreeBytes = 1 << 60 })
	if _, err := b.Start(t.Context(), Start{CallID: b.callID, Kind: OfCall}); hotline.KindOf(err) != hotline.Unavailable || b.Stats().Alarm == "" {
		t.Errorf("below the watermark: %v", err)
	}
	b = newBench(t, func(c *Config) { c.QuotaBytes = 100_000 })
	r := b.start(t, Voicemail)
	talk(r, 9*time.Second, 440, 440)
	talkPaced(r, time.Second, 440, 440)
	waitFor(t, func() bool { return len(r.queue) == 0 })
	r.Frame(sine(440, 0), nil)
	stopped(t, r)
	r = b.start(t, Voicemail)
	talk(r, 9*time.Second, 440, 440)
	rec := stopped(t, r)
	if rec.State != Partial || rec.DurationMS >= 4000 {
		t.Errorf("beyond the quota: %+v", rec)
	}
	if _, err := b.Start(t.Context(), Start{CallID: b.callID, Kind: OfCall}); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("beyond the quota: %v", err)
	}
}
