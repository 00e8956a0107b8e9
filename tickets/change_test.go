package tickets

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hotline"
	"hotline/call"
)

func (o *office) create(n NewTicket) Detail {
	o.t.Helper()
	d, err := o.Create(o.t.Context(), o.agent, n)
	if err != nil {
		o.t.Fatal(err)
	}
	return d
}

// TestStates walks tickets at random and holds them against a list of allowed steps of its own.
func TestStates(t *testing.T) {
	o := open(t, Config{})
	allowed := map[string]bool{}
	for _, s := range strings.Fields("new>open new>pending new>resolved new>closed open>pending open>resolved open>closed pending>open pending>resolved pending>closed resolved>open resolved>closed") {
		allowed[s] = true
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		d, err := o.Create(t.Context(), o.agent, NewTicket{Subject: fmt.Sprintf("walk %d", n), Phone: fmt.Sprintf("138%08d", n)})
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			to := rapid.SampledFrom(append([]State{"", "deleted"}, States...)).Draw(rt, "to")
			next, err := o.SetState(t.Context(), o.agent, d.Number, StateChange{State: to})
			if ok := allowed[string(d.State)+">"+string(to)]; ok != (err == nil) {
				rt.Fatalf("%s to %s: %v", d.State, to, err)
			}
			if err != nil {
				continue
			}
			if next.Version != d.Version+1 || next.State != to {
				rt.Fatalf("%+v after %+v", next.Ticket, d.Ticket)
			}
			d = next
		}
		if err := o.VerifyTicket(t.Context(), d.Number); err != nil {
			rt.Fatal(err)
		}
	})
	if _, err := o.pool.Exec(t.Context(), `update ticket set state = 'lost'`); err == nil {
		t.Error("the database takes any state")
	}
	if _, err := o.pool.Exec(t.Context(), `update ticket set state = 'closed', resolved_at = null where number = (select min(number) from ticket)`); err == nil {
		t.Error("the database takes a closed ticket that was never resolved")
	}
}

func TestClosingATicketEndsItsTasks(t *testing.T) {
	o := open(t, Config{})
	id := o.rings(aPhone(1), "support")
	o.ends(id, call.ResultAbandoned)
	d := o.ticket(id)
	equal(t, "task", d.Tasks[0].State, "open")
	d, err := o.SetState(t.Context(), o.agent, d.Number, StateChange{State: StateClosed})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "task of the closed ticket", d.Tasks[0].State, "cancelled")
	if d.NextDueAt != nil {
		t.Errorf("still due at %v", d.NextDueAt)
	}
	equal(t, "history", o.kinds(d.Number), "call call_ended task state task")
}

func TestUpdate(t *testing.T) {
	o := open(t, Config{})
	d := o.create(NewTicket{Subject: "Printer", Queue: "support", Phone: "13812345678", Body: "hello"})
	ptr := func(s string) *string { return &s }
	got, err := o.Update(t.Context(), o.agent, d.Number, Change{Version: d.Version, Subject: ptr("Printer  on fire\n"), Priority: ptr("urgent"), Queue: ptr("sales"), OwnerID: ptr(o.agent.ID), Category: ptr("hardware")})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "subject", got.Subject, "Printer  on fire")
	equal(t, "owner", got.Owner.Name, "王梅")
	equal(t, "version", got.Version, d.Version+1)
	equal(t, "history", o.kinds(d.Number), "created note subject priority queue category owner")
	_, err = o.Update(t.Context(), o.agent, d.Number, Change{Version: d.Version, Priority: ptr("low")})
	isKind(t, "old version", err, hotline.Conflict)
	same, err := o.Update(t.Context(), o.agent, d.Number, Change{Version: got.Version, Priority: ptr("urgent")})
	if err != nil || same.Version != got.Version {
		t.Errorf("a change that changes nothing: version %d, %v", same.Version, err)
	}
	for what, c := range map[string]Change{
		"priority": {Priority: ptr("whatever")}, "queue": {Queue: ptr("nowhere")}, "subject": {Subject: ptr(" \n")},
		"owner": {OwnerID: ptr("me")}, "owner id": {OwnerID: ptr(hotline.NewID())}, "NUL": {Queue: ptr("a\x00b")},
	} {
		c.Version = got.Version
		_, err := o.Update(t.Context(), o.agent, d.Number, c)
		if k := hotline.KindOf(err); k != hotline.Invalid && what != "NUL" {
			t.Errorf("%s: %v", what, err)
		}
	}
	none, err := o.Update(t.Context(), o.agent, d.Number, Change{Version: got.Version, OwnerID: ptr("")})
	if err != nil || none.Owner != nil {
		t.Errorf("owner %+v, %v", none.Owner, err)
	}
	_, err = o.Update(t.Context(), o.agent, 99, Change{})
	isKind(t, "unknown ticket", err, hotline.NotFound)
}

