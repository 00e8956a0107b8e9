package journal

import (
	"context"
	"testing"

	"hotline"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// What was applied long ago is forgotten, and nothing younger.
func TestPrune(t *testing.T) {
	pool := pgtest.New(t)
	j, err := Open(Config{Dir: t.TempDir(), Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	old, young := hotline.NewID(), hotline.NewID()
	if _, err := pool.Exec(t.Context(), `insert into fact_applied (id, at) values ($1, now() - interval '4 days'), ($2, now() - interval '2 days')`, old, young); err != nil {
		t.Fatal(err)
	}
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	j.prune(dead) // it says so, and that is all
	for _, want := range []int{2, 1} {
		var n int
		if err := pool.QueryRow(t.Context(), `select count(*) from fact_applied where id in ($1, $2)`, old, young).Scan(&n); err != nil || n != want {
			t.Fatalf("%d rows, want %d: %v", n, want, err)
		}
		j.prune(t.Context())
	}
}
