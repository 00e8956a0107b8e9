package tickets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/postgres"
)

// Task is something that somebody is to do about a ticket.
type Task struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"` // callback, follow_up
	Ticket    int64      `json:"ticket"`
	CallID    string     `json:"call_id"`
	Phone     string     `json:"phone"`
	Reason    string     `json:"reason"` // abandoned, asked, voicemail, cut_by_system, failed
	Queue     string     `json:"queue"`
	DueAt     time.Time  `json:"due_at"`
	State     string     `json:"state"` // open, done, cancelled
	DoneBy    string     `json:"done_by"`
	DoneAt    *time.Time `json:"done_at"`
	CreatedAt time.Time  `json:"created_at"`
}

const taskColumns = `id::text, kind, ticket, coalesce(call_id::text, ''), phone, reason, queue, due_at, state, done_by, done_at, created_at`

func scanTask(r pgx.CollectableRow) (t Task, err error) {
	err = r.Scan(&t.ID, &t.Kind, &t.Ticket, &t.CallID, &t.Phone, &t.Reason, &t.Queue, &t.DueAt, &t.State, &t.DoneBy, &t.DoneAt, &t.CreatedAt)
	t.DueAt, t.CreatedAt, t.DoneAt = t.DueAt.UTC(), t.CreatedAt.UTC(), utc(t.DoneAt)
	return t, err
}

// TaskFilter narrows [Desk.Tasks].
type TaskFilter struct {
	State  string // "" means open
	Kind   string // "" means all
	Queue  string
	Cursor string
	Limit  int
}

