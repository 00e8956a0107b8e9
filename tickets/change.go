package tickets

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"hotline"
	"hotline/tickets/mentions"
)

// Priorities of tickets.
var Priorities = []string{"low", "normal", "high", "urgent"}

// Change is what is to change of a ticket; nil leaves a field as it is.
type Change struct {
	Version  int64 // of the ticket that was looked at
	Subject  *string
	Priority *string
	Queue    *string
	OwnerID  *string // "" takes it from its owner
	PartyID  *string // "" for nobody
	Category *string
}

// head is a ticket that is held until the transaction ends.
type head struct {
	Number   int64
	Subject  string
	State    State
	Priority string
	Queue    string
	Category string
	Owner    string
	Party    string
	Version  int64
}

// lockTicket holds a ticket that is in scope.
func (d *Desk) lockTicket(ctx context.Context, tx pgx.Tx, number int64) (h head, err error) {
	err = tx.QueryRow(ctx, `
		select number, subject, state, priority, queue, category, coalesce(owner_id::text, ''), coalesce(party_id::text, ''), version
		from ticket where number = $1 for update`, number).
		Scan(&h.Number, &h.Subject, &h.State, &h.Priority, &h.Queue, &h.Category, &h.Owner, &h.Party, &h.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return head{}, notFound("ticket", number)
	}
	if err != nil {
		return head{}, fmt.Errorf("lock ticket %d: %w", number, err)
	}
	return h, d.check(ctx, tx, number)
}

// Update changes fields of a ticket. Who looked at an older version is told and nothing is changed: of two who take a ticket at
// once, one gets it.
func (d *Desk) Update(ctx context.Context, by Actor, number int64, c Change) (Detail, error) {
	var det Detail
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) error {
		h, err := d.lockTicket(ctx, tx, number)
		if err != nil {
			return err
		}
		if h.Version != c.Version {
			return conflictVersion("ticket")
		}
		events, err := d.updates(ctx, tx, h, c)
		if err != nil {
			return err
		}
		for i, e := range events {
			e.ticket, e.actor, e.at = number, by, now
			if i == 0 {
				e.set += ", version = version + 1"
			}
			if _, err := appendEvent(ctx, tx, e); err != nil {
				return err
			}
		}
		if c.Queue != nil && *c.Queue != h.Queue {
			// What is to be done about a ticket is done by those who see it.
			if _, err := tx.Exec(ctx, `update task set queue = $2 where ticket = $1 and state = 'open'`, number, *c.Queue); err != nil {
				return fmt.Errorf("move tasks of ticket %d: %w", number, err)
			}
		}
		if len(events) > 0 {
			if err := indexTicket(ctx, tx, number); err != nil {
				return err
			}
		}
		det, err = getDetail(ctx, tx, number)
		return err
	})
	return det, err
}

// moved is what the timeline says of a field.
type moved struct {
	From string `json:"from"`
	To   string `json:"to"`
	Name string `json:"name,omitempty"` // of what To is the id
}

