package tickets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"hotline"
	"hotline/call"
)

// tamper runs SQL as somebody who owns the database would, without triggers.
func (o *office) tamper(sql string, args ...any) {
	o.t.Helper()
	tx, err := o.pool.Begin(context.Background())
	if err != nil {
		o.t.Fatal(err)
	}
	defer tx.Rollback(context.Background()) // no-op once committed
	if _, err := tx.Exec(context.Background(), `set local session_replication_role = replica`); err != nil {
		o.t.Fatal(err)
	}
	tag, err := tx.Exec(context.Background(), sql, args...)
	if err != nil {
		o.t.Fatal(err)
	}
	if tag.RowsAffected() == 0 {
		o.t.Fatalf("%s changed nothing", sql)
	}
	if err := tx.Commit(context.Background()); err != nil {
		o.t.Fatal(err)
	}
}

func TestTamperingIsDetected(t *testing.T) { // abuse 50
	o := open(t, Config{})
	for what, sql := range map[string]string{
		"what was said":          `update ticket_event set data = '{"from": "new", "to": "closed"}' where ticket = $1 and seq = 3`,
		"who did it":             `update ticket_event set actor_name = 'somebody' where ticket = $1 and seq = 3`,
		"when":                   `update ticket_event set at = at + interval '1 microsecond' where ticket = $1 and seq = 3`,
		"what kind":              `update ticket_event set kind = 'priority' where ticket = $1 and seq = 3`,
		"of what":                `update ticket_event set interaction_id = null where ticket = $1 and seq = 2`,
		"an entry left out":      `delete from ticket_event where ticket = $1 and seq = 2`,
		"the last one":           `delete from ticket_event where ticket = $1 and seq = 4`,
		"all":                    `delete from ticket_event where ticket = $1`,
		"the first":              `delete from ticket_event where ticket = $1 and seq = 1`,
		"one put in":             `insert into ticket_event (ticket, seq, kind, at, hash) select $1, 5, 'note', now(), last_hash from ticket where number = $1`,
		"two exchanged":          `update ticket_event set seq = 7 - seq where ticket = $1 and seq in (3, 4)`,
		"a note rewritten":       `update interaction set body = 'all is well' where id = (select interaction_id from ticket_event where ticket = $1 and seq = 2)`,
		"its salt":               `update interaction set data = '{}' where id = (select interaction_id from ticket_event where ticket = $1 and seq = 2)`,
		"a false erasure":        `update ticket_event set data = jsonb_build_object('erased', encode(sha256(convert_to(data::text, 'UTF8')), 'hex')) where ticket = $1 and seq = 3`,
		"the head":               `update ticket set last_hash = '\x00' where number = $1`,
		"entries of two tickets": `update ticket_event set hash = '\xff' where ticket = $1 and seq = 4`,
	} {
		d := o.create(NewTicket{Subject: what})
		if _, err := o.AddNote(t.Context(), o.agent, d.Number, NewNote{Body: what}); err != nil {
			t.Fatal(err)
		}
		for _, s := range []State{StateOpen, StateResolved} {
			if _, err := o.SetState(t.Context(), o.agent, d.Number, StateChange{State: s}); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.VerifyTicket(t.Context(), d.Number); err != nil {
			t.Fatalf("before: %v", err)
		}
		if what == "two exchanged" {
			o.tamper(`update ticket_event set seq = seq + 100 where ticket = $1 and seq in (3, 4)`, d.Number)
			sql = `update ticket_event set seq = case seq when 103 then 4 else 3 end where ticket = $1 and seq > 100`
		}
		o.tamper(sql, d.Number)
		var bad *Tampered
		if err := o.VerifyTicket(t.Context(), d.Number); !errors.As(err, &bad) || bad.Ticket != d.Number {
			t.Errorf("%s: %v", what, err)
		}
	}
	isKind(t, "unknown", o.VerifyTicket(t.Context(), 1), hotline.NotFound)
}

func TestHistoriesAreAppendOnly(t *testing.T) {
	o := open(t, Config{})
	d := o.create(NewTicket{Subject: "one"})
	if err := o.Audit(t.Context(), o.agent, NewAudit{Action: "x", Subject: "y"}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`update ticket_event set kind = 'x'`, `delete from ticket_event`, `truncate ticket_event`, `update audit set actor = 'x'`, `delete from audit`, `truncate audit`,
		fmt.Sprintf(`delete from ticket where number = %d`, d.Number)} {
		if _, err := o.pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s is allowed", sql)
		}
	}
}

