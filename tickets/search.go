package tickets

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/postgres"
)

// Hit is something that a search has found.
type Hit struct {
	Kind     string    `json:"kind"` // ticket, note, party
	Ref      string    `json:"ref"`  // id of what was found
	Ticket   *int64    `json:"ticket"`
	Title    string    `json:"title"`
	Snippet  string    `json:"snippet"`            // never what an internal note says
	Internal string    `json:"internal,omitempty"` // of a note, for staff: the words around what was found
	At       time.Time `json:"at"`
}

// SearchQuery says what is searched for, and by whom.
type SearchQuery struct {
	Query    string
	Audience Audience // notes are found for staff alone
	Cursor   string
	Limit    int
}

// searchWindow is how many of the newest documents are looked through before the index of words is asked: see listFound.
const searchWindow = 8000

// widened is how far to look on when a window has found some but not enough, 0 when not at all. What is that frequent has so many
// places in the index of words that sorting them takes longer than looking a little further; what is rarer is the index's business.
// (Measured at three million documents: a place costs some 10 µs, a document looked at 1 µs.)
func widened(window, found, limit int) int {
	const frequent = 12
	if found < frequent || found > limit {
		return 0
	}
	return window * (limit + 1) * 3 / (2 * found)
}

// Search finds tickets, notes and parties that hold all words of the query, the newest first. Two Chinese characters suffice; three
// digits find numbers that begin or end so.
func (d *Desk) Search(ctx context.Context, q SearchQuery) (Page[Hit], error) {
	limit := pageSize(q.Limit)
	args := d.scoped(pgx.NamedArgs{"q": tsquery(q.Query), "limit": limit + 1, "kinds": []string{"ticket", "party"}, "window": searchWindow})
	sees := ""
	if !d.see.All {
		sees = ` and (w.ticket is null or exists (select from ticket t where t.number = w.ticket and ` + inScope + `))`
	}
	if q.Audience == Staff {
		args["kinds"] = []string{"ticket", "party", "note"}
	}
	if args["q"] == "" {
		return paged([]Hit(nil), limit, nil), nil
	}
	from := ""
	if q.Cursor != "" {
		c, err := parseCursor(q.Cursor)
		if err != nil {
			return Page[Hit]{}, err
		}
		from = "(at, ref) < (@at, @ref) and "
		args["at"], args["ref"] = c.At, c.ID
	}
	recent := `
		select kind, ref, ticket, at from (select * from search_doc where ` + from + `true order by at desc, ref desc limit @window) w
		where tokens @@ @q::tsquery and kind = any(@kinds)` + sees
	hits, err := d.searchIn(ctx, recent, args)
	if window := widened(searchWindow, len(hits), limit); err == nil && window > 0 {
		args["window"] = window
		hits, err = d.searchIn(ctx, recent, args)
	}
	if err == nil && len(hits) <= limit {
		// Too rare for the newest ones. The index's answer is made before it is sorted: the planner would rather walk all by date.
		hits, err = d.searchIn(ctx, `
			select kind, ref, ticket, at from (
				select kind, ref, ticket, at from search_doc where `+from+`tokens @@ @q::tsquery and kind = any(@kinds) offset 0) w where true`+sees, args)
	}
	if err != nil {
		return Page[Hit]{}, fmt.Errorf("search: %w", err)
	}
	for i := range hits {
		if hits[i].Kind == "note" {
			hits[i].Internal = excerpt(hits[i].Internal, q.Query)
		}
	}
	return paged(hits, limit, func(h Hit) cursor { return cursor{At: h.At, ID: h.Ref} }), nil
}

// searchIn reads what SQL for documents finds, with what is shown of it.
func (d *Desk) searchIn(ctx context.Context, documents string, args pgx.NamedArgs) ([]Hit, error) {
	rows, err := d.pool.Query(ctx, `
		with m as materialized (select * from (`+documents+`) f order by at desc, ref desc limit @limit)
		select m.kind, m.ref, m.ticket, m.at,
			case m.kind when 'party' then coalesce(nullif(p.name, ''), nullif(p.company, ''), (
				select i.value from party_identity pi join identity i on i.id = pi.identity_id where pi.party_id = p.id order by i.value limit 1), '')
				else coalesce(t.subject, '') end,
			case m.kind when 'ticket' then concat_ws(' · ', nullif(tp.name, ''), nullif(tp.company, ''), ti.value) when 'party' then p.company else '' end,
			case m.kind when 'note' then n.body else '' end
		from m
			left join ticket t on t.number = m.ticket
			left join party tp on m.kind = 'ticket' and tp.id = t.party_id
			left join identity ti on m.kind = 'ticket' and ti.id = t.identity_id
			left join party p on p.id = case when m.kind = 'party' then m.ref::uuid end
			left join interaction n on n.id = case when m.kind = 'note' then m.ref::uuid end
		order by m.at desc, m.ref desc`, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (h Hit, err error) {
		err = r.Scan(&h.Kind, &h.Ref, &h.Ticket, &h.At, &h.Title, &h.Snippet, &h.Internal)
		h.At = h.At.UTC()
		return h, err
	})
}

