package tickets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/call"
	"hotline/postgres"
)

// Ticket is a case as lists show it.
type Ticket struct {
	Number       int64      `json:"number"`
	Subject      string     `json:"subject"`
	State        State      `json:"state"`
	Priority     string     `json:"priority"`
	Queue        string     `json:"queue"`
	Channel      string     `json:"channel"` // of the first interaction
	Language     string     `json:"language"`
	Owner        *Owner     `json:"owner"`
	Party        *PartyRef  `json:"party"`
	WaitingSince *time.Time `json:"waiting_since"` // the customer waits for us since
	NextDueAt    *time.Time `json:"next_due_at"`   // of the ticket's open tasks
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"` // of the last entry of the timeline
	Version      int64      `json:"version"`
}

// Owner is the account that a ticket is with.
type Owner struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// PartyRef is the person of a ticket, as far as a list shows it.
type PartyRef struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Company string `json:"company"`
	Phone   string `json:"phone"` // by which they reached us, "" when it was withheld
	Level   Level  `json:"level"` // how sure it is that this person has that number
	VIP     bool   `json:"vip"`
}

// Detail is a ticket with what hangs on it, but for the timeline.
type Detail struct {
	Ticket
	Category   string          `json:"category"`
	Fields     json.RawMessage `json:"fields"`
	Tasks      []Task          `json:"tasks"`
	Calls      []CallRef       `json:"calls"` // newest first, at most 50
	Identities []Identity      `json:"identities"`
}

// CallRef is a call of a ticket, in short.
type CallRef struct {
	ID           string      `json:"id"`
	StartedAt    time.Time   `json:"started_at"`
	Direction    string      `json:"direction"`
	Result       call.Result `json:"result"`
	DurationMS   *int64      `json:"duration_ms"` // null while it goes on
	RecordingIDs []string    `json:"recording_ids"`
}

// ticketColumns goes with scanTicket and the joins of ticketFrom.
const (
	ticketColumns = `t.number, t.subject, t.state, t.priority, t.queue, t.channel, t.language, t.owner_id::text, a.name,
		p.id::text, p.name, p.company, p.vip, i.value, pi.level,
		t.waiting_since, t.next_due_at, t.created_at, t.updated_at, t.version`
	ticketJoins = `
		left join account a on a.id = t.owner_id
		left join party p on p.id = t.party_id
		left join identity i on i.id = t.identity_id
		left join party_identity pi on pi.identity_id = t.identity_id and pi.party_id = t.party_id`
)

// scanTicket reads ticketColumns, and more after them.
func scanTicket(row pgx.Row, more ...any) (t Ticket, err error) {
	var ownerID, owner, partyID, party, company, phone, level *string
	var vip *bool
	into := append([]any{&t.Number, &t.Subject, &t.State, &t.Priority, &t.Queue, &t.Channel, &t.Language, &ownerID, &owner,
		&partyID, &party, &company, &vip, &phone, &level, &t.WaitingSince, &t.NextDueAt, &t.CreatedAt, &t.UpdatedAt, &t.Version}, more...)
	if err := row.Scan(into...); err != nil {
		return Ticket{}, err
	}
	if ownerID != nil {
		t.Owner = &Owner{ID: *ownerID, Name: text(owner)}
	}
	if partyID != nil || phone != nil {
		t.Party = &PartyRef{ID: text(partyID), Name: text(party), Company: text(company), Phone: text(phone), Level: Level(text(level)), VIP: vip != nil && *vip}
	}
	t.CreatedAt, t.UpdatedAt = t.CreatedAt.UTC(), t.UpdatedAt.UTC()
	t.WaitingSince, t.NextDueAt = utc(t.WaitingSince), utc(t.NextDueAt)
	return t, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// Get returns a ticket.
func (d *Desk) Get(ctx context.Context, number int64) (Detail, error) {
	var det Detail
	err := pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		if det, err = getDetail(ctx, tx, number); err != nil {
			return err
		}
		return d.check(ctx, tx, number)
	})
	if err != nil {
		return Detail{}, err
	}
	return det, nil
}

func getDetail(ctx context.Context, db postgres.DB, number int64) (Detail, error) {
	var det Detail
	var partyID *string
	t, err := scanTicket(db.QueryRow(ctx, `select `+ticketColumns+`, t.category, t.fields, t.party_id::text from ticket t `+ticketJoins+` where t.number = $1`, number),
		&det.Category, &det.Fields, &partyID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Detail{}, notFound("ticket", number)
	}
	if err != nil {
		return Detail{}, fmt.Errorf("get ticket %d: %w", number, err)
	}
	det.Ticket = t
	if det.Tasks, err = tasksOf(ctx, db, number); err != nil {
		return Detail{}, err
	}
	if det.Calls, err = callsOf(ctx, db, number); err != nil {
		return Detail{}, err
	}
	det.Identities, err = identitiesOf(ctx, db, text(partyID), number)
	return det, err
}

// callsOf returns the newest calls of a ticket.
func callsOf(ctx context.Context, db postgres.DB, number int64) ([]CallRef, error) {
	rows, err := db.Query(ctx, `
		select c.id::text, c.started_at, c.direction, c.result, (extract(epoch from c.ended_at - c.started_at) * 1000)::bigint,
			coalesce((select array_agg(r.id::text order by r.started_at) from recording r where r.call_id = c.id), '{}')
		from call c where c.ticket = $1 order by c.started_at desc limit 50`, number)
	if err != nil {
		return nil, fmt.Errorf("calls of ticket %d: %w", number, err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (c CallRef, err error) {
		err = r.Scan(&c.ID, &c.StartedAt, &c.Direction, &c.Result, &c.DurationMS, &c.RecordingIDs)
		c.StartedAt = c.StartedAt.UTC()
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("calls of ticket %d: %w", number, err)
	}
	return list, nil
}
