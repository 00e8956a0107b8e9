package tickets

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/call"
	"hotline/postgres"
)

func TestACallIsATicketWhenItRings(t *testing.T) {
	o := open(t, Config{})
	id := o.rings(call.Party{Number: "+8613812345678", Display: "张三", Verified: true}, "support")
	d := o.ticket(id)
	equal(t, "subject", d.Subject, "来电 +86 138 1234 5678")
	equal(t, "state", d.State, StateNew)
	equal(t, "queue", d.Queue, "support")
	equal(t, "channel", d.Channel, "call")
	equal(t, "language", d.Language, "zh-CN")
	if d.Party == nil || d.Party.Phone != "+8613812345678" || d.Party.Level != Known {
		t.Errorf("party is %+v", d.Party)
	}
	if d.WaitingSince == nil {
		t.Error("the customer does not wait")
	}
	equal(t, "history", o.kinds(d.Number), "call")
	if len(d.Calls) != 1 || d.Calls[0].ID != id || len(d.Identities) != 1 {
		t.Errorf("calls %+v, identities %+v", d.Calls, d.Identities)
	}
	p, _ := o.Timeline(t.Context(), d.Number, TimelineQuery{Audience: Staff})
	var data callData
	if err := json.Unmarshal(p.Items[0].Data, &data); err != nil || data.Why != whyNone || data.Mode != AttachJoin || data.Days != 7 {
		t.Errorf("the entry does not state the rule: %s", p.Items[0].Data)
	}
	if p.Items[0].Call == nil || p.Items[0].Call.ID != id {
		t.Errorf("the entry shows no call: %+v", p.Items[0])
	}
}

func TestTheSubjectSpeaksTheCallersLanguage(t *testing.T) {
	o := open(t, Config{})
	id := o.rings(call.Party{Number: "+8613812345678"}, "support")
	o.file(id, call.FactCallNoted, call.CallNoted{Language: "en"})
	d := o.ticket(id)
	equal(t, "language", d.Language, "en")
	equal(t, "subject", d.Subject, "Call from +86 138 1234 5678")
	hidden := o.rings(call.Party{Withheld: true}, "support")
	o.file(hidden, call.FactCallNoted, call.CallNoted{Language: "en"})
	equal(t, "subject of nobody", o.ticket(hidden).Subject, "Call from a withheld number")
	written := "Router is broken"
	if _, err := o.Update(t.Context(), o.account("anna", "Anna"), d.Number, Change{Version: d.Version, Subject: &written}); err != nil {
		t.Fatal(err)
	}
	o.file(id, call.FactCallNoted, call.CallNoted{Language: "zh-CN"})
	equal(t, "subject that a person wrote", o.ticket(id).Subject, written)
}

func TestAnUnverifiedNumberIsOnlyMaybe(t *testing.T) { // abuse 6
	o := open(t, Config{})
	first := o.ticket(o.rings(call.Party{Number: "+8613812345678", Display: "the boss"}, "support"))
	equal(t, "level", first.Party.Level, Maybe)
	equal(t, "name", first.Party.Name, "") // what the caller calls himself is nobody's name
	again := o.ticket(o.rings(call.Party{Number: "+8613812345678", Verified: true}, "support"))
	equal(t, "level once a trusted trunk asserts it", again.Party.Level, Known)
	third := o.ticket(o.rings(call.Party{Number: "+8613812345678"}, "support"))
	equal(t, "the level of the person stays", third.Party.Level, Known)
	equal(t, "the call says whether its number was asserted", o.one(`select string_agg(data ->> 'verified', ' ' order by at, id) from interaction`), "false true false")
}

func TestHostileCallerNames(t *testing.T) { // abuse 5
	o := open(t, Config{})
	for _, name := range []string{"<script>alert(1)</script>", strings.Repeat("界", 5000), "\u202egnp.exe\u2066", "a\r\nVia: x", "\xff\xfe", "%00", "'; drop table ticket; --"} {
		id := o.rings(call.Party{Number: "+8613812345678", Display: name}, "support")
		o.ticket(id)
		got := o.one(`select coalesce(data ->> 'name', '') from interaction where call_id = '` + id + `'`)
		if len([]rune(got)) > 128 || strings.ContainsAny(got, "\r\n\x00\u202e\u2066") {
			t.Errorf("%.30q is kept as %.60q", name, got)
		}
	}
	equal(t, "<script> is text", o.one(`select count(*) from interaction where data ->> 'name' = '<script>alert(1)</script>'`), "1")
}

