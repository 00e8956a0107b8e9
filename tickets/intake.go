package tickets

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/jackc/pgx/v5"

	"hotline/call"
)

// intake files the facts that one transaction of the journal applies. What it can foresee (who calls, which tickets the calls are on)
// it reads for all of them at once; what it writes it sends together, as late as something that must be read allows. Two
// transactions are in each other's way only when they are about the same caller.
type intake struct {
	*Desk
	tx      pgx.Tx
	batch   *pgx.Batch          // statements that were not sent yet
	people  map[string][]person // of the numbers that ring
	there   map[string]bool     // ids of facts that were filed before
	held    map[string]*held    // tickets by call, as this transaction has left them; nil: there is none; no entry: to be read
	numbers []int64             // for new tickets
	debts   []*debt             // in batch
}

// filing says how each kind of fact is filed.
var filing = map[call.FactKind]func(*intake, context.Context, call.Fact) error{
	call.FactCallStarted:    (*intake).ring,
	call.FactCallPhase:      (*intake).phase,
	call.FactCallNoted:      (*intake).noted,
	call.FactVoicemailLeft:  (*intake).voicemail,
	call.FactCallbackAsked:  (*intake).callback,
	call.FactCallEnded:      (*intake).ended,
	call.FactRecordingStart: (*intake).recording,
	call.FactRecordingEnd:   (*intake).recording,
	call.FactLegStarted:     (*intake).joined,
	call.FactWrapUp:         (*intake).wrapped,
	call.FactTransferred:    (*intake).transferred,
	call.FactCallbackResult: (*intake).calledBack,
	call.FactPartyLost:      (*intake).lost,
}

// file applies facts of the journal.
func (d *Desk) file(ctx context.Context, tx pgx.Tx, facts []call.Fact) error {
	in := &intake{Desk: d, tx: tx, batch: &pgx.Batch{}, people: map[string][]person{}, there: map[string]bool{}, held: map[string]*held{}}
	if err := in.look(ctx, facts); err != nil {
		return err
	}
	for _, f := range facts {
		if err := filing[f.Kind](in, ctx, f); err != nil {
			return fmt.Errorf("%s of call %s: %w", f.Kind, f.CallID, err)
		}
	}
	return in.flush(ctx)
}

// look locks all callers that the facts are about and reads what is known of them and of the calls.
//
// The locks are taken in one order by all, and before any row's, so that the journal's transactions, which touch many tickets each,
// never wait for each other in a circle. There is one for each number and one for each party, because a party may have several
// numbers: two calls of one caller that come together make one party and, if the rule says so, one ticket.
func (in *intake) look(ctx context.Context, facts []call.Fact) error {
	var phones, calls, rings []string
	withheld := 0
	for _, f := range facts {
		if isID(f.CallID) {
			calls = append(calls, f.CallID)
		}
		var p call.CallStarted
		if f.Kind != call.FactCallStarted || f.Decode(&p) != nil {
			continue
		}
		rings = append(rings, f.ID)
		if phone := in.callerPhone(p.Info); phone.Value != "" {
			phones = append(phones, phone.Value)
		} else {
			withheld++
		}
	}
	calls, phones = distinct(calls), distinct(phones)
	strange, keys, err := in.keys(ctx, phones, calls)
	if err != nil {
		return fmt.Errorf("find callers: %w", err)
	}
	b := &pgx.Batch{}
	b.Queue(intakeShare)
	b.Queue(`select pg_advisory_xact_lock(4712001, k) from unnest($1::int[]) k`, keys)
	b.Queue(`select id::text from interaction where id = any($1::uuid[])`, rings).Query(each(pgx.RowTo[string], func(id string) { in.there[id] = true }))
	b.Queue(callerSQL, pgx.NamedArgs{"phones": phones}).Query(each(pgx.RowToStructByPos[person], func(p person) { in.people[p.Phone] = append(in.people[p.Phone], p) }))
	for _, id := range calls {
		in.held[id] = nil
	}
	b.Queue(heldSQL, calls).Query(each(scanHeld, func(h *held) { in.held[h.CallID] = h }))
	// Who was not known a moment ago gets a ticket, unless somebody has made the caller meanwhile; then a number is left out.
	b.Queue(`select nextval('ticket_number_seq') from generate_series(1, $1)`, len(strange)+withheld).
		Query(each(pgx.RowTo[int64], func(n int64) { in.numbers = append(in.numbers, n) }))
	return wrap(in.tx.SendBatch(ctx, b).Close(), "find callers")
}