// Tasks returns tasks, the one due first before the others.
func (d *Desk) Tasks(ctx context.Context, f TaskFilter) (Page[Task], error) {
	limit := pageSize(f.Limit)
	if f.State == "" {
		f.State = "open"
	}
	if f.State != "open" && f.State != "done" && f.State != "cancelled" {
		return Page[Task]{}, invalid("state", "tickets.task_state", "state is %q; it must be open, done or cancelled", f.State)
	}
	args := d.scoped(pgx.NamedArgs{"state": f.State, "queue": f.Queue, "limit": limit + 1})
	where := "k.state = @state"
	if f.Queue != "" {
		where += " and k.queue = @queue"
	}
	if f.Kind != "" {
		where += " and k.kind = @kind"
		args["kind"] = f.Kind
	}
	if f.Cursor != "" {
		c, err := parseCursor(f.Cursor)
		if err != nil || !isID(c.ID) {
			return Page[Task]{}, invalid("cursor", "tickets.cursor", "the cursor was not made by this list; leave it out to begin at the start")
		}
		where += " and (k.due_at, k.id) > (@at, @id::uuid)"
		args["at"], args["id"] = c.At, c.ID
	}
	rows, err := d.pool.Query(ctx, `select `+taskColumns+` from (`+d.tasks(f, where)+`) k order by due_at, id limit @limit`, args)
	if err != nil {
		return Page[Task]{}, fmt.Errorf("list tasks: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanTask)
	if err != nil {
		return Page[Task]{}, fmt.Errorf("list tasks: %w", err)
	}
	return paged(list, limit, func(t Task) cursor { return cursor{At: t.DueAt, ID: t.ID} }), nil
}

// tasks is SQL for the first tasks of a list: those of tickets in scope, queue by queue and owner by owner, each by its index. A task
// is in the queue of its ticket.
func (d *Desk) tasks(f TaskFilter, where string) string {
	const first = ` order by k.due_at, k.id limit @limit`
	if d.see.All || d.see.Sees(f.Queue) {
		return `select k.* from task k where ` + where + first
	}
	arms := []string{
		`(select a.* from unnest(@see_queues::text[]) q(name), lateral (select k.* from task k where k.queue = q.name and ` + where + first + `) a)`,
		`(select k.* from ticket t join task k on k.ticket = t.number where t.owner_id = any(@see_people::uuid[]) and ` + where + first + `)`,
	}
	if d.see.Loose {
		arms = append(arms, `(select k.* from task k join ticket t on t.number = k.ticket where k.queue = '' and t.queue = '' and t.owner_id is null and `+where+first+`)`)
	}
	return strings.Join(arms, " union ")
}

func tasksOf(ctx context.Context, db postgres.DB, ticket int64) ([]Task, error) {
	rows, err := db.Query(ctx, `select `+taskColumns+` from task where ticket = $1 order by state <> 'open', due_at, id limit 200`, ticket)
	if err != nil {
		return nil, fmt.Errorf("tasks of ticket %d: %w", ticket, err)
	}
	list, err := pgx.CollectRows(rows, scanTask)
	if err != nil {
		return nil, fmt.Errorf("tasks of ticket %d: %w", ticket, err)
	}
	return list, nil
}

// nextDue is what ticket.next_due_at becomes after its tasks have changed.
const nextDue = `, next_due_at = (select min(due_at) from task where task.ticket = number and task.state = 'open')`

// CompleteTask marks a task as done. Of two who do so at once, one is told that the other was first.
func (d *Desk) CompleteTask(ctx context.Context, by Actor, id string) (Task, error) {
	if !isID(id) {
		return Task{}, notFound("task", id)
	}
	var t Task
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) error {
		// The ticket before the task, as everywhere, so that nobody waits in a circle.
		var number int64
		err := tx.QueryRow(ctx, `select number from ticket where number = (select ticket from task where id = $1) for update`, id).Scan(&number)
		if errors.Is(err, pgx.ErrNoRows) {
			return notFound("task", id)
		}
		if err != nil {
			return fmt.Errorf("complete task: %w", err)
		}
		if err := d.check(ctx, tx, number); hotline.KindOf(err) == hotline.NotFound {
			return notFound("task", id)
		} else if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `update task set state = 'done', done_by = $2, done_at = $3 where id = $1 and state = 'open' returning `+taskColumns, id, by.ID, now)
		if err != nil {
			return fmt.Errorf("complete task: %w", err)
		}
		t, err = pgx.CollectExactlyOneRow(rows, scanTask)
		if errors.Is(err, pgx.ErrNoRows) {
			return hotline.Errorf(hotline.Conflict, "tickets.task_ended", "this task is not open any more: somebody else was first, or the caller was served meanwhile")
		}
		if err != nil {
			return fmt.Errorf("complete task: %w", err)
		}
		_, err = appendEvent(ctx, tx, event{ticket: number, kind: "task", actor: by, at: now, set: nextDue,
			data: taskData{Task: t.ID, Kind: t.Kind, Reason: t.Reason, Change: "done"}})
		return err
	})
	return t, err
}

// cancelTasks ends what is open on a ticket: the call-backs to one number, or with phone "" every task.
func cancelTasks(ctx context.Context, tx pgx.Tx, by Actor, number int64, phone string, now time.Time) error {
	rows, err := tx.Query(ctx, `
		update task set state = 'cancelled', done_by = $3, done_at = $4
		where ticket = $1 and state = 'open' and ($2 = '' or (phone = $2 and kind = 'callback')) returning `+taskColumns, number, phone, by.ID, now)
	if err != nil {
		return fmt.Errorf("cancel tasks of ticket %d: %w", number, err)
	}
	cancelled, err := pgx.CollectRows(rows, scanTask)
	if err != nil {
		return fmt.Errorf("cancel tasks of ticket %d: %w", number, err)
	}
	for _, t := range cancelled {
		e := event{ticket: number, kind: "task", actor: by, at: now, set: nextDue, data: taskData{Task: t.ID, Kind: t.Kind, Reason: t.Reason, Change: "cancelled"}}
		if _, err := appendEvent(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

// taskData is what the timeline says of a task.
type taskData struct {
	Task   string `json:"task"`
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
	Change string `json:"change"`           // made, kept, done, cancelled
	DueAt  string `json:"due_at,omitempty"` // RFC 3339 with milliseconds, as the API writes times
}
