package sip

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"hotline/call"
	"hotline/postgres/pgtest"
)

// TestEveryMessageOfACallIsKept: in order, the INVITE that made the call included, without credentials.
func TestEveryMessageOfACallIsKept(t *testing.T) {
	pool := pgtest.New(t)
	trace := NewTrace(TraceConfig{Pool: pool, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { trace.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	r := newRig(t, func(c *Config) { c.Trace = trace })
	p := r.phone("127.0.0.1")
	p.send(p.request("INVITE", "a", "Authorization: Digest username=\"x\", response=\"secret\"\r\n", testOffer("")))
	l := r.leg()
	l.Progress(t.Context(), false)
	p.want("SIP/2.0 180")
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want("SIP/2.0 200")
	p.send(p.request("ACK", "b", "", ""))
	l.next(t, call.Answered)
	p.cseq++
	p.send(p.request("BYE", "c", "", ""))
	p.want("SIP/2.0 200")
	l.next(t, call.Ended)
	r.gone()
	if err := trace.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	list, err := trace.Messages(ctx, pool, l.Info().CallID)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"<INVITE ", ">SIP/2.0 180", ">SIP/2.0 200", "<ACK ", "<BYE ", ">SIP/2.0 200"}
	var got []string
	for _, m := range list {
		way := "<"
		if m.Sent {
			way = ">"
		}
		if strings.Contains(m.Body, "secret") {
			t.Errorf("credentials were kept:\n%s", m.Body)
		}
		if m.Transport != "UDP" || m.Remote != p.local {
			t.Errorf("%s %s", m.Transport, m.Remote)
		}
		if !strings.HasPrefix(m.Summary, "SIP/2.0 100") {
			got = append(got, way+m.Summary)
		}
	}
	for i := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("kept %q, want %q", got, want)
		}
	}
	if len(got) != len(want) {
		t.Errorf("kept %q", got)
	}
}