func TestWithheldExtensionsAndShortCodes(t *testing.T) {
	o := open(t, Config{})
	a, b := o.ticket(o.rings(call.Party{Withheld: true}, "support")), o.ticket(o.rings(call.Party{Withheld: true}, "support"))
	if a.Number == b.Number || a.Party != nil {
		t.Errorf("withheld callers share a ticket or are somebody: %+v %+v", a.Ticket, b.Ticket)
	}
	equal(t, "subject", a.Subject, "匿名来电")
	for _, number := range []string{"1001", "10086"} {
		d := o.ticket(o.rings(call.Party{Number: number}, "support"))
		equal(t, "phone", d.Party.Phone, number)
	}
	id := o.rings(call.Party{Withheld: true}, "support")
	o.ends(id, call.ResultAbandoned)
	equal(t, "nobody can be called back", len(o.ticket(id).Tasks), 0)
}

func TestAttachRule(t *testing.T) {
	o := open(t, Config{Attach: Rule{Mode: AttachJoin, Days: 3}})
	first := o.ticket(o.rings(aPhone(1), "support"))
	equal(t, "same party and queue", o.ticket(o.rings(aPhone(1), "support")).Number, first.Number)
	if n := o.ticket(o.rings(aPhone(1), "sales")).Number; n == first.Number {
		t.Error("a call in another queue joined")
	}
	if n := o.ticket(o.rings(aPhone(2), "support")).Number; n == first.Number {
		t.Error("another caller joined")
	}
	set := func(s State) {
		if _, err := o.SetState(t.Context(), o.agent, first.Number, StateChange{State: s}); err != nil {
			t.Fatal(err)
		}
	}
	set(StateResolved)
	d := o.ticket(o.rings(aPhone(1), "support"))
	equal(t, "resolved lately", d.Number, first.Number)
	equal(t, "state", d.State, StateOpen)
	set(StateResolved)
	o.exec(`update ticket set resolved_at = now() - interval '4 days' where number = $1`, first.Number)
	second := o.ticket(o.rings(aPhone(1), "support"))
	if second.Number == first.Number {
		t.Error("a ticket that was resolved long ago was joined")
	}
	if _, err := o.SetState(t.Context(), o.agent, second.Number, StateChange{State: StateClosed}); err != nil {
		t.Fatal(err)
	}
	if o.ticket(o.rings(aPhone(1), "support")).Number == second.Number {
		t.Error("a closed ticket was joined")
	}
}

func TestAttachModes(t *testing.T) {
	for _, mode := range []Mode{AttachNew, AttachAsk} {
		o := open(t, Config{Attach: Rule{Mode: mode, Days: 3}})
		first := o.ticket(o.rings(aPhone(1), "support"))
		id := o.rings(aPhone(1), "support")
		second := o.ticket(id)
		if first.Number == second.Number {
			t.Fatalf("mode %s joins", mode)
		}
		p, _ := o.Timeline(t.Context(), second.Number, TimelineQuery{Audience: Staff})
		var data callData
		json.Unmarshal(p.Items[0].Data, &data)
		if mode == AttachNew {
			equal(t, "why", data.Why, whyNew)
			continue
		}
		equal(t, "proposed", data.Suggest, first.Number)
		if n, err := o.MoveCall(t.Context(), o.agent, id, data.Suggest); err != nil || n != first.Number {
			t.Fatal(n, err)
		}
		equal(t, "where the call is", o.ticket(id).Number, first.Number)
		left, _ := o.Get(t.Context(), second.Number)
		equal(t, "what it had made", left.State, StateClosed)
		equal(t, "history left", o.kinds(second.Number), "call call_moved state")
		equal(t, "history reached", o.kinds(first.Number), "call call")
		_, err := o.MoveCall(t.Context(), o.agent, id, first.Number)
		isKind(t, "move again", err, hotline.Conflict)
	}
}

