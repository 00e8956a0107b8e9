package call

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// registerAppliers has the journal write the rows of calls, legs and segments. Their statements are sent in one go with those of the
// facts before and behind; the row of a call is there when the appliers of other packages run.
func registerAppliers(j *Journal) {
	on(j, FactCallStarted, applyCallStarted)
	on(j, FactCallAnswered, applyCallAnswered)
	on(j, FactCallPhase, applyCallPhase)
	on(j, FactCallStep, applyCallStep)
	on(j, FactCallNoted, applyCallNoted)
	on(j, FactCallEnded, applyCallEnded)
	on(j, FactLegStarted, applyLegStarted)
	on(j, FactLegEnded, applyLegEnded)
	on(j, FactSegment, applySegment)
}

// on registers statements for a kind of facts with a payload.
func on[P any](j *Journal, kind FactKind, queue func(b *pgx.Batch, f Fact, p P)) {
	j.statements[kind] = func(b *pgx.Batch, f Fact) error {
		var p P
		if err := f.Decode(&p); err != nil {
			return err
		}
		queue(b, f, p)
		return nil
	}
}

func applyCallStarted(b *pgx.Batch, f Fact, p CallStarted) {
	i := p.Info
	b.Queue(`
		with c as (
			insert into call (id, node, direction, phase, caller, caller_name, verified, dialled, trunk_id, trunk_name, flow, queue, language, started_at)
			values (@id, @node, @direction, 'ringing', @caller, @name, @verified, @dialled, nullif(@trunk, '')::uuid, @trunk_name, @flow, @queue, @language, @at)
			on conflict (id) do nothing
			returning id
		)
		insert into call_leg (id, call_id, direction, edge, foreign_id, remote, party, started_at)
		select @leg, c.id, @direction, @edge, @foreign, @remote, @party, @at from c
		on conflict (id) do nothing`,
		pgx.NamedArgs{
			"id": f.CallID, "node": p.Node, "direction": i.Direction, "caller": i.Caller.Number, "name": i.Caller.Display,
			"verified": i.Caller.Verified, "dialled": i.Dialled, "trunk": i.TrunkID, "trunk_name": i.TrunkName, "flow": i.Flow,
			"queue": i.Queue, "language": i.Language, "at": i.ReceivedAt, "leg": i.LegID, "edge": i.Edge, "foreign": i.ForeignID,
			"remote": i.Remote, "party": i.Caller,
		})
}

func applyCallAnswered(b *pgx.Batch, f Fact, p CallAnswered) {
	b.Queue(`
		with c as (update call set answered_at = coalesce(answered_at, $2) where id = $1)
		update call_leg set answered_at = coalesce(answered_at, $2) where id = $3`, f.CallID, f.At, p.LegID)
}

// "phase <> 'ended'" means the same as "ended_at is null", but does not tempt the planner to walk the index of all open calls.
func applyCallPhase(b *pgx.Batch, f Fact, p CallPhase) {
	b.Queue(`
		update call set phase = $2, queue = case when $3 = '' then queue else $3 end
		where id = $1 and phase <> 'ended'`, f.CallID, p.Phase, p.Queue)
}

func applyCallStep(b *pgx.Batch, f Fact, p CallStep) {
	step := struct {
		At time.Time `json:"at"`
		CallStep
	}{f.At.Truncate(time.Millisecond), p}
	b.Queue(`update call set path = path || $2::jsonb where id = $1`, f.CallID, []any{step})
}

func applyCallNoted(b *pgx.Batch, f Fact, p CallNoted) {
	b.Queue(`
		update call set language = coalesce(nullif($2, ''), language), flow = coalesce(nullif($3, ''), flow),
			flow_version = coalesce(nullif($4, 0::bigint), flow_version)
		where id = $1`, f.CallID, p.Language, p.Flow, p.FlowVersion)
}

