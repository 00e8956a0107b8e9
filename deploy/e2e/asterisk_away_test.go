//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hotline/asterisk/asterisktest"
	"hotline/asterisk/away"
	"hotline/media"
)

// silence is the longest time within some audio in which nothing was heard, in steps of 100 ms.
func silence(pcm []int16) time.Duration {
	longest, run := 0, 0
	for i := 0; i+800 <= len(pcm); i += 800 {
		if media.Level(pcm[i:i+800]) > -45 {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return time.Duration(longest) * 100 * time.Millisecond
}

// TestAsteriskAway kills the product while callers are in the queue and in the menu: they hear music, as one does who calls meanwhile, and
// all of them are through when the product is there again.
func TestAsteriskAway(t *testing.T) {
	t.Parallel()
	h, pbx := newAsteriskHouse(t, asterisktest.Options{}, 1)
	const waits, chooses, arrives = "+8613800138101", "+8613800138102", "+8613800138103"
	queued, choosing := h.queued(waits, callerHz), h.dials("4000", chooses, otherHz)
	h.reaches(waits, "queued")
	h.reaches(chooses, "menu")
	queued.hearsMusic(callerHz)
	before := h.calls(waits)[0].ID
	marks := []int{queued.now(), choosing.now()}
	h.kill()
	arriving := h.dials("4000", arrives, supervisorHz)
	arriving.hearsMusic(supervisorHz)
	queued.passes(4 * time.Second)
	queued.hearsMusic(callerHz)
	choosing.hearsMusic(otherHz)
	for i, l := range []*line{queued, choosing, arriving} {
		from := 0
		if i < len(marks) {
			from = marks[i]
		}
		// Digits and the greeting have pauses; of the time without the product no second is silent.
		if s := silence(l.since(from)); s > 1500*time.Millisecond {
			t.Errorf("caller %d heard nothing for %s", i+1, s)
		}
	}
	began := time.Now()
	h.start()
	up := time.Now()
	if !soon(patient, func() bool { return h.metric("hotline_calls") == 3 }) {
		t.Fatalf("the product has %v of 3 callers", h.metric("hotline_calls"))
	}
	t.Logf("ready %s after the start, all callers %s later", up.Sub(began).Round(10*time.Millisecond), time.Since(up).Round(10*time.Millisecond))
	if c := h.calls(waits); len(c) != 1 || c[0].ID != before || c[0].EndedAt != nil {
		t.Errorf("who waited has the calls %+v, want %s going on", c, before)
	}
	h.reaches(waits, "queued")
	// A new call gets the menu: English, and the queue.
	arriving.press("2")
	arriving.press("1")
	h.reaches(arrives, "queued")
	for _, l := range []*line{queued, choosing, arriving} {
		l.hangup()
	}
	for _, from := range []string{waits, chooses, arrives} {
		if row := h.ended(from); row.Result != "abandoned" || row.Ticket == 0 {
			t.Errorf("%s: %+v", from, row)
		}
	}
	h.nothingLeft(pbx[0])
	h.settled()
}

// TestAsteriskMessage calls while the product is stopped for long: the caller leaves a message with Asterisk, and it is on a ticket once the
// product is back; one who hangs up before leaves nothing.
func TestAsteriskMessage(t *testing.T) {
	t.Parallel()
	h, pbx := newAsteriskHouse(t, asterisktest.Options{Away: away.Options{While: 3 * time.Second}}, 1)
	h.stop()
	const speaks, leaves = "+8613800138111", "+8613800138112"
	gone := h.dials("4000", leaves, otherHz)
	gone.hearsMusic(otherHz)
	gone.hangup()
	l := h.dials("4001", speaks, callerHz)
	l.hearsMusic(callerHz)
	r := asks(t, pbx[0])
	if !soon(patient, func() bool {
		list, err := r.StoredRecordings(context.Background())
		return err == nil && len(list) == 1
	}) {
		t.Fatal("no message is recorded")
	}
	if share(l.since(0), 1000) == 0 {
		t.Error("there was no beep")
	}
	l.passes(3 * time.Second)
	l.hangup()
	for range 2 { // and once more, when there is nothing to be done
		h.start()
		row := h.ended(speaks)
		if row.Result != "voicemail" || row.Ticket == 0 || len(row.Recordings) != 1 {
			t.Fatalf("the message became %+v", row)
		}
		said, _ := h.sound(row.Recordings[0].ID)
		if len(said) < 2*8000 || share(said[len(said)/4:len(said)*3/4], callerHz) < 0.8 {
			t.Errorf("the message has %d ms, the tone %.2f of it", len(said)/8, share(said, callerHz))
		}
		if n := len(h.calls(speaks)); n != 1 {
			t.Errorf("%d calls of one message", n)
		}
		if tasks := h.ticket(row.Ticket).Tasks; len(tasks) != 1 || tasks[0].Reason != "voicemail" || tasks[0].State != "open" || tasks[0].Phone != speaks {
			t.Errorf("tasks %+v", tasks)
		}
		if !soon(patient, func() bool {
			list, err := r.StoredRecordings(context.Background())
			return err == nil && len(list) == 0
		}) {
			t.Error("the message is still at Asterisk")
		}
		h.stop()
	}
	h.start()
	if calls := h.calls(leaves); len(calls) != 0 {
		t.Errorf("who left nothing has %s", fmt.Sprint(calls))
	}
	h.nothingLeft(pbx[0])
}