// TestChainsDoNotFork appends from many sides, at random.
func TestChainsDoNotFork(t *testing.T) {
	o := open(t, Config{})
	numbers := []int64{o.create(NewTicket{Subject: "one"}).Number, o.create(NewTicket{Subject: "two"}).Number}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		if round > 12 {
			return // each round is hundreds of transactions
		}
		writers := rapid.IntRange(2, 8).Draw(rt, "writers")
		var wait sync.WaitGroup
		for w := range writers {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for i := range 6 {
					n := numbers[(w+i)%len(numbers)]
					if _, err := o.AddNote(t.Context(), o.agent, n, NewNote{Body: fmt.Sprintf("%d %d %d 界", round, w, i)}); err != nil {
						t.Error(err)
					}
					if err := o.Audit(t.Context(), o.agent, NewAudit{Action: "recording.play", Subject: fmt.Sprint("recording:", w), Data: map[string]any{"i": i, "f": 0.1}}); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		wait.Wait()
		for _, n := range numbers {
			if err := o.VerifyTicket(t.Context(), n); err != nil {
				rt.Fatal(err)
			}
		}
		if err := o.VerifyAudit(t.Context()); err != nil {
			rt.Fatal(err)
		}
	})
	equal(t, "audit without gaps", o.one(`select max(seq) - count(*) from audit`), "0")
}

