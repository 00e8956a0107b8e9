package tickets

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/postgres"
)

// Filter narrows [Desk.List]. Empty fields narrow nothing.
type Filter struct {
	States []State
	Queue  string
	Owner  string // an account's id, or "none"
	Party  string // a party's id
	Query  string // words, names, numbers: as in [Desk.Search]
	Cursor string // Next of the page before
	Limit  int    // 0 means 50, at most 200
}

// Page is a part of a list. Next is the cursor of the following part, nil at the end. There are no totals: to count a million rows for
// every page is what makes lists slow.
type Page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

func pageSize(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, 200)
}

// cursor is where a page ended: the sort key of its last row.
type cursor struct {
	At     time.Time `json:"a"`
	Number int64     `json:"n,omitempty"`
	ID     string    `json:"i,omitempty"`
}

func (c cursor) String() string {
	raw, _ := json.Marshal(c) // plain fields
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parseCursor(s string) (c cursor, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || c.At.IsZero() || c.ID != "" && strings.ContainsRune(c.ID, 0) {
		return cursor{}, invalid("cursor", "tickets.cursor", "the cursor was not made by this list; leave it out to begin at the start")
	}
	return c, nil
}

// paged cuts the row too many off a list and makes the cursor.
func paged[T any](items []T, limit int, at func(T) cursor) Page[T] {
	if items == nil {
		items = []T{}
	}
	p := Page[T]{Items: items}
	if len(items) > limit {
		p.Items = items[:limit]
		next := at(p.Items[limit-1]).String()
		p.Next = &next
	}
	return p
}

// conditions makes the part of WHERE that a filter asks for, but for states and the query.
func (f Filter) conditions(args pgx.NamedArgs) (string, error) {
	var sql strings.Builder
	if f.Queue != "" {
		sql.WriteString(" and t.queue = @queue")
		args["queue"] = f.Queue
	}
	switch {
	case f.Owner == "none":
		sql.WriteString(" and t.owner_id is null")
	case f.Owner != "" && !isID(f.Owner):
		return "", invalid("owner", "tickets.owner", "owner is %q; it must be an account's id, \"me\" or \"none\"", f.Owner)
	case f.Owner != "":
		sql.WriteString(" and t.owner_id = @owner")
		args["owner"] = f.Owner
	}
	if f.Party != "" {
		if !isID(f.Party) {
			return "", invalid("party", "tickets.party", "party is %q; it must be a party's id", f.Party)
		}
		// Of a merged party, the one it was merged into.
		sql.WriteString(" and t.party_id = (select coalesce(merged_into, id) from party where id = @party)")
		args["party"] = f.Party
	}
	if f.Cursor != "" {
		c, err := parseCursor(f.Cursor)
		if err != nil {
			return "", err
		}
		sql.WriteString(" and (t.updated_at, t.number) < (@at, @number)")
		args["at"], args["number"] = c.At, c.Number
	}
	for _, s := range f.States {
		if !s.Valid() {
			return "", invalid("state", "tickets.state", "%q is no state; it must be one of new, open, pending, resolved, closed", s)
		}
	}
	return sql.String(), nil
}

// List returns tickets, the one that changed last first.
func (d *Desk) List(ctx context.Context, f Filter) (Page[Ticket], error) {
	limit := pageSize(f.Limit)
	args := pgx.NamedArgs{}
	conditions, err := f.conditions(args)
	if err != nil {
		return Page[Ticket]{}, err
	}
	var items []Ticket
	if !d.many(f) {
		conditions = d.narrow(f, conditions)
	}
	d.scoped(args)
	if f.Query == "" {
		items, err = listNumbers(ctx, d.pool, d.newest(f, conditions, limit+1), args)
	} else {
		items, err = d.listFound(ctx, f, conditions, limit, args)
	}
	if err != nil {
		return Page[Ticket]{}, fmt.Errorf("list tickets: %w", err)
	}
	return paged(items, limit, func(t Ticket) cursor { return cursor{At: t.UpdatedAt, Number: t.Number} }), nil
}

// listNumbers reads the tickets that SQL for (number, updated_at) names.
func listNumbers(ctx context.Context, db postgres.DB, numbers string, args pgx.NamedArgs) ([]Ticket, error) {
	rows, err := db.Query(ctx, `select `+ticketColumns+` from (`+numbers+`) n join ticket t on t.number = n.number `+ticketJoins+` order by n.updated_at desc, n.number desc`, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (Ticket, error) { return scanTicket(r) })
}

// listWindow is how many of the newest tickets are looked through before the index of words is asked.
const listWindow = 3000

// listFound is List with a query. A common word is found among the newest tickets; a rare one by the index of words, whose answer has
// to be sorted whole. Neither way alone is fast for both.
func (d *Desk) listFound(ctx context.Context, f Filter, conditions string, limit int, args pgx.NamedArgs) ([]Ticket, error) {
	args["q"] = tsquery(f.Query)
	if args["q"] == "" {
		return nil, nil
	}
	var seen int
	if err := d.pool.QueryRow(ctx, `select count(*) from (`+d.newest(f, conditions, listWindow)+`) w`, args).Scan(&seen); err != nil {
		return nil, err
	}
	recent := func(window int) ([]Ticket, error) {
		return listNumbers(ctx, d.pool, fmt.Sprintf(`
			select w.number, w.updated_at from (%s) w
			where exists (select from search_doc s where s.ticket = w.number and s.tokens @@ @q::tsquery)
			order by w.updated_at desc, w.number desc limit %d`, d.newest(f, conditions, window), limit+1), args)
	}
	items, err := recent(listWindow)
	if err != nil || len(items) > limit || seen < listWindow {
		return items, err
	}
	if window := widened(listWindow, len(items), limit); window > 0 {
		if items, err = recent(window); err != nil || len(items) > limit {
			return items, err
		}
	}
	states := f.States
	if len(states) == 0 {
		states = States
	}
	args["states"] = states
	if d.many(f) {
		conditions += " and " + inScope
	}
	return listNumbers(ctx, d.pool, fmt.Sprintf(`
		with m as materialized (select distinct ticket from search_doc where tokens @@ @q::tsquery and ticket is not null)
		select t.number, t.updated_at from m join ticket t on t.number = m.ticket
		where t.state = any(@states)%s
		order by t.updated_at desc, t.number desc limit %d`, conditions, limit+1), args)
}