// updates checks a change and makes one event of each field that becomes another.
func (d *Desk) updates(ctx context.Context, tx pgx.Tx, h head, c Change) (events []event, err error) {
	set := func(kind, column, from, to, name string) {
		if from != to {
			events = append(events, event{kind: kind, data: moved{From: from, To: to, Name: name}, set: ", " + column + " = @to", args: pgx.NamedArgs{"to": nullOr(column, to)}})
		}
	}
	if c.Subject != nil {
		subject := clean(*c.Subject, 200)
		if subject == "" {
			return nil, invalid("subject", "tickets.subject", "a ticket needs a subject")
		}
		set("subject", "subject", h.Subject, subject, "")
	}
	if c.Priority != nil {
		if !slices.Contains(Priorities, *c.Priority) {
			return nil, invalid("priority", "tickets.priority", "priority is %q; it must be low, normal, high or urgent", *c.Priority)
		}
		set("priority", "priority", h.Priority, *c.Priority, "")
	}
	if c.Queue != nil {
		if err := checkQueue(ctx, tx, *c.Queue); err != nil {
			return nil, err
		}
		set("queue", "queue", h.Queue, *c.Queue, "")
	}
	if c.Category != nil {
		set("category", "category", h.Category, clean(*c.Category, 100), "")
	}
	if c.OwnerID != nil {
		name, err := ownerName(ctx, tx, *c.OwnerID)
		if err != nil {
			return nil, err
		}
		set("owner", "owner_id", h.Owner, *c.OwnerID, name)
	}
	if c.PartyID != nil {
		to := *c.PartyID
		if to != "" {
			p, err := getParty(ctx, tx, to)
			if err != nil {
				return nil, err
			}
			to = p.ID // of a merged one, the one it was merged into
		}
		set("party", "party_id", h.Party, to, "")
	}
	return events, nil
}

// nullOr makes null of "" for columns that hold ids.
func nullOr(column, value string) any {
	if value == "" && (column == "owner_id" || column == "party_id") {
		return nil
	}
	return value
}

func checkQueue(ctx context.Context, tx pgx.Tx, name string) error {
	if name == "" {
		return nil
	}
	var there bool
	if err := tx.QueryRow(ctx, `select exists (select from queue where name = $1)`, name).Scan(&there); err != nil {
		return fmt.Errorf("look for queue: %w", err)
	}
	if !there {
		return invalid("queue", "tickets.queue_unknown", "there is no queue %q", clean(name, 64))
	}
	return nil
}

func ownerName(ctx context.Context, tx pgx.Tx, id string) (name string, err error) {
	if id == "" {
		return "", nil
	}
	unknown := invalid("owner_id", "tickets.owner_unknown", "there is no active account %q", clean(id, 64))
	if !isID(id) {
		return "", unknown
	}
	err = tx.QueryRow(ctx, `select name from account where id = $1 and disabled_at is null`, id).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", unknown
	}
	if err != nil {
		return "", fmt.Errorf("look for account: %w", err)
	}
	return name, nil
}

// StateChange moves a ticket to another state.
type StateChange struct {
	Version int64 // of the ticket that was looked at; 0 when only the state matters
	State   State
	Comment string // becomes an internal note
}

// SetState moves a ticket to another state, as [May] allows.
func (d *Desk) SetState(ctx context.Context, by Actor, number int64, c StateChange) (Detail, error) {
	var det Detail
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) error {
		h, err := d.lockTicket(ctx, tx, number)
		if err != nil {
			return err
		}
		if c.Version != 0 && h.Version != c.Version {
			return conflictVersion("ticket")
		}
		if err := checkTransition(h.State, c.State); err != nil {
			return err
		}
		if c.Comment != "" {
			if _, err := d.note(ctx, tx, by, number, NewNote{Body: c.Comment}, now); err != nil {
				return err
			}
		}
		if _, err := appendEvent(ctx, tx, stateEvent(by, number, h.State, c.State, "", now)); err != nil {
			return err
		}
		if c.State == StateClosed {
			if err := cancelTasks(ctx, tx, by, number, "", now); err != nil {
				return err
			}
		}
		det, err = getDetail(ctx, tx, number)
		return err
	})
	return det, err
}

// stateData is what the timeline says of a state.
type stateData struct {
	From State  `json:"from"`
	To   State  `json:"to"`
	Why  string `json:"why,omitempty"` // when Hotline did it by itself
}

// stateEvent moves a ticket; the transition was checked. A customer whose ticket is done, or who is asked something, does not wait
// for us any more.
func stateEvent(by Actor, number int64, from, to State, why string, at time.Time) event {
	set := ", version = version + 1, state = @state, resolved_at = null"
	if to.ended() {
		set = ", version = version + 1, state = @state, resolved_at = coalesce(resolved_at, @at)"
	}
	if to.ended() || to == StatePending {
		set += ", waiting_since = null"
	}
	return event{ticket: number, kind: "state", actor: by, at: at, data: stateData{From: from, To: to, Why: why}, set: set, args: pgx.NamedArgs{"state": to}}
}

