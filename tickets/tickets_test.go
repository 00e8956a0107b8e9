package tickets

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
	"hotline/call/rows"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// office is a desk with a journal that runs, two queues and an account.
type office struct {
	*Desk
	t       testing.TB
	pool    *pgxpool.Pool
	journal *call.Journal
	agent   Actor
	clock   time.Time
}

func open(t testing.TB, cfg Config) *office {
	t.Helper()
	o := &office{t: t, pool: pgtest.New(t)}
	o.clock = time.Now()
	cfg.Now = func() time.Time { return o.clock }
	o.Desk = New(o.pool, cfg)
	j, err := rows.OpenJournal(call.JournalConfig{Dir: t.TempDir(), Pool: o.pool})
	if err != nil {
		t.Fatal(err)
	}
	o.journal = j
	o.Register(j)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		j.Close()
	})
	for _, q := range []string{"support", "sales"} {
		o.exec(`insert into queue (name, title) values ($1, '{}')`, q)
	}
	o.agent = o.account("mei", "王梅")
	return o
}

func (o *office) account(login, name string) Actor {
	a := Actor{ID: hotline.NewID(), Name: name, Role: "agent", Remote: "127.0.0.1"}
	o.exec(`insert into account (id, login, name, password_hash, role) values ($1, $2, $3, '', 'agent')`, a.ID, login, name)
	return a
}

func (o *office) exec(sql string, args ...any) {
	o.t.Helper()
	if _, err := o.pool.Exec(context.Background(), sql, args...); err != nil {
		o.t.Fatalf("%s: %v", sql, err)
	}
}

func (o *office) one(sql string, args ...any) (s string) {
	o.t.Helper()
	if err := o.pool.QueryRow(context.Background(), "select ("+sql+")::text", args...).Scan(&s); err != nil {
		o.t.Fatalf("%s: %v", sql, err)
	}
	return s
}

func (o *office) file(callID string, kind call.FactKind, payload any) {
	o.t.Helper()
	if err := o.journal.File(callID, kind, payload); err != nil {
		o.t.Fatal(err)
	}
}

// settled waits until all facts are applied, and fails when one was put aside.
func (o *office) settled() {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := o.journal.Flush(ctx); err != nil {
		o.t.Fatal(err)
	}
	if n := o.one(`select coalesce(string_agg(kind || ': ' || error, '; '), '') from fact_quarantine`); n != "" {
		o.t.Fatalf("facts in quarantine: %s", n)
	}
}

// rings files an inbound call.
func (o *office) rings(caller call.Party, queue string) string {
	o.t.Helper()
	id := hotline.NewID()
	o.file(id, call.FactCallStarted, call.CallStarted{Node: "n", Info: call.Info{LegID: hotline.NewID(), CallID: id, Direction: call.Inbound,
		Edge: "sip", Caller: caller, Dialled: "4000", Flow: "main", Queue: queue, Language: "zh-CN", ReceivedAt: time.Now().UTC()}})
	return id
}

func (o *office) ends(id string, result call.Result) {
	o.t.Helper()
	o.file(id, call.FactCallEnded, call.CallEnded{Result: result, Phase: call.PhaseQueued, At: time.Now().UTC()})
	o.settled()
}

// ticket is the ticket that a call is on.
func (o *office) ticket(callID string) Detail {
	o.t.Helper()
	o.settled()
	var n int64
	if err := o.pool.QueryRow(context.Background(), `select coalesce(ticket, 0) from call where id = $1`, callID).Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	d, err := o.Get(context.Background(), n)
	if err != nil {
		o.t.Fatal(err)
	}
	return d
}

// kinds is the history of a ticket in short: "call call_ended task".
func (o *office) kinds(number int64) string {
	o.t.Helper()
	p, err := o.Timeline(context.Background(), number, TimelineQuery{Audience: Staff, Limit: 200})
	if err != nil {
		o.t.Fatal(err)
	}
	var list []string
	for i, e := range p.Items {
		if e.Seq != int64(i+1) {
			o.t.Errorf("entry %d of ticket %d has number %d", i+1, number, e.Seq)
		}
		list = append(list, e.Kind)
	}
	if err := o.VerifyTicket(context.Background(), number); err != nil {
		o.t.Error(err)
	}
	return strings.Join(list, " ")
}

func aPhone(n int) call.Party { return call.Party{Number: fmt.Sprintf("+86138%08d", n)} }

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func isKind(t testing.TB, what string, err error, want hotline.Kind) {
	t.Helper()
	if got := hotline.KindOf(err); got != want {
		t.Errorf("%s: got %v (%s), want kind %s", what, err, got, want)
	}
}
