package caller

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"hotline/media"
)

func newTaker(t *testing.T) *Client {
	t.Helper()
	c, err := New(Config{Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// taken waits for the next call in the background.
func taken(ctx context.Context, c *Client, how Taking) <-chan *Call {
	ch := make(chan *Call, 1)
	go func() {
		call, _ := c.Take(ctx, how)
		ch <- call
	}()
	return ch
}

// hearEachOther plays a tone from each side and waits until it is heard on the other.
func hearEachOther(ctx context.Context, t *testing.T, a, b *Call) {
	t.Helper()
	for _, side := range []struct {
		from, to *Call
		hz       float64
	}{{a, b, 440}, {b, a, 660}} {
		ear := NewEar(0)
		unplug := side.to.Stream().Tap(ear)
		side.from.Stream().Play(media.Tone(side.hz, 3*time.Second, 0.5), media.PlayOptions{})
		for heard := (Heard{}); heard.Sound != Tone; {
			select {
			case heard = <-ear.C:
				if heard.Sound == Tone && (heard.Freq < side.hz-5 || heard.Freq > side.hz+5) {
					t.Errorf("heard %v, want %.0f Hz", heard, side.hz)
				}
			case <-ctx.Done():
				t.Fatalf("no tone of %.0f Hz came over", side.hz)
			}
		}
		unplug()
	}
}

// TestTwoTelephones: one takes the call of the other; each hears the other's tone, keys and hold arrive, and either may hang up.
func TestTwoTelephones(t *testing.T) {
	a, b := newClient(t), newTaker(t)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for i, transport := range []string{"udp", "tcp"} {
		keys := make(chan byte, 8)
		var rang string
		ch := taken(ctx, b, Taking{OnDigit: func(k byte) { keys <- k }, OnRing: func(from, to string) { rang = from + " " + to }})
		call, err := a.Call(ctx, Invite{To: fmt.Sprintf("sip:5000@%s;transport=%s", b.Local(), transport), From: "4000"})
		if err != nil {
			t.Fatal(err)
		}
		other := <-ch
		if other == nil {
			t.Fatal("not taken")
		}
		if rang != "4000 5000" {
			t.Errorf("rang as %q", rang)
		}
		hearEachOther(ctx, t, call, other)
		if err := call.Press(ctx, "7"); err != nil {
			t.Fatal(err)
		}
		select {
		case k := <-keys:
			if k != '7' {
				t.Errorf("key %c", k)
			}
		case <-ctx.Done():
			t.Fatal("no key arrived")
		}
		if err := other.Hold(ctx, true); err != nil {
			t.Errorf("hold by the called: %v", err)
		}
		from, to := call, other
		if i == 0 {
			from, to = other, call
		}
		from.Hangup(ctx)
		if byPeer, _ := to.Why(); !byPeer {
			t.Error("the other side did not hear of the end")
		}
	}
}

// TestTakeRefuses: a status instead of an answer; a caller who gives up while it rings; nobody takes.
func TestTakeRefuses(t *testing.T) {
	a, b := newClient(t), newTaker(t)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	to := fmt.Sprintf("sip:5000@%s", b.Local())
	all, enough := context.WithCancel(ctx)
	first := taken(all, b, Taking{Refuse: 486})
	_, err := a.Call(ctx, Invite{To: to})
	var failed *Failed
	if !errors.As(err, &failed) || failed.Status != 486 {
		t.Errorf("%v, want 486", err)
	}
	enough()
	<-first
	ringing := make(chan struct{})
	ch := taken(ctx, b, Taking{Ring: time.Hour, OnRing: func(string, string) { close(ringing) }})
	gone, cancel := context.WithCancel(ctx)
	go func() {
		<-ringing
		cancel()
	}()
	if _, err := a.Call(gone, Invite{To: to}); err == nil {
		t.Error("answered although it was cancelled")
	}
	stop()
	if call := <-ch; call != nil {
		t.Error("a call that was given up was taken")
	}
}
