package tickets

import (
	"fmt"
	"slices"
	"testing"

	"hotline/call"
)

func TestSearchFinds(t *testing.T) {
	o := open(t, Config{})
	ctx := t.Context()
	id := o.rings(call.Party{Number: "+8613812345678"}, "support")
	d := o.ticket(id)
	name, company := "欧阳娜娜", "Société Générale"
	p, err := o.GetParty(ctx, d.Party.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.UpdateParty(ctx, o.agent, p.ID, PartyChange{Version: p.Version, Name: &name, Company: &company}); err != nil {
		t.Fatal(err)
	}
	subject := "退款申请 Refund of Straße invoice ＡＢＣ１２３"
	if _, err := o.Update(ctx, o.agent, d.Number, Change{Version: d.Version, Subject: &subject}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.AddNote(ctx, o.agent, d.Number, NewNote{Body: "打印机坏了，需要更换硒鼓。The DRUM-unit needs replacing"}); err != nil {
		t.Fatal(err)
	}
	o.create(NewTicket{Subject: "something else entirely", Phone: "13999990000"})
	for _, q := range []string{
		fmt.Sprint(d.Number), "退款", "款申", "退", "请", "退款申请", "refund", "REFU", "generale", "Générale", "société", "欧阳", "娜娜", "娜", "abc123", "ＡＢＣ",
		"5678", "678", "138", "1381", "13812345678", "+86 138 1234 5678", "8613812345678", "008613812345678", "013812345678", "138-1234-5678",
		"refund 退款", "欧阳 退款", "打印", "硒鼓", "drum", "drum unit", "打印机坏了", "欧阳 硒鼓", "refund straße 5678", "Drum repl",
	} {
		hits, err := o.Search(ctx, SearchQuery{Query: q, Audience: Staff})
		if err != nil {
			t.Fatal(q, err)
		}
		if !slices.ContainsFunc(hits.Items, func(h Hit) bool { return h.Ticket != nil && *h.Ticket == d.Number }) {
			t.Errorf("%q (%s) does not find the ticket: %+v", q, tsquery(q), hits.Items)
		}
		list, err := o.List(ctx, Filter{Query: q})
		if err != nil || len(list.Items) != 1 || list.Items[0].Number != d.Number {
			t.Errorf("the list with %q has %d tickets, %v", q, len(list.Items), err)
		}
	}
	for _, q := range []string{"退钱", "refund nothing", "567", "99", "efund", "", "!!", "' | 'x", "drum:*", "阳欧", `\`, "a & !b", "\x00", "<->"} {
		hits, err := o.Search(ctx, SearchQuery{Query: q, Audience: Staff})
		if err != nil {
			t.Errorf("%q: %v", q, err)
		}
		for _, h := range hits.Items {
			if h.Ticket != nil && *h.Ticket == d.Number && q != "drum:*" {
				t.Errorf("%q (%s) finds %+v", q, tsquery(q), h)
			}
		}
	}
	people, err := o.Parties(ctx, PartyFilter{Query: "欧阳"})
	if err != nil || len(people.Items) != 1 {
		t.Errorf("parties: %+v, %v", people, err)
	}
}

func TestSearchPages(t *testing.T) {
	o := open(t, Config{})
	d := o.create(NewTicket{Subject: "one"})
	for i := range 23 {
		if _, err := o.AddNote(t.Context(), o.agent, d.Number, NewNote{Body: fmt.Sprintf("needle %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	q := SearchQuery{Query: "needle", Audience: Staff, Limit: 5}
	for {
		p, err := o.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range p.Items {
			if seen[h.Ref] {
				t.Errorf("%s twice", h.Ref)
			}
			seen[h.Ref] = true
		}
		if p.Next == nil {
			break
		}
		q.Cursor = *p.Next
	}
	equal(t, "found", len(seen), 23)
}
