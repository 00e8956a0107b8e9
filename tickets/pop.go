package tickets

import (
	"context"

	"hotline/tickets/contacts"
)

// Pop returns what is known of a caller, for the screen of whoever the call is offered to.
func (d *Desk) Pop(ctx context.Context, q contacts.Query) (contacts.Pop, error) {
	if q.Phone == "" && isID(q.CallID) {
		// A call that is over or not here: its row knows the number.
		if err := d.pool.QueryRow(ctx, `select coalesce((select caller from call where id = $1), '')`, q.CallID).Scan(&q.Phone); err != nil {
			return contacts.Pop{}, wrap(err, "number of call %s", q.CallID)
		}
	}
	q.Phone = NormalisePhone(q.Phone, d.cfg.Country).Value
	return contacts.Read(ctx, d.cfg.Quick, q)
}

// Contacts returns what was last between a party and us, as far as it is in scope. Of a merged party, the one it was merged into.
func (d *Desk) Contacts(ctx context.Context, party string, limit int) ([]contacts.Contact, error) {
	p, err := d.GetParty(ctx, party)
	if err != nil {
		return nil, err
	}
	return contacts.History(ctx, d.pool, p.ID, limit, d.see)
}
