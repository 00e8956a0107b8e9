package tickets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
)

// Mode says what happens when a caller has a ticket already.
type Mode string

// The modes.
const (
	AttachJoin Mode = "attach" // the call joins it
	AttachNew  Mode = "new"    // each call is a ticket of its own
	AttachAsk  Mode = "ask"    // a ticket of its own, and the timeline proposes the other: a person moves the call there
)

// Rule says which ticket a call belongs to. A call joins a ticket of the same party that is not resolved, or was resolved within Days,
// in the same queue unless AnyQueue. While no queue is known (the menu has not been passed) the newest ticket of any queue will do for
// the time being; when the menu picks another queue, the call moves. Of several, one that is not resolved wins, then the newest.
//
// The party is that of the number. A number that several people share stands for the organisation among them if there is exactly one,
// and for nobody otherwise: then only tickets from the number that are nobody's yet are joined. A withheld number joins nothing. A
// closed ticket is never joined.
type Rule struct {
	Mode     Mode
	Days     int
	AnyQueue bool
}

// DefaultRule is what a desk does unless it is told otherwise.
var DefaultRule = Rule{Mode: AttachJoin, Days: 7}

// Why a call is on its ticket, as its timeline entry says.
const (
	whyOpen     = "open_ticket"     // the party has an open ticket
	whyResolved = "resolved_lately" // the party's ticket was resolved within the rule's days; it is open again
	whyNone     = "no_open_ticket"
	whyWithheld = "withheld"
	whyNew      = "rule_new"
	whyAsk      = "rule_ask"
	whyQueue    = "queue_picked" // the menu picked a queue in which the ticket is not
	whyPerson   = "moved"        // a person moved it
)

// caller is who a number belongs to, as far as that is known.
type caller struct {
	phone    Phone
	identity string // "" when withheld
	party    string // "" when withheld, or when the number is shared
	shared   bool
	level    Level
	isNew    bool // identity and party are yet to be made; their ids are chosen
	lonely   bool // the identity is there and nobody has it
}

// callerSQL finds the people of numbers.
const callerSQL = `
	select i.value, i.id::text, coalesce(p.id::text, ''), coalesce(p.kind, ''), coalesce(pi.level, '')
	from identity i left join party_identity pi on pi.identity_id = i.id left join party p on p.id = pi.party_id
	where i.kind = 'phone' and i.value = any(@phones)`

// person is one row of callerSQL. ID is "" when nobody has the number.
type person struct{ Phone, Identity, ID, Kind, Level string }

// choose says whom a number stands for.
func choose(phone Phone, people []person, level Level) caller {
	c := caller{phone: phone, level: level}
	if phone.Value == "" {
		return c
	}
	if len(people) == 0 {
		c.identity, c.party, c.isNew = hotline.NewID(), hotline.NewID(), true
		return c
	}
	c.identity = people[0].Identity
	if people[0].ID == "" {
		c.party, c.lonely = hotline.NewID(), true
		return c
	}
	if len(people) == 1 {
		c.party, c.level = people[0].ID, Level(people[0].Level)
		return c
	}
	c.shared = true
	for _, p := range people {
		if p.Kind != "organisation" {
			continue
		}
		if c.party != "" { // several: no telling
			c.party = ""
			return c
		}
		c.party, c.level = p.ID, Level(p.Level)
	}
	return c
}

// makeCaller is SQL that makes what a new caller lacks.
const makeCaller = `
	with i as (
		insert into identity (id, kind, value, created_at) values (@identity, 'phone', @phone, @at)
		on conflict (kind, value) do update set value = excluded.value returning id
	), p as (
		insert into party (id, created_at, updated_at) values (@party, @at, @at) returning id
	), d as (
		insert into search_doc (kind, ref, at, tokens) select 'party', @party::text, @at, array_to_tsvector(@tokens::text[])
	)
	insert into party_identity (party_id, identity_id, level, created_at) select p.id, i.id, @level, @at from p, i`

func (c caller) makeArgs(at time.Time) pgx.NamedArgs {
	return pgx.NamedArgs{"identity": c.identity, "phone": c.phone.Value, "party": c.party, "level": c.level, "at": at, "tokens": document(phoneTokens(c.phone.Value))}
}

// intakeLock is held until the commit by a person who makes callers or moves what belongs to them: no call is filed meanwhile. The
// journal's transactions share it, and lock the callers that they are about; see intake.
const (
	intakeLock  = `select pg_advisory_xact_lock(4712001)`
	intakeShare = `select pg_advisory_xact_lock_shared(4712001)`
)

// callerOf finds or makes the party of a number.
func (d *Desk) callerOf(ctx context.Context, tx pgx.Tx, phone Phone, level Level, now time.Time) (caller, error) {
	if _, err := tx.Exec(ctx, intakeLock); err != nil {
		return caller{}, fmt.Errorf("intake: %w", err)
	}
	rows, err := tx.Query(ctx, callerSQL, pgx.NamedArgs{"phones": []string{phone.Value}})
	if err != nil {
		return caller{}, fmt.Errorf("find caller: %w", err)
	}
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[person])
	if err != nil {
		return caller{}, fmt.Errorf("find caller: %w", err)
	}
	c := choose(phone, people, level)
	if c.isNew || c.lonely {
		if _, err := tx.Exec(ctx, makeCaller, c.makeArgs(now)); err != nil {
			return caller{}, fmt.Errorf("make caller: %w", err)
		}
	}
	return c, nil
}

// candidate is the ticket that a call may join.
type candidate struct {
	Number       int64
	State        State
	Queue        string
	Version      int64
	WaitingSince *time.Time
}

// candidateOf finds the ticket that the rule names for a caller, and holds it. queue "" means any.
func (in *intake) candidateOf(ctx context.Context, c caller, queue string, except int64, at time.Time) (candidate, bool, error) {
	if c.identity == "" || c.isNew || c.lonely {
		return candidate{}, false, nil
	}
	if err := in.flush(ctx); err != nil {
		return candidate{}, false, err
	}
	whose := "party_id = @party"
	if c.party == "" {
		whose = "party_id is null and identity_id = @identity"
	}
	if queue != "" && !in.cfg.Attach.AnyQueue {
		whose += " and queue in (@queue, '')"
	}
	// Not resolved first: each state by its index.
	rows, err := in.tx.Query(ctx, `
		select number, state, queue, version, waiting_since from ticket
		where number = (select number from (
			(select 1 as o, number, updated_at from ticket where `+whose+` and state in ('new', 'open', 'pending') and number <> @except
				order by updated_at desc, number desc limit 1)
			union all
			(select 2, number, updated_at from ticket where `+whose+` and state = 'resolved' and resolved_at >= @since and number <> @except
				order by updated_at desc, number desc limit 1)) u order by o limit 1)
		for update`,
		pgx.NamedArgs{"party": c.party, "identity": c.identity, "queue": queue, "except": except, "since": at.AddDate(0, 0, -in.cfg.Attach.Days)})
	if err != nil {
		return candidate{}, false, fmt.Errorf("find open ticket: %w", err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[candidate])
	if errors.Is(err, pgx.ErrNoRows) {
		return candidate{}, false, nil
	}
	if err != nil {
		return candidate{}, false, fmt.Errorf("find open ticket: %w", err)
	}
	return found, true, nil
}
