package board

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/acd"
	"hotline/acd/roster"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// room is a board over a real database.
type room struct {
	*testing.T
	pool   *pgxpool.Pool
	board  *Board
	agents *acd.Agents
	line   *acd.Line
	agent  string
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{T: t, pool: pgtest.New(t), agent: hotline.NewID()}
	log := slog.New(slog.DiscardHandler)
	queues, err := acd.OpenQueues(t.Context(), r.pool, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"q", "quiet"} {
		if _, err := queues.Create(t.Context(), acd.Queue{Name: name, Settings: acd.DefaultSettings()}); err != nil {
			t.Fatal(err)
		}
	}
	r.exec(`insert into account (id, login, name, password_hash, role) values ($1, 'mei', 'Mei', '', 'agent')`, r.agent)
	if r.agents, err = acd.OpenAgents(t.Context(), acd.AgentsConfig{Pool: r.pool, Queues: queues, Node: "n", Log: log}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.agents.Roster().PutAgent(t.Context(), roster.Agent{ID: r.agent, Queues: []string{"q"}}); err != nil {
		t.Fatal(err)
	}
	r.line = acd.NewLine(acd.LineConfig{Queues: queues, Agents: r.agents, Log: log})
	r.board = New(Config{Pool: r.pool, Queues: queues, Line: r.line, Agents: r.agents, Location: time.UTC, Log: log})
	return r
}

func (r *room) exec(sql string, args ...any) {
	r.Helper()
	if _, err := r.pool.Exec(r.Context(), sql, args...); err != nil {
		r.Fatal(err)
	}
}

func (r *room) segment(call, kind, agent, reason string, end time.Time, d time.Duration) {
	r.Helper()
	r.exec(`insert into call (id, node, direction, phase, dialled, started_at) values ($1, 'n', 'in', 'ended', '4000', $2) on conflict do nothing`, call, end.Add(-d))
	r.exec(`insert into call_segment (id, call_id, kind, queue, agent, started_at, ended_at, duration_ms, reason) values ($1, $2, $3, 'q', $4, $5, $6, $7, $8)`,
		hotline.NewID(), call, kind, agent, end.Add(-d), end, d.Milliseconds(), reason)
}

// today is a moment of today at which a whole minute of it is over.
func today() time.Time {
	now := time.Now().UTC()
	begin := now.Truncate(24 * time.Hour)
	if now.Sub(begin) < time.Minute {
		return now
	}
	return begin.Add(30 * time.Second)
}

// The figures of a day, against those that a person makes of the same calls.
func TestFiguresOfADay(t *testing.T) {
	r := newRoom(t)
	at := today()
	// Answered: three, of which two within T = 20 s; waits of 4, 20 and 36 s.
	for i, wait := range []time.Duration{4 * time.Second, 20 * time.Second, 36 * time.Second} {
		call := hotline.NewID()
		r.segment(call, "menu", "", "moved", at, time.Hour)
		r.segment(call, "queue", "", "answered", at, wait)
		r.segment(call, "talk", r.agent, "hung_up", at, time.Duration(60+i)*time.Second) // 60 + 61 + 62
		r.segment(call, "wrap", r.agent, "done", at, 7*time.Second)
	}
	held := hotline.NewID() // handled today, queued the day before; a hold and two talks are one call
	r.segment(held, "queue", "", "answered", at.Add(-24*time.Hour), time.Second)
	r.segment(held, "talk", r.agent, "hold", at, 10*time.Second)
	r.segment(held, "hold", r.agent, "resumed", at, 20*time.Second)
	r.segment(held, "talk", r.agent, "hung_up", at, 26*time.Second)
	// Abandoned: two, of which one short (< 5 s); one of exactly 5 s is not short.
	r.segment(hotline.NewID(), "queue", "", "abandoned", at, 4999*time.Millisecond)
	r.segment(hotline.NewID(), "queue", "", "abandoned", at, 5*time.Second)
	for _, why := range []string{"callback", "voicemail", "timeout"} {
		r.segment(hotline.NewID(), "queue", "", why, at, time.Minute)
	}
	s, err := r.board.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := s.Queues[slices.IndexFunc(s.Queues, func(q Queue) bool { return q.Name == "q" })].Today
	counts := []int{f.Offered, f.Answered, f.AnsweredInT, f.Abandoned, f.ShortAbandons, f.Callbacks, f.Voicemails, f.Timeouts, f.Handled, f.ThresholdS, f.ShortS}
	if !slices.Equal(counts, []int{8, 3, 2, 2, 1, 1, 1, 1, 4, 20, 5}) {
		t.Errorf("%+v", f)
	}
	if f.ServiceLevel == nil || *f.ServiceLevel != 2.0/4 { // 2 / (3 + 2 - 1)
		t.Errorf("service level %v", f.ServiceLevel)
	}
	if f.AbandonRate == nil || *f.AbandonRate != 1.0/7 { // (2 - 1) / (8 - 1)
		t.Errorf("abandon rate %v", f.AbandonRate)
	}
	if f.ASAMS == nil || *f.ASAMS != 20_000 { // (4 + 20 + 36) / 3
		t.Errorf("ASA %v", f.ASAMS)
	}
	if f.AHTMS == nil || *f.AHTMS != 65_000 { // (60 + 61 + 62 + 3·7 + 10 + 20 + 26) / 4
		t.Errorf("AHT %v", f.AHTMS)
	}
	if q, ok := r.board.Queue("quiet"); !ok || q.Today.ServiceLevel != nil || q.Today.AbandonRate != nil || q.Today.ASAMS != nil || q.Today.AHTMS != nil || q.Today.Formula != Formula {
		t.Errorf("a queue without calls: %+v", q)
	}
	if _, ok := r.board.Queue("none"); ok {
		t.Error("a queue that is none")
	}
}

// What is in memory: who waits since when, and what agents do.
func TestTheLivePart(t *testing.T) {
	r := newRoom(t)
	ctx := t.Context()
	if _, err := r.agents.Arrive(ctx, r.agent, "tab"); err != nil {
		t.Fatal(err)
	}
	if err := r.agents.Media(ctx, r.agent, "tab", true); err != nil {
		t.Fatal(err)
	}
	if _, err := r.agents.Ready(ctx, r.agent); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.board.Run(running) }()
	defer func() { stop(); <-done }()
	sub := r.board.Watch()
	defer sub.Close()
	first, err := r.line.Join(ctx, acd.Waiter{CallID: hotline.NewID(), Queue: "q", Caller: "+1"})
	if err != nil {
		t.Fatal(err)
	}
	asked, err := r.line.Join(ctx, acd.Waiter{CallID: hotline.NewID(), Queue: "q", Caller: "+2"})
	if err != nil {
		t.Fatal(err)
	}
	asked.KeepForCallback()
	told(t, sub, "queue:q")
	q, _ := r.board.Queue("q")
	if q.Waiting != 1 || q.Callbacks != 1 || q.LongestSince == nil || !q.LongestSince.Equal(first.JoinedAt()) || q.Agents[acd.Ready] != 1 {
		t.Errorf("%+v", q)
	}
	if _, err := r.agents.Pause(ctx, r.agent, ""); err != nil {
		t.Fatal(err)
	}
	told(t, sub, "agent:"+r.agent)
	a, ok := r.board.Agent(r.agent)
	if !ok || a.State != acd.NotReady || a.Name != "Mei" || !slices.Equal(a.Queues, []string{"q"}) {
		t.Errorf("%+v", a)
	}
	first.Leave(acd.LeftAbandoned)
	if q, _ := r.board.Queue("q"); q.LongestSince != nil || q.Agents[acd.NotReady] != 1 || q.Agents[acd.Ready] != 0 {
		t.Errorf("%+v", q)
	}
}

