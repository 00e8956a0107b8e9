package routes

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/postgres"
	"hotline/trunks/e164"
)

// Config of a [Book].
type Config struct {
	Pool    *pgxpool.Pool
	Country string           // of numbers that are dialled without a country code (ISO 3166)
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger
}

// Book is the outbound routes and what was used of the caps.
type Book struct {
	pool *pgxpool.Pool
	plan e164.Plan
	now  func() time.Time
	log  *slog.Logger
	snap atomic.Pointer[snapshot]

	mu      sync.Mutex
	day     string
	used    map[string]*share // by agent; "" for all
	live    map[*Lease]bool
	onRoute map[string]int // live calls by route
	refused int64
	told    map[string]bool // alarms of this day
}

type snapshot struct {
	routes []Route // enabled ones, in order
	limits Limits
}

// every is how often what was used is written and what other nodes have changed is read.
const every = 2 * time.Second

// Open reads routes, limits and what was used today. [Book.Run] keeps them up to date.
func Open(ctx context.Context, cfg Config) (*Book, error) {
	b := &Book{
		pool: cfg.Pool, now: cfg.Now, log: cfg.Log, plan: e164.Plan{Country: cfg.Country, InternationalPrefix: "00"},
		used: map[string]*share{}, live: map[*Lease]bool{}, onRoute: map[string]int{}, told: map[string]bool{},
	}
	if cfg.Country == "CN" {
		b.plan.NationalPrefix = "0"
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	b.log = b.log.With("part", "sip.routes")
	b.day = b.today()
	if err := b.sync(ctx); err != nil {
		return nil, fmt.Errorf("open outbound routes: %w", err)
	}
	return b, nil
}

// Run follows the tables and writes down what is used, until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), every)
			defer cancel()
			if err := b.sync(last); err != nil {
				b.log.Warn("what was used of the outbound caps could not be written", "err", err)
			}
			return nil
		case <-tick.C:
		}
		err := b.syncSoon(ctx)
		if err != nil && !away && ctx.Err() == nil {
			b.log.Warn("outbound routes cannot be read; calls go out as before", "err", err)
		}
		away = err != nil
	}
}

func (b *Book) syncSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return b.sync(ctx)
}

// follow makes a change of this process visible at once; the others see it at their next tick.
func (b *Book) follow(ctx context.Context) {
	if err := b.syncSoon(ctx); err != nil {
		b.log.Warn("the change is stored but not yet read back", "err", err)
	}
}

// sync writes what was used since the last time and reads everything, in one transaction.
func (b *Book) sync(ctx context.Context) error {
	day, unsaved := b.take()
	next := &snapshot{}
	totals := map[string]share{}
	err := postgres.Tx(ctx, b.pool, func(tx pgx.Tx) error {
		clear(totals)
		for agent, s := range unsaved {
			if _, err := tx.Exec(ctx, `insert into outbound_usage (day, agent, calls, seconds) values ($1, $2, $3, $4)
				on conflict (day, agent) do update set calls = outbound_usage.calls + excluded.calls, seconds = outbound_usage.seconds + excluded.seconds`,
				day, agent, s.calls, s.seconds); err != nil {
				return err
			}
		}
		if err := readTotals(ctx, tx, day, totals); err != nil {
			return err
		}
		all, err := selectRoutes(ctx, tx, "")
		if err != nil {
			return err
		}
		next.routes = nil
		for _, r := range all {
			if r.Enabled {
				next.routes = append(next.routes, r)
			}
		}
		next.limits, err = selectLimits(ctx, tx)
		return err
	})
	if err != nil {
		b.putBack(day, unsaved)
		return err
	}
	b.snap.Store(next)
	b.settle(day, totals)
	return nil
}

func readTotals(ctx context.Context, tx pgx.Tx, day string, into map[string]share) error {
	rows, err := tx.Query(ctx, `select agent, calls, seconds from outbound_usage where day = $1`, day)
	if err != nil {
		return err
	}
	var agent string
	var s share
	_, err = pgx.ForEachRow(rows, []any{&agent, &s.calls, &s.seconds}, func() error {
		into[agent] = s
		return nil
	})
	return err
}
