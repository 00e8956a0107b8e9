package ari_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/ari/aritest"
)

// cancelled cancels the making of something that Asterisk is about to do, and expects that nothing is left.
func cancelled(t *testing.T, path, id string, create func(context.Context, *ari.Client) error) {
	for _, transport := range []ari.Transport{ari.HTTP, ari.Websocket} {
		st := begin(t, transport).up(1)
		gate := make(chan struct{})
		st.s.Rule(aritest.Rule{Method: "POST", Path: path, Before: gate})
		ctx, cancel := context.WithCancel(t.Context())
		made := make(chan error, 1)
		go func() { made <- create(ctx, st.c) }()
		st.s.Await(t, "POST", path, 1)
		cancel()
		if err := <-made; !ari.Unavailable(err) || !errors.Is(err, context.Canceled) {
			t.Fatalf("create: %v", err)
		}
		close(gate)
		st.s.Await(t, "DELETE", "/*/"+id, 1)
		st.s.AwaitGone(t, id)
	}
}

func cancelledCreate(t *testing.T) {
	cancelled(t, "/channels/create", "hl-1", func(ctx context.Context, c *ari.Client) error {
		_, err := c.Create(ctx, ari.CreateChannel{ID: "hl-1", Endpoint: "PJSIP/1@x"})
		return err
	})
	cancelled(t, "/channels/hl-2", "hl-2", func(ctx context.Context, c *ari.Client) error {
		_, err := c.Originate(ctx, ari.CreateChannel{ID: "hl-2", Endpoint: "PJSIP/1@x", Timeout: time.Second, CallerID: "1"})
		return err
	})
}

func cancelledMedia(t *testing.T) {
	cancelled(t, "/channels/externalMedia", "hl-m-1", func(ctx context.Context, c *ari.Client) error {
		_, err := c.ExternalMedia(ctx, ari.ExternalMedia{ID: "hl-m-1", Host: "127.0.0.1:4000", Format: "ulaw"})
		return err
	})
}

func timedOutBridge(t *testing.T) {
	st := begin(t, ari.HTTP, func(st *stage) { st.cfg.Timeout = 50 * time.Millisecond }).up(1)
	gate := make(chan struct{})
	st.s.Rule(aritest.Rule{Method: "POST", Path: "/bridges/*", Before: gate})
	st.s.Rule(aritest.Rule{Method: "DELETE", Path: "/bridges/*", Times: 1, Then: func() { close(gate) }}) // the first DELETE comes too early
	if _, err := st.c.CreateBridge(t.Context(), "hl-b-1", "mixing"); !ari.Unavailable(err) {
		t.Fatalf("create: %v", err)
	}
	st.s.Await(t, "DELETE", "/bridges/hl-b-1", 2)
	st.s.AwaitGone(t, "hl-b-1")
}

func cutRequest(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Rule(aritest.Rule{Path: "/channels/externalMedia", Cut: true})
	_, err := st.c.ExternalMedia(t.Context(), ari.ExternalMedia{ID: "hl-m-1", Host: "127.0.0.1:4000", Format: "ulaw"})
	if !ari.Unavailable(err) {
		t.Fatalf("external media: %v", err)
	}
	st.s.AwaitGone(t, "hl-m-1")
}

func takenBackLater(t *testing.T) {
	st := begin(t, ari.Websocket).up(1)
	st.s.Rule(aritest.Rule{Path: "/channels/externalMedia", Cut: true})
	_, err := st.c.ExternalMedia(t.Context(), ari.ExternalMedia{ID: "hl-m-1", Host: "127.0.0.1:4000", Format: "ulaw"})
	if !ari.Unavailable(err) {
		t.Fatalf("external media: %v", err)
	}
	st.up(2)
	st.s.AwaitGone(t, "hl-m-1")
}

func idInUse(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	m := ari.ExternalMedia{ID: "hl-m-1", Host: "127.0.0.1:4000", Format: "ulaw"}
	_, err := st.c.ExternalMedia(t.Context(), m)
	st.fatal(err)
	_, err = st.c.ExternalMedia(t.Context(), m)
	if err == nil || ari.Unavailable(err) || ari.Conflict(err) {
		t.Fatalf("again: %v", err)
	}
	_, err = st.c.Create(t.Context(), ari.CreateChannel{ID: "hl-m-1", Endpoint: "PJSIP/1@x"})
	if !ari.Conflict(err) {
		t.Fatalf("create: %v", err)
	}
	st.fatal(st.c.Hangup(t.Context(), "hl-m-1", 0))
	st.equal("requests to delete it", st.s.Count("DELETE", "/channels/hl-m-1"), 1)
}

