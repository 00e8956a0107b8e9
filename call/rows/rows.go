// Package rows keeps the rows of calls, legs and segments in PostgreSQL: it applies the facts of package call. Start at [OpenJournal].
package rows

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/call"
	"hotline/call/journal"
)

// OpenJournal opens the journal. It writes the rows of calls, legs and segments before anybody else applies a fact.
func OpenJournal(cfg call.JournalConfig) (*call.Journal, error) {
	j, err := journal.Open(cfg)
	if err != nil {
		return nil, err
	}
	j.OnBatch(applyRows, slices.Collect(maps.Keys(taking))...)
	return j, nil
}

// rowWriter gathers what the facts of one transaction say of calls, legs and segments, and writes each row once: a call that rings,
// passes a menu and hangs up within a batch is one row inserted, not one inserted and seven times updated.
type rowWriter struct {
	calls    []*callRow // in the order in which they are first spoken of
	byCall   map[string]*callRow
	legs     []*legRow
	byLeg    map[string]*legRow
	segments []segmentRow
}

// callRow is what a transaction knows of a call: all of it when it has started here, else what has changed.
type callRow struct {
	id          string
	started     *call.CallStarted
	at          time.Time
	answeredAt  *time.Time
	phase       call.Phase
	queue       string
	path        []step
	language    string
	flow        string
	flowVersion int64
	trunk       [2]string      // id and name
	kept        map[string]any // what has changed of the column resume; nil: nothing
	ended       *call.CallEnded
}

// step is an entry of the column call.path.
type step struct {
	At time.Time `json:"at"`
	call.CallStep
}

// legRow is the same of a leg.
type legRow struct {
	id, callID string
	started    *call.LegStarted
	answeredAt *time.Time
	ended      *call.LegEnded
}

type segmentRow struct {
	callID string
	call.Segment
}

// applyRows writes the rows that facts speak of.
func applyRows(ctx context.Context, tx pgx.Tx, facts []call.Fact) error {
	rows, batch := newRowWriter(), &pgx.Batch{}
	for _, f := range facts {
		if err := rows.take(f); err != nil {
			return err
		}
	}
	rows.write(batch)
	return tx.SendBatch(ctx, batch).Close()
}

func newRowWriter() *rowWriter {
	return &rowWriter{byCall: map[string]*callRow{}, byLeg: map[string]*legRow{}}
}

func (w *rowWriter) callOf(id string) *callRow {
	c := w.byCall[id]
	if c == nil {
		c = &callRow{id: id}
		w.byCall[id] = c
		w.calls = append(w.calls, c)
	}
	return c
}

func (w *rowWriter) leg(id, callID string) *legRow {
	l := w.byLeg[id]
	if l == nil {
		l = &legRow{id: id, callID: callID}
		w.byLeg[id] = l
		w.legs = append(w.legs, l)
	}
	return l
}

// taking says what each kind of fact means for the rows; the kinds that are missing mean nothing.
var taking = map[call.FactKind]func(*rowWriter, call.Fact) error{
	call.FactCallStarted:  of((*rowWriter).callStarted),
	call.FactCallAnswered: of((*rowWriter).callAnswered),
	call.FactCallPhase:    of((*rowWriter).callPhase),
	call.FactCallStep:     of((*rowWriter).callStep),
	call.FactCallNoted:    of((*rowWriter).callNoted),
	call.FactCallResumed:  of((*rowWriter).callResumed),
	call.FactCallSeated:   of((*rowWriter).callSeated),
	call.FactCallEnded:    of((*rowWriter).callEnded),
	call.FactLegStarted:   of((*rowWriter).legStarted),
	call.FactLegEnded:     of((*rowWriter).legEnded),
	call.FactSegment:      of((*rowWriter).segment),
}

// of decodes the payload for a method.
func of[P any](take func(*rowWriter, call.Fact, P)) func(*rowWriter, call.Fact) error {
	return func(w *rowWriter, f call.Fact) error {
		var p P
		if err := f.Decode(&p); err != nil {
			return err
		}
		take(w, f, p)
		return nil
	}
}

// take notes what a fact says.
func (w *rowWriter) take(f call.Fact) error {
	if take := taking[f.Kind]; take != nil {
		return take(w, f)
	}
	return nil
}

