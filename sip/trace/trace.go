// Package trace keeps every SIP message of a call, for the ladder that an engineer looks at.
//
// It owns the order of the messages, the removal of what opens doors (credentials, keys, digits) and the writing in batches to table
// sip_message. It never holds a call up: while the database is away messages wait in memory, up to a limit. Start at [Trace.Record].
package trace

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres"
	"hotline/trunks/rate"
)

// Wire is a SIP message as it crossed the wire.
type Wire struct {
	At        time.Time
	Sent      bool // by us
	Transport string
	Local     string
	Remote    string
	Data      []byte
}

// Message is a kept SIP message.
type Message struct {
	Seq       int64     `json:"seq"` // from 1 within the call
	At        time.Time `json:"at"`
	Sent      bool      `json:"sent"`
	Transport string    `json:"transport"`
	Local     string    `json:"local"`
	Remote    string    `json:"remote"`
	Summary   string    `json:"summary"` // start line
	Body      string    `json:"body"`    // whole message without credentials, keys and digits
}

// Config says where messages are kept, and how much waits in memory while the database is away.
type Config struct {
	Pool      *pgxpool.Pool
	KeepDays  int // 0: 30
	MaxBytes  int // waiting in memory; 0: 32 MiB. What comes on top is counted and lost: calls are worth more than their traces
	PerCall   int // messages of one call; 0: 2,000
	BatchWait time.Duration
	Log       *slog.Logger
}

// Trace keeps every SIP message of a call, in order, without credentials. Recording never waits.
type Trace struct {
	cfg Config

	mu      sync.Mutex // guards all below but the counters
	queue   []traceRow
	bytes   int
	last    int64 // sequence given last
	perCall *rate.Table[string, int]
	ready   chan struct{}

	written, lost atomic.Uint64
}

type traceRow struct {
	call string
	seq  int64
	m    Message
}

