package tickets

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/postgres"
)

// AuditEntry is something that was done outside of tickets: configuration, listening, logins.
type AuditEntry struct {
	Seq     int64           `json:"seq"`
	At      time.Time       `json:"at"`
	Actor   Actor           `json:"actor"`
	Action  string          `json:"action"`  // recording.play, trunk.update, login.failed …
	Subject string          `json:"subject"` // "recording:ID"
	Remote  string          `json:"remote"`
	Data    json.RawMessage `json:"data"`
}

// NewAudit is an [AuditEntry] to be written.
type NewAudit struct {
	Action  string
	Subject string
	Data    any // nil: nothing more to say; never a secret, never what somebody wrote
}

// Audit appends an entry to the audit. What it is about has happened already or happens after: an act that must not happen unaudited
// is done only when Audit has returned.
func (d *Desk) Audit(ctx context.Context, by Actor, a NewAudit) error {
	return d.tx(ctx, func(tx pgx.Tx, now time.Time) error { return auditIn(ctx, tx, by, a, now) })
}

// AuditIn is Audit inside a transaction of the caller's. Whoever appends holds the head of the chain until the commit, so make it the
// last statement.
func (d *Desk) AuditIn(ctx context.Context, tx postgres.DB, by Actor, a NewAudit) error {
	return auditIn(ctx, tx, by, a, d.now())
}

func auditIn(ctx context.Context, db postgres.DB, by Actor, a NewAudit, now time.Time) error {
	data := a.Data
	if data == nil {
		data = struct{}{}
	}
	_, err := db.Exec(ctx, `
		with h as (
			update audit_head set seq = seq + 1, hash = link_hash(hash, (seq + 1)::text, (extract(epoch from @at::timestamptz) * 1000000)::bigint::text,
				@actor, @actor_name, @action, @subject, @remote, encode(sha256(convert_to(@data::jsonb::text, 'UTF8')), 'hex'))
			returning seq, hash
		)
		insert into audit (seq, at, actor, actor_name, action, subject, remote, data, hash) overriding system value
		select seq, @at, @actor, @actor_name, @action, @subject, @remote, @data::jsonb, hash from h`,
		pgx.NamedArgs{"at": now, "actor": clean(by.ID, 200), "actor_name": clean(by.Name, 200), "action": a.Action,
			"subject": clean(a.Subject, 300), "remote": clean(by.Remote, 100), "data": data})
	if err != nil {
		return fmt.Errorf("audit %s: %w", a.Action, err)
	}
	return nil
}

// AuditFilter narrows [Desk.AuditLog]. Empty fields narrow nothing.
type AuditFilter struct {
	Subject string
	Actor   string
	Action  string
	Actors  []string // what only these have done; nil: everybody
	Before  int64    // entries older than this one; 0: from the newest
	Limit   int
}

// AuditLog returns the audit, newest first, and the Before of the next page, 0 at the end.
func (d *Desk) AuditLog(ctx context.Context, f AuditFilter) (list []AuditEntry, next int64, err error) {
	limit := pageSize(f.Limit)
	rows, err := d.pool.Query(ctx, `
		select seq, at, actor, actor_name, action, subject, remote, data from audit
		where ($1 = '' or subject = $1) and ($2 = '' or actor = $2) and ($3 = '' or action = $3) and ($4 = 0 or seq < $4) and ($6::text[] is null or actor = any($6))
		order by seq desc limit $5`, f.Subject, f.Actor, f.Action, f.Before, limit+1, f.Actors)
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit: %w", err)
	}
	list, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (a AuditEntry, err error) {
		err = r.Scan(&a.Seq, &a.At, &a.Actor.ID, &a.Actor.Name, &a.Action, &a.Subject, &a.Remote, &a.Data)
		a.At = a.At.UTC()
		return a, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].Seq
	}
	return list, next, nil
}