// indexTicket makes the search document of a ticket anew.
func indexTicket(ctx context.Context, db postgres.DB, number int64) error {
	var subject, category, phone string
	var party *string
	err := db.QueryRow(ctx, `
		select t.subject, t.category, coalesce(i.value, ''), t.party_id::text from ticket t left join identity i on i.id = t.identity_id where t.number = $1`, number).
		Scan(&subject, &category, &phone, &party)
	if err != nil {
		return fmt.Errorf("index ticket %d: %w", number, err)
	}
	of, err := partyTokens(ctx, db, text(party))
	if err != nil {
		return err
	}
	tokens := document([]string{fmt.Sprint(number)}, textTokens(subject), textTokens(category), phoneTokens(phone), of)
	_, err = db.Exec(ctx, `
		insert into search_doc (kind, ref, ticket, at, tokens) select 'ticket', $1::bigint::text, $1, updated_at, array_to_tsvector($2::text[]) from ticket where number = $1
		on conflict (kind, ref) do update set tokens = excluded.tokens, at = excluded.at`, number, tokens)
	return wrap(err, "index ticket %d", number)
}

// indexNote makes the search document of a note. It bears the names of the ticket's party too, so that a name and a word find a note.
func indexNote(ctx context.Context, db postgres.DB, number int64, id, body string, at time.Time) error {
	var party *string
	if err := db.QueryRow(ctx, `select party_id::text from ticket where number = $1`, number).Scan(&party); err != nil {
		return fmt.Errorf("index note: %w", err)
	}
	of, err := partyTokens(ctx, db, text(party))
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, `insert into search_doc (kind, ref, ticket, at, tokens) values ('note', $1, $2, $3, array_to_tsvector($4::text[]))
		on conflict (kind, ref) do update set tokens = excluded.tokens`, id, number, at, document([]string{fmt.Sprint(number)}, textTokens(body), of))
	return wrap(err, "index note")
}

// partyTokens returns the tokens by which a party is found.
func partyTokens(ctx context.Context, db postgres.DB, id string) ([]string, error) {
	if id == "" {
		return nil, nil
	}
	var name, company string
	var phones []string
	err := db.QueryRow(ctx, `
		select name, company, coalesce((select array_agg(i.value) from party_identity pi join identity i on i.id = pi.identity_id where pi.party_id = p.id), '{}')
		from party p where id = $1`, id).Scan(&name, &company, &phones)
	if err != nil {
		return nil, fmt.Errorf("index party %s: %w", id, err)
	}
	list := append(textTokens(name), textTokens(company)...)
	for _, p := range phones {
		list = append(list, phoneTokens(p)...)
	}
	return list, nil
}

// maxReindex is how many tickets of one party are indexed again when its name changes; of a switchboard with more, the newest.
const maxReindex = 2000

// indexParty makes the search document of a party anew and, if asked, those of its tickets and their notes, which bear its names.
func indexParty(ctx context.Context, db postgres.DB, id string, andTickets bool) error {
	tokens, err := partyTokens(ctx, db, id)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, `
		insert into search_doc (kind, ref, at, tokens) select 'party', id::text, updated_at, array_to_tsvector($2::text[]) from party where id = $1
		on conflict (kind, ref) do update set tokens = excluded.tokens, at = excluded.at`, id, document(tokens))
	if err != nil || !andTickets {
		return wrap(err, "index party %s", id)
	}
	rows, err := db.Query(ctx, `select number from ticket where party_id = $1 order by updated_at desc limit $2`, id, maxReindex)
	if err != nil {
		return fmt.Errorf("index party %s: %w", id, err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("index party %s: %w", id, err)
	}
	for _, n := range numbers {
		if err := indexTicket(ctx, db, n); err != nil {
			return err
		}
		if err := indexNotes(ctx, db, n); err != nil {
			return err
		}
	}
	return nil
}

// indexNotes makes the search documents of a ticket's notes anew.
func indexNotes(ctx context.Context, db postgres.DB, number int64) error {
	rows, err := db.Query(ctx, `
		select i.id::text, i.body, i.at from ticket_interaction ti join interaction i on i.id = ti.interaction_id
		where ti.ticket = $1 and i.kind = 'note' and i.body <> ''`, number)
	if err != nil {
		return fmt.Errorf("index notes of ticket %d: %w", number, err)
	}
	type note struct {
		ID, Body string
		At       time.Time
	}
	notes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[note])
	if err != nil {
		return fmt.Errorf("index notes of ticket %d: %w", number, err)
	}
	for _, n := range notes {
		if err := indexNote(ctx, db, number, n.ID, n.Body, n.At); err != nil {
			return err
		}
	}
	return nil
}
