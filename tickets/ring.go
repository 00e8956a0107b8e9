package tickets

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nyaruka/phonenumbers"

	"hotline/call"
)

// callData is what the timeline says of a call: on which ground it is here.
type callData struct {
	CallID  string `json:"call_id"`
	Why     string `json:"why"`
	Mode    Mode   `json:"mode"`
	Days    int    `json:"days"`
	Suggest int64  `json:"suggest,omitempty"` // mode ask: the ticket that it may belong to
	From    int64  `json:"from,omitempty"`    // the ticket that the call was on before
	To      int64  `json:"to,omitempty"`      // the ticket that the call is on now
	Shared  bool   `json:"shared,omitempty"`  // several people have this number: somebody has to ask who it was

	Direction call.Direction `json:"direction,omitempty"` // "out": we called
}

// ringData is what an interaction of kind call keeps: who seemed to call, and what its arrival changed, so that it can be undone when
// the call moves.
type ringData struct {
	Name     string      `json:"name,omitempty"` // display name as signalled: anybody can claim any
	Verified bool        `json:"verified"`       // the number was asserted by a trusted trunk
	Made     bool        `json:"made"`           // the call has made the ticket
	Reopened State       `json:"reopened,omitempty"`
	Version  int64       `json:"version,omitempty"` // of the ticket after it was reopened
	Waits    bool        `json:"waits"`             // waiting_since is this call's
	Result   call.Result `json:"result,omitempty"`
	Outbound bool        `json:"outbound,omitempty"` // we called
}

// callerPhone is the number that a call came from.
func (d *Desk) callerPhone(i call.Info) Phone {
	if i.Caller.Withheld {
		return Phone{Kind: Withheld}
	}
	return NormalisePhone(i.Caller.Number, d.cfg.Country)
}

// ring makes a ticket of a call when it rings, or lets it join one.
func (in *intake) ring(ctx context.Context, f call.Fact) error {
	var p call.CallStarted
	if err := f.Decode(&p); err != nil {
		return err
	}
	if p.Info.Direction != call.Inbound {
		return in.dialled(ctx, f, p.Info)
	}
	if in.there[f.ID] {
		return nil // applied before
	}
	phone := in.callerPhone(p.Info)
	level := Maybe
	if p.Info.Caller.Verified {
		level = Known
	}
	who := choose(phone, in.people[phone.Value], level)
	r := ringing{fact: f, info: p.Info, who: who, at: stamp(f.At)}
	r.raise = !who.isNew && who.level == Maybe && level == Known
	r.data = callData{CallID: f.CallID, Mode: in.cfg.Attach.Mode, Days: in.cfg.Attach.Days, Shared: who.shared, Why: whyNone}
	if phone.Kind == Withheld {
		r.data.Why = whyWithheld
	}
	found, ok, err := in.candidateOf(ctx, who, p.Info.Queue, 0, r.at)
	switch {
	case err != nil:
		return err
	case ok && in.cfg.Attach.Mode == AttachJoin:
		in.join(r, found)
		return nil
	case ok && in.cfg.Attach.Mode == AttachAsk:
		r.data.Why, r.data.Suggest = whyAsk, found.Number
	case ok:
		r.data.Why = whyNew
	}
	return in.made(ctx, r)
}

// ringing is a call that rings.
type ringing struct {
	fact  call.Fact
	info  call.Info
	who   caller
	at    time.Time
	data  callData
	raise bool // a trunk that we trust asserts a number that was only claimed before
}

