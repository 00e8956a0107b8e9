package tickets

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/tickets/contacts"
)

// dials files an outbound call of the office's agent.
func (o *office) dials(number, queue string, ticket int64) string {
	o.t.Helper()
	id := hotline.NewID()
	o.file(id, call.FactCallStarted, call.CallStarted{Node: "n", Info: call.Info{LegID: hotline.NewID(), CallID: id, Direction: call.Outbound, Edge: "sip",
		Caller: call.Party{Number: number}, Dialled: "4000", Queue: queue, Language: "en", ReceivedAt: time.Now().UTC(), Ticket: ticket, Agent: o.agent.ID}})
	o.file(id, call.FactLegStarted, call.LegStarted{LegID: hotline.NewID(), Direction: call.Outbound, Edge: "webrtc", Party: call.Party{Agent: o.agent.ID}, StartedAt: time.Now()})
	return id
}

func TestCallsOutAreOnTheirTicket(t *testing.T) {
	o := open(t, Config{})
	in := o.rings(call.Party{Number: "+8613800000001"}, "support")
	o.ends(in, call.ResultAbandoned)
	asked := o.ticket(in)
	other := o.create(NewTicket{Subject: "another matter", Phone: "+8613800000002"})

	equal(t, "for a ticket", o.ticket(o.dials("+8613800000001", "", other.Number)).Number, other.Number)
	equal(t, "to a number with an open ticket", o.ticket(o.dials("+8613800000001", "support", 0)).Number, asked.Number)
	answered := o.dials("+8613800000001", "support", asked.Number)
	o.ends(answered, call.ResultAnswered)
	d := o.ticket(answered)
	if d.State != StateOpen || d.WaitingSince != nil || slices.ContainsFunc(d.Tasks, func(k Task) bool { return k.State == "open" }) {
		t.Errorf("who was reached waits no more: %s, %v, %+v", d.State, d.WaitingSince, d.Tasks)
	}
	equal(t, "history", o.kinds(asked.Number), "call call_ended task call owner call call_ended state task")
	equal(t, "owner", d.Owner.ID, o.agent.ID) // who called first; it was nobody's

	unknown := o.dials("+8613899999999", "sales", 0)
	o.ends(unknown, call.ResultUnreached)
	d = o.ticket(unknown)
	if d.Owner == nil || d.Owner.ID != o.agent.ID || d.Queue != "sales" || d.Party == nil || d.Party.Phone != "+8613899999999" || len(d.Tasks) != 0 || d.WaitingSince != nil {
		t.Errorf("the ticket of a call to a stranger: %+v", d)
	}
	equal(t, "subject", d.Subject, "Call to +86 138 9999 9999")
	equal(t, "direction", o.one(`select direction from interaction where call_id = $1`, unknown), "out")
	equal(t, "who took part", o.one(`select agent from call_agent where call_id = $1`, unknown), o.agent.ID)
	if list, err := o.Contacts(t.Context(), d.Party.ID, 5); err != nil || len(list) != 1 || list[0].Direction != "out" || list[0].Result != "unreached" {
		t.Errorf("contacts: %+v, %v", list, err)
	}
}

func TestWrapUpIsOnTheTimeline(t *testing.T) {
	o := open(t, Config{})
	o.exec(`insert into wrap_code (name, title) values ('solved', '{"en": "Solved", "zh-CN": "已解决"}')`)
	id := o.rings(aPhone(1), "support")
	o.ends(id, call.ResultAnswered)
	said := call.WrappedUp{Agent: o.agent.ID, AgentName: o.agent.Name, Queue: "support", Code: "solved", Note: "cable\x00 was loose " + strings.Repeat("长", 30_000), At: time.Now()}
	o.file(id, call.FactWrapUp, said)
	d := o.ticket(id)
	equal(t, "history", o.kinds(d.Number), "call call_ended state note wrap")
	equal(t, "row", o.one(`select concat_ws(' ', agent, ticket, code, title ->> 'zh-CN', auto) from call_wrap where call_id = $1`, id),
		fmt.Sprintf("%s %d solved 已解决 f", o.agent.ID, d.Number))
	p, err := o.Timeline(t.Context(), d.Number, TimelineQuery{Audience: Staff})
	if err != nil || p.Items[4].Actor.Name != o.agent.Name || !strings.Contains(string(p.Items[4].Data), `"code": "solved"`) || !strings.HasPrefix(p.Items[3].Interaction.Body, "cable was loose") {
		t.Errorf("%v, %s", err, p.Items[4].Data)
	}
	// Said again (the agent was too slow, and the time was up before): the last word stays.
	said.Code, said.Note, said.Auto = "", "", true
	o.file(id, call.FactWrapUp, said)
	o.settled()
	equal(t, "again", o.kinds(d.Number), "call call_ended state note wrap wrap")
	equal(t, "rows", o.one(`select count(*) || ' ' || max(code) from call_wrap`), "1 ")
	if list, err := o.List(t.Context(), Filter{Query: "loose"}); err != nil || len(list.Items) != 1 {
		t.Errorf("the note is not found: %d, %v", len(list.Items), err)
	}
}

