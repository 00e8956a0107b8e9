package tickets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/postgres"
)

// event is an entry to be appended to a ticket's history.
type event struct {
	ticket      int64
	kind        string
	actor       Actor
	interaction string // id, or ""
	data        any    // what a reader may see; personal text belongs into the interaction, where it can be erased
	at          time.Time
	set         string // further columns of the ticket to be set: ", queue = @queue"
	args        pgx.NamedArgs
}

// appendSQL appends an entry. The row of the ticket is locked by its update, so that two who append at once get one after the other:
// a chain cannot fork. The chain binds the digest of what an entry says, not the text, so that an erasure leaves it whole.
const appendSQL = `
	with t as (
		update ticket set last_seq = last_seq + 1, updated_at = greatest(updated_at, @at),
			last_hash = link_hash(last_hash, number::text, (last_seq + 1)::text, @kind, @actor, @actor_name, @interaction,
				(extract(epoch from @at::timestamptz) * 1000000)::bigint::text, encode(sha256(convert_to(@data::jsonb::text, 'UTF8')), 'hex'))%s
		where number = @ticket
		returning number, last_seq, last_hash
	)
	insert into ticket_event (ticket, seq, kind, actor, actor_name, interaction_id, data, at, hash)
	select number, last_seq, @kind, @actor, @actor_name, nullif(@interaction, '')::uuid, @data::jsonb, @at, last_hash from t
	returning seq`

// statement returns the SQL of an append and its arguments, for a batch.
func (e event) statement() (string, pgx.NamedArgs) {
	data := e.data
	if data == nil {
		data = struct{}{}
	}
	args := pgx.NamedArgs{"ticket": e.ticket, "kind": e.kind, "actor": clean(e.actor.ID, 200), "actor_name": clean(e.actor.Name, 200),
		"interaction": e.interaction, "data": data, "at": stamp(e.at)}
	for k, v := range e.args {
		args[k] = v
	}
	return fmt.Sprintf(appendSQL, e.set), args
}

// appendEvent appends e and returns its number in the ticket's history.
func appendEvent(ctx context.Context, db postgres.DB, e event) (seq int64, err error) {
	sql, args := e.statement()
	if err := db.QueryRow(ctx, sql, args).Scan(&seq); err != nil {
		return 0, fmt.Errorf("append %s to ticket %d: %w", e.kind, e.ticket, err)
	}
	return seq, nil
}

// linkHash is the database's link_hash: what a link of a chain is the hash of.
func linkHash(prev []byte, fields ...string) []byte {
	h := sha256.New()
	h.Write(prev)
	for _, f := range fields {
		fmt.Fprintf(h, "%d:%s\n", len(f), f)
	}
	return h.Sum(nil)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Tampered says where a chain does not hold.
type Tampered struct {
	Ticket int64 // 0: the audit
	Seq    int64
	Why    string
}

func (t *Tampered) Error() string {
	if t.Ticket == 0 {
		return fmt.Sprintf("the audit was tampered with at entry %d: %s", t.Seq, t.Why)
	}
	return fmt.Sprintf("the history of ticket %d was tampered with at entry %d: %s", t.Ticket, t.Seq, t.Why)
}

// link is a row of ticket_event as text, the way the chain sees it.
type link struct {
	Seq         int64
	Kind        string
	Actor       string
	ActorName   string
	Interaction string
	AtMicros    int64
	Data        string
	Hash        []byte
	Body        *string // of a note
	Salt        *string
	Said        *string // digest of the body as it was written
}

// VerifyTicket checks the history of one ticket: no entry changed, left out, put in or cut off at the end, no note rewritten. It
// returns a [Tampered] error.
func (d *Desk) VerifyTicket(ctx context.Context, number int64) error {
	// One statement, hence one state of the database, however many append meanwhile.
	rows, err := d.pool.Query(ctx, `
		select t.last_seq, t.last_hash, e.seq, e.kind, e.actor, e.actor_name, coalesce(e.interaction_id::text, ''),
			(extract(epoch from e.at) * 1000000)::bigint, e.data::text, e.hash,
			case when i.kind = 'note' then i.body end, i.data ->> 'salt', e.data ->> 'said'
		from ticket t left join ticket_event e on e.ticket = t.number left join interaction i on i.id = e.interaction_id
		where t.number = $1 order by e.seq`, number)
	if err != nil {
		return fmt.Errorf("verify ticket %d: %w", number, err)
	}
	defer rows.Close()
	v := verifier{ticket: number}
	for rows.Next() {
		var l link
		var seq *int64
		var at *int64
		var kind, actor, name, interaction, data *string
		if err := rows.Scan(&v.lastSeq, &v.lastHash, &seq, &kind, &actor, &name, &interaction, &at, &data, &l.Hash, &l.Body, &l.Salt, &l.Said); err != nil {
			return fmt.Errorf("verify ticket %d: %w", number, err)
		}
		v.found = true
		if seq == nil {
			continue // a ticket without history
		}
		l.Seq, l.Kind, l.Actor, l.ActorName, l.Interaction, l.AtMicros, l.Data = *seq, *kind, *actor, *name, *interaction, *at, *data
		if err := v.link(l); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("verify ticket %d: %w", number, err)
	}
	return v.end()
}

// verifier follows a chain.
type verifier struct {
	ticket   int64
	found    bool
	seq      int64
	hash     []byte
	lastSeq  int64
	lastHash []byte
	blank    []int64 // entries that say they were erased
	erased   []int64 // entries of which an erasure says so
}

func (v *verifier) fail(seq int64, why string) error {
	return &Tampered{Ticket: v.ticket, Seq: seq, Why: why}
}

func (v *verifier) link(l link) error {
	if l.Seq != v.seq+1 {
		return v.fail(v.seq+1, "the entry is missing")
	}
	var data struct {
		Erased string  `json:"erased"`
		Seqs   []int64 `json:"seqs"`
	}
	json.Unmarshal([]byte(l.Data), &data) // jsonb; other shapes have no such keys
	sum := digest(l.Data)
	switch {
	case data.Erased != "":
		sum = data.Erased
		v.blank = append(v.blank, l.Seq)
	case l.Said != nil:
		body, salt := "", ""
		if l.Body != nil && l.Salt != nil {
			body, salt = *l.Body, *l.Salt
		}
		if digest(salt+body) != *l.Said {
			return v.fail(l.Seq, "the note was rewritten")
		}
	}
	if l.Kind == "erased" {
		v.erased = append(v.erased, data.Seqs...)
	}
	want := linkHash(v.hash, strconv.FormatInt(v.ticket, 10), strconv.FormatInt(l.Seq, 10), l.Kind, l.Actor, l.ActorName, l.Interaction,
		strconv.FormatInt(l.AtMicros, 10), sum)
	if !slices.Equal(want, l.Hash) {
		return v.fail(l.Seq, "its hash does not fit")
	}
	v.seq, v.hash = l.Seq, l.Hash
	return nil
}

func (v *verifier) end() error {
	if !v.found {
		return notFound("ticket", v.ticket)
	}
	if v.seq != v.lastSeq || !slices.Equal(v.hash, v.lastHash) {
		return v.fail(v.seq+1, "the end of the history is not where the ticket says")
	}
	for _, seq := range v.blank {
		if !slices.Contains(v.erased, seq) {
			return v.fail(seq, "it was blanked without an erasure")
		}
	}
	return nil
}