// TestOneOfManyTakesATicket is abuse 49: of those who take a ticket at once, one gets it and the others are told.
func TestOneOfManyTakesATicket(t *testing.T) {
	o := open(t, Config{})
	d := o.create(NewTicket{Subject: "one"})
	var won, told atomic.Int64
	var wait sync.WaitGroup
	for i := range 12 {
		a := o.account(fmt.Sprintf("a%d", i), fmt.Sprintf("Agent %d", i))
		wait.Add(1)
		go func() {
			defer wait.Done()
			_, err := o.Update(t.Context(), a, d.Number, Change{Version: d.Version, OwnerID: &a.ID})
			switch hotline.KindOf(err) {
			case "":
				won.Add(1)
			case hotline.Conflict:
				told.Add(1)
			default:
				t.Error(err)
			}
		}()
	}
	wait.Wait()
	equal(t, "won", won.Load(), 1)
	equal(t, "told", told.Load(), 11)
	equal(t, "history", o.kinds(d.Number), "created owner")
}

func TestDoubleSubmit(t *testing.T) { // abuse 49
	o := open(t, Config{})
	d := o.create(NewTicket{Subject: "one", Phone: "13812345678"})
	both := func(f func() error) (fine int) {
		var wait sync.WaitGroup
		var n atomic.Int64
		for range 6 {
			wait.Add(1)
			go func() {
				defer wait.Done()
				err := f()
				if err == nil {
					n.Add(1)
				} else if hotline.KindOf(err) != hotline.Conflict {
					t.Error(err)
				}
			}()
		}
		wait.Wait()
		return int(n.Load())
	}
	equal(t, "notes without a key", both(func() error {
		_, err := o.AddNote(t.Context(), o.agent, d.Number, NewNote{Body: "called back"})
		return err
	}), 1)
	var seqs sync.Map
	equal(t, "notes with a key", both(func() error {
		e, err := o.AddNote(t.Context(), o.agent, d.Number, NewNote{Body: "keyed", Key: "k1"})
		seqs.Store(e.Seq, true)
		return err
	}), 6)
	n := 0
	seqs.Range(func(any, any) bool { n++; return true })
	equal(t, "they are one", n, 1)
	equal(t, "tickets", both(func() error {
		_, err := o.Create(t.Context(), o.agent, NewTicket{Subject: "two", Phone: "13812345678"})
		return err
	}), 1)
	id := o.rings(aPhone(1), "support")
	o.ends(id, call.ResultAbandoned)
	task := o.ticket(id).Tasks[0]
	equal(t, "tasks", both(func() error { _, err := o.CompleteTask(t.Context(), o.agent, task.ID); return err }), 1)
	// Later, or by somebody else, the same words are a note again.
	o.clock = o.clock.Add(time.Minute)
	if _, err := o.AddNote(t.Context(), o.agent, d.Number, NewNote{Body: "called back"}); err != nil {
		t.Error(err)
	}
	if _, err := o.AddNote(t.Context(), o.account("b", "B"), d.Number, NewNote{Body: "called back"}); err != nil {
		t.Error(err)
	}
	equal(t, "history", o.kinds(d.Number), "created note note note note")
}

