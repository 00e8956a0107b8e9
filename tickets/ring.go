package tickets

import (
	"context"
	"encoding/json"
	"errors"
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
}

// ring makes a ticket of a call when it rings, or lets it join one.
func (d *Desk) ring(ctx context.Context, tx pgx.Tx, f call.Fact) error {
	var p call.CallStarted
	if err := f.Decode(&p); err != nil {
		return err
	}
	if p.Info.Direction != call.Inbound {
		return nil // we call somebody: whoever had that done knows on which ticket
	}
	phone := NormalisePhone(p.Info.Caller.Number, d.cfg.Country)
	if p.Info.Caller.Withheld {
		phone = Phone{Kind: Withheld}
	}
	people, there, err := d.firstLook(ctx, tx, f.ID, phone)
	if err != nil || there {
		return err
	}
	level := Maybe
	if p.Info.Caller.Verified {
		level = Known
	}
	who := choose(phone, people, level)
	r := ringing{fact: f, info: p.Info, who: who, at: stamp(f.At)}
	r.raise = !who.isNew && who.level == Maybe && level == Known
	r.data = callData{CallID: f.CallID, Mode: d.cfg.Attach.Mode, Days: d.cfg.Attach.Days, Shared: who.shared, Why: whyNone}
	if phone.Kind == Withheld {
		r.data.Why = whyWithheld
	}
	found, ok, err := d.candidateOf(ctx, tx, who, p.Info.Queue, 0, r.at)
	switch {
	case err != nil:
		return err
	case ok && d.cfg.Attach.Mode == AttachJoin:
		return d.join(ctx, tx, r, found)
	case ok && d.cfg.Attach.Mode == AttachAsk:
		r.data.Why, r.data.Suggest = whyAsk, found.Number
	case ok:
		r.data.Why = whyNew
	}
	return d.made(ctx, tx, r)
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

// firstLook takes the intake's lock and reads the people of a number, in one round trip, and whether the fact was applied already.
func (d *Desk) firstLook(ctx context.Context, tx pgx.Tx, factID string, phone Phone) (people []person, there bool, err error) {
	b := &pgx.Batch{}
	b.Queue(intakeLock)
	b.Queue(`select exists (select from interaction where id = $1)`, factID).QueryRow(func(row pgx.Row) error { return row.Scan(&there) })
	b.Queue(callerSQL, pgx.NamedArgs{"phone": phone.Value}).Query(func(rows pgx.Rows) (err error) {
		people, err = pgx.CollectRows(rows, pgx.RowToStructByPos[person])
		return err
	})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, false, fmt.Errorf("find caller: %w", err)
	}
	return people, there, nil
}

// made makes a new ticket.
func (d *Desk) made(ctx context.Context, tx pgx.Tx, r ringing) error {
	b := &pgx.Batch{}
	r.queueCaller(b)
	r.queueInteraction(b, ringData{Made: true, Waits: true})
	subject := subjectOf(r.who.phone, r.info.Language)
	// The ticket and the first link of its chain in one: as appendSQL, but without a row to be updated.
	args := pgx.NamedArgs{"subject": subject, "queue": r.info.Queue, "party": r.who.party, "identity": r.who.identity, "language": r.info.Language,
		"at": r.at, "data": r.data, "interaction": r.fact.ID, "actor": System.ID}
	b.Queue(`
		with n as (
			select nextval('ticket_number_seq') as number
		), h as (
			select number, link_hash(null, number::text, '1', 'call', @actor, '', @interaction, (extract(epoch from @at::timestamptz) * 1000000)::bigint::text,
				encode(sha256(convert_to(@data::jsonb::text, 'UTF8')), 'hex')) as hash from n
		), t as (
			insert into ticket (number, subject, queue, party_id, identity_id, language, waiting_since, created_at, updated_at, last_seq, last_hash)
			select number, @subject, @queue, nullif(@party, '')::uuid, nullif(@identity, '')::uuid, @language, @at, @at, @at, 1, hash from h
		)
		insert into ticket_event (ticket, seq, kind, actor, interaction_id, data, at, hash)
		select number, 1, 'call', @actor, @interaction::text::uuid, @data::jsonb, @at, hash from h`, args)
	b.Queue(placeCall("currval('ticket_number_seq')"), r.placeArgs())
	b.Queue(`
		insert into search_doc (kind, ref, ticket, at, tokens)
		select 'ticket', n::text, n, @at, array_to_tsvector(array_append(@tokens::text[], n::text) || coalesce((
			select tsvector_to_array(d.tokens) from search_doc d where d.kind = 'party' and d.ref = @party), '{}'))
		from currval('ticket_number_seq') n`,
		pgx.NamedArgs{"at": r.at, "party": r.who.party, "tokens": document(textTokens(subject), phoneTokens(r.who.phone.Value))})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("make ticket: %w", err)
	}
	return nil
}

