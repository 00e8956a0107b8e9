package tickets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/call"
)

// phase follows a call into the queue that the menu picked. Its ticket goes with it when the call is all there is to the ticket;
// otherwise the rule is asked again, for that queue.
func (in *intake) phase(ctx context.Context, f call.Fact) error {
	var p call.CallPhase
	if err := f.Decode(&p); err != nil || p.Queue == "" {
		return err
	}
	h, err := in.ticketOf(ctx, f.CallID)
	if err != nil || h == nil || h.Queue == p.Queue || h.Ring.Outbound {
		return err
	}
	at := stamp(f.At)
	alone := h.Ring.Made && h.Others == 0
	split := in.cfg.Attach.Mode == AttachJoin && !in.cfg.Attach.AnyQueue && h.Queue != ""
	if split {
		found, ok, err := in.candidateOf(ctx, caller{identity: h.Identity, party: h.Party}, p.Queue, h.Number, at)
		if err != nil {
			return err
		}
		if ok && found.Queue == p.Queue {
			return in.move(ctx, h, found, at)
		}
	}
	switch {
	case alone || h.Queue == "":
		in.append(event{ticket: h.Number, kind: "queue", actor: System, at: at, data: moved{From: h.Queue, To: p.Queue},
			set: ", queue = @to, version = version + 1", args: pgx.NamedArgs{"to": p.Queue}})
		in.forget(h.Number)
		h.Queue, h.Version = p.Queue, h.Version+1
		in.held[f.CallID] = h
	case split:
		if err := in.flush(ctx); err != nil {
			return err
		}
		to, err := in.splitOff(ctx, in.tx, *h, p.Queue, at)
		if err != nil {
			return err
		}
		return in.move(ctx, h, to, at)
	}
	return nil // the ticket holds more than this call: somebody works on it where it is
}

// move takes a call to the ticket of the queue that was picked.
func (in *intake) move(ctx context.Context, from *held, to candidate, at time.Time) error {
	if err := in.flush(ctx); err != nil {
		return err
	}
	in.forget(from.Number)
	in.forget(to.Number)
	return in.Desk.move(ctx, in.tx, System, *from, to, whyQueue, at)
}

// splitOff makes the ticket that a call moves to.
func (d *Desk) splitOff(ctx context.Context, tx pgx.Tx, h held, queue string, at time.Time) (candidate, error) {
	c := candidate{State: StateNew, Queue: queue, Version: 1}
	var language string
	err := tx.QueryRow(ctx, `
		insert into ticket (subject, queue, party_id, identity_id, language, created_at, updated_at)
		select '-', $2, party_id, identity_id, language, $3, $3 from ticket where number = $1 returning number, language`, h.Number, queue, at).Scan(&c.Number, &language)
	if err != nil {
		return c, fmt.Errorf("split ticket %d: %w", h.Number, err)
	}
	subject := subjectOf(NormalisePhone(h.Phone, d.cfg.Country), language)
	if _, err := tx.Exec(ctx, `update ticket set subject = $2 where number = $1`, c.Number, subject); err != nil {
		return c, fmt.Errorf("split ticket %d: %w", h.Number, err)
	}
	return c, indexTicket(ctx, tx, c.Number)
}

// move takes a call with all that it left (messages, tasks, recordings) from one ticket to another, both held. What its arrival
// changed on the first is undone, unless somebody has changed that ticket since; a ticket that the call had made is closed.
func (d *Desk) move(ctx context.Context, tx pgx.Tx, by Actor, from held, to candidate, why string, at time.Time) error {
	b, ring, callID := &pgx.Batch{}, from.Ring, from.CallID
	args := pgx.NamedArgs{"call": callID, "from": from.Number, "to": to.Number}
	b.Queue(`update ticket_interaction set ticket = @to where ticket = @from and interaction_id in (select id from interaction where call_id = @call)`, args)
	b.Queue(`update call set ticket = @to where id = @call`, args)
	b.Queue(`update recording set ticket = @to where call_id = @call`, args)
	b.Queue(`update task set ticket = @to where call_id = @call and ticket = @from`, args)
	data := callData{CallID: callID, Why: why, Mode: d.cfg.Attach.Mode, Days: d.cfg.Attach.Days}
	left := event{ticket: from.Number, kind: "call_moved", actor: by, at: at, data: data, set: nextDue}
	if ring.Waits {
		left.set += ", waiting_since = null"
	}
	data.To = to.Number
	left.data = data
	b.Queue(left.statement())
	alone := ring.Made && from.Others == 0
	switch {
	case alone && May(from.State, StateClosed):
		b.Queue(stateEvent(System, from.Number, from.State, StateClosed, "call_moved", at).statement())
	case ring.Reopened != "" && from.State == StateOpen && from.Version == ring.Version:
		b.Queue(stateEvent(System, from.Number, StateOpen, ring.Reopened, "call_moved", at).statement())
	}
	data.To, data.From = 0, from.Number
	b.Queue(event{ticket: to.Number, kind: "call", actor: by, interaction: from.Interaction, at: at, data: data,
		set: ", waiting_since = coalesce(waiting_since, @at)" + nextDue}.statement())
	now := ringData{Name: ring.Name, Verified: ring.Verified, Result: ring.Result, Outbound: ring.Outbound, Waits: to.WaitingSince == nil}
	if to.State == StateResolved || to.State == StatePending {
		b.Queue(stateEvent(System, to.Number, to.State, StateOpen, "customer_called", at).statement())
		now.Reopened, now.Version = to.State, to.Version+1
	}
	now.Made = to.State == StateNew && to.Version == 1 && to.WaitingSince == nil
	b.Queue(`update interaction set data = $2 where id = $1`, from.Interaction, now)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("move call to ticket %d: %w", to.Number, err)
	}
	return nil
}

