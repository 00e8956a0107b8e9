package tickets

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/call"
	"hotline/postgres"
)

// Entry is one entry of a ticket's timeline.
type Entry struct {
	Seq         int64           `json:"seq"` // 1, 2, 3 … without gaps
	Kind        string          `json:"kind"`
	Actor       Actor           `json:"actor"`
	At          time.Time       `json:"at"`
	Data        json.RawMessage `json:"data"`
	Interaction *Interaction    `json:"interaction"`
	Call        *CallEntry      `json:"call"`
}

// Interaction is what happened on a channel.
type Interaction struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"` // call, voicemail, note …
	Body     string `json:"body"`
	Internal bool   `json:"internal"` // for staff alone
}

// CallEntry is a call as the timeline shows it, as far as it has come.
type CallEntry struct {
	ID         string          `json:"id"`
	Result     call.Result     `json:"result"`
	StartedAt  time.Time       `json:"started_at"`
	AnsweredAt *time.Time      `json:"answered_at"`
	EndedAt    *time.Time      `json:"ended_at"`
	DurationMS *int64          `json:"duration_ms"`
	Queue      string          `json:"queue"`
	Path       json.RawMessage `json:"path"`
	Recordings []Recording     `json:"recordings"`
}

// Recording is the index entry of a recording, as the API shows it.
type Recording struct {
	ID         string     `json:"id"`
	CallID     string     `json:"call_id"`
	Ticket     *int64     `json:"ticket"`
	Kind       string     `json:"kind"`
	State      string     `json:"state"`
	Channels   int        `json:"channels"`
	DurationMS int64      `json:"duration_ms"`
	Bytes      int64      `json:"bytes"`
	StartedAt  time.Time  `json:"started_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	Waveform   [][]int    `json:"waveform"` // peaks 0 to 255, one list a channel
}

// TimelineQuery says which part of a timeline is read, and by whom.
type TimelineQuery struct {
	After    int64 // entries after this one
	Limit    int
	Audience Audience
}

// Timeline returns a ticket's entries, oldest first.
func (d *Desk) Timeline(ctx context.Context, number int64, q TimelineQuery) (Page[Entry], error) {
	limit := pageSize(q.Limit)
	if err := d.Check(ctx, number); err != nil {
		return Page[Entry]{}, err
	}
	list, err := entries(ctx, d.pool, number, q, limit+1)
	if err != nil {
		return Page[Entry]{}, fmt.Errorf("timeline of ticket %d: %w", number, err)
	}
	if list == nil {
		list = []Entry{}
	}
	p := Page[Entry]{Items: list}
	if len(list) > limit {
		p.Items = list[:limit]
		next := fmt.Sprint(p.Items[limit-1].Seq)
		p.Next = &next
	}
	return p, nil
}

// entries reads part of a timeline. What is internal is left out in SQL for everybody but staff: entries of an internal
// interaction, and entries that only staff make of each other's work.
func entries(ctx context.Context, db postgres.DB, number int64, q TimelineQuery, limit int) ([]Entry, error) {
	rows, err := db.Query(ctx, `
		select e.seq, e.kind, e.actor, e.actor_name, e.at, e.data, i.id::text, i.kind, i.body, i.direction, i.call_id::text
		from ticket_event e left join interaction i on i.id = e.interaction_id
		where e.ticket = $1 and e.seq > $2 and ($3 or i.direction in ('in', 'out') or e.kind in ('created', 'state'))
		order by e.seq limit $4`, number, q.After, q.Audience == Staff, limit)
	if err != nil {
		return nil, err
	}
	var calls []string
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (e Entry, err error) {
		var id, kind, body, direction, callID *string
		if err := r.Scan(&e.Seq, &e.Kind, &e.Actor.ID, &e.Actor.Name, &e.At, &e.Data, &id, &kind, &body, &direction, &callID); err != nil {
			return e, err
		}
		e.At = e.At.UTC()
		if id != nil {
			e.Interaction = &Interaction{ID: *id, Kind: *kind, Body: *body, Internal: *direction == "internal"}
		}
		if callID != nil && (e.Kind == "call" || e.Kind == "voicemail") {
			e.Call = &CallEntry{ID: *callID, Path: json.RawMessage("[]"), Recordings: []Recording{}}
			calls = append(calls, *callID)
		}
		if q.Audience != Staff {
			e.Data, e.Actor = json.RawMessage("{}"), Actor{}
		}
		return e, nil
	})
	if err != nil || len(calls) == 0 {
		return list, err
	}
	return list, fillCalls(ctx, db, list, calls)
}

// fillCalls reads the calls and recordings of entries.
func fillCalls(ctx context.Context, db postgres.DB, list []Entry, ids []string) error {
	rows, err := db.Query(ctx, `
		select id::text, result, started_at, answered_at, ended_at, (extract(epoch from ended_at - started_at) * 1000)::bigint, queue, path
		from call where id = any($1)`, ids)
	if err != nil {
		return err
	}
	calls := map[string]CallEntry{}
	var c CallEntry
	_, err = pgx.ForEachRow(rows, []any{&c.ID, &c.Result, &c.StartedAt, &c.AnsweredAt, &c.EndedAt, &c.DurationMS, &c.Queue, &c.Path}, func() error {
		c.StartedAt, c.AnsweredAt, c.EndedAt = c.StartedAt.UTC(), utc(c.AnsweredAt), utc(c.EndedAt)
		calls[c.ID] = c
		c = CallEntry{}
		return nil
	})
	if err != nil {
		return err
	}
	recordings, err := recordingsOf(ctx, db, ids)
	if err != nil {
		return err
	}
	for i := range list {
		e := &list[i]
		if e.Call == nil {
			continue
		}
		if c, ok := calls[e.Call.ID]; ok {
			*e.Call = c
		}
		e.Call.Recordings = []Recording{}
		for _, r := range recordings[e.Call.ID] {
			if r.Kind == e.Kind {
				e.Call.Recordings = append(e.Call.Recordings, r)
			}
		}
	}
	return nil
}

func recordingsOf(ctx context.Context, db postgres.DB, calls []string) (map[string][]Recording, error) {
	rows, err := db.Query(ctx, `
		select id::text, call_id::text, ticket, kind, state, channels, duration_ms, bytes, started_at, expires_at, waveform
		from recording where call_id = any($1) order by started_at, id`, calls)
	if err != nil {
		return nil, err
	}
	of := map[string][]Recording{}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Recording, err error) {
		var wave []byte
		err = row.Scan(&r.ID, &r.CallID, &r.Ticket, &r.Kind, &r.State, &r.Channels, &r.DurationMS, &r.Bytes, &r.StartedAt, &r.ExpiresAt, &wave)
		r.StartedAt, r.ExpiresAt = r.StartedAt.UTC(), utc(r.ExpiresAt)
		r.Waveform = waveform(wave, r.Channels)
		return r, err
	})
	for _, r := range list {
		of[r.CallID] = append(of[r.CallID], r)
	}
	return of, err
}

// waveform splits peaks that are kept channel after channel.
func waveform(peaks []byte, channels int) [][]int {
	list := [][]int{}
	if channels < 1 {
		return list
	}
	n := len(peaks) / channels
	for c := range channels {
		one := make([]int, n)
		for i := range one {
			one[i] = int(peaks[c*n+i])
		}
		list = append(list, one)
	}
	return list
}