// made makes a new ticket.
func (in *intake) made(ctx context.Context, r ringing) error {
	number, err := in.number(ctx)
	if err != nil {
		return err
	}
	in.queueCaller(r)
	ring := in.queueInteraction(r, ringData{Made: true, Waits: true})
	subject := subjectOf(r.who.phone, r.info.Language)
	// The ticket and the first link of its chain in one: as appendSQL, but without a row to be updated.
	in.batch.Queue(`
		with h as (
			select link_hash(null, @number::bigint::text, '1', 'call', @actor, '', @interaction, (extract(epoch from @at::timestamptz) * 1000000)::bigint::text,
				encode(sha256(convert_to(@data::jsonb::text, 'UTF8')), 'hex')) as hash
		), t as (
			insert into ticket (number, subject, queue, party_id, identity_id, language, waiting_since, created_at, updated_at, last_seq, last_hash)
			select @number, @subject, @queue, nullif(@party, '')::uuid, nullif(@identity, '')::uuid, @language, @at, @at, @at, 1, hash from h
		)
		insert into ticket_event (ticket, seq, kind, actor, interaction_id, data, at, hash)
		select @number, 1, 'call', @actor, @interaction::text::uuid, @data::jsonb, @at, hash from h`,
		pgx.NamedArgs{"number": number, "subject": subject, "queue": r.info.Queue, "party": r.who.party, "identity": r.who.identity, "language": r.info.Language,
			"at": r.at, "data": r.data, "interaction": r.fact.ID, "actor": System.ID})
	in.place(r, number)
	in.batch.Queue(`
		insert into search_doc (kind, ref, ticket, at, tokens)
		select 'ticket', @number::bigint::text, @number, @at, array_to_tsvector(@tokens::text[] || coalesce((
			select tsvector_to_array(d.tokens) from search_doc d where d.kind = 'party' and d.ref = @party), '{}'))`,
		pgx.NamedArgs{"number": number, "at": r.at, "party": r.who.party,
			"tokens": document([]string{fmt.Sprint(number)}, textTokens(subject), phoneTokens(r.who.phone.Value))})
	in.held[r.fact.CallID] = &held{candidate: candidate{Number: number, State: StateNew, Queue: r.info.Queue, Version: 1, WaitingSince: &r.at},
		CallID: r.fact.CallID, Party: r.who.party, Identity: r.who.identity, Interaction: r.fact.ID, Ring: ring, Phone: r.who.phone.Value}
	return nil
}

// join puts the call on a ticket that is there.
func (in *intake) join(r ringing, t candidate) {
	data := ringData{Waits: t.WaitingSince == nil}
	r.data.Why = whyOpen
	e := event{ticket: t.Number, kind: "call", actor: System, interaction: r.fact.ID, at: r.at, set: ", waiting_since = coalesce(waiting_since, @at)"}
	in.queueCaller(r)
	var state *event
	if t.State == StateResolved || t.State == StatePending {
		// The customer is back: the ticket needs somebody again.
		ev := stateEvent(System, t.Number, t.State, StateOpen, "customer_called", r.at)
		state = &ev
		data.Reopened, data.Version = t.State, t.Version+1
		if t.State == StateResolved {
			r.data.Why = whyResolved
		}
	}
	if t.Queue == "" && r.info.Queue != "" {
		e.set += ", queue = @queue"
		e.args = pgx.NamedArgs{"queue": r.info.Queue}
	}
	e.data = r.data
	in.queueInteraction(r, data)
	in.append(e)
	if state != nil {
		in.append(*state)
	}
	in.place(r, t.Number)
	in.forget(t.Number)
	delete(in.held, r.fact.CallID)
}

// queueCaller writes who calls, as far as that is new.
func (in *intake) queueCaller(r ringing) {
	switch {
	case r.who.isNew || r.who.lonely:
		in.batch.Queue(makeCaller, r.who.makeArgs(r.at))
		in.people[r.who.phone.Value] = []person{{Phone: r.who.phone.Value, Identity: r.who.identity, ID: r.who.party, Kind: "person", Level: string(r.who.level)}}
	case r.raise && r.who.party != "":
		in.batch.Queue(`update party_identity set level = 'known' where party_id = $1 and identity_id = $2 and level = 'maybe'`, r.who.party, r.who.identity)
	}
}

func (in *intake) queueInteraction(r ringing, data ringData) ringData {
	data.Name, data.Verified = clean(r.info.Caller.Display, 128), r.info.Caller.Verified
	in.batch.Queue(`
		insert into interaction (id, kind, direction, party_id, call_id, data, at)
		values ($1, 'call', 'in', nullif($2, '')::uuid, $3, $4, $5)`, r.fact.ID, r.who.party, r.fact.CallID, data, r.at)
	return data
}

