package tickets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/postgres"
)

// Level says how sure it is that a party has an identity.
type Level string

// The levels. A caller's number is claimed by whoever calls: alone it proves nothing (it can be forged), and it never becomes
// Verified by itself.
const (
	Verified Level = "verified" // proven: a person of ours, or a code that was sent there, has confirmed it
	Known    Level = "known"    // entered by staff, or asserted by a trunk that we trust
	Maybe    Level = "maybe"    // only claimed
)

var levelRank = map[Level]int{Maybe: 1, Known: 2, Verified: 3}

// Identity is a way to reach a party.
type Identity struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"` // phone, email …
	Value string `json:"value"`
	Level Level  `json:"level"`
}

// Party is a person or an organisation.
type Party struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"` // person, organisation
	Name       string     `json:"name"`
	Company    string     `json:"company"`
	Language   string     `json:"language"`
	VIP        bool       `json:"vip"`
	Notes      string     `json:"notes"` // for staff
	Identities []Identity `json:"identities"`
	Aliases    []string   `json:"aliases"` // ids of parties that were merged into this one
	Version    int64      `json:"version"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
}

const partyColumns = `p.id::text, p.kind, p.name, p.company, p.language, p.vip, p.notes, p.version, p.created_at, p.updated_at,
	coalesce((select json_agg(json_build_object('id', i.id, 'kind', i.kind, 'value', i.value, 'level', pi.level) order by i.kind, i.value)
		from party_identity pi join identity i on i.id = pi.identity_id where pi.party_id = p.id), '[]'),
	coalesce((select array_agg(o.id::text order by o.id) from party o where o.merged_into = p.id), '{}')`

func scanParty(row pgx.Row) (p Party, err error) {
	err = row.Scan(&p.ID, &p.Kind, &p.Name, &p.Company, &p.Language, &p.VIP, &p.Notes, &p.Version, &p.CreatedAt, &p.UpdatedAt, &p.Identities, &p.Aliases)
	p.CreatedAt, p.UpdatedAt = p.CreatedAt.UTC(), p.UpdatedAt.UTC()
	return p, err
}

// GetParty returns a party. The id of one that was merged away finds the one it was merged into.
func (d *Desk) GetParty(ctx context.Context, id string) (Party, error) {
	return getParty(ctx, d.pool, id)
}

func getParty(ctx context.Context, db postgres.DB, id string) (Party, error) {
	if !isID(id) {
		return Party{}, notFound("party", id)
	}
	p, err := scanParty(db.QueryRow(ctx, `select `+partyColumns+` from party p where p.id = (select coalesce(merged_into, id) from party where id = $1)`, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return Party{}, notFound("party", id)
	}
	if err != nil {
		return Party{}, fmt.Errorf("get party %s: %w", id, err)
	}
	return p, nil
}

// PartyFilter narrows [Desk.Parties].
type PartyFilter struct {
	Query  string
	Cursor string
	Limit  int
}

// Parties returns people and organisations, the one that changed last first.
func (d *Desk) Parties(ctx context.Context, f PartyFilter) (Page[Party], error) {
	limit := pageSize(f.Limit)
	args := pgx.NamedArgs{"limit": limit + 1, "q": tsquery(f.Query)}
	where := "p.merged_into is null"
	if f.Cursor != "" {
		c, err := parseCursor(f.Cursor)
		if err != nil || !isID(c.ID) {
			return Page[Party]{}, invalid("cursor", "tickets.cursor", "the cursor was not made by this list; leave it out to begin at the start")
		}
		where += " and (p.updated_at, p.id) < (@at, @id::uuid)"
		args["at"], args["id"] = c.At, c.ID
	}
	from := "party p"
	if f.Query != "" {
		if args["q"] == "" {
			return paged([]Party(nil), limit, nil), nil
		}
		// The words are found first, whatever the planner thinks of walking all parties by date.
		from = "(select ref::uuid as id from search_doc where tokens @@ @q::tsquery and kind = 'party' order by at desc limit 2000) m join party p using (id)"
	}
	rows, err := d.pool.Query(ctx, `select `+partyColumns+` from `+from+` where `+where+` order by p.updated_at desc, p.id desc limit @limit`, args)
	if err != nil {
		return Page[Party]{}, fmt.Errorf("list parties: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Party, error) { return scanParty(r) })
	if err != nil {
		return Page[Party]{}, fmt.Errorf("list parties: %w", err)
	}
	return paged(list, limit, func(p Party) cursor { return cursor{At: p.UpdatedAt, ID: p.ID} }), nil
}

// identitiesOf returns how a ticket's party is reached; of a ticket without one, the number it came from.
func identitiesOf(ctx context.Context, db postgres.DB, partyID string, ticket int64) ([]Identity, error) {
	rows, err := db.Query(ctx, `
		select i.id::text, i.kind, i.value, pi.level from party_identity pi join identity i on i.id = pi.identity_id where pi.party_id = nullif($1, '')::uuid
		union
		select i.id::text, i.kind, i.value, 'maybe' from ticket t join identity i on i.id = t.identity_id where t.number = $2 and t.party_id is null
		order by 2, 3`, partyID, ticket)
	if err != nil {
		return nil, fmt.Errorf("identities of ticket %d: %w", ticket, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Identity])
	if err != nil {
		return nil, fmt.Errorf("identities of ticket %d: %w", ticket, err)
	}
	return list, nil
}

// PartyChange is what is to change; nil leaves a field as it is.
type PartyChange struct {
	Version  int64 // of the party that was looked at
	Kind     *string
	Name     *string
	Company  *string
	Language *string
	VIP      *bool
	Notes    *string
}

func (c PartyChange) check() error {
	switch {
	case c.Kind != nil && *c.Kind != "person" && *c.Kind != "organisation":
		return invalid("kind", "tickets.party_kind", "kind is %q; it must be \"person\" or \"organisation\"", *c.Kind)
	case c.Language != nil && *c.Language != "" && *c.Language != "en" && *c.Language != "zh-CN":
		return invalid("language", "tickets.language", "language is %q; it must be \"en\", \"zh-CN\" or empty", *c.Language)
	case c.Name != nil && len([]rune(*c.Name)) > 200:
		return invalid("name", "tickets.too_long", "name has more than 200 characters")
	case c.Company != nil && len([]rune(*c.Company)) > 200:
		return invalid("company", "tickets.too_long", "company has more than 200 characters")
	case c.Notes != nil && len(*c.Notes) > 64<<10:
		return invalid("notes", "tickets.too_long", "notes have more than 64 kB")
	}
	return nil
}

// UpdateParty changes a party. Who looked at an older version is told.
func (d *Desk) UpdateParty(ctx context.Context, by Actor, id string, c PartyChange) (Party, error) {
	if err := c.check(); err != nil {
		return Party{}, err
	}
	var p Party
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) (err error) {
		if p, err = lockParty(ctx, tx, id); err != nil {
			return err
		}
		if p.Version != c.Version {
			return conflictVersion("party")
		}
		_, err = tx.Exec(ctx, `
			update party set kind = coalesce($2, kind), name = coalesce($3, name), company = coalesce($4, company), language = coalesce($5, language),
				vip = coalesce($6, vip), notes = coalesce($7, notes), version = version + 1, updated_at = $8
			where id = $1`, p.ID, c.Kind, cleaned(c.Name), cleaned(c.Company), c.Language, c.VIP, cleanedBody(c.Notes), now)
		if err != nil {
			return fmt.Errorf("update party %s: %w", id, err)
		}
		if err := indexParty(ctx, tx, p.ID, true); err != nil {
			return err
		}
		if p, err = getParty(ctx, tx, p.ID); err != nil {
			return err
		}
		return auditIn(ctx, tx, by, NewAudit{Action: "party.update", Subject: "party:" + p.ID}, now)
	})
	return p, err
}

func cleaned(s *string) *string {
	if s == nil {
		return nil
	}
	c := clean(*s, 200)
	return &c
}

func cleanedBody(s *string) *string {
	if s == nil {
		return nil
	}
	c := cleanBody(*s)
	return &c
}

func conflictVersion(what string) error {
	return hotline.Errorf(hotline.Conflict, "tickets.version", "somebody else has changed this %s meanwhile: look at it again and repeat your change", what)
}

// lockParty returns a party, or the one it was merged into, and holds it until the transaction ends.
func lockParty(ctx context.Context, tx pgx.Tx, id string) (Party, error) {
	if !isID(id) {
		return Party{}, notFound("party", id)
	}
	var root string
	err := tx.QueryRow(ctx, `select id::text from party where id = (select coalesce(merged_into, id) from party where id = $1) for update`, id).Scan(&root)
	if errors.Is(err, pgx.ErrNoRows) {
		return Party{}, notFound("party", id)
	}
	if err != nil {
		return Party{}, fmt.Errorf("lock party %s: %w", id, err)
	}
	return getParty(ctx, tx, root)
}

// NewParty is a party to be made.
type NewParty struct {
	Kind    string // "" means person
	Name    string
	Company string
	Phone   string // "" for none; a number that others have too is shared
}

// CreateParty makes a party. A phone that others have already is shared with them from then on: the number of a switchboard.
func (d *Desk) CreateParty(ctx context.Context, by Actor, n NewParty) (Party, error) {
	if n.Kind == "" {
		n.Kind = "person"
	}
	if err := (PartyChange{Kind: &n.Kind, Name: &n.Name, Company: &n.Company}).check(); err != nil {
		return Party{}, err
	}
	var p Party
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) (err error) {
		id := hotline.NewID()
		if _, err := tx.Exec(ctx, `insert into party (id, kind, name, company, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)`,
			id, n.Kind, clean(n.Name, 200), clean(n.Company, 200), now); err != nil {
			return fmt.Errorf("create party: %w", err)
		}
		if n.Phone != "" {
			if err := d.linkPhone(ctx, tx, id, n.Phone, Known, now); err != nil {
				return err
			}
		}
		if err := indexParty(ctx, tx, id, false); err != nil {
			return err
		}
		if p, err = getParty(ctx, tx, id); err != nil {
			return err
		}
		return auditIn(ctx, tx, by, NewAudit{Action: "party.create", Subject: "party:" + id}, now)
	})
	return p, err
}

// LinkPhone says that a party has a number, and how sure that is.
func (d *Desk) LinkPhone(ctx context.Context, by Actor, partyID, phone string, level Level) (Party, error) {
	if levelRank[level] == 0 {
		return Party{}, invalid("level", "tickets.level", "level is %q; it must be verified, known or maybe", level)
	}
	var p Party
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) (err error) {
		if p, err = lockParty(ctx, tx, partyID); err != nil {
			return err
		}
		if err := d.linkPhone(ctx, tx, p.ID, phone, level, now); err != nil {
			return err
		}
		if err := touchParty(ctx, tx, p.ID, now); err != nil {
			return err
		}
		if p, err = getParty(ctx, tx, p.ID); err != nil {
			return err
		}
		return auditIn(ctx, tx, by, NewAudit{Action: "party.link", Subject: "party:" + p.ID, Data: map[string]any{"level": level}}, now)
	})
	return p, err
}

// UnlinkIdentity takes an identity from a party: the number is somebody else's.
func (d *Desk) UnlinkIdentity(ctx context.Context, by Actor, partyID, identityID string) (Party, error) {
	if !isID(identityID) {
		return Party{}, notFound("identity", identityID)
	}
	var p Party
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) (err error) {
		if p, err = lockParty(ctx, tx, partyID); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `delete from party_identity where party_id = $1 and identity_id = $2`, p.ID, identityID)
		if err != nil {
			return fmt.Errorf("unlink: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return notFound("identity", identityID)
		}
		if err := touchParty(ctx, tx, p.ID, now); err != nil {
			return err
		}
		if p, err = getParty(ctx, tx, p.ID); err != nil {
			return err
		}
		return auditIn(ctx, tx, by, NewAudit{Action: "party.unlink", Subject: "party:" + p.ID}, now)
	})
	return p, err
}

func touchParty(ctx context.Context, tx pgx.Tx, id string, now time.Time) error {
	if _, err := tx.Exec(ctx, `update party set version = version + 1, updated_at = $2 where id = $1`, id, now); err != nil {
		return fmt.Errorf("update party %s: %w", id, err)
	}
	return indexParty(ctx, tx, id, true)
}

// linkPhone makes the identity of a number, if there is none, and gives it to a party.
func (d *Desk) linkPhone(ctx context.Context, tx pgx.Tx, partyID, raw string, level Level, now time.Time) error {
	phone := NormalisePhone(raw, d.cfg.Country)
	if phone.Kind == Withheld {
		return invalid("phone", "tickets.phone", "%q is no phone number", clean(raw, 40))
	}
	_, err := tx.Exec(ctx, `
		with i as (
			insert into identity (id, kind, value, created_at) values ($1, 'phone', $2, $5)
			on conflict (kind, value) do update set value = excluded.value returning id
		)
		insert into party_identity (party_id, identity_id, level, created_at) select $3, i.id, $4, $5 from i
		on conflict (party_id, identity_id) do update set level = excluded.level`, hotline.NewID(), phone.Value, partyID, level, now)
	if err != nil {
		return fmt.Errorf("link phone: %w", err)
	}
	return nil
}