// told waits until a subscription has told of something.
func told(t *testing.T, sub *acd.Changes, what string) {
	t.Helper()
	for limit := time.After(10 * time.Second); ; {
		select {
		case <-sub.C():
			if slices.Contains(sub.Take(), what) {
				return
			}
		case <-limit:
			t.Fatal("nobody told of ", what)
		}
	}
}

// Occupancy is handling by handling and ready, of today only, with the state that goes on.
func TestOccupancy(t *testing.T) {
	r := newRoom(t)
	at := today()
	begin := at.Truncate(24 * time.Hour)
	log := func(before string, end time.Time, d time.Duration) {
		r.exec(`insert into agent_state_log (agent, at, state, reason, queue, before, before_reason, before_queue, before_ms) values ($1, $2, 'x', '', '', $3, '', '', $4)`,
			r.agent, end, before, d.Milliseconds())
	}
	log("ready", begin.Add(10*time.Second), time.Hour) // 10 s of it are today's
	log("talking", begin.Add(16*time.Second), 6*time.Second)
	log("wrap_up", begin.Add(20*time.Second), 4*time.Second)
	log("ringing", begin.Add(21*time.Second), time.Second) // apart
	log("talking", begin.Add(-time.Hour), time.Hour)       // yesterday
	d, err := r.board.read(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	b := d.busy[r.agent]
	if b.HandlingMS != 10_000 || b.ReadyMS != 10_000 {
		t.Errorf("%+v", b)
	}
	talking := acd.Agent{State: acd.Talking, Since: begin.Add(20 * time.Second)}
	if o := b.occupancy(talking, begin, begin.Add(40*time.Second)); o == nil || *o != 0.75 { // (10 + 20) / (10 + 20 + 10)
		t.Errorf("%v", o)
	}
	if o := (busy{}).occupancy(acd.Agent{State: acd.Offline}, begin, at); o != nil {
		t.Errorf("somebody who did nothing: %v", *o)
	}
}