func applyCallEnded(b *pgx.Batch, f Fact, p CallEnded) {
	b.Queue(`
		update call set phase = 'ended', ended_at = $2, result = $3, cause = $4
		where id = $1 and phase <> 'ended'`, f.CallID, p.At, p.Result, p.Cause)
}

func applyLegStarted(b *pgx.Batch, f Fact, p LegStarted) {
	b.Queue(`
		insert into call_leg (id, call_id, direction, edge, foreign_id, remote, party, started_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (id) do nothing`, p.LegID, f.CallID, p.Direction, p.Edge, p.ForeignID, p.Remote, p.Party, p.StartedAt)
}

func applyLegEnded(b *pgx.Batch, f Fact, p LegEnded) {
	quality := p.Quality
	if len(quality) == 0 {
		quality = json.RawMessage(`{}`)
	}
	b.Queue(`
		update call_leg set ended_at = $2, cause = $3, codec = $4, quality = $5, answered_at = coalesce(answered_at, $6)
		where id = $1 and ended_at is null`, p.LegID, p.EndedAt, p.Cause, p.Codec, quality, p.AnsweredAt)
}

func applySegment(b *pgx.Batch, f Fact, p Segment) {
	detail := p.Detail
	if len(detail) == 0 {
		detail = json.RawMessage(`{}`)
	}
	b.Queue(`
		insert into call_segment (id, call_id, kind, queue, agent, started_at, ended_at, duration_ms, reason, detail)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict (id) do nothing`, p.ID, f.CallID, p.Kind, p.Queue, p.Agent, p.StartedAt, p.EndedAt, p.DurationMS, p.Reason, detail)
}

// openCall is a row that a process left open when it died.
type openCall struct {
	ID         string
	Phase      Phase
	Queue      string
	Since      time.Time // when its open segment began
	AnsweredAt *time.Time
	Legs       []string
}

// Reconcile closes the calls that this node held when its process was killed: they ended when it was last seen alive, cut by the
// system. It flushes the journal first, so it waits for the database.
func Reconcile(ctx context.Context, j *Journal, pool *pgxpool.Pool, node string) error {
	if err := j.Flush(ctx); err != nil {
		return err
	}
	rows, err := pool.Query(ctx, `
		select id::text, phase, queue, answered_at,
			coalesce((select max(s.ended_at) from call_segment s where s.call_id = call.id), started_at) as since,
			coalesce((select array_agg(l.id::text) from call_leg l where l.call_id = call.id and l.ended_at is null), '{}') as legs
		from call
		where node = $1 and ended_at is null and started_at < $2
		order by started_at`, node, j.opened)
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	open, err := pgx.CollectRows(rows, pgx.RowToStructByName[openCall])
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	for _, c := range open {
		if err := j.cut(c); err != nil {
			return err
		}
	}
	if len(open) > 0 {
		j.cfg.Log.Warn("calls were cut when this node died", "calls", len(open), "at", j.alive)
	}
	return j.Flush(ctx)
}

// cut files the end of a call that died with its process.
func (j *Journal) cut(c openCall) error {
	at := j.alive
	if at.Before(c.Since) {
		at = c.Since
	}
	for _, leg := range c.Legs {
		if err := j.File(c.ID, FactLegEnded, LegEnded{LegID: leg, EndedAt: at, Cause: CauseCutBySystem}); err != nil {
			return err
		}
	}
	err := j.File(c.ID, FactSegment, Segment{
		ID: newID(), Kind: segmentOf(c.Phase), Queue: c.Queue, StartedAt: c.Since, EndedAt: at,
		DurationMS: at.Sub(c.Since).Milliseconds(), Reason: reasonCut,
	})
	if err != nil {
		return err
	}
	return j.File(c.ID, FactCallEnded, CallEnded{
		Result: ResultCutBySystem, Cause: CauseCutBySystem, Queue: c.Queue, Phase: c.Phase, Answered: c.AnsweredAt != nil, At: at,
	})
}