// MoveCall takes a call to another ticket: the rule was wrong, or only proposed. to 0 makes a ticket for it.
func (d *Desk) MoveCall(ctx context.Context, by Actor, callID string, to int64) (number int64, err error) {
	if !isID(callID) {
		return 0, notFound("call", callID)
	}
	err = d.tx(ctx, func(tx pgx.Tx, now time.Time) error {
		if _, err := tx.Exec(ctx, intakeLock); err != nil { // the call must not be filed elsewhere meanwhile
			return fmt.Errorf("move call: %w", err)
		}
		h, err := ticketOf(ctx, tx, callID)
		if err != nil {
			return err
		}
		if h == nil {
			return notFound("call", callID)
		}
		if h.Number == to {
			return hotline.Errorf(hotline.Conflict, "tickets.call_there", "the call is on ticket %d already", to)
		}
		c := candidate{}
		if to == 0 {
			c, err = d.splitOff(ctx, tx, *h, h.Queue, now)
		} else {
			c, err = target(ctx, tx, to)
		}
		if err != nil {
			return err
		}
		number = c.Number
		return d.move(ctx, tx, by, *h, c, whyPerson, now)
	})
	return number, err
}

func target(ctx context.Context, tx pgx.Tx, number int64) (c candidate, err error) {
	err = tx.QueryRow(ctx, `select number, state, queue, version, waiting_since from ticket where number = $1 for update`, number).
		Scan(&c.Number, &c.State, &c.Queue, &c.Version, &c.WaitingSince)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return c, notFound("ticket", number)
	case err != nil:
		return c, fmt.Errorf("lock ticket %d: %w", number, err)
	case c.State == StateClosed:
		return c, hotline.Errorf(hotline.Conflict, "tickets.closed", "ticket %d is closed: nothing can be added to it", number)
	}
	return c, nil
}

// voicemail puts a message on the ticket.
func (in *intake) voicemail(ctx context.Context, f call.Fact) error {
	var p call.VoicemailLeft
	h, err := in.about(ctx, f, &p)
	if err != nil || h == nil {
		return err
	}
	if err := in.flush(ctx); err != nil {
		return err
	}
	at := stamp(f.At)
	tag, err := in.tx.Exec(ctx, `
		with i as (
			insert into interaction (id, kind, direction, party_id, call_id, data, at)
			values ($1, 'voicemail', 'in', nullif($2, '')::uuid, $3, $4, $5) on conflict (id) do nothing returning id
		), r as (
			update recording set ticket = $6 where id = nullif($7, '')::uuid
		)
		insert into ticket_interaction (ticket, interaction_id) select $6, id from i`,
		f.ID, h.Party, f.CallID, map[string]any{"recording_id": p.RecordingID, "duration_ms": p.DurationMS}, at, h.Number, p.RecordingID)
	if err != nil || tag.RowsAffected() == 0 { // applied before
		return wrap(err, "voicemail on ticket %d", h.Number)
	}
	in.append(event{ticket: h.Number, kind: "voicemail", actor: System, interaction: f.ID, at: at,
		data: map[string]any{"call_id": f.CallID, "recording_id": p.RecordingID, "duration_ms": p.DurationMS},
		set:  ", waiting_since = coalesce(waiting_since, @at)"})
	in.forget(h.Number)
	in.owe(debt{ticket: h.Number, callID: f.CallID, phone: h.Phone, reason: "voicemail", queue: orQueue(p.Queue, h.Queue), at: at})
	return nil
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

func orQueue(q, otherwise string) string {
	if q == "" {
		return otherwise
	}
	return q
}

// callback makes the task that a caller asked for.
func (in *intake) callback(ctx context.Context, f call.Fact) error {
	var p call.CallbackAsked
	h, err := in.about(ctx, f, &p)
	if err != nil || h == nil {
		return err
	}
	phone := NormalisePhone(p.Phone, in.cfg.Country).Value
	if phone == "" {
		phone = h.Phone
	}
	in.owe(debt{ticket: h.Number, callID: f.CallID, phone: phone, reason: "asked", queue: orQueue(p.Queue, h.Queue), at: stamp(f.At)})
	return nil
}

// debt is what we owe a caller: to be called back or, when no number is known, to be followed up.
type debt struct {
	ticket int64
	callID string
	phone  string
	reason string
	queue  string
	at     time.Time

	task taskData // once it is written; Task is "" when this call's task is there and done already
}

// oweSQL makes the task, or keeps the one that is open for the same number: one number is called back once however often it has
// tried. An explicit wish replaces a guess.
const oweSQL = `
	with kept as (
		update task set reason = case when @reason = 'asked' then @reason else reason end, due_at = least(due_at, @due)
		where ticket = @ticket and kind = @kind and phone = @phone and state = 'open' returning id, due_at
	), made as (
		insert into task (id, kind, ticket, call_id, phone, reason, queue, due_at, created_at)
		select @id, @kind, @ticket, @call, @phone, @reason, @queue, @due, @at where not exists (select from kept)
		on conflict (call_id, kind) where call_id is not null do nothing returning id, due_at
	)
	select id::text, to_char(due_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), change
	from (select id, due_at, 'kept' as change from kept union all select id, due_at, 'made' from made) t`

// owe writes a debt; flush tells it to the timeline when it is written.
func (in *intake) owe(o debt) {
	o.task = taskData{Kind: "callback", Reason: o.reason}
	if o.phone == "" {
		o.task.Kind = "follow_up"
	}
	due := o.at.Add(in.cfg.CallbackWithin)
	if o.reason == "asked" {
		due = o.at // the place in the line is kept: it is their turn as soon as somebody is free
	}
	in.debts = append(in.debts, &o)
	in.batch.Queue(oweSQL, pgx.NamedArgs{"id": hotline.NewID(), "kind": o.task.Kind, "ticket": o.ticket, "call": o.callID, "phone": o.phone,
		"reason": o.reason, "queue": o.queue, "due": due, "at": o.at}).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&o.task.Task, &o.task.DueAt, &o.task.Change)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
}