// NewNote is an internal note.
type NewNote struct {
	Body     string
	Key      string   // chosen by the client, at most 100 characters: a note with a key that was used is not added again
	Mentions []string // accounts of those who have to look
}

// maxNote is the size of a note.
const maxNote = 64 << 10

// sameNote is how long the same note of the same author is taken for a second click.
const sameNote = 10 * time.Second

// AddNote adds an internal note. With a key that was used before, it returns what was added then; without one, the same text of the
// same author within ten seconds is a Conflict.
func (d *Desk) AddNote(ctx context.Context, by Actor, number int64, n NewNote) (Entry, error) {
	var e Entry
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) error {
		if _, err := d.lockTicket(ctx, tx, number); err != nil {
			return err
		}
		seq, err := d.note(ctx, tx, by, number, n, now)
		if err != nil {
			return err
		}
		list, err := entries(ctx, tx, number, TimelineQuery{After: seq - 1, Audience: Staff}, 1)
		if err != nil || len(list) == 0 {
			return fmt.Errorf("read note back: %w", err)
		}
		e = list[0]
		return nil
	})
	return e, err
}

// note adds a note to a ticket that is held.
func (d *Desk) note(ctx context.Context, tx pgx.Tx, by Actor, number int64, n NewNote, now time.Time) (seq int64, err error) {
	body := cleanBody(n.Body)
	switch {
	case body == "":
		return 0, invalid("body", "tickets.note_empty", "a note needs text")
	case len(body) > maxNote:
		return 0, invalid("body", "tickets.too_long", "the note has more than 64 kB")
	case len(n.Key) > 100:
		return 0, invalid("key", "tickets.too_long", "the key has more than 100 characters")
	}
	var key string
	if n.Key != "" {
		key = fmt.Sprintf("%d %s %s", number, by.ID, clean(n.Key, 100))
	}
	var twice bool
	err = tx.QueryRow(ctx, `
		select e.seq, coalesce(i.data ->> 'key', '') <> $3 from ticket_event e join interaction i on i.id = e.interaction_id
		where e.ticket = $1 and e.kind = 'note' and i.author = $2
			and ((i.data ->> 'key' = $3 and $3 <> '') or ($3 = '' and i.body = $4 and i.at > $5))
		order by e.seq desc limit 1`, number, by.ID, key, body, now.Add(-sameNote)).Scan(&seq, &twice)
	switch {
	case err == nil && key != "":
		return seq, nil
	case err == nil:
		return 0, hotline.Errorf(hotline.Conflict, "tickets.note_twice", "you have just added this note")
	case !errors.Is(err, pgx.ErrNoRows):
		return 0, fmt.Errorf("look for note: %w", err)
	}
	people, err := mentions.Named(ctx, tx, n.Mentions, by.ID)
	if err != nil {
		return 0, err
	}
	salt := rand.Text()
	data := map[string]string{"salt": salt}
	if key != "" {
		data["key"] = key
	}
	id := hotline.NewID()
	_, err = tx.Exec(ctx, `
		with i as (
			insert into interaction (id, kind, direction, author, body, data, at) values ($1, 'note', 'internal', $2, $3, $4, $5) returning id
		)
		insert into ticket_interaction (ticket, interaction_id) select $6, id from i`, id, by.ID, body, data, now, number)
	if unique(err) {
		return 0, hotline.Errorf(hotline.Conflict, "tickets.note_twice", "a note with this key is being added")
	}
	if err != nil {
		return 0, fmt.Errorf("add note: %w", err)
	}
	if err := indexNote(ctx, tx, number, id, body, now); err != nil {
		return 0, err
	}
	// The chain holds a digest of the text with a salt, so that the text can be erased and cannot be guessed from what is left.
	e := event{ticket: number, kind: "note", actor: by, interaction: id, at: now, data: noteData{Said: digest(salt + body), Mentions: people}}
	if seq, err = appendEvent(ctx, tx, e); err != nil {
		return 0, err
	}
	return seq, mentions.Add(ctx, tx, people, number, seq, id, mentions.Person{ID: by.ID, Name: by.Name}, now)
}

