package tickets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/call"
)

// whyDialled is why an outbound call is on its ticket, as the timeline entry says.
const whyDialled = "dialled"

// dialled files a call that we make: on the ticket that it is made for, else on the open one of whom is called, else on a new one,
// which is with the agent who calls.
func (in *intake) dialled(ctx context.Context, f call.Fact, i call.Info) error {
	if in.there[f.ID] {
		return nil // applied before
	}
	phone := in.callerPhone(i)
	r := ringing{fact: f, info: i, who: choose(phone, in.people[phone.Value], Known), at: stamp(f.At)}
	r.data = callData{CallID: f.CallID, Why: whyDialled, Direction: call.Outbound, Mode: in.cfg.Attach.Mode, Days: in.cfg.Attach.Days, Shared: r.who.shared}
	number, err := in.dialledFor(ctx, r)
	if err != nil {
		return err
	}
	in.queueCaller(r)
	if err := in.flush(ctx); err != nil {
		return err
	}
	by, err := agentActor(ctx, in.tx, i.Agent)
	if err != nil {
		return err
	}
	if number == 0 {
		if number, err = in.dialledNew(ctx, r, by); err != nil {
			return err
		}
	}
	data := ringData{Outbound: true, Name: clean(i.Caller.Display, 128)}
	in.batch.Queue(`
		insert into interaction (id, kind, direction, party_id, call_id, author, data, at) values ($1, 'call', 'out', nullif($2, '')::uuid, $3, $4, $5, $6)`,
		f.ID, r.who.party, f.CallID, i.Agent, data, r.at)
	in.place(r, number)
	in.append(event{ticket: number, kind: "call", actor: by, interaction: f.ID, at: r.at, data: r.data})
	in.forget(number)
	delete(in.held, f.CallID)
	return in.flush(ctx)
}

// dialledFor finds the ticket that a call is made for, 0 when there is none, and holds it.
func (in *intake) dialledFor(ctx context.Context, r ringing) (int64, error) {
	if r.info.Ticket != 0 {
		if err := in.flush(ctx); err != nil {
			return 0, err
		}
		var number int64
		err := in.tx.QueryRow(ctx, `select number from ticket where number = $1 for update`, r.info.Ticket).Scan(&number)
		if err == nil || !errors.Is(err, pgx.ErrNoRows) {
			return number, wrap(err, "ticket of an outbound call")
		}
	}
	found, ok, err := in.candidateOf(ctx, r.who, r.info.Queue, 0, r.at)
	if err != nil || !ok || found.State == StateResolved {
		return 0, err // what is resolved stays so: a new matter of ours is a new ticket
	}
	return found.Number, nil
}

// dialledNew makes a ticket for an outbound call.
func (in *intake) dialledNew(ctx context.Context, r ringing, by Actor) (int64, error) {
	number, err := in.number(ctx)
	if err != nil {
		return 0, err
	}
	subject, owner := "Call to "+shownPhone(r.who.phone), ""
	if r.info.Language == "zh-CN" {
		subject = "致电 " + shownPhone(r.who.phone)
	}
	if isID(by.ID) {
		owner = by.ID
	}
	_, err = in.tx.Exec(ctx, `
		insert into ticket (number, subject, queue, owner_id, party_id, identity_id, language, created_at, updated_at)
		values ($1, $2, $3, nullif($4, '')::uuid, nullif($5, '')::uuid, nullif($6, '')::uuid, $7, $8, $8)`,
		number, subject, r.info.Queue, owner, r.who.party, r.who.identity, r.info.Language, r.at)
	if err != nil {
		return 0, fmt.Errorf("ticket of an outbound call: %w", err)
	}
	return number, indexTicket(ctx, in.tx, number)
}

// agentActor is an agent as histories name them; an account that is gone or none is the system.
func agentActor(ctx context.Context, tx pgx.Tx, id string) (Actor, error) {
	if !isID(id) {
		return System, nil
	}
	a := Actor{ID: id}
	err := tx.QueryRow(ctx, `select name from account where id = $1`, id).Scan(&a.Name)
	if errors.Is(err, pgx.ErrNoRows) {
		return System, nil
	}
	return a, wrap(err, "who dials")
}

