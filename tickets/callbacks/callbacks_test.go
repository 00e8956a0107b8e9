package callbacks

import (
	"testing"

	"hotline"
	"hotline/postgres/pgtest"
	"hotline/tickets"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestListSaysHowFarHotlineHasCome(t *testing.T) {
	pool := pgtest.New(t)
	desk := tickets.New(pool, tickets.Config{})
	id := func() string { return hotline.NewID() }
	agent, asked, again := id(), id(), id()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec(`insert into account (id, login, name, password_hash, role) values ($1, 'mei', 'Mei', '', 'agent')`, agent)
	exec(`insert into ticket (number, subject, queue, created_at, updated_at) values (1, 'broken', 'support', now(), now()), (2, 'other', 'sales', now(), now())`)
	for _, call := range []string{asked, again} {
		exec(`insert into call (id, node, direction, phase, dialled, ticket, started_at) values ($1, 'n', 'in', 'ended', '4000', 1, now())`, call)
	}
	// The number asked twice: there is one task, of the first call, and the line holds the second wish.
	exec(`insert into task (id, kind, ticket, call_id, phone, reason, queue, due_at, created_at) values ($1, 'callback', 1, $2, '+861', 'asked', 'support', now(), now()),
		($3, 'callback', 2, $4, '+862', 'asked', 'sales', now(), now()), ($5, 'follow_up', 1, $6, '', 'voicemail', 'support', now(), now())`, id(), asked, id(), id(), id(), id())
	exec(`insert into callback (id, phone, queue, rank, joined_at, asked_at, next_at, attempts, last_result, agent) values ($1, '+861', 'support', now(), now(), now(), now(), 2, 'busy', $2)`, again, agent)
	exec(`insert into callback_attempt (callback, n, call_id, agent, at, result) values ($1, 2, $2, $3, now(), 'busy')`, again, id(), agent)

	p, err := List(t.Context(), pool, desk.For(hotline.Scope{Queues: []string{"support"}}), tickets.TaskFilter{})
	if err != nil || len(p.Items) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	c := p.Items[0]
	if c.Ticket != 1 || c.Subject != "broken" || c.Attempts != 2 || c.LastResult != "busy" || c.NextAt == nil || c.LastAt == nil || c.Agent == nil || c.Agent.Name != "Mei" {
		t.Errorf("%+v", c)
	}
	exec(`update callback set state = 'failed', done_at = now()`)
	p, err = List(t.Context(), pool, desk, tickets.TaskFilter{Queue: "support"})
	if err != nil || len(p.Items) != 1 || p.Items[0].NextAt != nil {
		t.Errorf("after the last attempt a person has to: %+v, %v", p, err)
	}
}