func (w *rowWriter) callStarted(f call.Fact, p call.CallStarted) {
	c := w.callOf(f.CallID)
	c.started, c.at = &p, p.Info.ReceivedAt
	w.leg(p.Info.LegID, f.CallID).started = &call.LegStarted{
		LegID: p.Info.LegID, Direction: p.Info.Direction, Edge: p.Info.Edge, ForeignID: p.Info.ForeignID, Remote: p.Info.Remote,
		Party: p.Info.Caller, StartedAt: p.Info.ReceivedAt,
	}
}

func (w *rowWriter) callAnswered(f call.Fact, p call.CallAnswered) {
	c, l := w.callOf(f.CallID), w.leg(p.LegID, f.CallID)
	at := f.At
	if c.answeredAt == nil {
		c.answeredAt = &at
	}
	if l.answeredAt == nil {
		l.answeredAt = &at
	}
	if p.Info != nil {
		c.keep("info", p.Info)
	}
}

func (w *rowWriter) callPhase(f call.Fact, p call.CallPhase) {
	if c := w.callOf(f.CallID); c.ended == nil {
		c.phase = p.Phase
		if p.Queue != "" {
			c.queue = p.Queue
		}
		if p.Place != nil || p.Agent != "" || p.Phase == call.PhaseTalking {
			c.keep("place", p.Place)
			c.keep("agent", p.Agent)
		}
		if p.Phase == call.PhaseTalking {
			c.keep("talking", f.At)
		}
	}
}

func (w *rowWriter) callStep(f call.Fact, p call.CallStepped) {
	c := w.callOf(f.CallID)
	c.path = append(c.path, step{f.At.Truncate(time.Millisecond), p.CallStep})
	if p.Next != "" {
		c.keep("node", p.Next)
	}
	if p.Vars != nil {
		c.keep("vars", p.Vars)
	}
	switch {
	case p.Secret:
		c.keep("secret", p.Node)
	case p.Next != "" && p.Digits != "":
		c.keep("digits", p.Digits)
	}
}

func (c *callRow) keep(key string, value any) {
	if c.kept == nil {
		c.kept = map[string]any{}
	}
	c.kept[key] = value
}

func (w *rowWriter) callNoted(f call.Fact, p call.CallNoted) {
	c := w.callOf(f.CallID)
	c.language, c.flow, c.flowVersion = cmp.Or(p.Language, c.language), cmp.Or(p.Flow, c.flow), cmp.Or(p.FlowVersion, c.flowVersion)
	if p.TrunkID != "" {
		c.trunk = [2]string{p.TrunkID, p.TrunkName}
	}
}

func (w *rowWriter) callResumed(f call.Fact, _ call.CallResumed) {
	c := w.callOf(f.CallID)
	c.path = append(c.path, step{f.At.Truncate(time.Millisecond), call.CallStep{Kind: "resumed"}})
}

func (w *rowWriter) callSeated(f call.Fact, p call.CallSeated) {
	w.callOf(f.CallID).keep("seating", p.Seating)
}

func (w *rowWriter) callEnded(f call.Fact, p call.CallEnded) {
	if c := w.callOf(f.CallID); c.ended == nil {
		c.ended, c.phase = &p, call.PhaseEnded
	}
}

func (w *rowWriter) legStarted(f call.Fact, p call.LegStarted) { w.leg(p.LegID, f.CallID).started = &p }

func (w *rowWriter) legEnded(f call.Fact, p call.LegEnded) {
	l := w.leg(p.LegID, f.CallID)
	if l.ended == nil {
		l.ended = &p
	}
	if l.answeredAt == nil {
		l.answeredAt = p.AnsweredAt
	}
}

func (w *rowWriter) segment(f call.Fact, p call.Segment) {
	w.segments = append(w.segments, segmentRow{f.CallID, p})
}

// write queues the statements: calls before what refers to them.
func (w *rowWriter) write(b *pgx.Batch) {
	for _, c := range w.calls {
		if c.started != nil {
			c.insert(b)
		} else {
			c.update(b)
		}
	}
	for _, l := range w.legs {
		if l.started != nil {
			l.insert(b)
		} else {
			l.update(b)
		}
	}
	for _, s := range w.segments {
		s.insert(b)
	}
}