func TestNotes(t *testing.T) {
	o := open(t, Config{})
	d := o.create(NewTicket{Subject: "one"})
	for what, n := range map[string]NewNote{"empty": {}, "blank": {Body: " \r\n\t"}, "long": {Body: strings.Repeat("x", maxNote+1)}, "key": {Body: "x", Key: strings.Repeat("k", 101)}} {
		_, err := o.AddNote(t.Context(), o.agent, d.Number, n)
		isKind(t, what, err, hotline.Invalid)
	}
	e, err := o.AddNote(t.Context(), o.agent, d.Number, NewNote{Body: "line\r\nnext\x00 \u202e<b>界</b>\xff"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "body", e.Interaction.Body, "line\nnext \u202e<b>界</b>")
	equal(t, "author", e.Actor.Name, "王梅")
	equal(t, "internal", e.Interaction.Internal, true)
	_, err = o.AddNote(t.Context(), o.agent, 99, NewNote{Body: "x"})
	isKind(t, "unknown ticket", err, hotline.NotFound)
}

// TestInternalNotesNeverLeak is abuse 42: only an explicit word for staff shows a note.
func TestInternalNotesNeverLeak(t *testing.T) {
	o := open(t, Config{})
	id := o.rings(aPhone(1), "support")
	d := o.ticket(id)
	const secret = "dangerousdebtor"
	if _, err := o.AddNote(t.Context(), o.agent, d.Number, NewNote{Body: "he is a " + secret + " 危险客户"}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.SetState(t.Context(), o.agent, d.Number, StateChange{State: StatePending, Comment: "wait for " + secret}); err != nil {
		t.Fatal(err)
	}
	public, err := o.Timeline(t.Context(), d.Number, TimelineQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%+v", public); strings.Contains(s, secret) || strings.Contains(s, "王梅") {
		t.Errorf("the customer's timeline: %s", s)
	}
	for _, e := range public.Items {
		if e.Kind == "note" || e.Interaction != nil && e.Interaction.Internal {
			t.Errorf("the customer's timeline has %+v", e)
		}
	}
	if len(public.Items) != 2 {
		t.Errorf("the customer sees %d entries; the call and the state were expected", len(public.Items))
	}
	for _, q := range []string{secret, "危险"} {
		hits, err := o.Search(t.Context(), SearchQuery{Query: q})
		if err != nil || len(hits.Items) != 0 {
			t.Errorf("a customer's search for %s finds %+v, %v", q, hits.Items, err)
		}
		hits, err = o.Search(t.Context(), SearchQuery{Query: q, Audience: Staff})
		if err != nil || len(hits.Items) == 0 {
			t.Fatalf("staff find nothing for %s: %v", q, err)
		}
		for _, h := range hits.Items {
			if strings.Contains(h.Title+h.Snippet, secret) || !strings.Contains(h.Internal, q) {
				t.Errorf("hit %+v", h)
			}
		}
	}
	list, err := o.List(t.Context(), Filter{})
	if err != nil || strings.Contains(fmt.Sprintf("%+v", list.Items), secret) {
		t.Errorf("the list has the note, or fails: %v", err)
	}
	s, err := o.NewestOpen(t.Context(), aPhone(1).Number, "")
	if err != nil || strings.Contains(fmt.Sprintf("%+v", s), secret) {
		t.Errorf("the spoken status: %+v, %v", s, err)
	}
}

func TestListAndPages(t *testing.T) {
	o := open(t, Config{})
	want := map[int64]bool{}
	for i := range 25 {
		o.clock = o.clock.Add(time.Duration(i%3) * time.Millisecond) // some change in the same millisecond
		d := o.create(NewTicket{Subject: fmt.Sprintf("t %d", i), Queue: []string{"support", "sales"}[i%2], Phone: fmt.Sprintf("1381234%04d", i)})
		want[d.Number] = true
	}
	var last Ticket
	seen := map[int64]bool{}
	f := Filter{Limit: 4}
	for {
		p, err := o.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range p.Items {
			if seen[k.Number] || last.Number != 0 && (k.UpdatedAt.After(last.UpdatedAt) || k.UpdatedAt.Equal(last.UpdatedAt) && k.Number > last.Number) {
				t.Errorf("%d comes after %d", k.Number, last.Number)
			}
			seen[k.Number], last = true, k
		}
		if p.Next == nil {
			break
		}
		f.Cursor = *p.Next
	}
	equal(t, "seen", len(seen), len(want))
	count := func(what string, f Filter, n int) {
		t.Helper()
		f.Limit = 200
		p, err := o.List(t.Context(), f)
		if err != nil {
			t.Fatal(what, err)
		}
		equal(t, what, len(p.Items), n)
	}
	owned := last
	if _, err := o.Update(t.Context(), o.agent, owned.Number, Change{Version: owned.Version, OwnerID: &o.agent.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.SetState(t.Context(), o.agent, owned.Number, StateChange{State: StateOpen}); err != nil {
		t.Fatal(err)
	}
	count("queue", Filter{Queue: "support"}, 13)
	count("state", Filter{States: []State{StateNew}}, 24)
	count("states", Filter{States: []State{StateNew, StateOpen}}, 25)
	count("owner", Filter{Owner: o.agent.ID}, 1)
	count("nobody's", Filter{Owner: "none"}, 24)
	count("nobody's in queue and state", Filter{Owner: "none", Queue: "sales", States: []State{StateNew}}, 12)
	count("party", Filter{Party: owned.Party.ID}, 1)
	count("query", Filter{Query: "0007"}, 1)
	count("query and state", Filter{Query: "0007", States: []State{StateClosed}}, 0)
	count("all of nothing", Filter{Query: "!!"}, 0)
	for what, f := range map[string]Filter{"cursor": {Cursor: "x"}, "state": {States: []State{"lost"}}, "owner": {Owner: "'; --"}, "party": {Party: "1"}} {
		_, err := o.List(t.Context(), f)
		isKind(t, what, err, hotline.Invalid)
	}
}

func TestPartiesMergeAndKeepAliases(t *testing.T) {
	o := open(t, Config{})
	ctx := t.Context()
	a, b := o.ticket(o.rings(aPhone(1), "support")), o.ticket(o.rings(aPhone(2), "sales"))
	name := "张三"
	p, err := o.GetParty(ctx, a.Party.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.UpdateParty(ctx, o.agent, p.ID, PartyChange{Version: p.Version, Name: &name}); err != nil {
		t.Fatal(err)
	}
	_, err = o.UpdateParty(ctx, o.agent, p.ID, PartyChange{Version: p.Version, Name: &name})
	isKind(t, "old version", err, hotline.Conflict)
	var won, told atomic.Int64
	var wait sync.WaitGroup
	for range 4 { // abuse 49: two workers merge
		wait.Add(1)
		go func() {
			defer wait.Done()
			_, err := o.MergeParties(ctx, o.agent, a.Party.ID, b.Party.ID)
			if err == nil {
				won.Add(1)
			} else if hotline.KindOf(err) == hotline.Conflict {
				told.Add(1)
			} else {
				t.Error(err)
			}
		}()
	}
	wait.Wait()
	equal(t, "won, told", fmt.Sprint(won.Load(), told.Load()), "1 3")
	_, err = o.MergeParties(ctx, o.agent, b.Party.ID, a.Party.ID)
	isKind(t, "back again", err, hotline.Conflict)
	got, err := o.GetParty(ctx, a.Party.ID) // by the alias
	if err != nil || got.ID != b.Party.ID || got.Name != name || len(got.Identities) != 2 || len(got.Aliases) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	equal(t, "a call to the old number", o.ticket(o.rings(aPhone(1), "sales")).Number, b.Number)
	equal(t, "history", o.kinds(a.Number), "call party")
	list, err := o.Parties(ctx, PartyFilter{Query: "张三"})
	if err != nil || len(list.Items) != 1 || list.Items[0].ID != b.Party.ID {
		t.Errorf("%+v, %v", list, err)
	}
	all, err := o.Parties(ctx, PartyFilter{Limit: 1})
	if err != nil || len(all.Items) != 1 || all.Next != nil {
		t.Errorf("%+v, %v", all, err)
	}
	found, err := o.List(ctx, Filter{Party: a.Party.ID})
	if err != nil || len(found.Items) != 2 {
		t.Errorf("tickets of the alias: %d, %v", len(found.Items), err)
	}
}
