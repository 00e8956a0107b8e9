package seed_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/deploy/bench/seed"
	"hotline/postgres/pgtest"
	"hotline/tickets"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// size is how many tickets are made: few in the suite, HOTLINE_SEED=1000000 for the figures of the product.
func size(t testing.TB) int {
	n, err := strconv.Atoi(os.Getenv("HOTLINE_SEED"))
	if err != nil {
		return 6000
	}
	return n
}

// stopwatch measures one list or search after the other.
type stopwatch struct {
	*testing.T
	n int
}

// holds runs f thirty times and holds it to a bar, which is that of a million tickets.
func (s stopwatch) holds(name string, bar time.Duration, wantSome bool, f func(i int) (int, error)) {
	s.Helper()
	var took []time.Duration
	some := 0
	for i := range 30 {
		begin := time.Now()
		got, err := f(i)
		if err != nil {
			s.Fatalf("%s: %v", name, err)
		}
		took = append(took, time.Since(begin))
		some += got
	}
	slices.Sort(took)
	p50, p95 := took[len(took)/2], took[len(took)*95/100]
	s.Logf("%-28s p50 %8s  p95 %8s  rows %d", name, p50.Round(10*time.Microsecond), p95.Round(10*time.Microsecond), some/30)
	if wantSome && some == 0 {
		s.Errorf("%s finds nothing", name)
	}
	if s.n >= 1_000_000 && p95 > bar {
		s.Errorf("%s takes %s, more than %s", name, p95, bar)
	}
}

// TestSeedIsWhatListsAndSearchesSee measures each list and search, and holds them to the product's bars.
func TestSeedIsWhatListsAndSearchesSee(t *testing.T) {
	pool, n := pgtest.New(t), size(t)
	start := time.Now()
	if err := seed.Seed(t.Context(), pool, n, 2*n); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d tickets and %d entries in %s", n, 2*n, time.Since(start).Round(time.Second))
	var owner, party string
	if err := pool.QueryRow(t.Context(), `select owner_id::text, party_id::text from ticket where owner_id is not null and state = 'open' limit 1`).Scan(&owner, &party); err != nil {
		t.Fatal(err)
	}
	var indexes int
	if err := pool.QueryRow(t.Context(), `select count(*) from pg_indexes where tablename in ('ticket', 'search_doc')`).Scan(&indexes); err != nil || indexes < 9 {
		t.Errorf("%d indexes came back, %v", indexes, err)
	}
	desk, s := tickets.New(pool, tickets.Config{}), stopwatch{t, n}
	lists(s, desk, owner, party)
	searches(s, desk)
	inScope(s, desk, owner, party)
}

