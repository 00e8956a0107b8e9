package acd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/call"
	"hotline/postgres"
)

// Caller dials customers who asked to be called back.
type Caller interface {
	// Callback begins the call c.CallID with the agent in it and returns; the agent hears how it goes. How it went is filed as the fact
	// call.FactCallbackResult. An error means that no call was begun.
	Callback(ctx context.Context, c CallbackDial) error
}

// CallbackDial is one attempt to call a customer back.
type CallbackDial struct {
	ID       string // of the call-back: the call in which it was asked for
	CallID   string // of the new call
	Seat     call.AgentSeat
	Phone    string
	Queue    string
	Ticket   int64
	Attempt  int
	Attempts int // how many there will be at most
}

// Callback is a call-back that was asked for.
type Callback struct {
	ID         string     `json:"id"` // the call in which it was asked for
	Phone      string     `json:"phone"`
	Queue      string     `json:"queue"`
	Ticket     int64      `json:"ticket"` // 0: none yet
	State      string     `json:"state"`  // open, dialling, done, failed, cancelled
	Attempts   int        `json:"attempts"`
	LastResult string     `json:"last_result"`
	Agent      string     `json:"agent"` // of the last attempt
	AskedAt    time.Time  `json:"asked_at"`
	JoinedAt   time.Time  `json:"joined_at"`
	NextAt     time.Time  `json:"next_at"`
	DoneAt     *time.Time `json:"done_at"`
	Position   int        `json:"position"` // in the line; 0 while it waits for the next attempt

	rank     time.Time
	callID   string // of the last attempt
	dialedAt *time.Time
}

const callbackSQL = `
	select c.id::text, c.phone, c.queue, coalesce(k.ticket, 0), c.state, c.attempts, c.last_result, c.agent, c.asked_at, c.joined_at, c.next_at, c.done_at,
		c.rank, coalesce(t.call_id::text, ''), t.at
	from callback c left join call k on k.id = c.id left join callback_attempt t on t.callback = c.id and t.n = c.attempts `

func scanCallback(r pgx.CollectableRow) (c Callback, err error) {
	err = r.Scan(&c.ID, &c.Phone, &c.Queue, &c.Ticket, &c.State, &c.Attempts, &c.LastResult, &c.Agent, &c.AskedAt, &c.JoinedAt, &c.NextAt, &c.DoneAt,
		&c.rank, &c.callID, &c.dialedAt)
	return c, err
}

// Results of an attempt that are not the caller's words.
const (
	resultAnswered = "answered"
	resultFailed   = "failed" // no call was begun
	resultLost     = "lost"   // the process died meanwhile
)

// onCallbackAsked writes the row of a call-back, in the transaction that files the wish.
func (a *Agents) onCallbackAsked(ctx context.Context, tx pgx.Tx, f call.Fact) error {
	var p call.CallbackAsked
	if err := f.Decode(&p); err != nil {
		return err
	}
	if p.Phone == "" || p.Queue == "" {
		return nil // nobody can be called, or nobody is asked to
	}
	joined := p.JoinedAt
	if joined.IsZero() {
		joined = f.At
	}
	_, err := tx.Exec(ctx, `
		insert into callback (id, phone, queue, rank, joined_at, asked_at, next_at) values (@id, @phone, @queue, @joined, @joined, @at, @at)
		on conflict (id) do nothing`, pgx.NamedArgs{"id": f.CallID, "phone": p.Phone, "queue": p.Queue, "joined": joined, "at": f.At})
	return err
}

// onCallbackResult writes how an attempt went.
func (a *Agents) onCallbackResult(ctx context.Context, tx pgx.Tx, f call.Fact) error {
	var p call.CallbackResult
	if err := f.Decode(&p); err != nil {
		return err
	}
	return a.attempted(ctx, tx, p.CallbackID, p.Queue, p.Attempt, p.Result, f.At)
}

// attempted writes the end of an attempt: done, another one later, or given up. Only the first word about an attempt counts, but for
// one that was taken for lost.
func (a *Agents) attempted(ctx context.Context, db postgres.DB, id, queue string, n int, result string, at time.Time) error {
	s := DefaultSettings().Callbacks
	if a.cfg.Queues != nil {
		if q, ok := a.cfg.Queues.Lookup(queue); ok {
			s = q.Settings.Callbacks
		}
	}
	_, err := db.Exec(ctx, `
		with t as (
			update callback_attempt set result = @result, ended_at = @at where callback = @id and n = @n and result in ('', 'lost') returning n
		)
		update callback c set last_result = @result,
			state = case when @result = 'answered' then 'done' when c.attempts >= @most then 'failed' else 'open' end,
			done_at = case when @result = 'answered' or c.attempts >= @most then @at end,
			next_at = @at::timestamptz + make_interval(secs => @retry)
		where c.id = @id and exists (select from t) and (c.attempts = @n and c.state = 'dialling' or @result = 'answered')`,
		pgx.NamedArgs{"id": id, "n": n, "result": result, "at": at, "most": s.Attempts, "retry": s.RetryS})
	if err != nil {
		return fmt.Errorf("call-back %s: %w", id, err)
	}
	return nil
}

