package bridge

import (
	"bufio"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCrowd: a small crowd in one process hears everything that is said, soon.
func TestCrowd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	read, write := io.Pipe()
	serving.Go(func() {
		if err := Serve(ctx, write); err != nil {
			t.Error(err)
		}
	})
	defer serving.Wait()
	defer cancel()
	first, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	crowd := NewCrowd(strings.TrimSpace(strings.TrimPrefix(first, "listening ")))
	defer crowd.Close()
	if err := crowd.Connect(ctx, 5); err != nil {
		t.Fatal(err)
	}
	if err := crowd.Tidy(ctx); err != nil {
		t.Fatal(err)
	}
	if err := crowd.Ring(ctx, 4); err != nil {
		t.Fatal(err)
	}
	if err := crowd.Ring(ctx, 2); err == nil {
		t.Error("six callers found five telephones")
	}
	pause := func() { <-time.After(300 * time.Millisecond) }
	heard, err := crowd.Talk(ctx, pause, pause)
	if err != nil {
		t.Fatal(err)
	}
	if len(heard.Delays) < 50 || heard.Delays[0] < 0 {
		t.Errorf("%d packets heard, the first after %v", len(heard.Delays), heard.Delays)
	}
	t.Logf("%d packets, %.2f%% lost, p50 %v, p99 %v", len(heard.Delays), heard.Lost*100, heard.Delays[len(heard.Delays)/2], heard.Delays[len(heard.Delays)*99/100])
}
