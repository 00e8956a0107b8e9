package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/postgres"
)

// withDatabase runs f on the configured database, migrated: the user's server, the cluster of a Hotline that runs on the same data
// folder, or else that cluster started for as long as f takes.
func withDatabase(ctx context.Context, c config, f func(pool *pgxpool.Pool) error) error {
	server, err := postgres.Attach(ctx, postgres.Config{URL: c.DatabaseURL, DataDir: c.DataDir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer server.Close()
	pool, err := postgres.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.Migrate(ctx, pool); err != nil {
		return err
	}
	return f(pool)
}

func runMigrate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs, load := flags("migrate", stderr)
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, err := load()
	if err != nil {
		return err
	}
	return withDatabase(ctx, c, func(*pgxpool.Pool) error {
		_, err := fmt.Fprintln(stdout, "the database has the schema of hotline "+versionText())
		return err
	})
}
