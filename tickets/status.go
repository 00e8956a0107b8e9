package tickets

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/tickets/phone"
)

// Status is what a caller may be told of a ticket: how it stands, and nothing that was said in it.
type Status struct {
	Number       int64
	State        State
	Queue        string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	CallbackOwed bool // we have promised to call back
	phone        string
}

// NewestOpen returns the newest ticket of a number that is not closed, an unresolved one before a resolved one; NotFound when there
// is none. callID is the call that asks: a ticket which that call has made by ringing is not what the caller asks for. Whoever shows
// the number of somebody else gets here too, so speak of the ticket only after [Status.Check].
func (d *Desk) NewestOpen(ctx context.Context, number, callID string) (Status, error) {
	none := notFound("ticket", "from this number")
	p := NormalisePhone(number, d.cfg.Country)
	if p.Kind == Withheld {
		return Status{}, none
	}
	if !isID(callID) {
		callID = "00000000-0000-0000-0000-000000000000"
	}
	s := Status{phone: p.Value}
	err := d.pool.QueryRow(ctx, `
		select t.number, t.state, t.queue, t.created_at, t.updated_at,
			exists (select from task k where k.ticket = t.number and k.kind = 'callback' and k.state = 'open')
		from (
			select o.* from identity i join party_identity pi on pi.identity_id = i.id join ticket o on o.party_id = pi.party_id and o.identity_id = i.id
			where i.kind = 'phone' and i.value = $1
			union all
			select o.* from identity i join ticket o on o.identity_id = i.id and o.party_id is null where i.kind = 'phone' and i.value = $1) t
		where t.state <> 'closed'
			and not exists (
				select from ticket_interaction ti join interaction x on x.id = ti.interaction_id
				where ti.ticket = t.number and x.call_id = $2 and x.kind = 'call' and (x.data ->> 'made')::boolean)
		order by t.state = 'resolved', t.created_at desc, t.number desc limit 1`, p.Value, callID).
		Scan(&s.Number, &s.State, &s.Queue, &s.CreatedAt, &s.UpdatedAt, &s.CallbackOwed)
	if errors.Is(err, pgx.ErrNoRows) {
		return Status{}, none
	}
	if err != nil {
		return Status{}, fmt.Errorf("newest ticket: %w", err)
	}
	return s, nil
}

// Check says whether the digits that a caller typed prove enough to be told: kind "ticket" is the ticket's number, "phone" the last
// four digits of the number on the ticket. The number a call shows can be forged, so the ticket's number is the better proof.
func (s Status) Check(kind, typed string) bool {
	want := ""
	switch digits := phone.Digits(s.phone); {
	case kind == "ticket":
		want = strconv.FormatInt(s.Number, 10)
	case kind == "phone" && len(digits) >= 4:
		want = digits[len(digits)-4:]
	}
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(typed)) == 1
}