// insert writes the row of a call that started in this transaction. A row that is there already was written by a process that died
// before it marked the fact as applied.
func (c *callRow) insert(b *pgx.Batch) {
	i := c.started.Info
	phase := cmp.Or(c.phase, call.PhaseRinging)
	ended := cmp.Or(c.ended, &call.CallEnded{})
	b.Queue(`
		insert into call (id, node, direction, phase, caller, caller_name, verified, dialled, trunk_id, trunk_name, flow, flow_version, queue, language,
			started_at, answered_at, path, ended_at, result, cause, resume)
		values ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, '')::uuid, $10, $11, nullif($12, 0::bigint), $13, $14, $15, $16, $17::jsonb, $18, $19, $20, $21)
		on conflict (id) do nothing`,
		c.id, c.started.Node, i.Direction, phase, i.Caller.Number, i.Caller.Display, i.Caller.Verified, i.Dialled, cmp.Or(c.trunk[0], i.TrunkID), cmp.Or(c.trunk[1], i.TrunkName),
		cmp.Or(c.flow, i.Flow), c.flowVersion, cmp.Or(c.queue, i.Queue), cmp.Or(c.language, i.Language), c.at, c.answeredAt, orEmpty(c.path),
		momentOrNull(ended.At), ended.Result, ended.Cause, c.resume())
}

// update writes what changed of a call that started before. "phase <> 'ended'" means the same as "ended_at is null", but does not
// tempt the planner to walk the index of all open calls.
func (c *callRow) update(b *pgx.Batch) {
	ended := cmp.Or(c.ended, &call.CallEnded{})
	b.Queue(`
		update call set answered_at = coalesce(answered_at, $2), path = path || $3::jsonb, language = coalesce(nullif($4, ''), language),
			flow = coalesce(nullif($5, ''), flow), flow_version = coalesce(nullif($6, 0::bigint), flow_version),
			phase = case when phase = 'ended' or $7 = '' then phase else $7 end, queue = case when phase = 'ended' or $8 = '' then queue else $8 end,
			ended_at = coalesce(ended_at, $9), result = case when phase = 'ended' or $9::timestamptz is null then result else $10 end,
			cause = case when phase = 'ended' or $9::timestamptz is null then cause else $11 end,
			trunk_id = coalesce(nullif($12, '')::uuid, trunk_id), trunk_name = case when $12 = '' then trunk_name else $13 end,
			resume = case when $9::timestamptz is null and phase <> 'ended' then resume || $14::jsonb end
		where id = $1`,
		c.id, c.answeredAt, orEmpty(c.path), c.language, c.flow, c.flowVersion, c.phase, c.queue, momentOrNull(ended.At), ended.Result, ended.Cause,
		c.trunk[0], c.trunk[1], orNothing(c.kept))
}

func orNothing(kept map[string]any) map[string]any {
	if kept == nil {
		return map[string]any{}
	}
	return kept
}

// resume is what the column of a new row holds.
func (c *callRow) resume() map[string]any {
	if !c.started.Info.Outlives || c.ended != nil {
		return nil
	}
	kept := maps.Clone(orNothing(c.kept))
	kept["info"] = c.started.Info
	return kept
}

func orEmpty(path []step) []step {
	if path == nil {
		return []step{}
	}
	return path
}

func momentOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (l *legRow) insert(b *pgx.Batch) {
	s, ended := l.started, cmp.Or(l.ended, &call.LegEnded{})
	b.Queue(`
		insert into call_leg (id, call_id, direction, edge, foreign_id, remote, party, started_at, answered_at, ended_at, cause, codec, quality)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		on conflict (id) do nothing`,
		l.id, l.callID, s.Direction, s.Edge, s.ForeignID, s.Remote, s.Party, s.StartedAt, l.answeredAt, momentOrNull(ended.EndedAt), ended.Cause,
		ended.Codec, orObject(ended.Quality))
}

func (l *legRow) update(b *pgx.Batch) {
	ended := cmp.Or(l.ended, &call.LegEnded{})
	b.Queue(`
		update call_leg set answered_at = coalesce(answered_at, $2), cause = case when $3::timestamptz is null then cause else $4 end,
			codec = case when $3::timestamptz is null then codec else $5 end, quality = case when $3::timestamptz is null then quality else $6 end,
			ended_at = $3
		where id = $1 and ended_at is null`, l.id, l.answeredAt, momentOrNull(ended.EndedAt), ended.Cause, ended.Codec, orObject(ended.Quality))
}

func (s segmentRow) insert(b *pgx.Batch) {
	b.Queue(`
		insert into call_segment (id, call_id, kind, queue, agent, started_at, ended_at, duration_ms, reason, detail)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict (id) do nothing`, s.ID, s.callID, s.Kind, s.Queue, s.Agent, s.StartedAt, s.EndedAt, s.DurationMS, s.Reason, orObject(s.Detail))
}

func orObject(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage(`{}`)
	}
	return raw
}
