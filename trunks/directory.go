// Package trunks is the trunks and numbers: who may call us and what is dialled.
//
// It owns the tables trunk and number and the picture of them in memory from which calls are routed, also while the database is
// away; whom a request comes from ([Directory.MatchTrunk], [Directory.VerifyDigest]), which number it is for ([Directory.NumberFor])
// and who calls, as far as the trunk may be believed ([CallerOf]). It sends nothing. Start at [Open].
package trunks

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/trunks/digest"
	"hotline/trunks/e164"
)

// Directory is the trunks and numbers. Calls are routed from a snapshot in memory, so they go on while the database is away; the
// snapshot follows the tables by NOTIFY, and by a look every few seconds for the notification that was lost.
type Directory struct {
	pool   *pgxpool.Pool
	log    *slog.Logger
	now    atomic.Pointer[Snapshot]
	digest *digest.Server

	mu       sync.Mutex
	resolved map[string][]netip.Addr // addresses of a trunk's host and registrar names, by trunk
	watchers map[chan struct{}]bool
}

// directoryChannel is what the triggers of migration 0020 notify.
const (
	directoryChannel = "sip_directory"
	directoryPoll    = 5 * time.Second
)

// Open reads trunks and numbers for the first time. [Directory.Run] keeps them up to date.
func Open(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*Directory, error) {
	if log == nil {
		log = slog.Default()
	}
	d := &Directory{pool: pool, log: log.With("part", "sip.directory"), resolved: map[string][]netip.Addr{}, watchers: map[chan struct{}]bool{}}
	d.digest = digest.NewServer(digest.Config{Realm: digestRealm, Password: func(user string) (string, bool) { return d.Snapshot().password(user) }})
	e164.Warm()
	if err := d.Reload(ctx); err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	return d, nil
}

// Snapshot returns the trunks and numbers as last read. It never waits.
func (d *Directory) Snapshot() *Snapshot { return d.now.Load() }

// Watch returns a channel that is signalled after each change, until stop is called.
func (d *Directory) Watch() (changed <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	d.mu.Lock()
	d.watchers[ch] = true
	d.mu.Unlock()
	return ch, func() {
		d.mu.Lock()
		delete(d.watchers, ch)
		d.mu.Unlock()
	}
}

// Reload reads both tables in one transaction and replaces the snapshot if anything differs.
func (d *Directory) Reload(ctx context.Context) error {
	var trunks []Trunk
	var numbers []Number
	err := pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var err error
		if trunks, err = selectTrunks(ctx, tx, ""); err != nil {
			return err
		}
		numbers, err = selectNumbers(ctx, tx, "")
		return err
	})
	if err != nil {
		return err
	}
	d.publish(trunks, numbers)
	return nil
}

// publish makes a new snapshot and wakes the watchers if it is not the same as before.
func (d *Directory) publish(trunks []Trunk, numbers []Number) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.now.Load()
	if old != nil && old.same(trunks, numbers) {
		return
	}
	d.now.Store(newSnapshot(trunks, numbers, maps.Clone(d.resolved)))
	d.wake()
}

func (d *Directory) wake() {
	for ch := range d.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// SetResolved tells which addresses a trunk's names have at the moment.
func (d *Directory) SetResolved(trunkID string, addrs []netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Equal(d.resolved[trunkID], addrs) {
		return
	}
	d.resolved[trunkID] = addrs
	old := d.now.Load()
	d.now.Store(newSnapshot(old.trunks, old.numbers, maps.Clone(d.resolved)))
}

// Run follows the tables until ctx ends.
func (d *Directory) Run(ctx context.Context) error {
	told := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { d.listen(ctx, told) })
	tick := time.NewTicker(directoryPoll)
	defer tick.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-told:
		case <-tick.C:
		}
		err := d.reloadSoon(ctx)
		if err != nil && !away && ctx.Err() == nil {
			d.log.Warn("trunks and numbers cannot be read; calls are routed as before", "err", err)
		}
		if err == nil && away {
			d.log.Info("trunks and numbers are read again")
		}
		away = err != nil
	}
}

func (d *Directory) reloadSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, directoryPoll)
	defer cancel()
	return d.Reload(ctx)
}

// listen waits for notifications on a connection of its own and makes a new one when it is lost. The poll covers the gap.
func (d *Directory) listen(ctx context.Context, told chan<- struct{}) {
	for ctx.Err() == nil {
		err := d.listenOnce(ctx, told)
		if ctx.Err() != nil {
			return
		}
		d.log.Debug("listening was interrupted", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(directoryPoll):
		}
	}
}

func (d *Directory) listenOnce(ctx context.Context, told chan<- struct{}) error {
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen "+directoryChannel); err != nil {
		return err
	}
	for {
		// Once before waiting: what was committed while nobody listened.
		select {
		case told <- struct{}{}:
		default:
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