// join puts the call on a ticket that is there.
func (d *Desk) join(ctx context.Context, tx pgx.Tx, r ringing, t candidate) error {
	data := ringData{Waits: t.WaitingSince == nil}
	r.data.Why = whyOpen
	e := event{ticket: t.Number, kind: "call", actor: System, interaction: r.fact.ID, at: r.at, set: ", waiting_since = coalesce(waiting_since, @at)"}
	b := &pgx.Batch{}
	r.queueCaller(b)
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
	r.queueInteraction(b, data)
	b.Queue(e.statement())
	if state != nil {
		b.Queue(state.statement())
	}
	args := r.placeArgs()
	args["ticket"] = t.Number
	b.Queue(placeCall("@ticket::bigint"), args)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("join ticket %d: %w", t.Number, err)
	}
	return nil
}

func (r ringing) queueCaller(b *pgx.Batch) {
	switch {
	case r.who.isNew || r.who.lonely:
		b.Queue(makeCaller, r.who.makeArgs(r.at))
	case r.raise && r.who.party != "":
		b.Queue(`update party_identity set level = 'known' where party_id = $1 and identity_id = $2 and level = 'maybe'`, r.who.party, r.who.identity)
	}
}

func (r ringing) queueInteraction(b *pgx.Batch, data ringData) {
	data.Name, data.Verified = clean(r.info.Caller.Display, 128), r.info.Caller.Verified
	b.Queue(`
		insert into interaction (id, kind, direction, party_id, call_id, data, at)
		values ($1, 'call', 'in', nullif($2, '')::uuid, $3, $4, $5)`, r.fact.ID, r.who.party, r.fact.CallID, data, r.at)
}

// placeCall is SQL that puts a call's interaction on a ticket; number is an expression.
func placeCall(number string) string {
	return `
	with c as (
		update call set ticket = ` + number + `, party_id = nullif(@party, '')::uuid where id = @call
	)
	insert into ticket_interaction (ticket, interaction_id) values (` + number + `, @interaction)`
}

func (r ringing) placeArgs() pgx.NamedArgs {
	return pgx.NamedArgs{"party": r.who.party, "call": r.fact.CallID, "interaction": r.fact.ID}
}

// subjectOf is a subject until somebody writes a better one.
func subjectOf(phone Phone, language string) string {
	shown := phone.Value
	if n, err := phonenumbers.Parse(phone.Value, "ZZ"); err == nil && phone.Kind == E164 {
		shown = phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
	}
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

// held is the ticket of a call, held until the transaction ends.
type held struct {
	candidate
	Party       string
	Identity    string
	Interaction string // of kind call
	Data        json.RawMessage
	Others      int // interactions of the ticket that are not this call's
	Phone       string
}

// ticketOf finds the ticket of a call. There is none for a call that we made.
func ticketOf(ctx context.Context, tx pgx.Tx, callID string) (h held, ring ringData, ok bool, err error) {
	b := &pgx.Batch{}
	b.Queue(intakeLock)
	b.Queue(`
		select t.number, t.state, t.queue, t.version, t.waiting_since, coalesce(t.party_id::text, ''), coalesce(t.identity_id::text, ''), i.id::text, i.data,
			(select count(*) from ticket_interaction o join interaction x on x.id = o.interaction_id where o.ticket = t.number and x.call_id is distinct from i.call_id),
			coalesce((select value from identity where id = t.identity_id), '')
		from interaction i join ticket_interaction ti on ti.interaction_id = i.id join ticket t on t.number = ti.ticket
		where i.call_id = $1 and i.kind = 'call' order by t.number desc limit 1 for update of t`, callID).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&h.Number, &h.State, &h.Queue, &h.Version, &h.WaitingSince, &h.Party, &h.Identity, &h.Interaction, &h.Data, &h.Others, &h.Phone)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return held{}, ring, false, fmt.Errorf("ticket of call: %w", err)
	}
	if ok {
		if err := json.Unmarshal(h.Data, &ring); err != nil {
			return held{}, ring, false, fmt.Errorf("ticket of call: %w", err)
		}
	}
	return h, ring, ok, nil
}

// noted keeps the language that a caller chose. A subject that nobody has written follows it.
func (d *Desk) noted(ctx context.Context, tx pgx.Tx, f call.Fact) error {
	var p call.CallNoted
	if err := f.Decode(&p); err != nil || p.Language == "" {
		return err
	}
	h, _, ok, err := ticketOf(ctx, tx, f.CallID)
	if err != nil || !ok {
		return err
	}
	phone, other := NormalisePhone(h.Phone, d.cfg.Country), "en"
	if p.Language == "en" {
		other = "zh-CN"
	}
	if h.Phone == "" {
		phone = Phone{Kind: Withheld}
	}
	b := &pgx.Batch{}
	b.Queue(`update ticket set language = $2, subject = case when subject = $3 then $4 else subject end where number = $1 and language <> $2`,
		h.Number, p.Language, subjectOf(phone, other), subjectOf(phone, p.Language))
	if h.Party != "" {
		b.Queue(`update party set language = $2 where id = $1 and language = ''`, h.Party, p.Language)
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("note language: %w", err)
	}
	return nil
}
