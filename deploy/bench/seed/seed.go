// Package seed fills a migrated database with many tickets, fast: by COPY, without the facts that would make them one by one.
//
// It serves measurements and nothing else: words, names and numbers are drawn so that there are common ones and rare ones, in Chinese
// and in English, and what it writes looks to every list and search like what the product writes: the tokens of search are those that
// [tickets.Tokens] makes of the same texts. Histories are not chained: do not verify them. Start at [Seed].
package seed

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"hotline"
)

// chunk is how many tickets one worker writes at a time, with all that hangs on them.
const chunk = 10_000

// Seed adds tickets, one party each for every three of them, and entries: one note each, spread over the tickets.
func Seed(ctx context.Context, pool *pgxpool.Pool, count, entries int) error {
	s := &seeder{count: count, entries: entries, end: time.Now().UTC().Truncate(time.Millisecond)}
	s.drawPeople(max(1, count/3))
	if err := s.references(ctx, pool); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if err := s.fill(ctx, pool); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}

// references writes what tickets refer to besides their parties.
func (s *seeder) references(ctx context.Context, pool *pgxpool.Pool) error {
	for _, q := range queues {
		if _, err := pool.Exec(ctx, `insert into queue (name, title) values ($1, jsonb_build_object('en', $1::text, 'zh-CN', $1::text)) on conflict do nothing`, q); err != nil {
			return err
		}
	}
	for i := range 20 {
		id := hotline.NewID()
		s.owners = append(s.owners, id)
		if _, err := pool.Exec(ctx, `insert into account (id, login, name, password_hash, role, disabled_at) values ($1, $2, $3, '', 'agent', null)`,
			id, "seed-"+id, fmt.Sprintf("Agent %02d", i)); err != nil {
			return err
		}
	}
	return nil
}

// filled are the tables that get many rows.
const filled = `array['party', 'identity', 'party_identity', 'ticket', 'interaction', 'ticket_interaction', 'ticket_event', 'search_doc']`

// fill copies the rows with the indexes put aside that no constraint needs, makes these again and gathers statistics: each with as many
// sessions as there are cores.
func (s *seeder) fill(ctx context.Context, pool *pgxpool.Pool) error {
	indexes, err := putAside(ctx, pool)
	if err != nil {
		return err
	}
	var chunks []func(context.Context, *pgx.Conn) error
	for from := 0; from < s.count; from += chunk {
		chunks = append(chunks, func(ctx context.Context, conn *pgx.Conn) error {
			return s.copyChunk(ctx, conn, from, min(from+chunk, s.count))
		})
	}
	if err := inSessions(ctx, pool, chunks); err != nil {
		return err
	}
	// The index of search takes longest and cannot be made by two: the rest is done beside it. Vacuum marks what every session sees, as
	// autovacuum does in life.
	rest := append(indexes, "vacuum (analyze) ticket", "vacuum (analyze) interaction", "vacuum (analyze) ticket_event",
		"vacuum (analyze) ticket_interaction", "vacuum (analyze) party", "vacuum (analyze) identity", "vacuum (analyze) party_identity",
		"select setval('ticket_number_seq', (select max(number) from ticket))")
	if err := inSessions(ctx, pool, statements(rest...)); err != nil {
		return err
	}
	return inSessions(ctx, pool, statements("vacuum (analyze) search_doc"))
}

// putAside drops what makes COPY slow and returns how to make it again, the largest first.
func putAside(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	rows, err := pool.Query(ctx, `
		select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index i
		where i.indrelid::regclass::text = any(`+filled+`) and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
		order by pg_get_indexdef(i.indexrelid) like '% gin %' desc`)
	if err != nil {
		return nil, err
	}
	var names, definitions []string
	var name, definition string
	if _, err := pgx.ForEachRow(rows, []any{&name, &definition}, func() error {
		names, definitions = append(names, name), append(definitions, definition)
		return nil
	}); err != nil || len(names) == 0 {
		return nil, err
	}
	_, err = pool.Exec(ctx, "drop index "+strings.Join(names, ", "))
	return definitions, err
}

func statements(list ...string) []func(context.Context, *pgx.Conn) error {
	var tasks []func(context.Context, *pgx.Conn) error
	for _, sql := range list {
		tasks = append(tasks, func(ctx context.Context, conn *pgx.Conn) error {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
			return nil
		})
	}
	return tasks
}

// inSessions does the tasks in their order, as many at a time as there are cores. The sessions check no foreign keys (what is written
// refers to what is written) and wait for no disk.
func inSessions(ctx context.Context, pool *pgxpool.Pool, tasks []func(context.Context, *pgx.Conn) error) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(len(tasks), max(2, runtime.NumCPU())) {
		group.Go(func() error {
			borrowed, err := pool.Acquire(ctx)
			if err != nil {
				return err
			}
			conn := borrowed.Hijack() // its settings must not come back with another task
			defer conn.Close(context.WithoutCancel(ctx))
			if _, err := conn.Exec(ctx, `set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '1GB'`); err != nil {
				return err
			}
			for i := next.Add(1) - 1; i < int64(len(tasks)); i = next.Add(1) - 1 {
				if err := tasks[i](ctx, conn); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
