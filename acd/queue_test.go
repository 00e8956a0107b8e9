package acd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/postgres/pgtest"
)

func openQueues(t *testing.T) *Queues {
	t.Helper()
	q, err := OpenQueues(t.Context(), pgtest.New(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQueuesAreKept(t *testing.T) {
	q := openQueues(t)
	ctx := t.Context()
	made, err := q.Create(ctx, Queue{Name: "support", Title: map[string]string{"en": "Support", "zh-CN": "技术支持"}})
	if err != nil || made.Version != 1 || made.Settings.MaxWaitS != 900 || !made.Settings.AnnouncePosition {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := q.Create(ctx, Queue{Name: "support"}); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("a second of that name: %v", err)
	}
	if got, ok := q.Lookup("support"); !ok || got.Title["zh-CN"] != "技术支持" {
		t.Errorf("from memory: %+v", got)
	}
	made.Settings.MaxWaitS, made.Settings.ExitKeys = 60, map[string]Action{"1": ToVoicemail, "#": ToCallback}
	changed, err := q.Update(ctx, made)
	if err != nil || changed.Version != 2 || changed.Settings.ExitKeys["#"] != ToCallback {
		t.Errorf("%+v, %v", changed, err)
	}
	if _, err := q.Update(ctx, made); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("an outdated change: %v", err)
	}
	if _, err := q.Update(ctx, Queue{Name: "none", Version: 1}); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("a change of nothing: %v", err)
	}
	if list, err := q.List(ctx); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	for _, sql := range []string{`insert into flow (name) values ('main')`, `insert into number (number, flow, queue) values ('4000', 'main', 'support')`} {
		if _, err := q.pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Delete(ctx, "support", 2); hotline.KindOf(err) != hotline.Conflict || !strings.Contains(err.Error(), "number") {
		t.Errorf("one that a number points to: %v", err)
	}
	if _, err := q.pool.Exec(ctx, `delete from number`); err != nil {
		t.Fatal(err)
	}
	if err := q.Delete(ctx, "support", 1); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("an outdated version: %v", err)
	}
	if err := q.Delete(ctx, "support", 2); err != nil {
		t.Error(err)
	}
	if err := q.Delete(ctx, "support", 2); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("twice: %v", err)
	}
	if _, ok := q.Lookup("support"); ok {
		t.Error("it is still in memory")
	}
	if _, err := q.Get(ctx, "support"); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
}

// Another node's change is seen, and while the database is away the copy stands.
func TestTheCopyInMemory(t *testing.T) {
	q := openQueues(t)
	ctx := t.Context()
	if _, err := q.pool.Exec(ctx, `insert into queue (name, title, settings) values ('sales', '{}', '{"max_wait_s": 77}')`); err != nil {
		t.Fatal(err)
	}
	if err := q.refresh(ctx); err != nil {
		t.Fatal(err)
	}
	q.pool.Close()
	if err := q.refresh(ctx); err == nil {
		t.Error("a closed pool answers")
	}
	if e, ok := q.Lookup("sales"); !ok || e.Settings.MaxWaitS != 77 || e.Settings.OnFull != ToVoicemail || !e.Settings.CallbackOffer {
		t.Errorf("%+v", e)
	}
}

func TestWrongQueuesAreRefused(t *testing.T) {
	q := openQueues(t)
	for _, c := range []struct {
		name, settings, title, field string
	}{
		{"Support", `{}`, `{}`, "name"},
		{"", `{}`, `{}`, "name"},
		{"-x", `{}`, `{}`, "name"},
		{strings.Repeat("x", 64), `{}`, `{}`, "name"},
		{"a", `{}`, `{"fr": "x"}`, "title.fr"},
		{"a", `{}`, `{"en": "` + strings.Repeat("x", 101) + `"}`, "title.en"},
		{"a", `{}`, `{"en": "a\u0000b"}`, "title.en"},
		{"a", `{"max_wait_s": 1}`, `{}`, "settings.max_wait_s"},
		{"a", `{"max_wait_s": -5}`, `{}`, "settings.max_wait_s"},
		{"a", `{"announce_every_s": 1}`, `{}`, "settings.announce_every_s"},
		{"a", `{"on_max_wait": "explode"}`, `{}`, "settings.on_max_wait"},
		{"a", `{"on_full": "callback"}`, `{}`, "settings.on_full"},
		{"a", `{"exit_keys": {"11": "next"}}`, `{}`, "settings.exit_keys.11"},
		{"a", `{"exit_keys": {"1": "x"}}`, `{}`, "settings.exit_keys.1"},
		{"a", `{"music": "../x"}`, `{}`, "settings.music"},
		{"a", `{"vip_priority_s": 9999999}`, `{}`, "settings.vip_priority_s"},
	} {
		e := Queue{Name: c.name}
		if err := errors.Join(json.Unmarshal([]byte(c.settings), &e.Settings), json.Unmarshal([]byte(c.title), &e.Title)); err != nil {
			t.Fatal(err)
		}
		_, err := q.Create(t.Context(), e)
		var h *hotline.Error
		if !errors.As(err, &h) || h.Kind != hotline.Invalid || h.Field != c.field || h.Code == "" {
			t.Errorf("%+v: %#v", c, err)
		}
	}
	var s Settings
	if err := json.Unmarshal([]byte(`{"max_wait": 10}`), &s); err == nil {
		t.Error("an unknown setting is taken")
	}
}