// overSQL says that a call-back c was made by other means: its task is not open any more, or the customer got through meanwhile.
const overSQL = ` (exists (select from task t where t.call_id = c.id and t.kind = 'callback' and t.state <> 'open')
	or exists (select from call k where k.id = c.id and k.ticket is not null)
		and not exists (select from task t where t.kind = 'callback' and t.state = 'open' and (t.call_id = c.id or t.phone = c.phone))) `

// syncCallbacks makes the places of call-backs what the rows say: those of a process before this one come back into the line, those
// that were made or given up leave it.
func (l *Line) syncCallbacks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	b := &pgx.Batch{}
	b.Queue(`update callback c set state = 'cancelled', done_at = now() where c.state = 'open' and` + overSQL)
	var list []Callback
	b.Queue(callbackSQL + `where c.state in ('open', 'dialling')`).Query(func(rows pgx.Rows) (err error) {
		list, err = pgx.CollectRows(rows, scanCallback)
		return err
	})
	var done []string // of those whose row is not written yet
	b.Queue(`select call_id::text from task where call_id = any($1::uuid[]) and kind = 'callback' and state <> 'open'`, l.callbacks()).Query(func(rows pgx.Rows) (err error) {
		done, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err := l.cfg.Pool.SendBatch(ctx, b).Close(); err != nil {
		return // the database is away: asked again soon
	}
	for _, id := range done {
		l.CallbackDone(id)
	}
	l.placeCallbacks(list, time.Now())
	for _, c := range list {
		l.findLost(ctx, c)
	}
}

// callbacks returns the calls whose places are held.
func (l *Line) callbacks() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := []string{}
	for _, list := range l.waiting {
		for _, p := range list {
			if p.callback {
				ids = append(ids, p.waiter.CallID)
			}
		}
	}
	return ids
}

func (l *Line) placeCallbacks(list []Callback, now time.Time) {
	open := map[string]bool{}
	l.mu.Lock()
	for _, c := range list {
		open[c.ID] = true
		p := l.held(c.ID)
		if p == nil && l.dialling(c.ID) {
			continue // the caller is on the line yet: the script has not left
		}
		if p == nil {
			p = l.place(Waiter{CallID: c.ID, Caller: c.Phone, Queue: c.Queue}, l.settings(c.Queue), now)
			p.callback, p.left, p.joinedAt, p.rank, p.seek.known = true, LeftCallback, c.JoinedAt, c.rank, true
			l.insert(p)
		}
		if p.asked == nil || !p.seek.pending && p.seek.round == nil && c.Attempts >= p.asked.Attempts {
			p.asked = &c
		}
	}
	var gone []string
	for _, places := range l.waiting {
		for _, p := range places {
			if p.callback && p.asked != nil && !open[p.waiter.CallID] {
				gone = append(gone, p.waiter.CallID)
			}
		}
	}
	l.mu.Unlock()
	for _, id := range gone {
		l.CallbackDone(id)
	}
	if len(list) > 0 {
		l.wake()
	}
}

// dialling says that the call of a place is in the line with somebody on it. l.mu is held.
func (l *Line) dialling(callID string) bool {
	for _, places := range l.waiting {
		for _, p := range places {
			if p.waiter.CallID == callID && !p.callback {
				return true
			}
		}
	}
	return false
}

// findLost ends an attempt whose call is not there: the process died, or could not say how it went.
func (l *Line) findLost(ctx context.Context, c Callback) {
	a := l.cfg.Agents
	if a == nil || a.cfg.Live == nil || c.State != "dialling" || c.dialedAt == nil || time.Since(*c.dialedAt) < lostAfter || a.cfg.Live(c.callID) {
		return
	}
	if err := a.attempted(ctx, l.cfg.Pool, c.ID, c.Queue, c.Attempts, resultLost, time.Now()); err != nil && ctx.Err() == nil {
		l.cfg.Log.Warn("a call-back whose call is gone could not be put back", "call", c.ID, "error", err)
	}
}

const lostAfter = 15 * time.Second // a call is begun, or its end is filed, by then