// joined notes that an agent of ours takes part in a call: they may hear it, and see its ticket, which is theirs if it was nobody's.
func (in *intake) joined(ctx context.Context, f call.Fact) error {
	var p call.LegStarted
	if err := f.Decode(&p); err != nil || !isID(p.Party.Agent) {
		return err
	}
	in.batch.Queue(`insert into call_agent (call_id, agent, at) select id, $2::uuid, started_at from call where id = $1 on conflict do nothing`, f.CallID, p.Party.Agent)
	return in.owns(ctx, f, p.Party.Agent)
}

// owns gives the ticket of a call that is nobody's to the agent who talks with the caller: who answers sees to it. What somebody owns
// stays theirs, whoever talks.
func (in *intake) owns(ctx context.Context, f call.Fact, agent string) error {
	h, err := in.ticketOf(ctx, f.CallID)
	if err != nil || h == nil || h.Owner != "" || h.State == StateClosed {
		return err
	}
	by, err := agentActor(ctx, in.tx, agent)
	if err != nil || by.ID != agent {
		return err
	}
	in.append(event{ticket: h.Number, kind: "owner", actor: by, at: stamp(f.At), data: moved{To: by.ID, Name: by.Name},
		set: ", owner_id = @to::uuid, version = version + 1", args: pgx.NamedArgs{"to": by.ID}})
	in.forget(h.Number)
	h.Owner, h.Version = by.ID, h.Version+1
	in.held[f.CallID] = h
	return nil
}

// lostData is what the timeline says of somebody who was in a conversation no more when it went on after a fault of ours.
type lostData struct {
	CallID  string `json:"call_id"`
	Name    string `json:"name"`
	Number  string `json:"number"`
	Consult bool   `json:"consult"`
}

// lost files that somebody could not be connected again.
func (in *intake) lost(ctx context.Context, f call.Fact) error {
	var p call.PartyLost
	h, err := in.about(ctx, f, &p)
	if err != nil || h == nil {
		return err
	}
	in.append(event{ticket: h.Number, kind: "party_lost", actor: System, at: stamp(f.At),
		data: lostData{CallID: f.CallID, Name: clean(p.Name, 200), Number: clean(p.Number, 64), Consult: p.Consult}})
	in.forget(h.Number)
	return nil
}

// transferred notes who sends the caller where, or was not let. By is an agent, or the number of a telephone.
func (in *intake) transferred(ctx context.Context, f call.Fact) error {
	var p call.Transferred
	h, err := in.about(ctx, f, &p)
	if err != nil || h == nil {
		return err
	}
	by, err := agentActor(ctx, in.tx, p.Agent)
	if err != nil {
		return err
	}
	in.append(event{ticket: h.Number, kind: "transfer", actor: by, at: stamp(f.At), data: map[string]any{"call_id": f.CallID, "by": clean(p.By, 128),
		"kind": p.To.Kind, "whom": clean(cmp.Or(p.To.Name, p.To.Value), 128), "attended": p.Attended, "why": clean(p.Why, 300)}})
	in.forget(h.Number)
	return nil
}

// wrapData is what the timeline says of a call that was closed.
type wrapData struct {
	CallID string            `json:"call_id"`
	Queue  string            `json:"queue"`
	Code   string            `json:"code"`
	Title  map[string]string `json:"title"` // of the code, as it was then
	Auto   bool              `json:"auto"`  // nobody said so: the time was up
	Note   bool              `json:"note"`  // a note goes before
}

