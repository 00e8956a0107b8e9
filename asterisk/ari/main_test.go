package ari_test

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ear is a handler that keeps what it is told.
type ear struct {
	mu     sync.Mutex
	ups    []ari.Info
	downs  []error
	events []ari.Event
	change chan struct{} // closed and made anew with each thing it is told

	onUp    func(ctx context.Context) error
	onEvent func(ari.Event)
}

func newEar() *ear { return &ear{change: make(chan struct{})} }

func (e *ear) tell(f func()) {
	e.mu.Lock()
	f()
	close(e.change)
	e.change = make(chan struct{})
	e.mu.Unlock()
}

func (e *ear) Up(ctx context.Context, info ari.Info) error {
	var err error
	if e.onUp != nil {
		err = e.onUp(ctx)
	}
	e.tell(func() { e.ups = append(e.ups, info) })
	return err
}

func (e *ear) Down(err error) { e.tell(func() { e.downs = append(e.downs, err) }) }

func (e *ear) Event(ev ari.Event) {
	if e.onEvent != nil {
		e.onEvent(ev)
	}
	e.tell(func() { e.events = append(e.events, ev) })
}

// until waits for a condition on what the ear was told. It is called by the test's goroutine.
func (e *ear) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		e.mu.Lock()
		done, change := ok(), e.change
		e.mu.Unlock()
		if done {
			return
		}
		select {
		case <-change:
		case <-limit:
			e.mu.Lock()
			defer e.mu.Unlock()
			t.Fatalf("waited in vain for %s; ups %d, downs %v, events %v", what, len(e.ups), e.downs, types(e.events))
		}
	}
}

func (e *ear) connected(t testing.TB, n int) {
	t.Helper()
	e.until(t, "the connection", func() bool { return len(e.ups) >= n })
}

// event waits for an event and returns it.
func (e *ear) event(t testing.TB, kind string, more ...func(ari.Event) bool) ari.Event {
	t.Helper()
	var found ari.Event
	e.until(t, kind, func() bool {
		for _, ev := range e.events {
			if ev.Type != kind {
				continue
			}
			ok := true
			for _, f := range more {
				ok = ok && f(ev)
			}
			if ok {
				found = ev
				return true
			}
		}
		return false
	})
	return found
}

func types(events []ari.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Type)
	}
	return out
}

// run makes a client and runs it until the test ends.
func run(t testing.TB, cfg ari.Config, h ari.Handler) *ari.Client {
	t.Helper()
	c := client(t, cfg, h)
	start(t, c)
	return c
}

func client(t testing.TB, cfg ari.Config, h ari.Handler) *ari.Client {
	t.Helper()
	if cfg.Log == nil && os.Getenv("ARI_LOG") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	c, err := ari.New(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func start(t testing.TB, c *ari.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func config(a *asterisktest.Asterisk, transport ari.Transport) ari.Config {
	return ari.Config{Name: "test", URL: a.URL, User: a.User, Password: a.Password, Transport: transport}
}