func TestAuditTampering(t *testing.T) {
	o := open(t, Config{})
	for i := range 5 {
		if err := o.Audit(t.Context(), Actor{ID: "token:x", Name: "数", Remote: "::1"}, NewAudit{Action: "login.failed", Subject: fmt.Sprint("account:", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.VerifyAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, next, err := o.AuditLog(t.Context(), AuditFilter{Limit: 2})
	if err != nil || len(list) != 2 || list[0].Seq != 5 || next != 4 {
		t.Fatalf("%+v %d %v", list, next, err)
	}
	list, next, err = o.AuditLog(t.Context(), AuditFilter{Subject: "account:1", Before: next})
	if err != nil || len(list) != 1 || next != 0 {
		t.Fatalf("%+v %d %v", list, next, err)
	}
	for _, sql := range []string{`update audit set actor = 'x' where seq = 2`, `delete from audit where seq = 5`, `delete from audit where seq = 1`} {
		tx, err := o.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.Background())
		for _, s := range []string{`set local session_replication_role = replica`, `create table kept as select * from audit`, sql} {
			if _, err := tx.Exec(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		var bad *Tampered
		if err := o.VerifyAudit(t.Context()); !errors.As(err, &bad) {
			t.Errorf("%s: %v", sql, err)
		}
		o.tamper(`delete from audit`)
		o.tamper(`insert into audit overriding system value select * from kept`)
		o.exec(`drop table kept`)
		if err := o.VerifyAudit(t.Context()); err != nil {
			t.Fatal("put back: ", err)
		}
	}
}

// TestErasureIsReal is the other half of abuse 50: it looks for the person in every text column of the database.
func TestErasureIsReal(t *testing.T) {
	o := open(t, Config{})
	ctx := t.Context()
	const number, name, said = "+8613987654321", "诸葛亮", "zhugeliangssecret"
	id := o.rings(call.Party{Number: number, Display: name}, "support")
	o.file(id, call.FactCallStep, call.CallStep{Node: "pin", Kind: "collect", Digits: "987654"})
	o.file(id, call.FactCallbackAsked, call.CallbackAsked{Phone: number})
	o.ends(id, call.ResultAbandoned)
	d := o.ticket(id)
	o.exec(`insert into sip_message (call_id, seq, at, sent, transport, local, remote, summary, body) values ($1, 1, now(), false, 'udp', 'a', 'b', 'INVITE', $2)`, id, "From: "+name+number)
	o.exec(`insert into recording (id, call_id, kind, state, file, channels, started_at) values ($1, $2, 'call', 'complete', 'x', 2, now())`, hotline.NewID(), id)
	p, err := o.GetParty(ctx, d.Party.ID)
	if err != nil {
		t.Fatal(err)
	}
	n := name
	if _, err := o.UpdateParty(ctx, o.agent, p.ID, PartyChange{Version: p.Version, Name: &n, Notes: &n}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.AddNote(ctx, o.agent, d.Number, NewNote{Body: said + " " + name, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	subject := name + " " + said
	if _, err := o.Update(ctx, o.agent, d.Number, Change{Version: d.Version, Subject: &subject}); err != nil {
		t.Fatal(err)
	}
	old := o.ticket(o.rings(aPhone(3), "sales")) // an alias, and somebody else's ticket
	if _, err := o.MergeParties(ctx, o.agent, old.Party.ID, p.ID); err != nil {
		t.Fatal(err)
	}
	other := o.ticket(o.rings(aPhone(4), "sales"))
	if err := o.Erase(ctx, o.agent, p.ID); err != nil {
		t.Fatal(err)
	}
	for _, needle := range []string{"13987654321", "12345678931", name, said, "诸葛", "987654", "13800000003"} {
		if where := o.everywhere(needle); where != "" {
			t.Errorf("%s is still in %s", needle, where)
		}
	}
	if err := o.VerifyTicket(ctx, d.Number); err != nil {
		t.Errorf("the history does not hold any more: %v", err)
	}
	if err := o.VerifyAudit(ctx); err != nil {
		t.Error(err)
	}
	for _, id := range []string{p.ID, old.Party.ID} {
		_, err = o.GetParty(ctx, id)
		isKind(t, "party", err, hotline.NotFound)
	}
	isKind(t, "again", o.Erase(ctx, o.agent, p.ID), hotline.NotFound)
	got, err := o.Get(ctx, d.Number)
	if err != nil || got.Party != nil || got.Subject != erasedSubject {
		t.Errorf("%+v, %v", got, err)
	}
	equal(t, "recordings expire", o.one(`select bool_and(expires_at <= now() + interval '1 minute') from recording`), "true")
	equal(t, "how the call went stays", got.Calls[0].Result, call.ResultAbandoned)
	equal(t, "others stay", o.ticket(o.one2call(other.Number)).Party.Phone, aPhone(4).Number)
}

func (o *office) one2call(number int64) string {
	return o.one(`select id from call where ticket = $1 limit 1`, number)
}

// everywhere names the columns that hold a text.
func (o *office) everywhere(needle string) string {
	o.t.Helper()
	rows, err := o.pool.Query(context.Background(), `
		select table_name, column_name from information_schema.columns
		where table_schema = 'public' and data_type in ('text', 'jsonb', 'tsvector', 'character varying', 'ARRAY') order by 1, 2`)
	if err != nil {
		o.t.Fatal(err)
	}
	var table, column string
	var columns [][2]string
	for rows.Next() {
		if err := rows.Scan(&table, &column); err != nil {
			o.t.Fatal(err)
		}
		columns = append(columns, [2]string{table, column})
	}
	if len(columns) < 50 {
		o.t.Fatalf("only %d columns were looked at", len(columns))
	}
	var found []string
	for _, c := range columns {
		if o.one(fmt.Sprintf(`select exists (select from %q where strpos(%q::text, $1) > 0)`, c[0], c[1]), needle) == "true" {
			found = append(found, c[0]+"."+c[1])
		}
	}
	return strings.Join(found, ", ")
}
