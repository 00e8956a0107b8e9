// Package login says who is asking: accounts with argon2id passwords, sessions of browsers, API tokens, and the one table of what
// each role may do.
//
// It owns the tables account, session and api_token. Of a session or token only the SHA-256 is stored, so that a copy of the database
// opens nothing. Attempts to log in are slowed per source and login, and nobody is locked out by what others do. It knows no HTTP:
// cookies, headers and status codes are package web's, and so is the audit of what happened.
//
// Start reading at [Gate.Login] and [Role.May].
package login

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Gate lets people and programs in. It is safe for concurrent use.
type Gate struct {
	pool     *pgxpool.Pool
	throttle *throttle
	tokens   *tokenCache
	now      func() time.Time
}

// New returns the gate of a database.
func New(pool *pgxpool.Pool) *Gate { return newGate(pool, time.Now) }

func newGate(pool *pgxpool.Pool, now func() time.Time) *Gate {
	return &Gate{
		pool:     pool,
		throttle: newThrottle(now),
		tokens:   &tokenCache{found: map[[sha256.Size]byte]foundToken{}},
		now:      now,
	}
}

// Run removes expired sessions every few minutes until ctx ends.
func (g *Gate) Run(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		if err := sweep(ctx, g.pool, g.now()); err != nil && ctx.Err() == nil {
			log.Warn("expired sessions stay for now", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
