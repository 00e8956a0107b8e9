package login

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/postgres/pgtest"
)

// manyTokens is a database with 20,000 tokens, and the secret of one more.
func manyTokens(t testing.TB) (pool *pgxpool.Pool, secret string) {
	t.Helper()
	pool = pgtest.New(t)
	_, err := pool.Exec(t.Context(), `insert into api_token (id, name, token_hash, role)
		select gen_random_uuid(), 'load ' || i, sha256(('x' || i)::bytea), 'agent' from generate_series(1, 20000) i`)
	if err == nil {
		_, err = pool.Exec(t.Context(), "analyze api_token")
	}
	if err == nil {
		secret, err = CreateToken(t.Context(), pool, "mine", Agent)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pool, secret
}

// A token costs one row of the index, however many there are; found once, it costs no question to the database for a while.
func TestTokenLookupIsCheap(t *testing.T) {
	pool, secret := manyTokens(t)
	rows, err := pool.Query(t.Context(), "explain "+findToken, tokenHash(secret))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	plan := strings.Join(lines, "\n")
	if err != nil || !strings.Contains(plan, "Index Scan using api_token_token_hash_key") || strings.Contains(plan, "Seq Scan") {
		t.Errorf("the plan does not use the index of hashes (%v):\n%s", err, plan)
	}
	now := time.Now()
	g := newGate(pool, func() time.Time { return now })
	if _, err := g.Bearer(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	pool.Close()
	if tok, err := g.Bearer(t.Context(), secret); err != nil || tok.Name != "mine" {
		t.Errorf("from memory, without a database: %+v, %v", tok, err)
	}
	now = now.Add(tokenLife)
	if _, err := g.Bearer(t.Context(), secret); err == nil || errors.Is(err, ErrNoSession) {
		t.Errorf("after %s the database is not asked again, or its absence taken for a wrong token: %v", tokenLife, err)
	}
}

func BenchmarkTokenLookup(b *testing.B) {
	pool, secret := manyTokens(b)
	g := New(pool)
	for _, from := range []string{"database", "memory"} {
		b.Run(fmt.Sprint("from=", from), func(b *testing.B) {
			for b.Loop() {
				if from == "database" {
					clear(g.tokens.found)
				}
				if _, err := g.Bearer(b.Context(), secret); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