// event is what the timeline says of a debt.
func (o *debt) event() event {
	return event{ticket: o.ticket, kind: "task", actor: System, at: o.at, data: o.task, set: nextDue + ", waiting_since = coalesce(waiting_since, @at)"}
}

// recording gives the row of a recording its ticket.
func (in *intake) recording(_ context.Context, f call.Fact) error {
	var p call.RecordingRow
	if err := f.Decode(&p); err != nil {
		return err
	}
	in.batch.Queue(`update recording set ticket = (select ticket from call where id = $2) where id = $1 and ticket is null`, p.ID, f.CallID)
	return nil
}

// endedData is what the timeline says of the end of a call.
type endedData struct {
	CallID string      `json:"call_id"`
	Result call.Result `json:"result"`
	Queue  string      `json:"queue"`
	Phase  call.Phase  `json:"phase"`
}

// ended files how a call went, and what we owe the caller for it.
func (in *intake) ended(ctx context.Context, f call.Fact) error {
	var p call.CallEnded
	h, err := in.about(ctx, f, &p)
	if err != nil || h == nil || h.Ring.Result != "" {
		return err
	}
	at, ring := stamp(f.At), h.Ring
	served := p.Result == call.ResultAnswered || p.Result == call.ResultTransferred
	e := event{ticket: h.Number, kind: "call_ended", actor: System, at: at,
		data: endedData{CallID: f.CallID, Result: p.Result, Queue: orQueue(p.Queue, h.Queue), Phase: p.Phase}}
	if served || p.Result == call.ResultCompleted && ring.Waits || p.Result == call.ResultRejected && ring.Waits {
		e.set = ", waiting_since = null"
	}
	in.batch.Queue(`update interaction set data = data || jsonb_build_object('result', $2::text) where id = $1`, h.Interaction, p.Result)
	in.append(e)
	switch {
	case served && h.State == StateNew:
		in.append(stateEvent(System, h.Number, StateNew, StateOpen, "call_answered", at))
	case p.Result == call.ResultCompleted && h.State == StateNew && ring.Made && h.Others == 0:
		// The flow has served the caller (status, opening hours): nobody needs to look. Whoever calls again opens it again.
		in.append(stateEvent(System, h.Number, StateNew, StateResolved, "self_service", at))
	case p.Result == call.ResultCompleted && ring.Reopened != "" && h.State == StateOpen && h.Version == ring.Version:
		in.append(stateEvent(System, h.Number, StateOpen, ring.Reopened, "self_service", at))
	}
	in.forget(h.Number)
	// A withheld number leaves nobody to call back, and whom we called owes us nothing.
	if h.Phone != "" && !ring.Outbound && (p.Result == call.ResultAbandoned || p.Result == call.ResultCutBySystem || p.Result == call.ResultFailed) {
		in.owe(debt{ticket: h.Number, callID: f.CallID, phone: h.Phone, reason: string(p.Result), queue: orQueue(p.Queue, h.Queue), at: at})
	}
	if p.Result == call.ResultAnswered {
		// Who got through need not be called back.
		if err := in.flush(ctx); err != nil {
			return err
		}
		return cancelTasks(ctx, in.tx, System, h.Number, h.Phone, at)
	}
	return nil
}
