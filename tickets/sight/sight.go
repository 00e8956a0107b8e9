// Package sight holds the conditions that keep what is read within somebody's scope. They stand in the WHERE of each query about
// tickets; nothing is filtered after it was read. Start at [Lists].
package sight

import (
	"github.com/jackc/pgx/v5"

	"hotline"
)

// Lists is the part of WHERE by which lists of tickets t are in scope.
const Lists = `(t.queue = any(@see_queues::text[]) or t.owner_id = any(@see_people::uuid[]) or (@see_loose::bool and t.queue = '' and t.owner_id is null))`

// One is Lists for one ticket: it is also there for whoever was named in a note of it, took part in a call of it, or is rung for one
// right now.
const One = `(` + Lists + `
	or exists (select from mention m where m.ticket = t.number and m.account_id = @see_me::uuid)
	or exists (select from call c join call_agent a on a.call_id = c.id where c.ticket = t.number and a.agent = @see_me::uuid)
	or exists (select from call c join work_offer o on o.call_id = c.id where c.ticket = t.number and o.agent = @see_me::uuid and o.state in ('live', 'answered')))`

// Args adds the arguments of the conditions.
func Args(see hotline.Scope, args pgx.NamedArgs) pgx.NamedArgs {
	people := append([]string{}, see.People...)
	var me *string
	if ID(see.Account) {
		me = &see.Account
		people = append(people, see.Account)
	}
	args["see_queues"], args["see_people"], args["see_loose"], args["see_me"] = append([]string{}, see.Queues...), people, see.Loose, me
	return args
}

// ID says whether s can be the id of a row: anything else finds nothing rather than failing in PostgreSQL.
func ID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}
