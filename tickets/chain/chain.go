// Package chain holds histories against their hashes: no entry changed, left out, put in or cut off at the end.
//
// It reads and never writes; the database makes the links as entries are appended. Start at [VerifyTicket] and [VerifyAudit].
package chain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/postgres"
)

// ErrNone says that there is no such ticket.
var ErrNone = errors.New("there is no such ticket")

// Hash is the database's link_hash: what a link of a chain is the hash of.
func Hash(prev []byte, fields ...string) []byte {
	h := sha256.New()
	h.Write(prev)
	for _, f := range fields {
		fmt.Fprintf(h, "%d:%s\n", len(f), f)
	}
	return h.Sum(nil)
}

// Digest is what the chain binds of a text.
func Digest(text string) string {
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
// returns a [Tampered] error, or [ErrNone].
func VerifyTicket(ctx context.Context, db postgres.DB, number int64) error {
	// One statement, hence one state of the database, however many append meanwhile.
	rows, err := db.Query(ctx, `
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
	sum := Digest(l.Data)
	switch {
	case data.Erased != "":
		sum = data.Erased
		v.blank = append(v.blank, l.Seq)
	case l.Said != nil:
		body, salt := "", ""
		if l.Body != nil && l.Salt != nil {
			body, salt = *l.Body, *l.Salt
		}
		if Digest(salt+body) != *l.Said {
			return v.fail(l.Seq, "the note was rewritten")
		}
	}
	if l.Kind == "erased" {
		v.erased = append(v.erased, data.Seqs...)
	}
	want := Hash(v.hash, strconv.FormatInt(v.ticket, 10), strconv.FormatInt(l.Seq, 10), l.Kind, l.Actor, l.ActorName, l.Interaction,
		strconv.FormatInt(l.AtMicros, 10), sum)
	if !slices.Equal(want, l.Hash) {
		return v.fail(l.Seq, "its hash does not fit")
	}
	v.seq, v.hash = l.Seq, l.Hash
	return nil
}

func (v *verifier) end() error {
	if !v.found {
		return ErrNone
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

// VerifyAudit checks the whole audit: no entry changed, left out, put in or cut off at the end. It returns a [Tampered] error.
func VerifyAudit(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var lastSeq int64
		var lastHash []byte
		if err := tx.QueryRow(ctx, `select seq, hash from audit_head`).Scan(&lastSeq, &lastHash); err != nil {
			return fmt.Errorf("verify the audit: %w", err)
		}
		rows, err := tx.Query(ctx, `select seq, (extract(epoch from at) * 1000000)::bigint, actor, actor_name, action, subject, remote, data::text, hash from audit order by seq`)
		if err != nil {
			return fmt.Errorf("verify the audit: %w", err)
		}
		var seq, at int64
		var hash, stored []byte
		var actor, name, action, subject, remote, data string
		next := int64(1)
		_, err = pgx.ForEachRow(rows, []any{&seq, &at, &actor, &name, &action, &subject, &remote, &data, &stored}, func() error {
			if seq != next {
				return &Tampered{Seq: next, Why: "the entry is missing"}
			}
			hash = Hash(hash, strconv.FormatInt(seq, 10), strconv.FormatInt(at, 10), actor, name, action, subject, remote, Digest(data))
			if !slices.Equal(hash, stored) {
				return &Tampered{Seq: seq, Why: "its hash does not fit"}
			}
			next++
			return nil
		})
		if err != nil {
			return err
		}
		if lastSeq != next-1 || !slices.Equal(lastHash, hash) {
			return &Tampered{Seq: next, Why: "the end of the audit is not where its head says"}
		}
		return nil
	})
}