// dial calls a customer back, with the agent who has accepted.
func (l *Line) dial(ctx context.Context, p *Place, t Taken) {
	a := l.cfg.Agents
	l.mu.Lock()
	c := *p.asked
	l.mu.Unlock()
	d := CallbackDial{
		ID: c.ID, CallID: hotline.NewID(), Seat: t.Seat, Phone: c.Phone, Queue: c.Queue, Ticket: c.Ticket, Attempt: c.Attempts + 1,
		Attempts: p.settings.Callbacks.Attempts,
	}
	if err := a.dialling(ctx, d, t.Offer); err != nil {
		a.undo(ctx, t.Offer)
		a.withdraw(&ringing{Offer: t.Offer}, GoneWithdrawn)
		l.again(p, err)
		return
	}
	err := l.cfg.Caller.Callback(ctx, d)
	if err == nil {
		l.reask(p, d.Attempt)
		return
	}
	l.cfg.Log.Warn("a call-back could not be made", "call", c.ID, "agent", t.Offer.Agent, "error", err)
	a.undo(ctx, t.Offer)
	a.withdraw(&ringing{Offer: t.Offer}, GoneFailed)
	if err := a.attempted(ctx, l.cfg.Pool, c.ID, c.Queue, d.Attempt, resultFailed, time.Now()); err != nil {
		l.cfg.Log.Warn("the failure of a call-back could not be written; it is found later", "call", c.ID, "error", err)
	}
	l.reask(p, d.Attempt)
}

// dialling writes the beginning of an attempt: it is the agent's call now. The error is of kind Conflict when the call-back is not
// open any more.
func (a *Agents) dialling(ctx context.Context, d CallbackDial, o Offer) error {
	now := time.Now()
	list, err := a.apply(ctx, change{agents: []string{o.Agent},
		sql: `
			with c as (
				update callback c set state = 'dialling', attempts = @n, agent = @agent::text
				where c.id = @id and c.state = 'open' and c.attempts = @n - 1 and not` + overSQL + `returning c.id
			), t as (
				insert into callback_attempt (callback, n, call_id, agent, at) select id, @n, @call::uuid, @agent::text, @now::timestamptz from c returning n
			)
			update agent a set lease_call = @call::uuid, deadline = @deadline
			where a.account_id = @agent::uuid and a.lease_offer = @offer and a.state = 'talking' and exists (select from t) returning ` + agentColumns,
		args: pgx.NamedArgs{"id": d.ID, "n": d.Attempt, "call": d.CallID, "agent": o.Agent, "offer": o.ID, "now": now, "deadline": now.Add(maxTalk)}})
	if err == nil && len(list) == 0 {
		return hotline.Errorf(hotline.Conflict, "callback.over", "this call-back was made or given up meanwhile")
	}
	return err
}

// again lets a call-back be offered again after its attempt could not begin.
func (l *Line) again(p *Place, err error) {
	if hotline.KindOf(err) == hotline.Conflict {
		l.CallbackDone(p.waiter.CallID) // if it is open after all, the next sync brings it back
		return
	}
	l.cfg.Log.Warn("a call-back could not begin; it is offered again", "call", p.waiter.CallID, "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := *p.asked
	c.State, c.NextAt = "open", time.Now().Add(10*time.Second)
	p.asked = &c
}

// reask keeps a place from being offered until its row was read after the attempt n.
func (l *Line) reask(p *Place, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := *p.asked
	c.State, c.Attempts = "dialling", n
	p.asked = &c
}

// Callbacks returns the call-backs of a state ("" is all that are not over) and queue ("" is all), the one asked for first before the
// others; of those that are over the last before the others.
func (l *Line) Callbacks(ctx context.Context, state, queue string, limit int) ([]Callback, error) {
	if l.cfg.Pool == nil {
		return nil, nil
	}
	if limit <= 0 || limit > 200 {
		limit = 200
	}
	order := "c.asked_at, c.id"
	if state != "" && state != "open" && state != "dialling" {
		order = "c.asked_at desc, c.id desc"
	}
	rows, err := l.cfg.Pool.Query(ctx, callbackSQL+`
		where (c.state = @state or @state = '' and c.state in ('open', 'dialling')) and (@queue = '' or c.queue = @queue)
		order by `+order+` limit @limit`, pgx.NamedArgs{"state": state, "queue": queue, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("call-backs: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanCallback)
	if err != nil {
		return nil, fmt.Errorf("call-backs: %w", err)
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list {
		if p := l.held(list[i].ID); p != nil && p.asked != nil && p.asked.State == "open" && !now.Before(p.asked.NextAt) {
			list[i].Position = p.position()
		}
	}
	return list, nil
}

// CancelCallback gives a call-back up. The error is of kind Conflict when it is being made, or over.
func (l *Line) CancelCallback(ctx context.Context, id string) error {
	if l.cfg.Pool == nil {
		return hotline.Errorf(hotline.NotFound, "callback.unknown", "there is no such call-back")
	}
	var state string
	err := l.cfg.Pool.QueryRow(ctx, `
		with c as (update callback set state = 'cancelled', done_at = now() where id::text = $1 and state = 'open' returning id)
		select case when exists (select from c) then '' else state end from callback where id::text = $1`, id).Scan(&state)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return hotline.Errorf(hotline.NotFound, "callback.unknown", "there is no such call-back")
	case err != nil:
		return fmt.Errorf("cancel call-back: %w", err)
	case state != "":
		return hotline.Errorf(hotline.Conflict, "callback.over", "this call-back is %s; it cannot be given up", state)
	}
	l.CallbackDone(id)
	return nil
}
