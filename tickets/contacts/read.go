package contacts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres"
	"hotline/tickets/sight"
)

const (
	maxMatches = 20  // people of one number: a switchboard has more, and nobody reads them while it rings
	shown      = 5   // open tickets, and contacts
	window     = 300 // of the newest contacts are looked through for such that are in scope
)

// whose finds the parties of a number, and the number itself.
const whose = `
	n as (select i.id from identity i where i.kind = 'phone' and i.value = @phone),
	w as (select pi.party_id as id, pi.level from party_identity pi join n on n.id = pi.identity_id
		order by case pi.level when 'verified' then 0 when 'known' then 1 else 2 end, pi.created_at, pi.party_id limit @matches)`

// openSQL finds the open tickets of these parties, and those from the number that are nobody's: each state by its index.
const openSQL = `with ` + whose + `
	select t.number, t.subject, t.state, t.queue, t.updated_at from (
		select a.* from w, unnest(array['new', 'open', 'pending']) s(state), lateral (
			select t.* from ticket t where t.party_id = w.id and t.state = s.state and %[1]s order by t.updated_at desc, t.number desc limit @shown) a
		union all
		select a.* from n, unnest(array['new', 'open', 'pending']) s(state), lateral (
			select t.* from ticket t where t.identity_id = n.id and t.party_id is null and t.state = s.state and %[1]s order by t.updated_at desc, t.number desc limit @shown) a) t
	order by t.updated_at desc, t.number desc limit @shown`

// contactsSQL finds the last contacts of some parties, the calls of which are filed as interactions.
const contactsSQL = `
	select x.id::text, x.kind, x.direction, x.at, t.number, coalesce(t.subject, ''),
		coalesce((select cw.code from call_wrap cw where cw.call_id = x.call_id order by cw.at desc limit 1), ''), coalesce(x.data ->> 'result', ''), x.call_id::text
	from (
		select i.* from w, lateral (select * from interaction i where i.party_id = w.id order by i.at desc limit @window) i order by i.at desc limit @window) x
		join ticket_interaction ti on ti.interaction_id = x.id join ticket t on t.number = ti.ticket
	where x.call_id is distinct from @call::uuid and x.kind <> 'note' and %s
	order by x.at desc limit @shown`

// Read returns what is known of a caller, in one exchange with the database. q.Phone is normalised, or "" for that of the call.
func Read(ctx context.Context, db *pgxpool.Pool, q Query) (Pop, error) {
	args := sight.Args(q.See, pgx.NamedArgs{"phone": q.Phone, "call": nil, "matches": maxMatches, "shown": shown, "window": window})
	if sight.ID(q.CallID) {
		args["call"] = q.CallID
	}
	see := condition(q.See)
	p := Pop{Matches: []Match{}, Open: []Ticket{}, Contacts: []Contact{}}
	b := &pgx.Batch{}
	b.Queue(`
		select c.id::text, c.direction, c.caller, c.caller_name, c.verified, c.language, c.queue, c.path, c.started_at, coalesce(t.party_id::text, ''), t.number, t.subject, t.state, t.queue, t.updated_at
		from call c left join ticket t on t.number = c.ticket where c.id = @call::uuid`, args).Query(p.call)
	b.Queue(`with `+whose+` select p.id::text, p.name, p.company, p.vip, p.notes, p.language, w.level from w join party p on p.id = w.id`, args).
		Query(into(pgx.RowToStructByPos[Match], &p.Matches))
	b.Queue(fmt.Sprintf(openSQL, see), args).Query(into(pgx.RowToStructByPos[Ticket], &p.Open))
	b.Queue(`with `+whose+fmt.Sprintf(contactsSQL, see), args).Query(into(pgx.RowToStructByPos[Contact], &p.Contacts))
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		return Pop{}, fmt.Errorf("what is known of a caller: %w", err)
	}
	p.doubt()
	return p, nil
}

// doubt says of whom we only guess that it is they: a number that no trunk which we trust has asserted can be anybody's.
func (p *Pop) doubt() {
	if p.Call == nil || p.Call.Verified || p.Call.Direction != "in" {
		return
	}
	for i := range p.Matches {
		p.Matches[i].Level = "maybe"
	}
}

func condition(see hotline.Scope) string {
	if see.All {
		return "true"
	}
	return sight.Lists
}

// call reads the call and its ticket.
func (p *Pop) call(rows pgx.Rows) error {
	for rows.Next() {
		var c Call
		var path json.RawMessage
		var t struct {
			number                *int64
			subject, state, queue *string
			at                    *time.Time
		}
		if err := rows.Scan(&c.ID, &c.Direction, &c.Number, &c.Name, &c.Verified, &c.Language, &c.Queue, &path, &c.StartedAt, &c.Party, &t.number, &t.subject, &t.state, &t.queue, &t.at); err != nil {
			return err
		}
		c.Withheld, c.StartedAt = c.Number == "", c.StartedAt.UTC()
		if err := json.Unmarshal(path, &c.Path); err != nil {
			return fmt.Errorf("path of call %s: %w", c.ID, err)
		}
		p.Call = &c
		if t.number != nil {
			p.Ticket = &Ticket{Number: *t.number, Subject: *t.subject, State: *t.state, Queue: *t.queue, UpdatedAt: t.at.UTC()}
		}
	}
	return rows.Err()
}

// into makes a reader of a batch's rows; nothing found leaves the list empty.
func into[T any](scan pgx.RowToFunc[T], to *[]T) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scan)
		if len(list) > 0 {
			*to = list
		}
		return err
	}
}

// History returns the last contacts of one party.
func History(ctx context.Context, db postgres.DB, party string, limit int, see hotline.Scope) ([]Contact, error) {
	args := sight.Args(see, pgx.NamedArgs{"party": party, "call": nil, "shown": limit, "window": window})
	rows, err := db.Query(ctx, `with w as (select @party::uuid as id)`+fmt.Sprintf(contactsSQL, condition(see)), args)
	if err != nil {
		return nil, fmt.Errorf("contacts: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Contact])
}