// wrapped files how an agent closed a call.
func (in *intake) wrapped(ctx context.Context, f call.Fact) error {
	var p call.WrappedUp
	h, err := in.about(ctx, f, &p)
	if err != nil || h == nil {
		return err
	}
	if err := in.flush(ctx); err != nil {
		return err
	}
	at, by := stamp(f.At), Actor{ID: p.Agent, Name: p.AgentName}
	data := wrapData{CallID: f.CallID, Queue: orQueue(p.Queue, h.Queue), Code: p.Code, Title: map[string]string{}, Auto: p.Auto}
	if body := cleanBody(p.Note); body != "" {
		// The note's key makes a second applying harmless.
		if _, err := in.note(ctx, in.tx, by, h.Number, NewNote{Body: cut(body, maxNote), Key: "wrap " + f.ID}, at); err != nil {
			return err
		}
		data.Note = true
	}
	err = in.tx.QueryRow(ctx, `
		insert into call_wrap (call_id, agent, agent_name, ticket, queue, code, title, auto, at)
		values ($1, $2, $3, $4, $5, $6, coalesce((select title from wrap_code where name = $6), '{}'), $7, $8)
		on conflict (call_id, agent) do update set ticket = excluded.ticket, queue = excluded.queue, code = excluded.code, title = excluded.title,
			auto = excluded.auto, at = excluded.at
		returning title`, f.CallID, clean(p.Agent, 200), clean(p.AgentName, 200), h.Number, data.Queue, clean(p.Code, 64), p.Auto, at).Scan(&data.Title)
	if err != nil {
		return fmt.Errorf("close call: %w", err)
	}
	in.append(event{ticket: h.Number, kind: "wrap", actor: by, at: at, data: data})
	in.forget(h.Number)
	return nil
}

// cut cuts a text to at most so many bytes, between characters.
func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && s[max]&0xc0 == 0x80 {
		max--
	}
	return s[:max]
}

// callbackData is what the timeline says of an attempt to call back.
type callbackData struct {
	CallID     string `json:"call_id"`
	CallbackID string `json:"callback_id"` // the call in which it was asked for
	Result     string `json:"result"`
	Attempt    int    `json:"attempt"`
	Attempts   int    `json:"attempts"`
}

// calledBack files how an attempt to call a customer back went. Who was reached is owed nothing any more; when nobody was, after the
// last attempt too, the task stays for a person.
func (in *intake) calledBack(ctx context.Context, f call.Fact) error {
	var p call.CallbackResult
	if err := f.Decode(&p); err != nil {
		return err
	}
	number, err := in.callbackTicket(ctx, f, p)
	if err != nil || number == 0 {
		return err
	}
	at, by := stamp(f.At), Actor{ID: p.Agent, Name: p.AgentName}
	if p.Agent == "" {
		by = System
	}
	in.append(event{ticket: number, kind: "callback", actor: by, at: at,
		data: callbackData{CallID: f.CallID, CallbackID: p.CallbackID, Result: p.Result, Attempt: p.Attempt, Attempts: p.Attempts}})
	if p.Result == "answered" {
		return in.reached(ctx, number, p, by, at)
	}
	in.forget(number)
	return nil
}

// callbackTicket finds the ticket of a call-back: that of the call that was made, else of the one in which it was asked for.
func (in *intake) callbackTicket(ctx context.Context, f call.Fact, p call.CallbackResult) (int64, error) {
	for _, id := range []string{f.CallID, p.CallbackID} {
		if !isID(id) {
			continue
		}
		if h, err := in.ticketOf(ctx, id); err != nil || h != nil {
			if h == nil {
				return 0, err
			}
			return h.Number, err
		}
	}
	return 0, nil
}

// reached ends the task of a call-back.
func (in *intake) reached(ctx context.Context, number int64, p call.CallbackResult, by Actor, at time.Time) error {
	if err := in.flush(ctx); err != nil {
		return err
	}
	in.forget(number)
	phone := NormalisePhone(p.Phone, in.cfg.Country).Value
	rows, err := in.tx.Query(ctx, `
		update task set state = 'done', done_by = $4, done_at = $5
		where ticket = $1 and kind = 'callback' and state = 'open' and (call_id = nullif($2, '')::uuid or phone = $3) returning `+taskColumns,
		number, p.CallbackID, phone, by.ID, at)
	if err != nil {
		return fmt.Errorf("end call-back: %w", err)
	}
	done, err := pgx.CollectRows(rows, scanTask)
	if err != nil {
		return fmt.Errorf("end call-back: %w", err)
	}
	for _, t := range done {
		in.append(event{ticket: number, kind: "task", actor: by, at: at, set: nextDue, data: taskData{Task: t.ID, Kind: t.Kind, Reason: t.Reason, Change: "done"}})
	}
	return nil
}
