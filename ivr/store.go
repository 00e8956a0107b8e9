package ivr

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/ivr/flow"
	"hotline/ivr/lookup"
	"hotline/ivr/speech"
	"hotline/postgres"
)

// Rules say what flows may reach outside. They come from the configuration of the process: who edits flows cannot widen them.
type Rules struct {
	OutboundAllow  []string // numbers that may be dialled: "+8610123456", or a prefix as "+8610*"
	OutboundPerDay int      // calls a day to one number of the list, in UTC; 0 means 500
	LookupAllow    []string // hosts that may be asked by look-ups: "crm.example.com", "10.0.0.5:8080"
}

// Store keeps flows, prompts and opening hours in PostgreSQL. It checks before it writes.
type Store struct {
	pool  *pgxpool.Pool
	rules Rules
	voice *speech.Voice // nil: texts are not spoken when they are put, only checked
}

// NewStore returns a store. voice may be nil.
func NewStore(pool *pgxpool.Pool, rules Rules, voice *speech.Voice) *Store {
	return &Store{pool: pool, rules: rules, voice: voice}
}

// changed wakes whoever holds a snapshot: configuration is changed by people, so a notification inside the transaction costs nothing.
func changed(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "select pg_notify($1, '')", channel)
	return err
}

// channel of LISTEN and NOTIFY.
const channel = "hotline_ivr"

// edit runs f in a transaction and wakes those who listen.
func (s *Store) edit(ctx context.Context, f func(pgx.Tx) error) error {
	return postgres.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return changed(ctx, tx)
	})
}

// world is what flows may refer to at a moment.
type world struct {
	prompts map[string]bool // name + "/" + language
	hours   map[string]bool
	queues  map[string]bool
	rules   Rules
}

func (w *world) HasPrompt(name, language string) bool {
	return w.prompts[name+"/"+language] || builtIn(name, language) != ""
}
func (w *world) HasHours(name string) bool  { return w.hours[name] }
func (w *world) HasQueue(name string) bool  { return w.queues[name] }
func (w *world) MayDial(number string) bool { return mayDial(w.rules.OutboundAllow, number) }
func (w *world) MayAsk(host string) bool    { return lookup.Allowed(w.rules.LookupAllow, host) }

// readWorld reads the names of what is there.
func readWorld(ctx context.Context, db postgres.DB, rules Rules) (*world, error) {
	w := &world{prompts: map[string]bool{}, hours: map[string]bool{}, queues: map[string]bool{}, rules: rules}
	for _, part := range []struct {
		sql  string
		into map[string]bool
	}{
		{"select name || '/' || language from prompt", w.prompts},
		{"select name from hours", w.hours},
		{"select name from queue", w.queues},
	} {
		rows, err := db.Query(ctx, part.sql)
		if err != nil {
			return nil, err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			part.into[n] = true
		}
	}
	return w, nil
}

// Validate holds the text of a flow against what exists. No problems: it may be published.
func (s *Store) Validate(ctx context.Context, source string) ([]Problem, error) {
	w, err := readWorld(ctx, s.pool, s.rules)
	if err != nil {
		return nil, err
	}
	_, problems := flow.Check(source, w)
	return orEmpty(problems), nil
}

// ValidateWith is [Store.Validate] for a time when prompts ("name/language"), hours and queues will be these.
func (s *Store) ValidateWith(ctx context.Context, source string, prompts, hours, queues []string) ([]Problem, error) {
	w := &world{prompts: set(prompts), hours: set(hours), queues: set(queues), rules: s.rules}
	_, problems := flow.Check(source, w)
	return orEmpty(problems), ctx.Err()
}

func set(names []string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

// Outline draws the tree of a flow, also of one with problems.
func Outline(source string) []NodeOutline { return flow.Outline(source) }

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func notFound(code, format string, args ...any) error {
	return hotline.Errorf(hotline.NotFound, code, format, args...)
}

func conflict(what string) error {
	return hotline.Errorf(hotline.Conflict, what+".changed", "somebody else has changed this %s meanwhile; read it again and repeat your change", what)
}

func invalid(field, code, format string, args ...any) *hotline.Error {
	e := hotline.Errorf(hotline.Invalid, code, format, args...)
	e.Field = field
	return e
}

// joined makes one error of several inputs that are wrong; nil if there are none.
func joined(list []*hotline.Error) error {
	if len(list) == 0 {
		return nil
	}
	errs := make([]error, len(list))
	for i, e := range list {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// referred turns a foreign key that stands in the way into words.
func referred(err error, code, message string) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "23503" {
		return &hotline.Error{Kind: hotline.Conflict, Code: code, Message: message, Err: err}
	}
	return err
}

func titlesOf(raw []byte) map[string]string {
	var t map[string]string
	json.Unmarshal(raw, &t) // the column is not null; an odd value shows as no title
	return t
}

func known(language string) bool { return slices.Contains(flow.Languages, language) }