func TestTheMenuPicksTheQueue(t *testing.T) {
	o := open(t, Config{})
	picks := func(id, queue string) Detail {
		o.file(id, call.FactCallPhase, call.CallPhase{Phase: call.PhaseQueued, Queue: queue})
		return o.ticket(id)
	}
	// A new caller: the ticket goes along.
	a := o.rings(aPhone(1), "")
	made := o.ticket(a)
	d := picks(a, "support")
	equal(t, "ticket", d.Number, made.Number)
	equal(t, "queue", d.Queue, "support")
	equal(t, "history", o.kinds(d.Number), "call queue")
	o.ends(a, call.ResultAnswered)
	// Again, to sales: joins support's ticket while nothing is known, then gets one of its own.
	b := o.rings(aPhone(1), "")
	equal(t, "for the time being", o.ticket(b).Number, made.Number)
	sales := picks(b, "sales")
	if sales.Number == made.Number {
		t.Fatal("a call to sales stayed on support's ticket")
	}
	equal(t, "queue", sales.Queue, "sales")
	equal(t, "state", sales.State, StateNew)
	equal(t, "history of sales", o.kinds(sales.Number), "call")
	equal(t, "history of support", o.kinds(made.Number), "call queue call_ended state call call_moved")
	o.ends(b, call.ResultAnswered)
	// A third time, to support: support's ticket was resolved; arriving opened sales' for a moment.
	if _, err := o.SetState(t.Context(), o.agent, made.Number, StateChange{State: StateResolved}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.SetState(t.Context(), o.agent, sales.Number, StateChange{State: StatePending}); err != nil {
		t.Fatal(err)
	}
	c := o.rings(aPhone(1), "")
	equal(t, "for the time being", o.ticket(c).Number, sales.Number)
	equal(t, "it is open", o.ticket(c).State, StateOpen)
	equal(t, "then", picks(c, "support").Number, made.Number)
	equal(t, "support's is open again", o.ticket(c).State, StateOpen)
	back, _ := o.Get(t.Context(), sales.Number)
	equal(t, "sales' is as it was", back.State, StatePending)
	o.kinds(sales.Number)
	o.kinds(made.Number)
	// Default queue and menu differ, first call: one ticket, not two.
	e := o.rings(aPhone(2), "support")
	one := o.ticket(e)
	equal(t, "ticket", picks(e, "sales").Number, one.Number)
	// Into the queue where it is: nothing happens.
	picks(e, "sales")
	equal(t, "history", o.kinds(one.Number), "call queue")
}

func TestWhatWeOwe(t *testing.T) {
	o := open(t, Config{CallbackWithin: time.Hour})
	for _, c := range []struct {
		result call.Result
		reason string
	}{{call.ResultAbandoned, "abandoned"}, {call.ResultCutBySystem, "cut_by_system"}, {call.ResultFailed, "failed"}} {
		n := aPhone(100 + len(c.reason))
		id := o.rings(n, "support")
		o.ends(id, c.result)
		d := o.ticket(id)
		if len(d.Tasks) != 1 || d.Tasks[0].Reason != c.reason || d.Tasks[0].Kind != "callback" || d.Tasks[0].Phone != n.Number || d.NextDueAt == nil {
			t.Fatalf("%s: tasks %+v", c.result, d.Tasks)
		}
		equal(t, "history", o.kinds(d.Number), "call call_ended task")
		// He tries once more in vain: one call-back, not two. Then he gets through: none.
		again := o.rings(n, "support")
		o.ends(again, call.ResultAbandoned)
		equal(t, "ticket", o.ticket(again).Number, d.Number)
		equal(t, "tasks", len(o.ticket(again).Tasks), 1)
		third := o.rings(n, "support")
		o.ends(third, call.ResultAnswered)
		d = o.ticket(third)
		equal(t, "task", d.Tasks[0].State, "cancelled")
		equal(t, "state", d.State, StateOpen)
		if d.WaitingSince != nil || d.NextDueAt != nil {
			t.Errorf("still waits: %v, due %v", d.WaitingSince, d.NextDueAt)
		}
	}
}

func TestVoicemailAndCallback(t *testing.T) {
	o := open(t, Config{})
	id, rec := o.rings(aPhone(1), "support"), hotline.NewID()
	o.exec(`insert into recording (id, call_id, kind, state, file, channels, started_at, waveform) values ($1, $2, 'voicemail', 'complete', 'x', 1, now(), '\x0010ff')`, rec, id)
	o.file(id, call.FactVoicemailLeft, call.VoicemailLeft{RecordingID: rec, DurationMS: 4200, Queue: "support"})
	o.file(id, call.FactCallbackAsked, call.CallbackAsked{Phone: "010-8888 1234", Queue: "support", Position: 3})
	o.ends(id, call.ResultVoicemail)
	d := o.ticket(id)
	equal(t, "history", o.kinds(d.Number), "call voicemail task call_ended")
	equal(t, "tasks", len(d.Tasks), 1) // one call, one call-back
	p, _ := o.Timeline(t.Context(), d.Number, TimelineQuery{Audience: Staff})
	v := p.Items[1]
	if v.Call == nil || len(v.Call.Recordings) != 1 || v.Call.Recordings[0].ID != rec || *v.Call.Recordings[0].Ticket != d.Number {
		t.Fatalf("the message is not there: %+v", v)
	}
	if w := v.Call.Recordings[0].Waveform; len(w) != 1 || len(w[0]) != 3 || w[0][2] != 255 {
		t.Errorf("waveform %v", w)
	}
	equal(t, "recordings of the call's own entry", len(p.Items[0].Call.Recordings), 0)
	asked := o.rings(aPhone(2), "sales")
	o.file(asked, call.FactCallbackAsked, call.CallbackAsked{Phone: "010-8888 1234", Queue: "sales", Position: 3})
	o.ends(asked, call.ResultCallback)
	task := o.ticket(asked).Tasks[0]
	if task.Phone != "+861088881234" || task.Reason != "asked" || task.Queue != "sales" {
		t.Errorf("task %+v", task)
	}
	withheld := o.rings(call.Party{Withheld: true}, "support")
	o.file(withheld, call.FactVoicemailLeft, call.VoicemailLeft{RecordingID: hotline.NewID(), DurationMS: 1})
	o.ends(withheld, call.ResultVoicemail)
	equal(t, "task", o.ticket(withheld).Tasks[0].Kind, "follow_up")
}

func TestSelfServiceNeedsNobody(t *testing.T) {
	o := open(t, Config{})
	id := o.rings(aPhone(1), "")
	o.ends(id, call.ResultCompleted)
	d := o.ticket(id)
	equal(t, "state", d.State, StateResolved)
	if d.WaitingSince != nil {
		t.Error("somebody waits")
	}
	again := o.rings(aPhone(1), "")
	equal(t, "joined", o.ticket(again).Number, d.Number)
	equal(t, "state", o.ticket(again).State, StateOpen)
	o.ends(again, call.ResultCompleted)
	equal(t, "state", o.ticket(again).State, StateResolved)
}

func TestASwitchboardNumber(t *testing.T) {
	o := open(t, Config{})
	ctx := t.Context()
	lin, err := o.CreateParty(ctx, o.agent, NewParty{Name: "林", Phone: "010-88881234"})
	if err != nil {
		t.Fatal(err)
	}
	first := o.ticket(o.rings(call.Party{Number: "+861088881234"}, "support"))
	equal(t, "one person", first.Party.ID, lin.ID)
	if _, err := o.CreateParty(ctx, o.agent, NewParty{Name: "周", Phone: "+861088881234"}); err != nil {
		t.Fatal(err)
	}
	second := o.ticket(o.rings(call.Party{Number: "+861088881234"}, "support"))
	if second.Number == first.Number || second.Party.ID != "" || second.Party.Phone != "+861088881234" {
		t.Errorf("a call of one of two people is on %d for %+v", second.Number, second.Party)
	}
	equal(t, "nobody's yet", o.ticket(o.rings(call.Party{Number: "+861088881234"}, "support")).Number, second.Number)
	acme, err := o.CreateParty(ctx, o.agent, NewParty{Kind: "organisation", Name: "Acme", Phone: "+861088881234"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the organisation", o.ticket(o.rings(call.Party{Number: "+861088881234"}, "support")).Party.ID, acme.ID)
}

func TestAppliersAreIdempotent(t *testing.T) {
	o := open(t, Config{})
	id := o.rings(aPhone(1), "support")
	o.file(id, call.FactCallPhase, call.CallPhase{Phase: call.PhaseQueued, Queue: "sales"})
	o.file(id, call.FactVoicemailLeft, call.VoicemailLeft{RecordingID: hotline.NewID(), DurationMS: 1})
	o.file(id, call.FactCallbackAsked, call.CallbackAsked{Phone: aPhone(1).Number})
	o.ends(id, call.ResultAbandoned)
	number := o.ticket(id).Number
	before := o.kinds(number)
	start := time.Now().UTC()
	raw := func(kind call.FactKind, payload any) call.Fact {
		b, _ := json.Marshal(payload)
		return call.Fact{ID: o.one(`select id from interaction where call_id = '` + id + `' and kind = case '` + string(kind) + `' when 'voicemail.left' then 'voicemail' else 'call' end`), CallID: id, Kind: kind, At: start, Data: b}
	}
	again := []call.Fact{
		raw(call.FactCallStarted, call.CallStarted{Info: call.Info{Direction: call.Inbound, Caller: aPhone(1), Queue: "support"}}),
		raw(call.FactCallPhase, call.CallPhase{Queue: "sales"}),
		raw(call.FactVoicemailLeft, call.VoicemailLeft{}),
		raw(call.FactCallEnded, call.CallEnded{Result: call.ResultAbandoned}),
	}
	for _, facts := range [][]call.Fact{again[:1], again[1:2], again[2:3], again[3:], again} {
		if err := postgres.Tx(t.Context(), o.pool, func(tx pgx.Tx) error { return o.Desk.file(t.Context(), tx, facts) }); err != nil {
			t.Fatal(facts[0].Kind, err)
		}
	}
	equal(t, "history", o.kinds(number), before)
	equal(t, "tickets", o.one(`select count(*) from ticket`), "1")
	equal(t, "tasks", o.one(`select count(*) from task`), "1")
}

func TestCallsOfOneCallerAtOnce(t *testing.T) {
	o := open(t, Config{})
	party := o.ticket(o.rings(aPhone(7), "support")).Party.ID
	if _, err := o.LinkPhone(t.Context(), o.agent, party, aPhone(8).Number, Known); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for i := range 120 {
		wait.Go(func() {
			id := o.rings(aPhone([]int{7, 8, 1, 2, 3}[i%5]), "") // two numbers of one party, and three that are new
			o.file(id, call.FactCallPhase, call.CallPhase{Phase: call.PhaseQueued, Queue: "support"})
			o.file(id, call.FactCallEnded, call.CallEnded{Result: call.ResultAbandoned, At: time.Now()})
		})
	}
	wait.Wait()
	o.settled()
	equal(t, "parties", o.one(`select count(*) from party`), "4")
	equal(t, "tickets", o.one(`select string_agg(distinct queue, ' ') || count(*) from ticket`), "support4")
	equal(t, "open tasks", o.one(`select count(*) from task where state = 'open'`), "4")
	equal(t, "calls on them", o.one(`select count(*) from call where ticket is not null`), "121")
	equal(t, "deadlocks", o.one(`select deadlocks from pg_stat_database where datname = current_database()`), "0")
	rows, _ := o.pool.Query(t.Context(), `select number from ticket`)
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		o.kinds(n)
	}
}

func TestNewestOpenTicketForTheStatus(t *testing.T) {
	o := open(t, Config{Attach: Rule{Mode: AttachNew}})
	old := o.ticket(o.rings(aPhone(1), "support"))
	asking := o.rings(aPhone(1), "")
	own := o.ticket(asking)
	if own.Number == old.Number {
		t.Fatal("joined")
	}
	s, err := o.NewestOpen(t.Context(), aPhone(1).Number, asking)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "number", s.Number, old.Number) // not the one that asking has just made
	equal(t, "check by number", s.Check("ticket", o.one(`select min(number) from ticket`)), true)
	equal(t, "check by a wrong number", s.Check("ticket", "1"), false)
	equal(t, "check by phone", s.Check("phone", "0001"), true)
	equal(t, "check by nothing", s.Check("phone", ""), false)
	equal(t, "unknown check", s.Check("", ""), false)
	if _, err := o.SetState(t.Context(), o.agent, old.Number, StateChange{State: StateClosed}); err != nil {
		t.Fatal(err)
	}
	_, err = o.NewestOpen(t.Context(), aPhone(1).Number, asking)
	isKind(t, "all closed", err, hotline.NotFound)
	_, err = o.NewestOpen(t.Context(), "anonymous", asking)
	isKind(t, "withheld", err, hotline.NotFound)
}
