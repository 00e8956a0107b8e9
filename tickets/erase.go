package tickets

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// erasedSubject stands where a subject was.
const erasedSubject = "—"

// Erase removes a person: names, numbers, what was said and written, the signalling of the calls, the search documents, and every
// alias; the audio of recordings goes with the recordings' next round of expiry. What stays is that there were tickets and calls, when, and how they went.
// Histories stay verifiable: their chains hold digests, and each says that it was erased.
func (d *Desk) Erase(ctx context.Context, by Actor, partyID string) error {
	return d.tx(ctx, func(tx pgx.Tx, now time.Time) error {
		if _, err := tx.Exec(ctx, intakeLock); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
		p, err := lockParty(ctx, tx, partyID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `select number from ticket where party_id = $1 order by number for update`, p.ID)
		if err != nil {
			return fmt.Errorf("erase: %w", err)
		}
		numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return fmt.Errorf("erase: %w", err)
		}
		if err := eraseCalls(ctx, tx, p.ID, numbers, now); err != nil {
			return err
		}
		for _, n := range numbers {
			if err := eraseTicket(ctx, tx, by, n, now); err != nil {
				return err
			}
		}
		if err := eraseParty(ctx, tx, p.ID); err != nil {
			return err
		}
		return auditIn(ctx, tx, by, NewAudit{Action: "party.erase", Subject: "party:" + p.ID, Data: map[string]any{"tickets": len(numbers)}}, now)
	})
}

// eraseCalls blanks the calls of a party and of its tickets, and lets their recordings expire now.
func eraseCalls(ctx context.Context, tx pgx.Tx, party string, numbers []int64, now time.Time) error {
	rows, err := tx.Query(ctx, `select id::text from call where party_id = $1 or ticket = any($2)`, party, numbers)
	if err != nil {
		return fmt.Errorf("erase calls: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("erase calls: %w", err)
	}
	args := pgx.NamedArgs{"ids": ids, "now": now}
	b := &pgx.Batch{}
	b.Queue(`
		update call set caller = '', caller_name = '', party_id = null,
			path = coalesce((select jsonb_agg(case when s ? 'digits' then s || '{"digits": "••••"}' else s end) from jsonb_array_elements(path) s), '[]')
		where id = any(@ids)`, args)
	b.Queue(`update call_leg set party = '{}', remote = '' where call_id = any(@ids)`, args)
	b.Queue(`delete from sip_message where call_id = any(@ids)`, args)
	b.Queue(`delete from fact_quarantine where call_id = any(@ids::text[])`, args)
	b.Queue(`update recording set expires_at = @now, waveform = null where call_id = any(@ids) and state <> 'expired'`, args)
	b.Queue(`delete from search_doc where kind = 'call' and ref = any(@ids::text[])`, args)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("erase calls: %w", err)
	}
	return nil
}

// eraseTicket blanks what a ticket says of a person.
func eraseTicket(ctx context.Context, tx pgx.Tx, by Actor, number int64, now time.Time) error {
	// Which entries hold words: those whose kind does, and all that belong to an interaction.
	rows, err := tx.Query(ctx, `
		select seq from ticket_event where ticket = $1 and not data ? 'erased'
			and (kind in ('subject', 'category', 'field', 'note', 'attachment', 'attachment_removed') or interaction_id is not null) order by seq`, number)
	if err != nil {
		return fmt.Errorf("erase ticket %d: %w", number, err)
	}
	seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("erase ticket %d: %w", number, err)
	}
	args := pgx.NamedArgs{"ticket": number, "seqs": seqs, "subject": erasedSubject, "now": now}
	b := &pgx.Batch{}
	b.Queue(`set local hotline.erasing = 'on'`)
	b.Queue(`
		update ticket_event set data = jsonb_build_object('erased', encode(sha256(convert_to(data::text, 'UTF8')), 'hex'))
		where ticket = @ticket and seq = any(@seqs)`, args)
	b.Queue(`set local hotline.erasing = 'off'`)
	b.Queue(`
		update interaction set body = '', data = case when kind = 'call' then data - 'name' else '{}' end, party_id = null
		where id in (select interaction_id from ticket_interaction where ticket = @ticket)`, args)
	b.Queue(`update ticket set subject = @subject, category = '', fields = '{}', party_id = null, identity_id = null, version = version + 1 where number = @ticket`, args)
	b.Queue(`update task set phone = '', state = case when state = 'open' then 'cancelled' else state end where ticket = @ticket`, args)
	b.Queue(`delete from search_doc where ticket = @ticket`, args)
	b.Queue(`delete from attachment_part where attachment_id in (select id from attachment where ticket = @ticket)`, args)
	b.Queue(`update attachment set name = @subject, bytes = 0, removed_at = coalesce(removed_at, updated) from (select @now::timestamptz as updated) n where ticket = @ticket`, args)
	b.Queue(event{ticket: number, kind: "erased", actor: by, at: now, data: map[string]any{"seqs": seqs}, set: ", next_due_at = null, waiting_since = null"}.statement())
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("erase ticket %d: %w", number, err)
	}
	return indexTicket(ctx, tx, number)
}

// eraseParty removes a party, its aliases, and the identities that nobody else has.
func eraseParty(ctx context.Context, tx pgx.Tx, id string) error {
	rows, err := tx.Query(ctx, `delete from party_identity where party_id = $1 returning identity_id::text`, id)
	if err != nil {
		return fmt.Errorf("erase party: %w", err)
	}
	identities, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("erase party: %w", err)
	}
	args := pgx.NamedArgs{"id": id, "identities": identities}
	b := &pgx.Batch{}
	b.Queue(`update interaction set party_id = null where party_id = @id`, args)
	b.Queue(`
		delete from identity i where i.id = any(@identities)
			and not exists (select from party_identity pi where pi.identity_id = i.id)
			and not exists (select from ticket t where t.identity_id = i.id)`, args)
	b.Queue(`delete from search_doc where kind = 'party' and ref in (select id::text from party where id = @id or merged_into = @id)`, args)
	b.Queue(`delete from party where merged_into = @id`, args)
	b.Queue(`delete from party where id = @id`, args)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("erase party: %w", err)
	}
	return nil
}