func TestCallbacksEndWithTheirResult(t *testing.T) {
	o := open(t, Config{})
	asked := o.rings(aPhone(7), "support")
	o.file(asked, call.FactCallbackAsked, call.CallbackAsked{Phone: "+8613800000007", Queue: "support", JoinedAt: time.Now()})
	o.ends(asked, call.ResultCallback)
	number := o.ticket(asked).Number
	try := func(attempt int, result string) {
		t.Helper()
		id := o.dials("+8613800000007", "support", number)
		o.file(id, call.FactCallbackResult, call.CallbackResult{CallbackID: asked, Attempt: attempt, Attempts: 3, Agent: o.agent.ID, AgentName: o.agent.Name, Queue: "support",
			Phone: "+8613800000007", Ticket: number, Result: result, At: time.Now()})
		o.settled()
	}
	try(1, "busy")
	try(2, "answered")
	equal(t, "history", o.kinds(number), "call call_ended task call owner callback call callback task")
	equal(t, "task", o.one(`select state || ' ' || done_by from task`), "done "+o.agent.ID)
}

// matches are who a pop shows, in short.
func matches(p contacts.Pop) string {
	var list []string
	for _, m := range p.Matches {
		list = append(list, m.Name+":"+m.Level)
	}
	return strings.Join(list, " ")
}

func (o *office) pop(phone, callID string, see hotline.Scope) contacts.Pop {
	o.t.Helper()
	o.settled()
	p, err := o.Pop(o.t.Context(), contacts.Query{Phone: phone, CallID: callID, Agent: o.agent.ID, See: see})
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

func TestPopShowsWhoCallsAndWhy(t *testing.T) {
	o := open(t, Config{})
	ctx, all := t.Context(), hotline.Scope{All: true}
	const line = "+861088881234"
	ann, err := o.CreateParty(ctx, o.agent, NewParty{Name: "Ann", Company: "Acme", Phone: line})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.LinkPhone(ctx, o.agent, ann.ID, line, Verified); err != nil {
		t.Fatal(err)
	}
	bob, err := o.CreateParty(ctx, o.agent, NewParty{Name: "Bob", Phone: line})
	if err != nil {
		t.Fatal(err)
	}
	for i, queue := range []string{"support", "sales"} {
		d := o.create(NewTicket{Subject: "matter of " + queue, Queue: queue})
		who := []string{ann.ID, bob.ID}[i]
		if _, err := o.Update(ctx, o.agent, d.Number, Change{Version: d.Version, PartyID: &who}); err != nil {
			t.Fatal(err)
		}
	}
	// Several people share the number, and a trunk that we trust asserts it.
	id := o.rings(call.Party{Number: line, Display: "Ann?", Verified: true}, "support")
	p := o.pop(line, id, all)
	equal(t, "matches", matches(p), "Ann:verified Bob:known")
	equal(t, "open tickets", len(p.Open), 3)
	if p.Ticket == nil || p.Call == nil || !p.Call.Verified || p.Call.Queue != "support" || p.Call.Number != line {
		t.Errorf("%+v", p)
	}
	// The same number, claimed by whoever calls: nobody is taken for sure.
	claimed := o.rings(call.Party{Number: line}, "support")
	equal(t, "matches of a claim", matches(o.pop(line, claimed, all)), "Ann:maybe Bob:maybe")
	// An agent of one queue sees of the others only that there is the call itself.
	narrow := o.pop(line, id, hotline.Scope{Account: o.agent.ID, Queues: []string{"sales"}})
	if len(narrow.Open) != 1 || narrow.Open[0].Queue != "sales" || narrow.Ticket == nil || len(narrow.Contacts) != 0 {
		t.Errorf("in scope: %+v", narrow)
	}
	nobody := o.pop(line, id, hotline.Scope{})
	if len(nobody.Open) != 0 || nobody.Ticket == nil {
		t.Errorf("in no scope: %+v", nobody)
	}
	// Nobody knows this one, and that one does not say.
	stranger := o.rings(aPhone(99), "support")
	p = o.pop(aPhone(99).Number, stranger, all)
	if len(p.Matches) != 1 || p.Matches[0].Name != "" || p.Matches[0].Level != "maybe" || p.Ticket == nil || len(p.Contacts) != 0 {
		t.Errorf("a stranger: %+v", p)
	}
	withheld := o.rings(call.Party{Withheld: true}, "support")
	p = o.pop("anonymous", withheld, all)
	if len(p.Matches) != 0 || len(p.Open) != 0 || p.Ticket == nil || !p.Call.Withheld {
		t.Errorf("withheld: %+v", p)
	}
	if p := o.pop("+8613012345678", "", all); p.Call != nil || p.Ticket != nil || p.Matches == nil || p.Open == nil || p.Contacts == nil {
		t.Errorf("before there is a call: %+v", p)
	}
}

func TestPopShowsTheLastFiveContacts(t *testing.T) {
	o := open(t, Config{})
	var last string
	for range 8 {
		last = o.rings(aPhone(3), "support")
		o.ends(last, call.ResultAnswered)
	}
	p := o.pop(aPhone(3).Number, last, hotline.Scope{All: true})
	equal(t, "contacts", len(p.Contacts), 5)
	for i, c := range p.Contacts {
		if c.Kind != "call" || c.Direction != "in" || c.Result != "answered" || c.CallID == nil || *c.CallID == last || i > 0 && c.At.After(p.Contacts[i-1].At) {
			t.Errorf("%d: %+v", i, c)
		}
	}
}

// BenchmarkPop is a customer with a long history.
func BenchmarkPop(b *testing.B) {
	o := open(b, Config{})
	var id string
	for range 500 {
		id = o.rings(aPhone(4), "support")
		o.file(id, call.FactCallEnded, call.CallEnded{Result: call.ResultAnswered, At: time.Now()})
	}
	o.settled()
	q := contacts.Query{Phone: aPhone(4).Number, CallID: id, See: hotline.Scope{Account: o.agent.ID, Queues: []string{"support"}, Loose: true}}
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		if _, err := o.Pop(b.Context(), q); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
