package tickets

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
)

// MergeParties makes one of two parties that are the same person: what belongs to from belongs to into afterwards, and the id of from
// stays as an alias. Of two who merge at once one is told.
func (d *Desk) MergeParties(ctx context.Context, by Actor, from, into string) (Party, error) {
	if !isID(from) || !isID(into) {
		return Party{}, notFound("party", from)
	}
	var p Party
	err := d.tx(ctx, func(tx pgx.Tx, now time.Time) (err error) {
		if _, err := tx.Exec(ctx, intakeLock); err != nil { // no call may ring for them meanwhile
			return fmt.Errorf("merge: %w", err)
		}
		if err := mergeable(ctx, tx, from, into); err != nil {
			return err
		}
		numbers, err := moveParty(ctx, tx, from, into, now)
		if err != nil {
			return err
		}
		for _, n := range numbers {
			if _, err := appendEvent(ctx, tx, event{ticket: n, kind: "party", actor: by, at: now, data: moved{From: from, To: into, Name: "merged"},
				set: ", version = version + 1"}); err != nil {
				return err
			}
		}
		if err := indexParty(ctx, tx, into, true); err != nil {
			return err
		}
		if p, err = getParty(ctx, tx, into); err != nil {
			return err
		}
		return auditIn(ctx, tx, by, NewAudit{Action: "party.merge", Subject: "party:" + into, Data: map[string]string{"from": from}}, now)
	})
	return p, err
}

// mergeable holds both parties, in the order of their ids, and refuses what is no pair of living parties.
func mergeable(ctx context.Context, tx pgx.Tx, from, into string) error {
	rows, err := tx.Query(ctx, `select id::text, merged_into is not null from party where id in ($1, $2) order by id for update`, from, into)
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	type row struct {
		ID     string
		Merged bool
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	if from == into {
		return invalid("into", "tickets.merge_self", "a party cannot be merged into itself")
	}
	if len(list) < 2 {
		return notFound("party", from+" or "+into)
	}
	for _, r := range list {
		if r.Merged {
			return hotline.Errorf(hotline.Conflict, "tickets.merged", "party %s was merged into another already", r.ID)
		}
	}
	return nil
}

// moveParty gives everything of from to into, and returns the tickets that went.
func moveParty(ctx context.Context, tx pgx.Tx, from, into string, now time.Time) ([]int64, error) {
	args := pgx.NamedArgs{"from": from, "into": into, "at": now}
	b := &pgx.Batch{}
	// Of two claims on one identity the surer stays.
	b.Queue(`
		insert into party_identity (party_id, identity_id, level, created_at)
		select @into, identity_id, level, created_at from party_identity where party_id = @from
		on conflict (party_id, identity_id) do update set level = case
			when 'verified' in (party_identity.level, excluded.level) then 'verified'
			when 'known' in (party_identity.level, excluded.level) then 'known' else 'maybe' end`, args)
	b.Queue(`delete from party_identity where party_id = @from`, args)
	b.Queue(`update interaction set party_id = @into where party_id = @from`, args)
	b.Queue(`update call set party_id = @into where party_id = @from`, args)
	b.Queue(`update party set merged_into = @into, updated_at = @at, version = version + 1 where id = @from or merged_into = @from`, args)
	b.Queue(`
		update party i set name = coalesce(nullif(i.name, ''), f.name), company = coalesce(nullif(i.company, ''), f.company),
			language = coalesce(nullif(i.language, ''), f.language), vip = i.vip or f.vip, notes = concat_ws(E'\n', nullif(i.notes, ''), nullif(f.notes, '')),
			updated_at = @at, version = i.version + 1
		from party f where i.id = @into and f.id = @from`, args)
	b.Queue(`delete from search_doc where kind = 'party' and ref = @from`, args)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	rows, err := tx.Query(ctx, `
		with t as (select number from ticket where party_id = $1 order by number for update)
		update ticket set party_id = $2 from t where ticket.number = t.number returning ticket.number`, from, into)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	return numbers, nil
}
