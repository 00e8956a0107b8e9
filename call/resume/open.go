package resume

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/call"
)

// open is a row that a process left open when it died.
type open struct {
	ID         string
	Edge       string
	Phase      call.Phase
	Queue      string
	Language   string
	Since      time.Time // when its open segment began
	Last       string    // why the segment before was left
	Flow       string
	Version    int64
	AnsweredAt *time.Time
	Kept       *call.Kept
	Legs       []byte // of call_leg, those that are open

	left *call.Left // nil: it died with the process
	legs []leg
}

// leg is an open row of call_leg.
type leg struct {
	ID         string     `json:"id"`
	Edge       string     `json:"edge"`
	ForeignID  string     `json:"foreign_id"`
	Party      call.Party `json:"party"`
	StartedAt  time.Time  `json:"started_at"`
	AnsweredAt *time.Time `json:"answered_at"`
}

// open reads what this node left open, the oldest first.
func (r *Reconciler) open(ctx context.Context) ([]open, error) {
	rows, err := r.cfg.Pool.Query(ctx, `
		select c.id::text, c.flow, coalesce(c.flow_version, 0) as version, coalesce(c.resume #>> '{info,edge}', '') as edge, c.phase, c.queue, c.language, coalesce(s.ended_at, c.started_at) as since,
			coalesce(s.reason, '') as last, c.answered_at, c.resume as kept,
			coalesce((select jsonb_agg(to_jsonb(l) order by l.started_at) from call_leg l where l.call_id = c.id and l.ended_at is null), '[]') as legs
		from call c
		left join lateral (
			select ended_at, reason from call_segment where call_id = c.id and kind not in ('offer', 'wrap') order by ended_at desc, started_at desc limit 1
		) s on true
		where c.node = $1 and c.ended_at is null and c.started_at < $2
		order by c.started_at`, r.cfg.Node, r.cfg.Journal.Opened())
	if err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[open])
	if err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	for i := range list {
		o := &list[i]
		if err := json.Unmarshal(o.Legs, &o.legs); err != nil {
			return nil, fmt.Errorf("reconcile: legs of call %s: %w", o.ID, err)
		}
		if o.carried() && r.adopters[o.Edge] != nil {
			o.left = r.leave(*o)
		}
	}
	return list, nil
}

// carried says that the call can go on if its leg is alive.
func (o open) carried() bool { return o.Kept != nil && o.Kept.Info.LegID != "" }

// leave is what an edge and a script need to carry a call on.
func (r *Reconciler) leave(o open) *call.Left {
	l := &call.Left{
		Info: o.Kept.Info, Phase: o.Phase, Queue: o.Queue, Language: o.Language, AnsweredAt: o.AnsweredAt, Since: o.Since, Alive: r.alive(o),
		Stage: o.Kept.Stage,
	}
	l.Stage.Flow, l.Stage.Version, l.Stage.Held = o.Flow, o.Version, o.Last == "hold"
	for _, g := range o.legs {
		if g.ID == l.Info.LegID {
			continue
		}
		other := &call.LeftLeg{
			LegID: g.ID, Edge: g.Edge, ForeignID: g.ForeignID, Number: g.Party.Number, StartedAt: g.StartedAt, AnsweredAt: g.AnsweredAt, Mailbox: call.NewMailbox(),
		}
		if s, ok := l.Seat(g.ID); ok && s.ForeignID != "" { // the trunk that was tried first is in the row
			other.Edge, other.ForeignID, other.TrunkID = s.Edge, s.ForeignID, s.TrunkID
		}
		if other.Edge != o.Edge {
			l.Lost = append(l.Lost, g.ID)
			continue
		}
		l.Others = append(l.Others, other)
	}
	return l
}

// alive is when the call was last seen by its process.
func (r *Reconciler) alive(o open) time.Time {
	if at := r.cfg.Journal.Alive(); at.After(o.Since) {
		return at
	}
	return o.Since
}

// cut files the end of a call that died with its process.
func (r *Reconciler) cut(o open) error {
	j, at := r.cfg.Journal, r.alive(o)
	for _, g := range o.legs {
		if err := j.File(o.ID, call.FactLegEnded, call.LegEnded{LegID: g.ID, EndedAt: at, Cause: call.CauseCutBySystem}); err != nil {
			return err
		}
	}
	err := j.File(o.ID, call.FactSegment, call.Segment{
		ID: hotline.NewID(), Kind: o.Phase.Segment(), Queue: o.Queue, StartedAt: o.Since, EndedAt: at, DurationMS: at.Sub(o.Since).Milliseconds(), Reason: "cut",
	})
	if err != nil {
		return err
	}
	return j.File(o.ID, call.FactCallEnded, call.CallEnded{
		Result: call.ResultCutBySystem, Cause: call.CauseCutBySystem, Queue: o.Queue, Phase: o.Phase, Answered: o.AnsweredAt != nil, At: at,
	})
}
