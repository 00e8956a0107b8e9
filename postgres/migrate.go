package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"hotline"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema up to date. Migrations go forward only; an advisory lock lets one process migrate while others wait.
// A database that a newer Hotline has migrated is refused: old code must not write into a schema it does not know.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	// Tried each second for two minutes: longer than any migration may take.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir,
		goose.WithSessionLocker(locker),
		// Each package has a range of numbers of its own, so a lower number may appear later.
		goose.WithAllowOutofOrder(true),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := refuseNewer(ctx, db, p); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		if Away(err) {
			return hotline.Errorf(hotline.Unavailable, "postgres.away", "database went away while migrating: %w", err)
		}
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func refuseNewer(ctx context.Context, db *sql.DB, p *goose.Provider) error {
	var there bool
	if err := db.QueryRowContext(ctx, `select to_regclass('goose_db_version') is not null`).Scan(&there); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if !there {
		return nil
	}
	var newest int64
	if err := db.QueryRowContext(ctx, `select coalesce(max(version_id), 0) from goose_db_version where is_applied`).Scan(&newest); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	sources := p.ListSources()
	if known := sources[len(sources)-1].Version; newest > known {
		return hotline.Errorf(hotline.Conflict, "postgres.newer_schema",
			"the database was migrated by a newer Hotline (schema %d, this program knows %d): start that version; nothing was changed", newest, known)
	}
	return nil
}
