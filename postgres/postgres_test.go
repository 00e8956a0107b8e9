package postgres_test

import (
	"testing"

	"hotline/postgres"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestMigrateTwiceIsHarmless(t *testing.T) {
	pool := pgtest.New(t)
	if err := postgres.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	var tables int
	if err := pool.QueryRow(t.Context(), `select count(*) from information_schema.tables where table_name in ('call', 'ticket', 'audit')`).Scan(&tables); err != nil {
		t.Fatal(err)
	}
	if tables != 3 {
		t.Errorf("%d of 3 tables are there", tables)
	}
}
