package board

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/acd"
)

// Formula names the definitions below, so that a figure that is kept can be told from one by others.
const Formula = "queue-day-1"

// Figures are those of a queue since the day began. A place in the line counts when it is left.
//
// With O offered, A answered, A_T of them within T, B abandoned and B_s of them short: the service level is A_T / (A + B − B_s), the
// abandon rate (B − B_s) / (O − B_s), the average speed of answer the wait of those answered / A, and the average handling time
// (talk + hold + after-call work) / calls handled. Call-backs and voicemails flow out: they are neither answered nor abandoned.
type Figures struct {
	Offered       int      `json:"offered"`
	Answered      int      `json:"answered"`
	AnsweredInT   int      `json:"answered_in_t"`
	Abandoned     int      `json:"abandoned"`
	ShortAbandons int      `json:"short_abandons"`
	Callbacks     int      `json:"callbacks"`
	Voicemails    int      `json:"voicemails"`
	Timeouts      int      `json:"timeouts"`
	Handled       int      `json:"handled"`
	ServiceLevel  *float64 `json:"service_level"` // 0–1; null: nobody was answered or abandoned
	AbandonRate   *float64 `json:"abandon_rate"`
	ASAMS         *int64   `json:"asa_ms"`
	AHTMS         *int64   `json:"aht_ms"`
	ThresholdS    int      `json:"threshold_s"`
	ShortS        int      `json:"short_s"`
	Formula       string   `json:"formula"`
}

// day is what was read of a day.
type day struct {
	begin  time.Time
	read   time.Time
	counts map[string]counts
	busy   map[string]busy
}

// counts of a queue.
type counts struct {
	Queue      string
	Offered    int
	Answered   int
	InT        int
	Abandoned  int
	Short      int
	Callbacks  int
	Voicemails int
	Timeouts   int
	WaitMS     int64 // of those answered
	HandlingMS int64
	Handled    int
}

func (c counts) figures(o acd.Offering) Figures {
	return Figures{
		Offered: c.Offered, Answered: c.Answered, AnsweredInT: c.InT, Abandoned: c.Abandoned, ShortAbandons: c.Short, Callbacks: c.Callbacks,
		Voicemails: c.Voicemails, Timeouts: c.Timeouts, Handled: c.Handled,
		ServiceLevel: ratio(c.InT, c.Answered+c.Abandoned-c.Short), AbandonRate: ratio(c.Abandoned-c.Short, c.Offered-c.Short),
		ASAMS: mean(c.WaitMS, c.Answered), AHTMS: mean(c.HandlingMS, c.Handled),
		ThresholdS: o.ServiceLevelS, ShortS: o.ShortAbandonS, Formula: Formula,
	}
}

func ratio(n, of int) *float64 {
	if of <= 0 {
		return nil
	}
	r := float64(n) / float64(of)
	return &r
}

func mean(sum int64, n int) *int64 {
	if n <= 0 {
		return nil
	}
	m := sum / int64(n)
	return &m
}

// busy is how long an agent was handling calls and ready, in states that are over.
type busy struct {
	Agent      string
	HandlingMS int64
	ReadyMS    int64
}

// occupancy adds the state that g is in.
func (b busy) occupancy(g acd.Agent, begin, now time.Time) *float64 {
	since := g.Since
	if since.Before(begin) {
		since = begin
	}
	ms := max(0, now.Sub(since).Milliseconds())
	switch g.State {
	case acd.Talking, acd.WrapUp:
		b.HandlingMS += ms
	case acd.Ready:
		b.ReadyMS += ms
	}
	return ratio(int(b.HandlingMS), int(b.HandlingMS+b.ReadyMS))
}

