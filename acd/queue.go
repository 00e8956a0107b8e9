// Package acd knows the queues and those who wait in them.
//
// It owns the settings of queues, the line of waiting callers with their places and expected waits, and why each of them left. It
// plays no audio and hangs nobody up: the script of a caller does, with what it learns from its [Place]. It owns what agents do, too:
// their states with deadlines and leases, the offers they are made and their after-call work, each a row that SQL settles races for.
// Browsers are met through the small interface [Popper], the outbound side of call-backs through [Caller].
//
// Start at [Line.Join]; who is rung is chosen in [Line.match], and settled in [Agents.ring] and [Agents.Answer].
package acd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/acd/settings"
)

// Queue is one queue.
type Queue struct {
	Name      string            `json:"name"`
	Title     map[string]string `json:"title"` // by language: "en", "zh-CN"
	Settings  Settings          `json:"settings"`
	Version   int64             `json:"version"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
}

// Queues are the rows of queues, with a copy in memory so that callers can wait while the database is away.
type Queues struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	copy atomic.Pointer[map[string]Queue]
}

const refreshEvery = 5 * time.Second // at most so long another node's change takes to be seen

// OpenQueues reads the queues.
func OpenQueues(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*Queues, error) {
	q := &Queues{pool: pool, log: cmp.Or(log, slog.Default())}
	q.copy.Store(&map[string]Queue{})
	return q, q.refresh(ctx)
}

// Run keeps the copy in memory fresh until ctx is done.
func (q *Queues) Run(ctx context.Context) error {
	t := time.NewTicker(refreshEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := q.refresh(ctx); err != nil && ctx.Err() == nil {
				q.log.Debug("the queues could not be read; the copy in memory stands", "error", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Reload reads the queues again at once.
func (q *Queues) Reload(ctx context.Context) error { return q.refresh(ctx) }

func (q *Queues) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshEvery)
	defer cancel()
	list, err := q.List(ctx)
	if err != nil {
		return err
	}
	fresh := make(map[string]Queue, len(list))
	for _, e := range list {
		fresh[e.Name] = e
	}
	q.copy.Store(&fresh)
	return nil
}

// Lookup returns a queue from memory.
func (q *Queues) Lookup(name string) (Queue, bool) {
	e, ok := (*q.copy.Load())[name]
	return e, ok
}

const queueColumns = `name, title, settings, version, created_at, updated_at`

// List returns all queues by name.
func (q *Queues) List(ctx context.Context) ([]Queue, error) {
	rows, err := q.pool.Query(ctx, `select `+queueColumns+` from queue order by name`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Queue])
}

// All returns the queues by name, from memory.
func (q *Queues) All() []Queue {
	copy := *q.copy.Load()
	list := make([]Queue, 0, len(copy))
	for _, name := range slices.Sorted(maps.Keys(copy)) {
		list = append(list, copy[name])
	}
	return list
}

// Get returns a queue.
func (q *Queues) Get(ctx context.Context, name string) (Queue, error) {
	return q.one(ctx, name, `select `+queueColumns+` from queue where name = $1`, name)
}

// one runs a statement that returns one queue, or none if there is none of that name.
func (q *Queues) one(ctx context.Context, name, sql string, args ...any) (Queue, error) {
	rows, err := q.pool.Query(ctx, sql, args...)
	if err != nil {
		return Queue{}, err
	}
	e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Queue])
	if errors.Is(err, pgx.ErrNoRows) {
		return Queue{}, hotline.Errorf(hotline.NotFound, "queue.unknown", "there is no queue %q", name)
	}
	return e, err
}

// Create adds a queue.
func (q *Queues) Create(ctx context.Context, e Queue) (Queue, error) {
	if err := e.check(); err != nil {
		return Queue{}, err
	}
	out, err := q.one(ctx, e.Name, `
		insert into queue (name, title, settings) values ($1, $2, $3) on conflict (name) do nothing
		returning `+queueColumns, e.Name, e.Title, e.Settings)
	if hotline.KindOf(err) == hotline.NotFound {
		return Queue{}, &hotline.Error{Kind: hotline.Conflict, Code: "queue.exists", Message: fmt.Sprintf("there is a queue %q already", e.Name), Field: "name"}
	}
	return q.changed(out, err)
}

// Update replaces title and settings of the queue of that name if its version is still e.Version.
func (q *Queues) Update(ctx context.Context, e Queue) (Queue, error) {
	if err := e.check(); err != nil {
		return Queue{}, err
	}
	out, err := q.one(ctx, e.Name, `
		update queue set title = $3, settings = $4, version = version + 1, updated_at = now()
		where name = $1 and version = $2
		returning `+queueColumns, e.Name, e.Version, e.Title, e.Settings)
	if hotline.KindOf(err) == hotline.NotFound {
		return Queue{}, q.outdated(ctx, e.Name)
	}
	return q.changed(out, err)
}

// Delete removes a queue that no number points to.
func (q *Queues) Delete(ctx context.Context, name string, version int64) error {
	tag, err := q.pool.Exec(ctx, `delete from queue where name = $1 and version = $2`, name, version)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "23503": // foreign_key_violation
		return hotline.Errorf(hotline.Conflict, "queue.in_use", "a number points to the queue %q; point it elsewhere first", name)
	case err != nil:
		return err
	case tag.RowsAffected() == 0:
		return q.outdated(ctx, name)
	}
	q.edit(func(m map[string]Queue) { delete(m, name) })
	return nil
}

// edit changes the copy in memory.
func (q *Queues) edit(change func(map[string]Queue)) {
	for {
		old := q.copy.Load()
		fresh := maps.Clone(*old)
		change(fresh)
		if q.copy.CompareAndSwap(old, &fresh) {
			return
		}
	}
}

// outdated is the error of a change that met another version, or no queue at all.
func (q *Queues) outdated(ctx context.Context, name string) error {
	if _, err := q.Get(ctx, name); err != nil {
		return err
	}
	return hotline.Errorf(hotline.Conflict, "queue.version", "the queue %q was changed by somebody else; load it again", name)
}

// changed puts a queue that was written into the copy, so that this node sees it at once.
func (q *Queues) changed(e Queue, err error) (Queue, error) {
	if err != nil {
		return Queue{}, err
	}
	q.edit(func(m map[string]Queue) { m[e.Name] = e })
	return e, nil
}

const maxTitle = 100 // characters

// check refuses what is no queue and fills in what is left out.
func (e *Queue) check() error {
	var errs []error
	if !settings.ValidName(e.Name) {
		errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: "queue.name", Field: "name", Message: fmt.Sprintf("%q cannot name a queue; use 1 to 63 of a-z, 0-9 and -, not beginning with -", e.Name)})
	}
	if e.Title == nil {
		e.Title = map[string]string{}
	}
	for lang, title := range e.Title {
		if lang != "en" && lang != "zh-CN" {
			errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: "queue.language", Field: "title." + lang, Message: fmt.Sprintf("%q is no language of the hotline; give en or zh-CN", lang)})
		}
		if n := utf8.RuneCountInString(title); n > maxTitle || strings.ContainsFunc(title, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
			errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: "queue.title", Field: "title." + lang, Message: fmt.Sprintf("a title has at most %d characters, and no control characters", maxTitle)})
		}
	}
	if e.Settings.IsZero() {
		e.Settings = DefaultSettings()
	}
	e.Settings = e.Settings.Filled()
	return errors.Join(append(errs, e.Settings.Check("settings."))...)
}
