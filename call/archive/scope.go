package archive

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/postgres"
)

// inScope is the part of WHERE by which calls c are in scope: those of a queue that is seen, those in which somebody took part, and
// those of a ticket that is theirs. A call that rings at somebody is, too.
const inScope = `(c.queue = any(@see_queues::text[])
	or exists (select from call_agent a where a.call_id = c.id and a.agent = any(@see_people::uuid[]))
	or exists (select from ticket t where t.number = c.ticket and (t.owner_id = any(@see_people::uuid[]) or t.queue = any(@see_queues::text[])
		or (@see_loose::bool and t.queue = '' and t.owner_id is null)))
	or exists (select from work_offer o where o.call_id = c.id and o.agent = @see_me::uuid and o.state in ('live', 'answered')))`

func scopeArgs(see hotline.Scope, args pgx.NamedArgs) {
	people := append([]string{}, see.People...)
	var me *string
	if isID(see.Account) {
		me = &see.Account
		people = append(people, see.Account)
	}
	args["see_queues"], args["see_people"], args["see_loose"], args["see_me"] = append([]string{}, see.Queues...), people, see.Loose, me
}

// Check refuses a call that is out of scope or not there at all.
func Check(ctx context.Context, db postgres.DB, id string, see hotline.Scope) error {
	unknown := hotline.Errorf(hotline.NotFound, "call.unknown", "there is no call %q", id)
	if !isID(id) {
		return unknown
	}
	args := pgx.NamedArgs{"id": id}
	where := "true"
	if !see.All {
		where = inScope
		scopeArgs(see, args)
	}
	var there bool
	if err := db.QueryRow(ctx, `select exists (select from call c where c.id = @id and `+where+`)`, args).Scan(&there); err != nil {
		return fmt.Errorf("look for call: %w", err)
	}
	if !there {
		return unknown
	}
	return nil
}

// Heard returns which of some calls an agent may listen to: those in which they took part, and those in which none of ours did.
func Heard(ctx context.Context, db postgres.DB, ids []string, agent string) (map[string]bool, error) {
	var me *string
	if isID(agent) {
		me = &agent
	}
	rows, err := db.Query(ctx, `
		select i::text from unnest($1::uuid[]) i
		where not exists (select from call_agent a where a.call_id = i) or exists (select from call_agent a where a.call_id = i and a.agent = $2::uuid)`, ids, me)
	if err != nil {
		return nil, fmt.Errorf("who took part: %w", err)
	}
	heard := map[string]bool{}
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { heard[id] = true; return nil })
	return heard, err
}

// from is SQL for the calls of a filter, no more than a page of each arm: whoever sees a few queues has them read queue by queue, so
// that the calls of others are not walked through.
func (f Filter) from(where string) string {
	const first = ` order by started_at desc, id desc limit @limit`
	if f.See == nil || f.See.All || f.See.Sees(f.Queue) {
		return "call c" + where
	}
	and := " where "
	if where != "" {
		and = where + " and "
	}
	if f.Open || f.Ticket != 0 || f.Caller != "" || f.Queue != "" {
		return "call c" + and + inScope // few to look at
	}
	// What somebody owns is left out here: its calls are on the ticket.
	return `(select a.id from unnest(@see_queues::text[]) q(name), lateral (select c.id from call c` + and + `c.queue = q.name` + first + `) a
		union
		select a.id from unnest(@see_people::uuid[]) p(id), lateral (
			select c.id from call_agent g join call c on c.id = g.call_id` + and + `g.agent = p.id order by g.at desc, g.call_id desc limit @limit) a
	) i(which) join call c on c.id = i.which`
}
