// Package callbacks shows whom to call back: the tasks of the tickets, with how far Hotline has come by itself.
//
// The attempts are made by acd. Start at [List].
package callbacks

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/postgres"
	"hotline/tickets"
)

// Callback is a customer to be called back: the task, and how far Hotline has come with it by itself.
type Callback struct {
	tickets.Task
	Subject    string     // of the ticket
	Attempts   int        // that were made
	LastAt     *time.Time // of the last attempt
	LastResult string
	NextAt     *time.Time     // when Hotline tries again; nil: it does not, a person has to
	Agent      *tickets.Owner // of the last attempt
}

// List returns the call-backs that desk shows, the one due first before the others.
func List(ctx context.Context, db postgres.DB, desk *tickets.Desk, f tickets.TaskFilter) (tickets.Page[Callback], error) {
	f.Kind = "callback"
	tasks, err := desk.Tasks(ctx, f)
	if err != nil {
		return tickets.Page[Callback]{}, err
	}
	ids := make([]string, len(tasks.Items))
	for i, t := range tasks.Items {
		ids[i] = t.ID
	}
	// A number is called back once however often it has asked: the attempts are those of the last time.
	rows, err := db.Query(ctx, `
		select k.id::text, t.subject, coalesce(c.attempts, 0), coalesce(c.last_result, ''), case when c.state = 'open' then c.next_at end,
			(select max(a.at) from callback_attempt a where a.callback = c.id), coalesce(c.agent, ''), coalesce(o.name, '')
		from unnest($1::uuid[]) i(id) join task k on k.id = i.id join ticket t on t.number = k.ticket
			left join lateral (
				select b.* from callback b where b.id = k.call_id
				union all
				select b.* from call x join callback b on b.id = x.id where x.ticket = k.ticket and b.phone = k.phone and x.id is distinct from k.call_id
				order by asked_at desc limit 1) c on true
			left join account o on o.id::text = c.agent`, ids)
	if err != nil {
		return tickets.Page[Callback]{}, fmt.Errorf("call-backs: %w", err)
	}
	more := map[string]Callback{}
	_, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (c Callback, err error) {
		var agent tickets.Owner
		err = r.Scan(&c.ID, &c.Subject, &c.Attempts, &c.LastResult, &c.NextAt, &c.LastAt, &agent.ID, &agent.Name)
		if agent.ID != "" {
			c.Agent = &agent
		}
		more[c.ID] = c
		return c, err
	})
	if err != nil {
		return tickets.Page[Callback]{}, fmt.Errorf("call-backs: %w", err)
	}
	p := tickets.Page[Callback]{Items: make([]Callback, 0, len(ids)), Next: tasks.Next}
	for _, t := range tasks.Items {
		c := more[t.ID]
		c.Task = t
		p.Items = append(p.Items, c)
	}
	return p, nil
}
