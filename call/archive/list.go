// Package archive reads calls back from the database: lists of them, everything that is known of one, and who may see it.
//
// It writes nothing: rows are made of facts, by package call. Start at [List] and [Get].
package archive

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/call"
	"hotline/postgres"
)

// Filter selects calls for [List]. Zero fields select everything.
type Filter struct {
	Result  call.Result
	Queue   string
	Caller  string // E.164 or extension, exact
	TrunkID string
	Ticket  int64
	Open    bool           // only calls that go on
	See     *hotline.Scope // whose eyes; nil sees everything
	From    time.Time
	To      time.Time
	Cursor  string
	Limit   int // 50 when 0, at most 200
}

// Row is a call as lists show it.
type Row struct {
	ID         string         `json:"id"`
	Direction  call.Direction `json:"direction"`
	Phase      call.Phase     `json:"phase"`
	Caller     string         `json:"caller"`
	CallerName string         `json:"caller_name"`
	Verified   bool           `json:"verified"`
	Dialled    string         `json:"dialled"`
	TrunkID    *string        `json:"trunk_id"`
	TrunkName  string         `json:"trunk_name"`
	Flow       string         `json:"flow"`
	Queue      string         `json:"queue"`
	Ticket     *int64         `json:"ticket"`
	StartedAt  time.Time      `json:"started_at"`
	AnsweredAt *time.Time     `json:"answered_at"`
	EndedAt    *time.Time     `json:"ended_at"`
	Result     call.Result    `json:"result"`
	Cause      call.Cause     `json:"cause"`
	DurationMS *int64         `json:"duration_ms"` // null while it goes on
}

// PathStep is one node of the flow that the call passed.
type PathStep struct {
	At time.Time `json:"at"`
	call.CallStep
}

// Detail is everything that is known of a call, its trace and recordings aside.
type Detail struct {
	Row
	Language    string         `json:"language"`
	FlowVersion *int64         `json:"flow_version"`
	PartyID     *string        `json:"party_id"`
	Node        string         `json:"node"`
	Path        []PathStep     `json:"path"`
	Segments    []call.Segment `json:"segments"`
	Legs        []LegSummary   `json:"legs"`
}

// LegSummary is one leg of a call.
type LegSummary struct {
	ID         string          `json:"id"`
	Direction  call.Direction  `json:"direction"`
	Edge       string          `json:"edge"`
	ForeignID  string          `json:"foreign_id"`
	Remote     string          `json:"remote"`
	Party      call.Party      `json:"party"`
	Codec      string          `json:"codec"`
	StartedAt  time.Time       `json:"started_at"`
	AnsweredAt *time.Time      `json:"answered_at"`
	EndedAt    *time.Time      `json:"ended_at"`
	Cause      call.Cause      `json:"cause"`
	Quality    json.RawMessage `json:"quality"`
}

const rowColumns = `id::text, direction, phase, caller, caller_name, verified, dialled, trunk_id::text, trunk_name, flow, queue, ticket,
	started_at, answered_at, ended_at, result, cause,
	(extract(epoch from ended_at - started_at) * 1000)::bigint as duration_ms`

// List returns calls, the newest first, and the cursor of the next page, "" at the end.
func List(ctx context.Context, db postgres.DB, f Filter) ([]Row, string, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	where, args, err := f.where()
	if err != nil {
		return nil, "", err
	}
	args["limit"] = limit + 1
	if f.See != nil {
		scopeArgs(*f.See, args)
	}
	rows, err := db.Query(ctx, `select `+rowColumns+` from `+f.from(where)+` order by started_at desc, id desc limit @limit`, args)
	if err != nil {
		return nil, "", err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Row])
	if err != nil {
		return nil, "", err
	}
	if len(list) <= limit {
		return list, "", nil
	}
	list = list[:limit]
	last := list[limit-1]
	return list, base64.RawURLEncoding.EncodeToString([]byte(last.StartedAt.UTC().Format(time.RFC3339Nano) + " " + last.ID)), nil
}

// where makes the condition only of what is asked for, so that each combination finds its index.
func (f Filter) where() (string, pgx.NamedArgs, error) {
	var terms []string
	args := pgx.NamedArgs{}
	add := func(given bool, term, name string, value any) {
		if given {
			terms = append(terms, term)
			args[name] = value
		}
	}
	add(f.Result != "", "result = @result", "result", f.Result)
	add(f.Queue != "", "queue = @queue", "queue", f.Queue)
	add(f.Caller != "", "caller = @caller and caller <> ''", "caller", f.Caller)
	add(f.TrunkID != "", "trunk_id = @trunk", "trunk", f.TrunkID)
	add(f.Ticket != 0, "ticket = @ticket", "ticket", f.Ticket)
	add(f.Open, "ended_at is null and phase <> @ended", "ended", call.PhaseEnded)
	add(!f.From.IsZero(), "started_at >= @from", "from", f.From)
	add(!f.To.IsZero(), "started_at < @to", "to", f.To)
	if f.Cursor != "" {
		at, id, err := parseCursor(f.Cursor)
		if err != nil {
			return "", nil, err
		}
		add(true, "(started_at, id) < (@cursor_at, @cursor_id)", "cursor_at", at)
		args["cursor_id"] = id
	}
	if len(terms) == 0 {
		return "", args, nil
	}
	return " where " + strings.Join(terms, " and "), args, nil
}

func parseCursor(s string) (time.Time, string, error) {
	bad := func(err error) (time.Time, string, error) {
		return time.Time{}, "", &hotline.Error{Kind: hotline.Invalid, Code: "list.cursor", Message: "the cursor is none that this list has given; leave it out to start again", Field: "cursor", Err: err}
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return bad(err)
	}
	stamp, id, ok := strings.Cut(string(raw), " ")
	if !ok || !isID(id) {
		return bad(nil)
	}
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return bad(err)
	}
	return at, id, nil
}

// isID says whether s has the form of an id, so that PostgreSQL will take it for one.
func isID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

// Get returns a call with its path, segments and legs.
func Get(ctx context.Context, db postgres.DB, id string) (Detail, error) {
	notFound := hotline.Errorf(hotline.NotFound, "call.unknown", "there is no call %q", id)
	if !isID(id) {
		return Detail{}, notFound
	}
	var d Detail
	type head struct {
		Row
		Language    string
		FlowVersion *int64
		PartyID     *string
		Node        string
		Path        []PathStep
	}
	rows, err := db.Query(ctx, `select `+rowColumns+`, language, flow_version, party_id::text, node, path from call where id = $1`, id)
	if err != nil {
		return d, err
	}
	h, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[head])
	if errors.Is(err, pgx.ErrNoRows) {
		return d, notFound
	} else if err != nil {
		return d, err
	}
	d = Detail{Row: h.Row, Language: h.Language, FlowVersion: h.FlowVersion, PartyID: h.PartyID, Node: h.Node, Path: h.Path}
	rows, err = db.Query(ctx, `
		select id::text, kind, queue, agent, started_at, ended_at, duration_ms, reason, detail
		from call_segment where call_id = $1 order by started_at, id`, id)
	if err != nil {
		return d, err
	}
	if d.Segments, err = pgx.CollectRows(rows, pgx.RowToStructByName[call.Segment]); err != nil {
		return d, err
	}
	rows, err = db.Query(ctx, `
		select id::text, direction, edge, foreign_id, remote, party, codec, started_at, answered_at, ended_at, cause, quality
		from call_leg where call_id = $1 order by started_at, id`, id)
	if err != nil {
		return d, err
	}
	d.Legs, err = pgx.CollectRows(rows, pgx.RowToStructByName[LegSummary])
	return d, err
}