func cutWhileWaiting(t *testing.T) {
	st := begin(t, ari.Websocket, func(st *stage) { st.cfg.Timeout = time.Hour }).up(1)
	gate := make(chan struct{})
	defer close(gate)
	st.s.Call(aritest.Caller{ID: "c"})
	st.s.Rule(aritest.Rule{Path: "/channels/c/answer", Before: gate})
	answers := make(chan error, 3)
	for range 3 {
		go func() { answers <- st.c.Answer(context.Background(), "c") }()
	}
	st.s.Await(t, "POST", "/channels/c/answer", 1)
	st.s.Cut()
	for range 3 {
		if err := <-answers; !ari.Unavailable(err) {
			t.Fatalf("answer: %v", err)
		}
	}
}

func cutSocket(t *testing.T) {
	for _, transport := range []ari.Transport{ari.HTTP, ari.Websocket} {
		st := begin(t, transport).up(1)
		for n := 1; n <= 3; n++ {
			st.s.Cut()
			st.ear.until(t, "Down", func() bool { return len(st.ear.downs) == n })
			st.up(n + 1)
		}
		st.mark()
		st.equal("reconnects", st.c.State().Reconnects, uint64(3))
		st.equal("connected", st.c.State().Connected, true)
	}
}

func halfOpen(t *testing.T) {
	for _, transport := range []ari.Transport{ari.HTTP, ari.Websocket} {
		st := begin(t, transport, func(st *stage) { st.cfg.PingEvery = 20 * time.Millisecond }).up(1)
		st.s.Freeze()
		st.ear.until(t, "Down", func() bool { return len(st.ear.downs) == 1 })
		if !strings.Contains(st.ear.downs[0].Error(), "no sign of life") {
			t.Fatalf("down: %v", st.ear.downs[0])
		}
		st.up(2)
	}
}

func silentRequests(t *testing.T) {
	st := begin(t, ari.HTTP, func(st *stage) { st.cfg.Timeout = 20 * time.Millisecond }).up(1)
	gate := make(chan struct{})
	stop := st.s.Rule(aritest.Rule{Path: "/channels/*", Before: gate})
	for range 3 {
		if _, err := st.c.Channel(t.Context(), "c"); !ari.Unavailable(err) {
			t.Fatalf("channel: %v", err)
		}
	}
	st.ear.until(t, "Down", func() bool { return len(st.ear.downs) == 1 })
	stop()
	close(gate)
	st.up(2)
}

func restarted(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Restart()
	st.up(2)
	if !st.ear.ups[1].Started.After(st.ear.ups[0].Started) {
		t.Fatalf("started %v, then %v", st.ear.ups[0].Started, st.ear.ups[1].Started)
	}
}

func replaced(t *testing.T) {
	st := begin(t, ari.HTTP, func(st *stage) { st.hurry = time.Millisecond }).up(1)
	st.s.Replace()
	st.ear.until(t, "Down", func() bool { return len(st.ear.downs) == 1 })
	if err := st.ear.downs[0]; !strings.Contains(err.Error(), "another program") || !strings.Contains(err.Error(), `"hotline"`) {
		t.Fatalf("down: %v", err)
	}
	st.up(2)
}

// replacedByGhost: an Asterisk that stood still serves, when it goes on, connections that were given up meanwhile.
func replacedByGhost(t *testing.T) {
	st := begin(t, ari.HTTP, func(st *stage) { st.hurry = time.Hour }).up(1)
	st.s.Cut()
	st.up(2)
	st.s.Replace()
	st.up(3)
}

// code waits for a code of the state; nothing tells the test of it but asking.
func (st *stage) code(want string) {
	st.Helper()
	for tick := time.Tick(time.Millisecond); st.c.State().Code != want; <-tick {
		if st.Context().Err() != nil {
			st.Fatalf("code %q", st.c.State().Code)
		}
	}
}

func wrongPassword(t *testing.T) {
	st := begin(t, ari.HTTP, func(st *stage) { st.cfg.Password = "another-password-17" })
	st.code("ari.denied")
	text := st.c.State().Err
	if !strings.Contains(text, "ari.conf") || strings.Contains(text, "another-password-17") {
		t.Fatalf("state: %s", text)
	}
	st.equal("connected", st.c.State().Connected, false)
}

