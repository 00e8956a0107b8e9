package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
)

// DB is what a statement needs: a pool, a connection and a transaction are all a DB.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// maxConns is the size of a pool whose URL does not say pool_max_conns. Calls never wait for the database, so the pool serves the
// journal, the console and a few listeners.
const maxConns = 16

// quickConns is how many connections wait for calls.
const quickConns = 4

// ConnectQuick opens a pool for the few statements for which a call waits. Its connections stay open, and each statement is planned
// once: a caller must not wait for either.
func ConnectQuick(ctx context.Context, url string) (*pgxpool.Pool, error) {
	return connect(ctx, url, func(cfg *pgxpool.Config) {
		cfg.MaxConns, cfg.MinConns = quickConns, quickConns
		cfg.ConnConfig.RuntimeParams["application_name"] = "hotline calls"
		cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
		cfg.ConnConfig.RuntimeParams["jit"] = "off"
	})
}

// Connect opens a pool and checks that the server answers. The error is of kind Invalid for a URL that cannot be read and
// Unavailable when there is no answer.
func Connect(ctx context.Context, url string) (*pgxpool.Pool, error) {
	return connect(ctx, url, func(*pgxpool.Config) {})
}

func connect(ctx context.Context, url string, adjust func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx hides the password in its message.
		return nil, hotline.Errorf(hotline.Invalid, "postgres.url", "database URL cannot be read: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = maxConns
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "hotline"
	}
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	adjust(cfg)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, hotline.Errorf(hotline.Unavailable, "postgres.away", "database cannot be reached: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, hotline.Errorf(hotline.Unavailable, "postgres.away", "database cannot be reached: %w", err)
	}
	return pool, nil
}

// beginner is a pool, a connection or a transaction (which makes a savepoint).
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// txTries is how often [Tx] runs its function when PostgreSQL picks it as the victim of a deadlock or serialisation failure.
const txTries = 3

// Tx runs f in a transaction and commits it, or rolls it back when f returns an error or panics. f may run more than once: a
// deadlock or serialisation failure starts it again, so it must have no effect but on the transaction.
func Tx(ctx context.Context, db beginner, f func(pgx.Tx) error) error {
	var err error
	for range txTries {
		err = pgx.BeginFunc(ctx, db, f)
		if !retriable(err) {
			return err
		}
	}
	return err
}

func retriable(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && (pe.Code == "40001" || pe.Code == "40P01")
}

// Away says whether err means that the server could not be reached or went away, as opposed to having refused a statement. What was
// asked may be asked again later.
func Away(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		// Class 08: connection; 57P0x: shutting down, crashed, starting up; 53300: too many connections.
		return strings.HasPrefix(pe.Code, "08") || strings.HasPrefix(pe.Code, "57P") || pe.Code == "53300"
	}
	var ce *pgconn.ConnectError
	var ne net.Error
	return errors.As(err, &ce) || errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed")
}
