package tickets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/postgres"
	"hotline/tickets/chain"
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

func digest(text string) string { return chain.Digest(text) }

// Tampered says where a chain does not hold.
type Tampered = chain.Tampered

// VerifyTicket checks the history of one ticket. It returns a [Tampered] error.
func (d *Desk) VerifyTicket(ctx context.Context, number int64) error {
	err := chain.VerifyTicket(ctx, d.pool, number)
	if errors.Is(err, chain.ErrNone) {
		return notFound("ticket", number)
	}
	return err
}

// VerifyAudit checks the whole audit. It returns a [Tampered] error.
func (d *Desk) VerifyAudit(ctx context.Context) error { return chain.VerifyAudit(ctx, d.pool) }