// noteData is what the timeline says of a note, besides its text.
type noteData struct {
	Said     string            `json:"said"`
	Mentions []mentions.Person `json:"mentions,omitempty"`
}

func unique(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == "23505"
}

// NewTicket is a ticket that a person makes.
type NewTicket struct {
	Subject string
	Queue   string
	Phone   string // of the customer, "" for none
	Body    string // becomes the first note
	Key     string // as of a note
}

// Create makes a ticket. The same subject and phone by the same person within ten seconds is a Conflict.
func (d *Desk) Create(ctx context.Context, by Actor, n NewTicket) (Detail, error) {
	subject := clean(n.Subject, 200)
	if subject == "" {
		return Detail{}, invalid("subject", "tickets.subject", "a ticket needs a subject")
	}
	var phone Phone
	if n.Phone != "" {
		if phone = NormalisePhone(n.Phone, d.cfg.Country); phone.Kind == Withheld {
			return Detail{}, invalid("phone", "tickets.phone", "%q is no phone number", clean(n.Phone, 40))
		}
	}
	var det Detail
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) error {
		if err := checkQueue(ctx, tx, n.Queue); err != nil {
			return err
		}
		// It takes the intake's lock: a second click waits for the first.
		who, err := d.callerOf(ctx, tx, phone, Known, now)
		if err != nil {
			return err
		}
		if err := madeTwice(ctx, tx, by, subject, who, now); err != nil {
			return err
		}
		number, err := insertTicket(ctx, tx, by, subject, n.Queue, who, now)
		if err != nil {
			return err
		}
		if n.Body != "" {
			if _, err := d.note(ctx, tx, by, number, NewNote{Body: n.Body, Key: n.Key}, now); err != nil {
				return err
			}
		}
		det, err = getDetail(ctx, tx, number)
		return err
	})
	return det, err
}

func madeTwice(ctx context.Context, tx pgx.Tx, by Actor, subject string, who caller, now time.Time) error {
	var number int64
	err := tx.QueryRow(ctx, `
		select t.number from ticket t join ticket_event e on e.ticket = t.number and e.seq = 1
		where t.state = 'new' and t.updated_at > $1 and t.created_at > $1 and t.subject = $2 and e.actor = $3
			and t.identity_id is not distinct from nullif($4, '')::uuid
		limit 1`, now.Add(-sameNote), subject, by.ID, who.identity).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create ticket: %w", err)
	}
	return hotline.Errorf(hotline.Conflict, "tickets.ticket_twice", "you have just made this ticket: it is number %d", number)
}

// insertTicket makes a ticket that no call has made.
func insertTicket(ctx context.Context, tx pgx.Tx, by Actor, subject, queue string, who caller, now time.Time) (number int64, err error) {
	err = tx.QueryRow(ctx, `
		insert into ticket (subject, queue, party_id, identity_id, channel, created_at, updated_at)
		values ($1, $2, nullif($3, '')::uuid, nullif($4, '')::uuid, 'form', $5, $5) returning number`, subject, queue, who.party, who.identity, now).Scan(&number)
	if err != nil {
		return 0, fmt.Errorf("create ticket: %w", err)
	}
	if _, err := appendEvent(ctx, tx, event{ticket: number, kind: "created", actor: by, at: now, data: map[string]string{"channel": "form"}}); err != nil {
		return 0, err
	}
	return number, indexTicket(ctx, tx, number)
}