func withoutARI(t *testing.T) {
	var stop func()
	st := begin(t, ari.HTTP, func(st *stage) { stop = st.s.Rule(aritest.Rule{Path: "/events", Status: http.StatusNotFound}) })
	st.code("ari.absent")
	stop()
	st.up(1)
}

func absent(t *testing.T) {
	var log bytes.Buffer
	t.Cleanup(func() { // when the client has ended
		if n := strings.Count(log.String(), "not connected"); n != 1 {
			t.Errorf("%d lines say that it is absent:\n%s", n, log.String())
		}
	})
	st := begin(t, ari.HTTP, func(st *stage) {
		st.cfg.URL, st.cfg.Log = "http://127.0.0.1:1", slog.New(slog.NewTextHandler(&log, nil))
		st.cfg.Retry = time.Microsecond
	})
	st.code("ari.down")
	for tick := time.Tick(time.Millisecond); st.c.State().Tries < 5; <-tick {
		if t.Context().Err() != nil {
			t.Fatal("it is not tried again")
		}
	}
	if !strings.Contains(st.c.State().Err, "127.0.0.1:1") {
		t.Fatal(st.c.State().Err)
	}
}

func tooOld(t *testing.T) {
	st := begin(t, ari.HTTP, func(st *stage) { st.s.SetVersion("16.28.0~dfsg-0+deb11u4") })
	st.code("ari.version.old")
	st.s.SetVersion("22.10.1")
	st.up(1)
}

func failingUp(t *testing.T) {
	n := 0
	st := begin(t, ari.HTTP, func(st *stage) {
		st.ear.onUp = func(context.Context) error {
			if n++; n == 1 {
				return errors.New("not yet")
			}
			return nil
		}
	}).up(2)
	st.mark()
	st.equal("the reason", strings.Contains(st.ear.downs[0].Error(), "not yet"), true)
	st.equal("downs", len(st.ear.downs), 1)
}

func notConnected(t *testing.T) {
	c, err := ari.New(ari.Config{URL: "http://127.0.0.1:1", User: "hotline", Password: "a-long-password-7"}, newEar())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Answer(t.Context(), "c"); !ari.Unavailable(err) {
		t.Fatal(err)
	}
}

// dialled is a client that waits for a stand-in to connect.
func dialled(t *testing.T) (*stage, string) {
	st := begin(t, ari.Dialled, func(st *stage) { st.cfg.URL = "" })
	web := httptest.NewServer(http.HandlerFunc(st.c.Serve))
	t.Cleanup(web.Close)
	return st, "ws" + strings.TrimPrefix(web.URL, "http")
}

func dialledAuth(t *testing.T) {
	st, url := dialled(t)
	for _, wrong := range [][2]string{{st.s.User, "wrong"}, {"wrong", st.s.Password}, {"", ""}} {
		if status, err := st.s.Dial(t.Context(), url, wrong[0], wrong[1]); err == nil || status != http.StatusUnauthorized {
			t.Fatalf("%v: %d %v", wrong, status, err)
		}
	}
	_, err := st.s.Dial(t.Context(), url, st.s.User, st.s.Password)
	st.fatal(err)
	st.up(1).mark()
	st.s.Cut()
	st.ear.until(t, "Down", func() bool { return len(st.ear.downs) == 1 })
	_, err = st.s.Dial(t.Context(), url, st.s.User, st.s.Password)
	st.fatal(err)
	st.up(2)
}

func dialledNot(t *testing.T) {
	st := begin(t, ari.Dialled, func(st *stage) { st.hurry = time.Millisecond }).up(1)
	st.mark()
	web := httptest.NewServer(http.HandlerFunc(st.c.Serve))
	t.Cleanup(web.Close)
	_, err := st.s.Dial(t.Context(), "ws"+strings.TrimPrefix(web.URL, "http"), st.s.User, st.s.Password)
	st.fatal(err)
	st.ear.until(t, "Down", func() bool { return len(st.ear.downs) == 1 })
	st.up(2).mark()

	waits := begin(t, ari.Dialled, func(st *stage) { st.cfg.URL, st.hurry = "", time.Millisecond })
	waits.code("ari.not_dialled")
}

func dialledAnew(t *testing.T) {
	st, url := dialled(t)
	_, err := st.s.Dial(t.Context(), url, st.s.User, st.s.Password)
	st.fatal(err)
	st.up(1)
	st.s.Freeze()
	_, err = st.s.Dial(t.Context(), url, st.s.User, st.s.Password)
	st.fatal(err)
	st.up(2)
	st.s.Connected(t, 1)
	st.mark()
}