// TestSeedTokensAreTheProducts compares a sample of the documents with what the product's tokeniser makes of the rows they stand for.
func TestSeedTokensAreTheProducts(t *testing.T) {
	pool := pgtest.New(t)
	if err := seed.Seed(t.Context(), pool, 500, 1000); err != nil {
		t.Fatal(err)
	}
	rows, err := pool.Query(t.Context(), `
		select d.kind, array_remove(array[t.number::text, case d.kind when 'note' then i.body else t.subject end, p.name], null), n.value, tsvector_to_array(d.tokens)
		from search_doc d
		left join ticket t on t.number = d.ticket
		left join interaction i on i.id::text = d.ref
		join party p on p.id = coalesce(t.party_id, case when d.kind = 'party' then d.ref::uuid end)
		join party_identity pi on pi.party_id = p.id
		join identity n on n.id = pi.identity_id`)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	var kind, phone string
	var texts, tokens []string
	if _, err := pgx.ForEachRow(rows, []any{&kind, &texts, &phone, &tokens}, func() error {
		seen[kind]++
		slices.Sort(tokens)
		if want := tickets.Tokens(texts, []string{phone}); !slices.Equal(tokens, want) {
			t.Errorf("%s of %q, %s:\n got %q\nwant %q", kind, texts, phone, tokens, want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if seen["ticket"] != 500 || seen["note"] != 1000 || seen["party"] != 166 {
		t.Errorf("compared %v", seen)
	}
}

func lists(s stopwatch, desk *tickets.Desk, owner, party string) {
	const bar = 20 * time.Millisecond
	open, fresh := []tickets.State{tickets.StateOpen}, []tickets.State{tickets.StateNew}
	for _, c := range []struct {
		name string
		some bool
		f    tickets.Filter
	}{
		{"list", true, tickets.Filter{}},
		{"list state new", true, tickets.Filter{States: fresh}},
		{"list new+open", true, tickets.Filter{States: []tickets.State{tickets.StateNew, tickets.StateOpen}}},
		{"list queue", true, tickets.Filter{Queue: "sales"}},
		{"list queue+open", true, tickets.Filter{Queue: "sales", States: open}},
		{"list owner", true, tickets.Filter{Owner: owner}},
		{"list owner+open", true, tickets.Filter{Owner: owner, States: open}},
		{"list nobody's", true, tickets.Filter{Owner: "none"}},
		{"list nobody's queue+new", true, tickets.Filter{Owner: "none", Queue: "field", States: fresh}},
		{"list owner+queue+pending", false, tickets.Filter{Owner: owner, Queue: "field", States: []tickets.State{tickets.StatePending}}},
		{"list party", true, tickets.Filter{Party: party}},
	} {
		s.holds(c.name, bar, c.some, func(int) (int, error) { p, err := desk.List(s.Context(), c.f); return len(p.Items), err })
	}
	deep := tickets.Filter{Limit: 200}
	s.holds("list, page after page", bar, true, func(int) (int, error) {
		p, err := desk.List(s.Context(), deep)
		if p.Next != nil {
			deep.Cursor = *p.Next
		}
		return len(p.Items), err
	})
	for name, q := range map[string]string{"list q common": "refund", "list q zh2": "退款", "list q name and word": "欧阳 refund"} {
		some := s.n >= 1_000_000 || !strings.Contains(q, " ") // few tickets may hold no open one with both
		s.holds(name, 100*time.Millisecond, some, func(int) (int, error) {
			p, err := desk.List(s.Context(), tickets.Filter{Query: q, States: open})
			return len(p.Items), err
		})
	}
}

// inScope measures the lists as they are for an agent of two queues and for one of a queue that has little.
func inScope(s stopwatch, desk *tickets.Desk, owner, party string) {
	const bar = 20 * time.Millisecond
	open := []tickets.State{tickets.StateOpen}
	for name, see := range map[string]hotline.Scope{
		"two queues": {Account: owner, Queues: []string{"sales", "field"}, Loose: true},
		"own":        {Account: owner},
	} {
		desk, search := desk.For(see), 100*time.Millisecond
		if len(see.Queues) == 0 {
			search *= 2 // of all that bears a word, next to nothing is theirs: each has to be looked at
		}
		for what, f := range map[string]tickets.Filter{
			"list": {}, "list open": {States: open}, "list new+open": {States: []tickets.State{tickets.StateNew, tickets.StateOpen}}, "list nobody's": {Owner: "none"},
			"list queue": {Queue: "sales"}, "list a queue of others": {Queue: "support"}, "list owner": {Owner: owner}, "list party": {Party: party},
		} {
			s.holds(name+": "+what, bar, false, func(int) (int, error) { p, err := desk.List(s.Context(), f); return len(p.Items), err })
		}
		for what, q := range map[string]string{"common word": "refund", "zh2": "退款", "rare": seed.Rare[0]} {
			s.holds(name+": list with "+what, search, false, func(int) (int, error) {
				p, err := desk.List(s.Context(), tickets.Filter{Query: q, States: open})
				return len(p.Items), err
			})
			s.holds(name+": search "+what, search, false, func(int) (int, error) {
				p, err := desk.Search(s.Context(), tickets.SearchQuery{Query: q, Audience: tickets.Staff})
				return len(p.Items), err
			})
		}
	}
}

func searches(s stopwatch, desk *tickets.Desk) {
	const word, zh2 = 50 * time.Millisecond, 100 * time.Millisecond
	big := s.n >= 1_000_000 // only then is what is rare there at all
	find := func(words ...string) func(int) (int, error) {
		return func(i int) (int, error) {
			p, err := desk.Search(s.Context(), tickets.SearchQuery{Query: words[i%len(words)], Audience: tickets.Staff})
			return len(p.Items), err
		}
	}
	s.holds("search rare word", word, big, find(seed.Rare[0]))
	s.holds("search rare zh2", zh2, big, find(seed.Rare[1]))
	s.holds("search common word", word, true, find("refund", "printer", "contract"))
	s.holds("search zh2", zh2, true, find("退款", "发票", "漏水", "预约"))
	s.holds("search zh2 across words", zh2, true, find("款申", "票查", "机更"))
	s.holds("search name zh2", zh2, true, find("欧阳", "王伟", "李娜"))
	s.holds("search two words", word, true, find("refund printer", "leak 退款"))
	s.holds("search name and word", zh2, true, find("欧阳 refund", "诸葛 退款"))
	s.holds("search phone end", word, big, func(i int) (int, error) { return find(fmt.Sprintf("%04d", 1000+37*i))(0) })
	s.holds("search phone begin", word, big, func(i int) (int, error) { return find(fmt.Sprintf("158%04d", 1000+37*i))(0) })
	s.holds("search 138", word, true, find("138"))
	s.holds("search number", word, true, func(i int) (int, error) { return find(fmt.Sprint(100_001 + i))(0) })
	s.holds("search prefix", word, true, find("ref", "prin", "con"))
	s.holds("search nothing", word, false, find("nosuchword", "齉龘"))
}
