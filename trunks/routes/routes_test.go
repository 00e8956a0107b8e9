package routes

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// logbook is a log that is read while it is written.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), words)
}

// office is a book on a database with three trunks, and a clock of its own.
type office struct {
	*Book
	t      *testing.T
	pool   *pgxpool.Pool
	trunks []string
	log    *logbook
	mu     sync.Mutex
	clock  time.Time
}

func (o *office) time() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.clock
}

func (o *office) wait(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clock = o.clock.Add(d)
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, pool: pgtest.New(t), log: &logbook{}, clock: time.Date(2026, 3, 2, 9, 0, 0, 0, time.Local)}
	for _, name := range []string{"first", "second", "third"} {
		id := hotline.NewID()
		if _, err := o.pool.Exec(t.Context(), `insert into trunk (id, name, settings) values ($1, $2, '{}')`, id, name); err != nil {
			t.Fatal(err)
		}
		o.trunks = append(o.trunks, id)
	}
	o.Book = o.node()
	return o
}

// node is one more process on the same database.
func (o *office) node() *Book {
	o.t.Helper()
	b, err := Open(o.t.Context(), Config{Pool: o.pool, Country: "CN", Now: o.time, Log: slog.New(slog.NewTextHandler(o.log, nil))})
	if err != nil {
		o.t.Fatal(err)
	}
	return b
}