const countsSQL = `
	select s.queue,
		count(*) filter (where s.kind = 'queue') as offered,
		count(*) filter (where s.kind = 'queue' and s.reason = 'answered') as answered,
		count(*) filter (where s.kind = 'queue' and s.reason = 'answered' and s.duration_ms <= q.t_ms) as in_t,
		count(*) filter (where s.kind = 'queue' and s.reason = 'abandoned') as abandoned,
		count(*) filter (where s.kind = 'queue' and s.reason = 'abandoned' and s.duration_ms < q.short_ms) as short,
		count(*) filter (where s.kind = 'queue' and s.reason = 'callback') as callbacks,
		count(*) filter (where s.kind = 'queue' and s.reason = 'voicemail') as voicemails,
		count(*) filter (where s.kind = 'queue' and s.reason = 'timeout') as timeouts,
		coalesce(sum(s.duration_ms) filter (where s.kind = 'queue' and s.reason = 'answered'), 0)::bigint as wait_ms,
		coalesce(sum(s.duration_ms) filter (where s.kind in ('talk', 'hold', 'wrap') and s.agent <> ''), 0)::bigint as handling_ms,
		count(distinct s.call_id) filter (where s.kind = 'talk' and s.agent <> '') as handled
	from call_segment s join unnest(@names::text[], @t::bigint[], @short::bigint[]) as q (name, t_ms, short_ms) on q.name = s.queue
	where s.ended_at >= @begin
	group by s.queue`

// A state that began on the day before counts from the day's beginning.
const busySQL = `
	select agent::text,
		coalesce(sum(ms) filter (where before in ('talking', 'wrap_up')), 0)::bigint as handling_ms,
		coalesce(sum(ms) filter (where before = 'ready'), 0)::bigint as ready_ms
	from (select agent, before, least(before_ms, (extract(epoch from at - @begin::timestamptz) * 1000)::bigint) as ms from agent_state_log where at >= @begin) l
	group by agent`

const readFor = 5 * time.Second

// refresh reads the figures of today and tells what has changed.
func (b *Board) refresh(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	d, err := b.read(ctx, now)
	if err != nil {
		if ctx.Err() == nil {
			b.cfg.Log.Debug("the board's figures could not be read; those read last stand", "error", err)
		}
		return
	}
	b.mu.Lock()
	old := b.today
	b.today = d
	b.mu.Unlock()
	var names []string
	for q, c := range d.counts {
		if old.counts[q] != c {
			names = append(names, "queue:"+q)
		}
	}
	for q := range old.counts {
		if _, ok := d.counts[q]; !ok { // another day
			names = append(names, "queue:"+q)
		}
	}
	for id, x := range d.busy {
		if old.busy[id] != x {
			names = append(names, "agent:"+id)
		}
	}
	b.changes.Announce(names...)
}

func (b *Board) read(ctx context.Context, now time.Time) (day, error) {
	y, m, dd := now.In(b.cfg.Location).Date()
	d := day{begin: time.Date(y, m, dd, 0, 0, 0, 0, b.cfg.Location), read: now, counts: map[string]counts{}, busy: map[string]busy{}}
	var names []string
	var t, short []int64
	for _, q := range b.cfg.Queues.All() {
		names = append(names, q.Name)
		t = append(t, int64(q.Settings.Offering.ServiceLevelS)*1000)
		short = append(short, int64(q.Settings.Offering.ShortAbandonS)*1000)
	}
	batch := &pgx.Batch{}
	batch.Queue(countsSQL, pgx.NamedArgs{"names": names, "t": t, "short": short, "begin": d.begin}).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, pgx.RowToStructByName[counts])
		for _, c := range list {
			d.counts[c.Queue] = c
		}
		return err
	})
	batch.Queue(busySQL, pgx.NamedArgs{"begin": d.begin}).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, pgx.RowToStructByName[busy])
		for _, x := range list {
			d.busy[x.Agent] = x
		}
		return err
	})
	if err := b.cfg.Pool.SendBatch(ctx, batch).Close(); err != nil {
		return day{}, fmt.Errorf("board: %w", err)
	}
	return d, nil
}