func TestAFullQueueTakesNobodyButThoseWhoComeBack(t *testing.T) {
	q := openQueues(t)
	if _, err := q.Create(t.Context(), Queue{Name: "small", Settings: Settings{MaxWaiting: 2, VIPPriorityS: 600, AnnounceEveryS: 30, MaxWaitS: 60, OnMaxWait: ToNext, OnFull: ToNext, HandlingTimeS: 60}}); err != nil {
		t.Fatal(err)
	}
	l := NewLine(LineConfig{Queues: q})
	a := join(t, l, t.Context(), Waiter{Queue: "small", Caller: "+1"})
	join(t, l, t.Context(), Waiter{Queue: "small", Caller: "+2"})
	if _, err := l.Join(t.Context(), Waiter{Queue: "small", Caller: "+3"}); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("%v", err)
	}
	a.Leave(LeftCut)
	join(t, l, t.Context(), Waiter{Queue: "small", Caller: "+4"})
	if p := join(t, l, t.Context(), Waiter{Queue: "small", Caller: "+1"}); p.Position() != 1 {
		t.Errorf("who comes back is at %d", p.Position())
	}
	if s := l.Stats(); s.Full != 1 || s.Resumed != 1 {
		t.Errorf("%+v", s)
	}
	l.Waiting("small")
	l.CallbackDone("x")
	if _, a := (&Place{line: l, waiter: Waiter{Queue: "none"}}).Expected(); a {
		t.Error("a wait is known where nobody works")
	}
}

// Those whom a crash of the process cut off a moment ago get their places back, and places of call-backs go when the task is done.
func TestPlacesOverARestart(t *testing.T) {
	pool := pgtest.New(t)
	ctx := t.Context()
	now := time.Now()
	segment := func(caller, reason string, ended time.Time) {
		id := hotline.NewID()
		_, err := pool.Exec(ctx, `insert into call (id, node, direction, phase, caller, dialled, started_at) values ($1, 'n', 'in', 'ended', $2, '4000', $3)`, id, caller, now.Add(-10*time.Minute))
		if err == nil {
			_, err = pool.Exec(ctx, `insert into call_segment (id, call_id, kind, queue, started_at, ended_at, duration_ms, reason) values ($1, $2, 'queue', 'q', $3, $4, 1, $5)`, hotline.NewID(), id, now.Add(-5*time.Minute), ended, reason)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	segment("+1", "cut", now.Add(-20*time.Second))
	segment("+2", "answered", now.Add(-20*time.Second))
	segment("+3", "cut", now.Add(-2*time.Minute))
	l := NewLine(LineConfig{Pool: pool})
	restored := map[string]bool{}
	for range 3 {
		l.restore(ctx, now, restored)
	}
	if p := join(t, l, ctx, Waiter{Queue: "q", Caller: "+1"}); !p.Resumed() || p.Waited() < 4*time.Minute {
		t.Errorf("resumed %v, waited %v", p.Resumed(), p.Waited())
	}
	l.restore(ctx, now, restored)
	for _, c := range []string{"+1", "+2", "+3"} {
		if p := join(t, l, ctx, Waiter{Queue: "q", Caller: c}); p.Resumed() {
			t.Errorf("%s got a place back", c)
		}
	}
	back := join(t, l, ctx, Waiter{Queue: "other", Caller: "+9"})
	back.KeepForCallback()
	task := func(state string) {
		_, err := pool.Exec(ctx, `insert into ticket (number, subject, created_at, updated_at) overriding user value values (1, 's', now(), now())`)
		if err == nil {
			_, err = pool.Exec(ctx, `insert into task (id, kind, ticket, call_id, reason, due_at, state, created_at) values ($1, 'callback', (select max(number) from ticket), $2, 'asked', now(), $3, now())
				on conflict (call_id, kind) where call_id is not null do update set state = excluded.state`, hotline.NewID(), back.waiter.CallID, state)
		}
		if err != nil {
			t.Fatal(err)
		}
		l.syncCallbacks(ctx)
	}
	if task("open"); back.Position() != 1 {
		t.Error("the place went before the call-back was made")
	}
	if task("done"); back.Position() != 0 {
		t.Error("the place is held for a call-back that was made")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	q := openQueues(t)
	l := NewLine(LineConfig{Queues: q, Pool: q.pool})
	for name, run := range map[string]func(context.Context) error{"queues": q.Run, "line": l.Run} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := run(ctx); err != nil {
			t.Error(fmt.Errorf("%s: %w", name, err))
		}
		cancel()
	}
}
