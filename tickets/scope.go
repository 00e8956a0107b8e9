package tickets

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/postgres"
	"hotline/tickets/sight"
)

// For returns the desk as somebody sees it: what is out of their scope is not there, whatever they ask for. People and organisations
// are there for all; what was between us and them is not.
func (d *Desk) For(see hotline.Scope) *Desk {
	scoped := *d
	scoped.see = see
	return &scoped
}

const (
	inScope = sight.Lists
	inReach = sight.One
)

// scoped adds the arguments of the conditions.
func (d *Desk) scoped(args pgx.NamedArgs) pgx.NamedArgs { return sight.Args(d.see, args) }

// check refuses a ticket that is out of scope, as if it were not there.
func (d *Desk) check(ctx context.Context, db postgres.DB, number int64) error {
	if d.see.All {
		return nil
	}
	var there bool
	err := db.QueryRow(ctx, `select exists (select from ticket t where t.number = @number and `+inReach+`)`, d.scoped(pgx.NamedArgs{"number": number})).Scan(&there)
	if err != nil {
		return fmt.Errorf("look for ticket %d: %w", number, err)
	}
	if !there {
		return notFound("ticket", number)
	}
	return nil
}

// Check refuses a ticket that is out of scope or not there at all.
func (d *Desk) Check(ctx context.Context, number int64) error {
	if d.see.All {
		var there bool
		if err := d.pool.QueryRow(ctx, `select exists (select from ticket where number = $1)`, number).Scan(&there); err != nil || there {
			return wrap(err, "look for ticket %d", number)
		}
		return notFound("ticket", number)
	}
	return d.check(ctx, d.pool, number)
}

// narrow adds to a filter's conditions what keeps its rows in scope, for lists that an index leads to few tickets: those of an owner or
// of a party. Everything else is read through the arms of newest.
func (d *Desk) narrow(f Filter, conditions string) string {
	if d.see.All || d.see.Sees(f.Queue) || f.Owner != "" && f.Owner == d.see.Account {
		return conditions
	}
	return conditions + " and " + inScope
}

// newest is SQL for the numbers of the newest n tickets of a filter. Each state is read by its own index and stops after n rows;
// an index over several states would have to read what lies between them. For the same reason a scope is read queue by queue and
// owner by owner.
func (d *Desk) newest(f Filter, conditions string, n int) string {
	states := f.States
	if len(states) == 0 {
		states = States
	}
	var parts []string
	for _, s := range states {
		for _, arm := range d.arms(f) {
			// The state stands in the text, not in an argument, so that the partial indexes can be used. It is one of five.
			one := fmt.Sprintf(`select t.number, t.updated_at from ticket t where t.state = '%s'%s%s order by t.updated_at desc, t.number desc limit %d`, s, arm.where, conditions, n)
			if arm.each != "" {
				one = `select a.number, a.updated_at from ` + arm.each + `, lateral (` + one + `) a`
			}
			parts = append(parts, `(`+one+`)`)
		}
	}
	distinct := ""
	if d.many(f) {
		distinct = "distinct " // what one owns in a queue that one sees is found twice
	}
	return fmt.Sprintf(`select %snumber, updated_at from (%s) u order by updated_at desc, number desc limit %d`, distinct, strings.Join(parts, " union all "), n)
}

// arm is one way to tickets in scope, by an index.
type arm struct {
	each  string // FROM item that the arm is read for; "" for none
	where string
}

// many says whether a list is read through several arms.
func (d *Desk) many(f Filter) bool {
	return !d.see.All && !d.see.Sees(f.Queue) && (f.Owner == "" || f.Owner == "none") && f.Party == ""
}

func (d *Desk) arms(f Filter) []arm {
	if !d.many(f) {
		return []arm{{}}
	}
	arms := []arm{
		{each: `unnest(@see_queues::text[]) q(name)`, where: ` and t.queue = q.name`},
		{each: `unnest(@see_people::uuid[]) p(id)`, where: ` and t.owner_id = p.id`},
	}
	if d.see.Loose {
		arms = append(arms, arm{where: ` and t.queue = '' and t.owner_id is null`})
	}
	return arms
}
