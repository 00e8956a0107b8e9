package callout

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
	"hotline/postgres/pgtest"
	"hotline/trunks"
	"hotline/trunks/routes"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// exchange is an edge whose trunks refuse calls as they are told, or have a telephone behind them.
type exchange struct {
	t      testing.TB
	engine *media.Engine
	errs   map[string]error // by trunk
	legs   chan *calltest.Leg
	dials  []call.Dial
}

func (x *exchange) Doubtful(*trunks.Trunk) bool { return false }

func (x *exchange) Dial(_ context.Context, d call.Dial) (call.Leg, error) {
	x.dials = append(x.dials, d)
	if err := x.errs[d.TrunkID]; err != nil {
		return nil, err
	}
	l := calltest.NewLeg(x.t, x.engine, call.Info{LegID: d.LegID, CallID: d.CallID, Direction: call.Outbound, TrunkID: d.TrunkID})
	l.Attach(d.Mailbox)
	x.legs <- l
	return l, nil
}

func newExchange(t *testing.T) (*exchange, *Dialer, []string) {
	t.Helper()
	pool, log := pgtest.New(t), slog.New(slog.DiscardHandler)
	dir, err := trunks.Open(t.Context(), pool, log)
	if err != nil {
		t.Fatal(err)
	}
	book, err := routes.Open(t.Context(), routes.Config{Pool: pool, Country: "CN", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, name := range []string{"one", "two"} {
		made, err := dir.CreateTrunk(t.Context(), trunks.Trunk{Name: name, Enabled: true, Settings: trunks.TrunkSettings{Host: "192.0.2.1"}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, made.ID)
	}
	if _, err := book.CreateRoute(t.Context(), routes.Route{Name: "out", Enabled: true, Trunks: ids, Settings: routes.Settings{Prefixes: []string{"+86"}}}); err != nil {
		t.Fatal(err)
	}
	x := &exchange{t: t, engine: calltest.NewEngine(t), errs: map[string]error{}, legs: make(chan *calltest.Leg, 10)}
	d, err := New(Config{Directory: dir, Routes: book, Engine: x.engine, SIP: x, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return x, d, ids
}

func dial(t *testing.T, d *Dialer) (*leg, *call.Mailbox, error) {
	t.Helper()
	o := call.Dial{CallID: hotline.NewID(), LegID: hotline.NewID(), To: "+8613900139000", Mailbox: call.NewMailbox()}
	l, err := d.Dial(t.Context(), o)
	if err != nil {
		return nil, nil, err
	}
	return l.(*leg), o.Mailbox, nil
}

func next(t *testing.T, box *call.Mailbox, kind call.EventKind) call.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := box.Next(ctx)
	if err != nil || e.Kind != kind {
		t.Fatalf("%+v, %v; want %s", e, err, kind)
	}
	return e
}

// A call out lasts no longer than the limits allow.
func TestLongCallsAreCut(t *testing.T) {
	x, d, _ := newExchange(t)
	l, box, err := dial(t, d)
	if err != nil {
		t.Fatal(err)
	}
	l.tasks.Do(func() { l.lease.Longest = 20 * time.Millisecond })
	if err := (<-x.legs).Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	next(t, box, call.Answered)
	if e := next(t, box, call.Ended); e.Cause.By != "hotline" || e.Cause.Q850 != 31 {
		t.Errorf("%+v", e.Cause)
	}
	if u := d.cfg.Routes.Usage(); u.Live != 0 || u.Minutes != 1 {
		t.Errorf("usage %+v", u)
	}
}

// A trunk that is full is passed over; a call that may not be made at all is not tried elsewhere, and nothing stays of it.
func TestRefusedAtOnce(t *testing.T) {
	x, d, ids := newExchange(t)
	x.errs[ids[0]] = hotline.Errorf(hotline.Unavailable, "dial.trunk_full", "full")
	l, box, err := dial(t, d)
	if err != nil {
		t.Fatal(err)
	}
	if i := l.Info(); i.TrunkID != ids[1] || len(x.dials) != 2 || !x.dials[0].Hurry || x.dials[1].Hurry {
		t.Errorf("%+v after %+v", i, x.dials)
	}
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Fatal(err)
	}
	next(t, box, call.Ended)
	for _, kind := range []hotline.Kind{hotline.Denied, hotline.Unavailable} {
		x.dials = nil
		x.errs[ids[0]], x.errs[ids[1]] = hotline.Errorf(kind, "dial.no", "no"), hotline.Errorf(hotline.Unavailable, "dial.full", "full")
		if _, _, err := dial(t, d); err == nil || len(x.dials) != map[hotline.Kind]int{hotline.Denied: 1, hotline.Unavailable: 2}[kind] {
			t.Errorf("%v: %v after %d trunks", kind, err, len(x.dials))
		}
	}
	if u := d.cfg.Routes.Usage(); u.Live != 0 || x.engine.Stats().Streams != 0 {
		t.Errorf("left over: %+v, %d streams", u, x.engine.Stats().Streams)
	}
}
