package seed_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

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

// TestSeedIsWhatListsAndSearchesSee measures each list and search, and holds them to the product's bars.
func TestSeedIsWhatListsAndSearchesSee(t *testing.T) {
	pool, n := pgtest.New(t), size(t)
	start := time.Now()
	if err := seed.Seed(t.Context(), pool, n, 2*n); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d tickets and %d entries in %s", n, 2*n, time.Since(start).Round(time.Second))
	desk := tickets.New(pool, tickets.Config{})
	measure := func(name string, bar time.Duration, wantSome bool, f func(i int) (int, error)) {
		t.Helper()
		var took []time.Duration
		some := 0
		for i := range 30 {
			begin := time.Now()
			got, err := f(i)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			took = append(took, time.Since(begin))
			some += got
		}
		slices.Sort(took)
		p50, p95 := took[len(took)/2], took[len(took)*95/100]
		t.Logf("%-34s p50 %8s  p95 %8s  rows %d", name, p50.Round(10*time.Microsecond), p95.Round(10*time.Microsecond), some/30)
		if wantSome && some == 0 {
			t.Errorf("%s finds nothing", name)
		}
		if n >= 1_000_000 && p95 > bar {
			t.Errorf("%s takes %s, more than %s", name, p95, bar)
		}
	}
	var owner, party string
	if err := pool.QueryRow(t.Context(), `select owner_id::text, party_id::text from ticket where owner_id is not null and state = 'open' limit 1`).Scan(&owner, &party); err != nil {
		t.Fatal(err)
	}
	list := func(f tickets.Filter) func(int) (int, error) {
		return func(int) (int, error) { p, err := desk.List(t.Context(), f); return len(p.Items), err }
	}
	const bar = 20 * time.Millisecond
	measure("list", bar, true, list(tickets.Filter{}))
	measure("list state new", bar, true, list(tickets.Filter{States: []tickets.State{tickets.StateNew}}))
	measure("list new+open", bar, true, list(tickets.Filter{States: []tickets.State{tickets.StateNew, tickets.StateOpen}}))
	measure("list queue", bar, true, list(tickets.Filter{Queue: "sales"}))
	measure("list queue+open", bar, true, list(tickets.Filter{Queue: "sales", States: []tickets.State{tickets.StateOpen}}))
	measure("list owner", bar, true, list(tickets.Filter{Owner: owner}))
	measure("list owner+open", bar, true, list(tickets.Filter{Owner: owner, States: []tickets.State{tickets.StateOpen}}))
	measure("list nobody's", bar, true, list(tickets.Filter{Owner: "none"}))
	measure("list nobody's queue+new", bar, true, list(tickets.Filter{Owner: "none", Queue: "field", States: []tickets.State{tickets.StateNew}}))
	measure("list owner+queue+pending", bar, false, list(tickets.Filter{Owner: owner, Queue: "field", States: []tickets.State{tickets.StatePending}}))
	measure("list party", bar, true, list(tickets.Filter{Party: party}))
	deep := tickets.Filter{Limit: 200}
	measure("list, page after page", bar, true, func(int) (int, error) {
		p, err := desk.List(t.Context(), deep)
		if p.Next != nil {
			deep.Cursor = *p.Next
		}
		return len(p.Items), err
	})
	search := func(words ...string) func(int) (int, error) {
		return func(i int) (int, error) {
			p, err := desk.Search(t.Context(), tickets.SearchQuery{Query: words[i%len(words)], Audience: tickets.Staff})
			return len(p.Items), err
		}
	}
	rare := n >= 1_000_000
	measure("search rare word", 50*time.Millisecond, rare, search(seed.Rare[0]))
	measure("search rare zh2", 100*time.Millisecond, rare, search(seed.Rare[1]))
	measure("search common word", 50*time.Millisecond, true, search("refund", "printer", "contract"))
	measure("search zh2", 100*time.Millisecond, true, search("退款", "发票", "漏水", "预约"))
	measure("search zh2 across words", 100*time.Millisecond, true, search("款申", "票查", "机更"))
	measure("search name zh2", 100*time.Millisecond, true, search("欧阳", "王伟", "李娜"))
	measure("search two words", 50*time.Millisecond, true, search("refund printer", "leak 退款"))
	measure("search name and word", 50*time.Millisecond, true, search("欧阳 refund", "诸葛 退款"))
	measure("search phone end", 50*time.Millisecond, rare, func(i int) (int, error) { return search(fmt.Sprintf("%04d", 1000+37*i))(0) })
	measure("search phone begin", 50*time.Millisecond, rare, func(i int) (int, error) { return search(fmt.Sprintf("138%04d", 1000+37*i))(0) })
	measure("search 138", 50*time.Millisecond, true, search("138"))
	measure("search number", 50*time.Millisecond, true, func(i int) (int, error) { return search(fmt.Sprint(100_001+i))(0) })
	measure("search prefix", 50*time.Millisecond, true, search("ref", "prin", "con"))
	measure("search nothing", 50*time.Millisecond, false, search("nosuchword", "齉龘"))
	measure("list q common", 50*time.Millisecond, true, list(tickets.Filter{Query: "refund"}))
	measure("list q rare", 50*time.Millisecond, rare, list(tickets.Filter{Query: seed.Rare[0]}))
	measure("list q zh2 open", 100*time.Millisecond, true, list(tickets.Filter{Query: "退款", States: []tickets.State{tickets.StateOpen}}))
}
