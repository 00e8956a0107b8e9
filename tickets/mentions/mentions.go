// Package mentions keeps who was named in which note, and who has looked.
//
// Rows are added by package tickets in the transaction that adds the note ([Add]); everybody reads their own and nobody else's. Start
// at [Store.List].
package mentions

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres"
)

// Max is how many people one note may name.
const Max = 20

// Person is somebody of ours.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Mention is one naming of somebody.
type Mention struct {
	ID      string
	Ticket  int64
	Subject string
	Seq     int64 // of the note in the ticket's history
	By      Person
	At      time.Time
	Excerpt string
	ReadAt  *time.Time
}

// Named finds the people to be named: accounts that are not closed, each once, without the author. The error names one that is none.
func Named(ctx context.Context, db postgres.DB, ids []string, author string) ([]Person, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	if len(ids) > Max {
		return nil, invalid("a note names at most %d people", Max)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := db.Query(ctx, `select id::text, name from account where id::text = any($1) and disabled_at is null order by name, id`, ids)
	if err != nil {
		return nil, fmt.Errorf("find who is named: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Person])
	if err != nil {
		return nil, fmt.Errorf("find who is named: %w", err)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(list, func(p Person) bool { return p.ID == id }) {
			return nil, invalid("there is no active account %.64q", id)
		}
	}
	return slices.DeleteFunc(list, func(p Person) bool { return p.ID == author }), nil
}

func invalid(format string, args ...any) error {
	e := hotline.Errorf(hotline.Invalid, "tickets.mention", format, args...)
	e.Field = "mentions"
	return e
}

// Add notes who was named in a note.
func Add(ctx context.Context, db postgres.DB, people []Person, ticket, seq int64, note string, by Person, at time.Time) error {
	for _, p := range people {
		_, err := db.Exec(ctx, `
			insert into mention (id, ticket, seq, interaction_id, account_id, actor, actor_name, at) values ($1, $2, $3, $4, $5, $6, $7, $8)
			on conflict (interaction_id, account_id) do nothing`, hotline.NewID(), ticket, seq, note, p.ID, by.ID, by.Name, at)
		if err != nil {
			return fmt.Errorf("name somebody: %w", err)
		}
	}
	return nil
}

// Store reads what was noted.
type Store struct{ pool *pgxpool.Pool }

// New returns the store of a database.
func New(pool *pgxpool.Pool) *Store { return &Store{pool} }

// Unread counts what somebody has not looked at; more than 100 are 100.
func (s *Store) Unread(ctx context.Context, account string) (n int, err error) {
	err = s.pool.QueryRow(ctx, `select count(*) from (select from mention where account_id = $1 and read_at is null limit 100) m`, owner(account)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count mentions: %w", err)
	}
	return n, nil
}

// owner is the id of an account for a statement; a program's name, which is no account, is nobody.
func owner(account string) *string {
	if len(account) != 36 || strings.ContainsRune(account, ':') {
		return nil
	}
	return &account
}

// Filter narrows [Store.List].
type Filter struct {
	Unread bool
	Cursor string
	Limit  int // at most 200
}

const columns = `m.id::text, m.ticket, t.subject, m.seq, m.actor, m.actor_name, m.at, left(i.body, 200), m.read_at`

func scan(r pgx.CollectableRow) (m Mention, err error) {
	err = r.Scan(&m.ID, &m.Ticket, &m.Subject, &m.Seq, &m.By.ID, &m.By.Name, &m.At, &m.Excerpt, &m.ReadAt)
	m.At = m.At.UTC()
	return m, err
}

// List returns somebody's mentions, the newest first, and the cursor of the next page, "" at the end.
func (s *Store) List(ctx context.Context, account string, f Filter) ([]Mention, string, error) {
	where, args := "", []any{owner(account), f.Limit + 1}
	if f.Unread {
		where += " and m.read_at is null"
	}
	if f.Cursor != "" {
		at, id, err := parse(f.Cursor)
		if err != nil {
			return nil, "", err
		}
		where += " and (m.at, m.id) < ($3, $4::uuid)"
		args = append(args, at, id)
	}
	rows, err := s.pool.Query(ctx, `select `+columns+` from mention m join ticket t on t.number = m.ticket join interaction i on i.id = m.interaction_id
		where m.account_id = $1`+where+` order by m.at desc, m.id desc limit $2`, args...)
	if err != nil {
		return nil, "", fmt.Errorf("list mentions: %w", err)
	}
	list, err := pgx.CollectRows(rows, scan)
	if err != nil || len(list) <= f.Limit {
		return list, "", err
	}
	list = list[:f.Limit]
	last := list[f.Limit-1]
	return list, base64.RawURLEncoding.EncodeToString([]byte(last.At.Format(time.RFC3339Nano) + " " + last.ID)), nil
}

func parse(cursor string) (at time.Time, id string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	stamp, id, ok := strings.Cut(string(raw), " ")
	if err == nil && ok && len(id) == 36 && !strings.ContainsRune(id, 0) {
		at, err = time.Parse(time.RFC3339Nano, stamp)
	}
	if err != nil || at.IsZero() {
		e := hotline.Errorf(hotline.Invalid, "list.cursor", "the cursor is none that this list has given; leave it out to start again")
		e.Field = "query.cursor"
		return at, "", e
	}
	return at, id, nil
}

// Read notes that somebody has looked. What is not theirs is not there.
func (s *Store) Read(ctx context.Context, account, id string, now time.Time) (Mention, error) {
	rows, err := s.pool.Query(ctx, `
		with m as (
			update mention set read_at = coalesce(read_at, $3) where id = $2 and account_id = $1 returning *
		)
		select `+columns+` from m join ticket t on t.number = m.ticket join interaction i on i.id = m.interaction_id`, owner(account), id, now)
	if err != nil {
		return Mention{}, fmt.Errorf("read mention: %w", err)
	}
	m, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, hotline.Errorf(hotline.NotFound, "tickets.mention_unknown", "there is no such mention of you")
	}
	return m, err
}

// ReadAll notes that somebody has looked at everything.
func (s *Store) ReadAll(ctx context.Context, account string, now time.Time) error {
	if _, err := s.pool.Exec(ctx, `update mention set read_at = $2 where account_id = $1 and read_at is null`, owner(account), now); err != nil {
		return fmt.Errorf("read mentions: %w", err)
	}
	return nil
}