// place puts a call and its interaction on a ticket.
func (in *intake) place(r ringing, number int64) {
	in.batch.Queue(`
		with c as (
			update call set ticket = $1, party_id = nullif($2, '')::uuid where id = $3
		)
		insert into ticket_interaction (ticket, interaction_id) values ($1, $4)`, number, r.who.party, r.fact.CallID, r.fact.ID)
}

// subjectOf is a subject until somebody writes a better one.
func subjectOf(phone Phone, language string) string {
	shown := shownPhone(phone)
	switch {
	case language == "zh-CN" && phone.Kind == Withheld:
		return "匿名来电"
	case language == "zh-CN":
		return "来电 " + shown
	case phone.Kind == Withheld:
		return "Call from a withheld number"
	}
	return "Call from " + shown
}

// shownPhone is a number as people write it.
func shownPhone(phone Phone) string {
	if n, err := phonenumbers.Parse(phone.Value, "ZZ"); err == nil && phone.Kind == E164 {
		return phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
	}
	return phone.Value
}

// held is the ticket of a call, held until the transaction ends.
type held struct {
	candidate
	CallID      string
	Party       string
	Identity    string
	Owner       string
	Interaction string // of kind call
	Ring        ringData
	Others      int // interactions of the ticket that are not this call's
	Phone       string
}

// heldSQL finds and holds the tickets of calls, in the order of their numbers.
const heldSQL = `
	select i.call_id::text, t.number, t.state, t.queue, t.version, t.waiting_since, coalesce(t.party_id::text, ''), coalesce(t.identity_id::text, ''), coalesce(t.owner_id::text, ''), i.id::text, i.data,
		(select count(*) from ticket_interaction o join interaction x on x.id = o.interaction_id where o.ticket = t.number and x.call_id is distinct from i.call_id),
		coalesce((select value from identity where id = t.identity_id), '')
	from interaction i join ticket_interaction ti on ti.interaction_id = i.id join ticket t on t.number = ti.ticket
	where i.call_id = any($1::uuid[]) and i.kind = 'call' order by t.number for update of t`

func scanHeld(row pgx.CollectableRow) (*held, error) {
	var h held
	err := row.Scan(&h.CallID, &h.Number, &h.State, &h.Queue, &h.Version, &h.WaitingSince, &h.Party, &h.Identity, &h.Owner, &h.Interaction, &h.Ring, &h.Others, &h.Phone)
	return &h, err
}

// ticketOf finds the ticket of a call; nil for a call that we made.
func ticketOf(ctx context.Context, tx pgx.Tx, callID string) (*held, error) {
	rows, err := tx.Query(ctx, heldSQL, []string{callID})
	if err != nil {
		return nil, fmt.Errorf("ticket of call: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanHeld)
	if err != nil || len(list) == 0 {
		return nil, wrap(err, "ticket of call")
	}
	return list[len(list)-1], nil
}

// noted keeps the language that a caller chose. A subject that nobody has written follows it.
func (in *intake) noted(ctx context.Context, f call.Fact) error {
	var p call.CallNoted
	if err := f.Decode(&p); err != nil || p.Language == "" {
		return err
	}
	h, err := in.ticketOf(ctx, f.CallID)
	if err != nil || h == nil {
		return err
	}
	phone, other := NormalisePhone(h.Phone, in.cfg.Country), "en"
	if p.Language == "en" {
		other = "zh-CN"
	}
	if h.Phone == "" {
		phone = Phone{Kind: Withheld}
	}
	in.batch.Queue(`update ticket set language = $2, subject = case when subject = $3 then $4 else subject end where number = $1 and language <> $2`,
		h.Number, p.Language, subjectOf(phone, other), subjectOf(phone, p.Language))
	if h.Party != "" {
		in.batch.Queue(`update party set language = $2 where id = $1 and language = ''`, h.Party, p.Language)
	}
	return nil
}
