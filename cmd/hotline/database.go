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
	url := c.DatabaseURL
	if url == "" {
		if running, err := postgres.AttachURL(c.DataDir); err == nil {
			url = running
		}
	}
	if url == "" {
		server, err := postgres.Start(ctx, postgres.Config{DataDir: c.DataDir, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		defer server.Close()
		url = server.URL()
	}
	pool, err := postgres.Connect(ctx, url)
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