func (o *office) route(position int, s Settings, trunks ...string) Route {
	o.t.Helper()
	r, err := o.CreateRoute(o.t.Context(), Route{Position: position, Name: "r" + hotline.NewID(), Enabled: true, Trunks: trunks, Settings: s})
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func (o *office) limit(change func(*Limits)) {
	o.t.Helper()
	l, err := o.GetLimits(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	change(&l)
	if _, err := o.PutLimits(o.t.Context(), l); err != nil {
		o.t.Fatal(err)
	}
}

func code(err error) string {
	var e *hotline.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestRouteIsChecked(t *testing.T) {
	o := open(t)
	good := func() Route {
		return Route{Position: 1, Name: "abroad", Trunks: []string{o.trunks[0]}, Settings: Settings{Prefixes: []string{"+44"}}}
	}
	for name, c := range map[string]struct {
		change func(*Route)
		field  string
	}{
		"no name":          {func(r *Route) { r.Name = " " }, "name"},
		"line end in name": {func(r *Route) { r.Name = "a\nb" }, "name"},
		"position":         {func(r *Route) { r.Position = 1000 }, "position"},
		"no trunk":         {func(r *Route) { r.Trunks = nil }, "trunks"},
		"trunk twice":      {func(r *Route) { r.Trunks = []string{o.trunks[0], o.trunks[0]} }, "trunks[1]"},
		"unknown trunk":    {func(r *Route) { r.Trunks = []string{hotline.NewID()} }, "trunks"},
		"no trunk's id":    {func(r *Route) { r.Trunks = []string{"' or 1=1"} }, "trunks"},
		"no prefix":        {func(r *Route) { r.Settings.Prefixes = nil }, "settings.prefixes"},
		"the whole world":  {func(r *Route) { r.Settings.Prefixes = []string{"+44", "+"} }, "settings.prefixes[1]"},
		"a pattern":        {func(r *Route) { r.Settings.Prefixes = []string{"+44*"} }, "settings.prefixes[0]"},
		"everything local": {func(r *Route) { r.Settings.Prefixes = []string{""} }, "settings.prefixes[0]"},
		"prefix twice":     {func(r *Route) { r.Settings.Prefixes = []string{"+44", "+44"} }, "settings.prefixes[1]"},
		"strip":            {func(r *Route) { r.Settings.Strip = -1 }, "settings.strip"},
		"prepend":          {func(r *Route) { r.Settings.Prepend = "9;x=1" }, "settings.prepend"},
		"caller ID":        {func(r *Route) { r.Settings.CallerID = "boss\r\nX: y" }, "settings.caller_id"},
		"max calls":        {func(r *Route) { r.Settings.MaxCalls = -1 }, "settings.max_calls"},
	} {
		r := good()
		c.change(&r)
		_, err := o.CreateRoute(t.Context(), r)
		var e *hotline.Error
		if !errors.As(err, &e) || e.Kind != hotline.Invalid || e.Field != c.field {
			t.Errorf("%s: %v (%+v), want it refused at %s", name, err, e, c.field)
		}
	}
	if all, err := o.ListRoutes(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v %v, want no route", all, err)
	}
	for _, bad := range []Limits{{CallsPerDay: -1}, {MaxMinutes: 1441}, {Deny: []string{"x"}}, {Roles: []string{"caller"}}} {
		if _, err := o.PutLimits(t.Context(), bad); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestRouteIsKept(t *testing.T) {
	o := open(t)
	a := o.route(0, Settings{Prefixes: []string{"+44"}, CallerID: "+861055550000"}, o.trunks[1], o.trunks[0])
	b := o.route(0, Settings{Prefixes: []string{"+44"}}, o.trunks[2])
	if a.Position != 1 || b.Position != 2 {
		t.Errorf("positions %d and %d", a.Position, b.Position)
	}
	old := a
	a.Trunks = []string{o.trunks[2], o.trunks[1]}
	a, err := o.UpdateRoute(t.Context(), a)
	if err != nil || a.Version != 2 {
		t.Fatalf("%+v %v", a, err)
	}
	if _, err := o.UpdateRoute(t.Context(), old); code(err) != "route.changed" {
		t.Errorf("an old version was taken: %v", err)
	}
	got, err := o.GetRoute(t.Context(), a.ID)
	if err != nil || strings.Join(got.Trunks, " ") != o.trunks[2]+" "+o.trunks[1] || got.Settings.CallerID != "+861055550000" {
		t.Errorf("%+v %v", got, err)
	}
	b.Name = a.Name
	if _, err := o.UpdateRoute(t.Context(), b); code(err) != "route.name_taken" {
		t.Errorf("two routes of one name: %v", err)
	}
	if _, err := o.pool.Exec(t.Context(), `delete from trunk where id = $1`, o.trunks[2]); err == nil {
		t.Error("a trunk that a route uses was deleted")
	}
	if err := o.DeleteRoute(t.Context(), a.ID, 1); code(err) != "route.changed" {
		t.Errorf("deleted in an old version: %v", err)
	}
	if err := o.DeleteRoute(t.Context(), a.ID, 2); err != nil {
		t.Error(err)
	}
	if err := o.DeleteRoute(t.Context(), a.ID, 2); code(err) != "route.unknown" {
		t.Errorf("deleted twice: %v", err)
	}
}

// TestTrunksInOrder: routes are asked in their order, each gives its trunks in its own; a trunk comes once.
func TestTrunksInOrder(t *testing.T) {
	o := open(t)
	o.route(3, Settings{Prefixes: []string{"+" + "86"}}, o.trunks[0], o.trunks[1])
	o.route(1, Settings{Prefixes: []string{"+8610", "110"}, Strip: 3, Prepend: "0"}, o.trunks[2], o.trunks[0])
	off := o.route(2, Settings{Prefixes: []string{"+1"}}, o.trunks[0])
	off.Enabled = false
	if _, err := o.UpdateRoute(t.Context(), off); err != nil {
		t.Fatal(err)
	}
	o.route(4, Settings{Prefixes: []string{"+44"}, Premium: true}, o.trunks[1])
	for number, want := range map[string]string{
		"+861062345678":   "third:01062345678 first:01062345678 second:+861062345678",
		"010 6234 5678":   "third:01062345678 first:01062345678 second:+861062345678", // as people write it
		"0086 1062345678": "third:01062345678 first:01062345678 second:+861062345678",
		"+8613900139000":  "first:+8613900139000 second:+8613900139000",
		"+449098790000":   "second:+449098790000",
		"+12125550100":    "dial.not_allowed",
		"10086":           "dial.not_allowed",
		"+881612345678":   "dial.not_allowed",
		"+8613900139000,": "dial.bad_number",
		"13900139000%0d":  "dial.bad_number",
		"anonymous":       "dial.bad_number",
	} {
		l, err := o.Begin(number, "")
		got := code(err)
		if err == nil {
			var out []string
			for _, a := range l.Attempts {
				for i, name := range []string{"first", "second", "third"} {
					if a.TrunkID == o.trunks[i] {
						out = append(out, name+":"+a.Number)
					}
				}
			}
			got = strings.Join(out, " ")
			if ways := o.Ways(number); !slices.Equal(ways, l.Attempts) {
				t.Errorf("%q: ways %+v, attempts %+v", number, ways, l.Attempts)
			}
			l.End()
		}
		if got != want {
			t.Errorf("%q: %s (%v), want %s", number, got, err, want)
		}
	}
}

// TestCaps: the caps of a day hold over a restart, and alarm once.
func TestCaps(t *testing.T) {
	o := open(t)
	o.route(1, Settings{Prefixes: []string{"+86"}}, o.trunks[0])
	o.limit(func(l *Limits) { l.AgentMinutesPerDay, l.AgentCallsPerDay, l.MaxMinutes = 10, 0, 30 })
	const number = "+8613900139000"
	l, err := o.Begin(number, "ann")
	if err != nil {
		t.Fatal(err)
	}
	if l.Longest != 30*time.Minute {
		t.Errorf("longest call %s", l.Longest)
	}
	l.Answered()
	o.wait(9 * time.Minute)
	if second, err := o.Begin(number, "ann"); err != nil {
		t.Errorf("refused under the cap: %v", err)
	} else {
		second.End()
	}
	if o.log.count("four fifths of an outbound cap") != 1 {
		t.Error("no warning at four fifths")
	}
	o.wait(time.Minute)
	if err := o.Check(number); err != nil {
		t.Errorf("the cap of one agent stops all: %v", err)
	}
	if err := o.Check("+12125550100"); code(err) != "dial.not_allowed" {
		t.Errorf("asked for a number that no route has: %v", err)
	}
	for range 3 { // the call that is up has used the minutes
		if _, err := o.Begin(number, "ann"); code(err) != "dial.cap_agent_minutes_per_day" {
			t.Errorf("above the agent's minutes: %v", err)
		}
	}
	if n := o.log.count("cap is reached"); n != 1 {
		t.Errorf("%d alarms, want one", n)
	}
	l.End()
	l.End()
	if err := o.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := o.node()
	if u := other.Usage(); u.Calls != 2 || u.Minutes != 10 || len(u.Agents) != 1 || u.Agents[0].Agent != "ann" {
		t.Errorf("after a restart: %+v", u)
	}
}

// TestCapOfAll: two nodes count together, and begin anew at midnight.
func TestCapOfAll(t *testing.T) {
	o := open(t)
	o.route(1, Settings{Prefixes: []string{"+86"}}, o.trunks[0])
	o.limit(func(l *Limits) { l.CallsPerDay = 3 })
	const number = "+8613900139000"
	other := o.node()
	for i := range 3 {
		l, err := []*Book{o.Book, other}[i%2].Begin(number, "bob")
		if err != nil {
			t.Fatal(err)
		}
		l.End()
		for _, b := range []*Book{o.Book, other, o.Book} {
			if err := b.sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, b := range []*Book{o.Book, other} {
		if err := b.Check(number); code(err) != "dial.cap_calls_per_day" {
			t.Errorf("asked above all calls: %v", err)
		}
		if _, err := b.Begin(number, "eve"); code(err) != "dial.cap_calls_per_day" {
			t.Errorf("above all calls: %v, usage %+v", err, b.Usage())
		}
	}
	o.wait(15 * time.Hour)
	if l, err := o.Begin(number, "ann"); err != nil {
		t.Errorf("the next day: %v", err)
	} else {
		l.End()
	}
}

func TestRouteHasSoManyLines(t *testing.T) {
	o := open(t)
	o.route(1, Settings{Prefixes: []string{"+86"}, MaxCalls: 1}, o.trunks[0])
	o.route(2, Settings{Prefixes: []string{"+8613"}}, o.trunks[1])
	a, err := o.Begin("+8613900139000", "")
	if err != nil || a.Attempts[0].TrunkID != o.trunks[0] {
		t.Fatalf("%+v %v", a, err)
	}
	if b, err := o.Begin("+8613900139000", ""); err != nil || b.Attempts[0].TrunkID != o.trunks[1] {
		t.Errorf("%+v %v, want the second route's trunk", b, err)
	}
	if _, err := o.Begin("+862162345678", ""); code(err) != "dial.route_full" {
		t.Errorf("two calls on a route of one: %v", err)
	}
	a.End()
	if _, err := o.Begin("+862162345678", ""); err != nil {
		t.Error(err)
	}
}

// TestDatabaseAway: calls go out and are counted while the database is away; what was used is written when it is back.
func TestDatabaseAway(t *testing.T) {
	o := open(t)
	o.route(1, Settings{Prefixes: []string{"+86"}}, o.trunks[0])
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	l, err := o.Begin("+8613900139000", "ann")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.sync(gone); err == nil {
		t.Fatal("written without a database")
	}
	l.End()
	if err := o.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u := o.node().Usage(); u.Calls != 1 {
		t.Errorf("usage %+v, want one call", u)
	}
}

func TestWhoMayDial(t *testing.T) {
	o := open(t)
	o.limit(func(l *Limits) { l.Roles = []string{"supervisor"} })
	if o.MayDial("agent") || !o.MayDial("supervisor") || o.MayDial("") {
		t.Error("the right to dial does not follow the limits")
	}
}
