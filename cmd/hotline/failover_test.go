package main

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/asterisk/asterisktest"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
	"hotline/postgres"
	"hotline/postgres/pgtest"
	"hotline/sip/caller"
	"hotline/testport"
	"hotline/trunks"
	"hotline/trunks/routes"
)

// twoEdges is a house with a native trunk and one that a real Asterisk carries, to each of two places: where calls fail, and where somebody
// answers.
type twoEdges struct {
	*testing.T
	h    *house
	fail ear
	took chan *caller.Call
}

func newTwoEdges(t *testing.T) *twoEdges {
	ctx, cancel := context.WithCancel(context.Background())
	address := pgtest.NewURL(t)
	x := &twoEdges{T: t, fail: listenAt(t), took: make(chan *caller.Call, 1)}
	good := testport.Free(t)
	phone, err := caller.New(caller.Config{Wait: true, Port: uint16(good), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(phone.Close)
	go func() {
		for c, err := phone.Take(ctx, caller.Taking{}); err == nil; c, err = phone.Take(ctx, caller.Taking{}) {
			x.took <- c
		}
	}()
	asterisk := asterisktest.Start(t, asterisktest.Options{Trunks: x.furnish(ctx, address, map[string]int{
		"fail": x.fail.LocalAddr().(*net.UDPAddr).Port, "good": good, "dead": testport.Free(t),
	})})
	c, err := loadConfig("", []string{
		"HOTLINE_DATABASE_URL=" + address, "HOTLINE_DATA_DIR=" + t.TempDir(), "HOTLINE_HTTP_ADDR=127.0.0.1:0", "HOTLINE_SIP_ADDR=127.0.0.1:0",
		"HOTLINE_WEBRTC_ADDR=127.0.0.1:0", "HOTLINE_ASTERISK=pbx=" + asterisk.URL, "HOTLINE_ASTERISK_USER=" + asterisk.User, "HOTLINE_ASTERISK_PASSWORD=" + asterisk.Password,
	})
	if err != nil {
		t.Fatal(err)
	}
	if x.h, err = build(ctx, c, false, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var down sync.WaitGroup
	down.Go(func() {
		if err := x.h.run(ctx, ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); down.Wait(); x.h.close() })
	x.until("both edges know their trunks", func() bool {
		ready := x.h.edges.asterisk.Ready()
		for _, tr := range x.h.directory.Snapshot().Trunks() {
			ready = ready && (tr.Settings.OnAsterisk() || !x.h.edges.sip.Doubtful(&tr))
		}
		return ready
	})
	return x
}

// furnish makes the trunks and a route to each pair of them: native-fail + pbx-good is 51, and so on.
func (x *twoEdges) furnish(ctx context.Context, address string, ports map[string]int) []trunks.Trunk {
	x.Helper()
	pool, err := postgres.Connect(ctx, address)
	if err != nil {
		x.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.Migrate(ctx, pool); err != nil {
		x.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	dir, err := trunks.Open(ctx, pool, log)
	if err != nil {
		x.Fatal(err)
	}
	book, err := routes.Open(ctx, routes.Config{Pool: pool, Country: "CN", Log: log})
	if err != nil {
		x.Fatal(err)
	}
	ids := map[string]string{}
	for name, port := range ports {
		for prefix, edge := range map[string]string{"sip-": trunks.EdgeSIP, "pbx-": trunks.EdgeAsterisk} {
			made, err := dir.CreateTrunk(ctx, trunks.Trunk{Name: prefix + name, Enabled: true, Settings: trunks.TrunkSettings{Edge: edge, Host: "127.0.0.1", Port: port}})
			if err != nil {
				x.Fatal(err)
			}
			ids[made.Name] = made.ID
		}
	}
	for to, pair := range map[string][2]string{"51": {"sip-fail", "pbx-good"}, "52": {"pbx-fail", "sip-good"}, "53": {"sip-dead", "pbx-good"}} {
		r := routes.Route{Name: "route " + to, Enabled: true, Trunks: []string{ids[pair[0]], ids[pair[1]]}, Settings: routes.Settings{Prefixes: []string{to}}}
		if _, err := book.CreateRoute(ctx, r); err != nil {
			x.Fatal(err)
		}
	}
	if err := dir.Reload(ctx); err != nil {
		x.Fatal(err)
	}
	return dir.Snapshot().Trunks()
}

func (x *twoEdges) until(what string, so func() bool) {
	x.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			x.Fatalf("it did not come about that %s", what)
		}
	}
}

func (x *twoEdges) dial(to string) (call.Leg, *call.Mailbox) {
	x.Helper()
	d := call.Dial{CallID: hotline.NewID(), LegID: hotline.NewID(), To: to, Mailbox: call.NewMailbox(), Timeout: time.Minute}
	l, err := x.h.edges.Dial(x.Context(), d)
	if err != nil {
		x.Fatal(err)
	}
	return l, d.Mailbox
}

// next waits for the next event that is not of the audio.
func (x *twoEdges) next(box *call.Mailbox) call.Event {
	x.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	e, err := box.Next(ctx)
	for err == nil && (e.Kind == call.MediaLost || e.Kind == call.MediaBack) {
		e, err = box.Next(ctx)
	}
	if err != nil {
		x.Fatal(err)
	}
	return e
}

// TestFailOverAcrossEdges: when the first trunk of a route fails, after it has taken the INVITE or by silence, the call goes on by the
// trunk of the other edge, whichever comes first: one leg, with audio both ways. What the called says is final.
func TestFailOverAcrossEdges(t *testing.T) {
	x := newTwoEdges(t)
	for _, to := range []string{"5102", "5202"} {
		_, box := x.dial(to)
		x.fail.invited("486 Busy Here")
		if e := x.next(box); e.Kind != call.Ended || e.Cause.SIP != 486 {
			t.Errorf("%s: %+v", to, e)
		}
	}
	if len(x.took) != 0 {
		t.Fatal("somebody was called after the first was busy")
	}
	for _, way := range []struct{ to, first, second string }{{"5101", "sip", "asterisk"}, {"5201", "asterisk", "sip"}, {"5301", "sip", "asterisk"}} {
		l, box := x.dial(way.to)
		if i := l.Info(); i.Edge != way.first {
			t.Errorf("%s sets out by %s (%s)", way.to, i.Edge, i.TrunkName)
		}
		if way.to != "5301" { // nobody is there
			if got := x.fail.invited("503 Service Unavailable"); got != way.to {
				t.Errorf("%s was dialled as %s", way.to, got)
			}
		}
		e := x.next(box)
		for e.Kind == call.Ringing {
			e = x.next(box)
		}
		if i := l.Info(); e.Kind != call.Answered || i.Edge != way.second || e.LegID != i.LegID || i.Dialled != way.to {
			t.Fatalf("%s: %+v of %+v", way.to, e, i)
		}
		c := <-x.took
		l.Audio().Play(media.Tone(440, 20*time.Second, 0.5), media.PlayOptions{})
		c.Stream().Play(media.Tone(700, 20*time.Second, 0.5), media.PlayOptions{})
		calltest.Hears(x, c.Stream(), 440)
		calltest.Hears(x, l.Audio(), 700)
		c.Hangup(t.Context())
		if e := x.next(box); e.Kind != call.Ended || e.Cause.By != "peer" {
			t.Errorf("%s: %+v", way.to, e)
		}
	}
	x.until("nothing is left over", func() bool {
		return x.h.engine.Stats().Streams == 0 && x.h.edges.asterisk.Stats().Legs == 0 && x.h.routes.Usage().Live == 0
	})
}