// New makes a trace; [Trace.Run] writes it.
func New(cfg Config) *Trace {
	if cfg.KeepDays == 0 {
		cfg.KeepDays = 30
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 32 << 20
	}
	if cfg.PerCall == 0 {
		cfg.PerCall = 2000
	}
	if cfg.BatchWait == 0 {
		cfg.BatchWait = 200 * time.Millisecond
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Trace{cfg: cfg, perCall: rate.NewTable[string, int](remembered), ready: make(chan struct{}, 1)}
}

// Record keeps a message of a call. The data is copied. It never blocks; on a nil Trace it does nothing.
func (t *Trace) Record(callID string, m Wire) {
	if t == nil || callID == "" {
		return
	}
	summary, body := redact(m.Data)
	at := m.At
	if at.IsZero() {
		at = time.Now()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n, _ := t.perCall.Get(callID)
	t.perCall.Put(callID, n+1)
	if n > t.cfg.PerCall {
		t.lost.Add(1)
		return
	}
	if n == t.cfg.PerCall {
		summary, body = "", fmt.Sprintf("The trace of this call ends here, after %d messages.", n)
	}
	size := len(body) + len(summary) + 200
	if t.bytes+size > t.cfg.MaxBytes {
		t.lost.Add(1)
		return
	}
	// The clock as sequence: unique for a call even when another process had it, and in order by construction.
	t.last = max(t.last+1, at.UnixMicro())
	t.queue = append(t.queue, traceRow{callID, t.last, Message{
		At: at.UTC(), Sent: m.Sent, Transport: m.Transport, Local: m.Local, Remote: m.Remote, Summary: summary, Body: body,
	}})
	t.bytes += size
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

const (
	traceBatch = 500
	remembered = 16384 // calls whose messages are counted
)

// Run writes until ctx ends, and then for at most five seconds what is still there.
func (t *Trace) Run(ctx context.Context) error {
	purge := time.NewTicker(time.Hour)
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := t.Flush(last); err != nil {
				t.cfg.Log.Warn("SIP messages could not be written before the end", "err", err, "waiting", t.Stats().Waiting)
			}
			return nil
		case <-purge.C:
			t.purge(ctx)
		case <-t.ready:
			t.drain(ctx)
		}
	}
}

// drain writes what is there, and waits for the database as long as it is away.
func (t *Trace) drain(ctx context.Context) {
	pause(ctx, t.cfg.BatchWait) // messages come in volleys
	wait := time.Second
	for ctx.Err() == nil {
		err := t.Flush(ctx)
		if err == nil {
			return
		}
		t.cfg.Log.Warn("SIP messages wait for the database", "err", err, "waiting", t.Stats().Waiting)
		pause(ctx, wait)
		wait = min(2*wait, 10*time.Second)
	}
}

// Flush writes everything that was recorded before.
func (t *Trace) Flush(ctx context.Context) error {
	for {
		t.mu.Lock()
		rows := t.queue[:min(len(t.queue), traceBatch)]
		t.mu.Unlock()
		if len(rows) == 0 {
			return nil
		}
		if err := t.write(ctx, rows); err != nil {
			if postgres.Away(err) || ctx.Err() != nil {
				return err
			}
			t.each(ctx, rows)
		}
		t.done(rows)
	}
}

// done takes written rows off the queue. Flush may run twice at a time: then the rows may be gone already.
func (t *Trace) done(rows []traceRow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := rows[len(rows)-1].seq
	n := 0
	for n < len(t.queue) && t.queue[n].seq <= last {
		t.bytes -= len(t.queue[n].m.Body) + len(t.queue[n].m.Summary) + 200
		n++
	}
	t.queue = append([]traceRow(nil), t.queue[n:]...)
	t.written.Add(uint64(n))
}

// each writes row by row when a batch was refused, so that a row that cannot be stored takes no other with it.
func (t *Trace) each(ctx context.Context, rows []traceRow) {
	for _, r := range rows {
		if err := t.write(ctx, []traceRow{r}); err != nil {
			t.lost.Add(1)
			t.cfg.Log.Error("SIP message cannot be stored", "call", r.call, "err", err)
		}
	}
}

func (t *Trace) write(ctx context.Context, rows []traceRow) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	n := len(rows)
	calls, seqs, ats, sents := make([]string, n), make([]int64, n), make([]time.Time, n), make([]bool, n)
	transports, locals, remotes, summaries, bodies := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, r := range rows {
		calls[i], seqs[i], ats[i], sents[i] = r.call, r.seq, r.m.At, r.m.Sent
		transports[i], locals[i], remotes[i], summaries[i], bodies[i] = r.m.Transport, r.m.Local, r.m.Remote, r.m.Summary, r.m.Body
	}
	// A batch whose commit was not heard of is written again: what is there already is left.
	_, err := t.cfg.Pool.Exec(ctx, `insert into sip_message (call_id, seq, at, sent, transport, local, remote, summary, body)
		select * from unnest(@calls::uuid[], @seqs::bigint[], @ats::timestamptz[], @sents::boolean[], @transports::text[], @locals::text[],
			@remotes::text[], @summaries::text[], @bodies::text[])
		on conflict do nothing`,
		pgx.NamedArgs{
			"calls": calls, "seqs": seqs, "ats": ats, "sents": sents, "transports": transports, "locals": locals, "remotes": remotes,
			"summaries": summaries, "bodies": bodies,
		})
	return err
}

// purge deletes what is too old, a piece at a time so that nobody waits for it.
func (t *Trace) purge(ctx context.Context) {
	before := time.Now().AddDate(0, 0, -t.cfg.KeepDays)
	for ctx.Err() == nil {
		tag, err := t.cfg.Pool.Exec(ctx, `delete from sip_message where ctid = any(array(select ctid from sip_message where at < @before limit 5000))`,
			pgx.NamedArgs{"before": before})
		if err != nil {
			t.cfg.Log.Warn("old SIP messages could not be deleted", "err", err)
			return
		}
		if tag.RowsAffected() < 5000 {
			return
		}
	}
}

// Messages returns the kept messages of a call in order.
func (t *Trace) Messages(ctx context.Context, db postgres.DB, callID string) ([]Message, error) {
	rows, err := db.Query(ctx, `select row_number() over (order by seq), at, sent, transport, local, remote, summary, body
		from sip_message where call_id = @call::uuid order by seq`, pgx.NamedArgs{"call": callID})
	if err != nil {
		return nil, fmt.Errorf("read trace: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Message])
	if err != nil {
		return nil, hotline.Errorf(hotline.Internal, "trace.unreadable", "read trace: %w", err)
	}
	return out, nil
}

// Stats are counts since the start, and what waits now.
type Stats struct {
	Written, Lost  uint64
	Waiting, Bytes int
}

// Stats returns the counts.
func (t *Trace) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stats{Written: t.written.Load(), Lost: t.lost.Load(), Waiting: len(t.queue), Bytes: t.bytes}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