// keys returns which of the numbers are not known, and what to lock for numbers and calls, in order.
func (in *intake) keys(ctx context.Context, phones, calls []string) (strange []string, keys []int32, err error) {
	rows, err := in.tx.Query(ctx, `
		select unnest(array_remove(array[i.value, pi.party_id::text], null)) from identity i left join party_identity pi on pi.identity_id = i.id
		where i.kind = 'phone' and i.value = any($1)
		union
		select unnest(array_remove(array[i.value, t.party_id::text], null))
		from interaction x join ticket_interaction ti on ti.interaction_id = x.id join ticket t on t.number = ti.ticket left join identity i on i.id = t.identity_id
		where x.call_id = any($2::uuid[]) and x.kind = 'call'`, phones, calls)
	if err != nil {
		return nil, nil, err
	}
	known, err := pgx.CollectRows(rows, pgx.RowTo[string])
	strange = slices.DeleteFunc(slices.Clone(phones), func(p string) bool { return slices.Contains(known, p) })
	for _, name := range slices.Concat(known, strange) {
		h := fnv.New32a()
		h.Write([]byte(name))
		keys = append(keys, int32(h.Sum32()))
	}
	return strange, distinct(keys), err
}

func distinct[T cmp.Ordered](list []T) []T {
	slices.Sort(list)
	return slices.Compact(list)
}

// each makes a reader of a batch's rows.
func each[T any](scan pgx.RowToFunc[T], f func(T)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scan)
		for _, v := range list {
			f(v)
		}
		return err
	}
}

// flush sends what waits, and tells the timelines what became of debts.
func (in *intake) flush(ctx context.Context) error {
	for in.batch.Len() > 0 {
		b, debts := in.batch, in.debts
		in.batch, in.debts = &pgx.Batch{}, nil
		if err := in.tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("write tickets: %w", err)
		}
		for _, o := range debts {
			if o.task.Task != "" {
				in.append(o.event())
			}
		}
	}
	return nil
}

// append queues an entry of a ticket's history.
func (in *intake) append(e event) { in.batch.Queue(e.statement()) }

// forget has the calls of a ticket read again: something else has changed it.
func (in *intake) forget(number int64) {
	for id, h := range in.held {
		if h != nil && h.Number == number {
			delete(in.held, id)
		}
	}
}

// ticketOf is the ticket of a call; nil for a call that we made.
func (in *intake) ticketOf(ctx context.Context, callID string) (*held, error) {
	if h, ok := in.held[callID]; ok {
		return h, nil
	}
	if err := in.flush(ctx); err != nil {
		return nil, err
	}
	h, err := ticketOf(ctx, in.tx, callID)
	if err == nil {
		in.held[callID] = h
	}
	return h, err
}

// about reads what a fact says, and finds the ticket that its call is on; nil: there is none.
func (in *intake) about(ctx context.Context, f call.Fact, payload any) (*held, error) {
	if err := f.Decode(payload); err != nil {
		return nil, err
	}
	return in.ticketOf(ctx, f.CallID)
}

// number is the number of a new ticket.
func (in *intake) number(ctx context.Context) (n int64, err error) {
	if len(in.numbers) == 0 {
		err = in.tx.QueryRow(ctx, `select nextval('ticket_number_seq')`).Scan(&n)
		return n, wrap(err, "number a ticket")
	}
	n, in.numbers = in.numbers[0], in.numbers[1:]
	return n, nil
}
