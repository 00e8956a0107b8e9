package journal

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"hotline/postgres"
)

const (
	batchSize    = 256
	batchTimeout = 20 * time.Second // a transaction that takes longer is taken for a lost database
	keepApplied  = 72 * time.Hour   // rows of fact_applied; they matter only between a commit and its mark in the files
)

// lane is the queue of one worker. A call's facts are all in one lane.
type lane struct {
	mu    sync.Mutex
	queue []*entry
	ready chan struct{} // capacity 1
}

func newLane() *lane { return &lane{ready: make(chan struct{}, 1)} }

func (l *lane) put(e *entry) {
	l.mu.Lock()
	l.queue = append(l.queue, e)
	l.mu.Unlock()
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// putBack returns entries that were taken, in their order, to the head.
func (l *lane) putBack(entries []*entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(entries[:len(entries):len(entries)], l.queue...)
}

// take removes up to n entries whose time has come, keeping the order of each key. When there is none, it returns how long until
// there may be one; 0 means until something is put.
func (l *lane) take(n int, now time.Time) (taken []*entry, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := map[string]bool{}
	rest := l.queue[:0:0]
	for i, e := range l.queue {
		if len(taken) == n {
			rest = append(rest, l.queue[i:]...)
			break
		}
		if d := e.due.Sub(now); !held[e.key] && d <= 0 {
			taken = append(taken, e)
			continue
		} else if !held[e.key] && (wait == 0 || d < wait) {
			wait = d
		}
		held[e.key] = true
		rest = append(rest, e)
	}
	if len(held) == 0 {
		rest = l.queue[len(taken):] // the usual case copies nothing
	}
	l.queue = rest
	return taken, wait
}

func (l *lane) oldest() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return time.Time{}
	}
	return l.queue[0].filed
}

// Run applies facts until ctx is done.
func (j *Journal) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range j.lanes {
		g.Go(func() error { j.work(ctx, l); return nil })
	}
	g.Go(func() error { j.tend(ctx); return nil })
	return g.Wait()
}

// work is the life of a lane's worker.
func (j *Journal) work(ctx context.Context, l *lane) {
	for attempt := 0; ctx.Err() == nil; {
		batch, wait := l.take(batchSize, time.Now())
		if len(batch) == 0 {
			idle(ctx, l.ready, wait)
			continue
		}
		err := j.applyBatch(ctx, l, batch)
		if err == nil {
			attempt = 0
			continue
		}
		// The database is away: the batch is back at the head of its lane.
		attempt++
		idle(ctx, nil, min(time.Duration(attempt)*100*time.Millisecond, 2*time.Second))
	}
}

// idle waits for a signal, a time (0: none) or the end.
func idle(ctx context.Context, signal <-chan struct{}, d time.Duration) {
	var timeout <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-signal:
	case <-timeout:
	case <-ctx.Done():
	}
}

// applyBatch applies a batch in one transaction and, when that fails for a reason of one of its facts, each fact in its own. It
// returns an error only when the database is away; what was not applied is then back in the lane.
func (j *Journal) applyBatch(ctx context.Context, l *lane, batch []*entry) error {
	err := j.transact(ctx, batch)
	switch {
	case err == nil:
		j.done(batch)
		return nil
	case away(ctx, err):
		l.putBack(batch)
		j.noteDatabase(ctx, err)
		return err
	}
	return j.applyEach(ctx, l, batch)
}

func (j *Journal) applyEach(ctx context.Context, l *lane, batch []*entry) error {
	held := map[string]bool{}
	var back []*entry
	for i, e := range batch {
		if held[e.key] {
			back = append(back, e)
			continue
		}
		err := j.transact(ctx, batch[i:i+1])
		if err != nil && !away(ctx, err) && e.tries+1 >= j.cfg.Tries && !contended(err) {
			err = j.quarantine(ctx, e, err)
		}
		switch {
		case err == nil:
			j.done(batch[i : i+1])
		case away(ctx, err):
			l.putBack(append(back, batch[i:]...))
			j.noteDatabase(ctx, err)
			return err
		default:
			e.tries++
			e.due = time.Now().Add(min(time.Duration(e.tries)*50*time.Millisecond, time.Second))
			held[e.key] = true
			back = append(back, e)
			j.cfg.Log.Warn("a fact could not be applied; it is tried again", "fact_seq", e.seq, "call", e.key, "try", e.tries, "error", err)
		}
	}
	l.putBack(back)
	return nil
}

// transact applies entries in one transaction.
func (j *Journal) transact(ctx context.Context, entries []*entry) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	facts, ids, err := j.facts(entries)
	if err != nil {
		return err
	}
	return postgres.Tx(ctx, j.cfg.Pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `insert into fact_applied (id, at) select unnest($1::uuid[]), now() on conflict do nothing returning id::text`, ids)
		if err != nil {
			return lost(tx, err)
		}
		fresh, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return lost(tx, err)
		}
		isNew := make(map[string]bool, len(fresh))
		for _, id := range fresh {
			isNew[id] = true
		}
		return lost(tx, j.applyAll(ctx, tx, slices.DeleteFunc(slices.Clone(facts), func(f Fact) bool { return !isNew[f.ID] })))
	})
}

// applyAll lets those apply the facts who have registered for them, one after the other.
func (j *Journal) applyAll(ctx context.Context, tx pgx.Tx, facts []Fact) error {
	for _, b := range j.batches {
		of := slices.DeleteFunc(slices.Clone(facts), func(f Fact) bool { return !slices.Contains(b.kinds, f.Kind) })
		if len(of) == 0 {
			continue
		}
		if err := unpanicked(func() error { return b.apply(ctx, tx, of) }); err != nil {
			return fmt.Errorf("%s of call %s, and %d more facts: %w", of[0].Kind, of[0].CallID, len(of)-1, err)
		}
	}
	return nil
}

// unpanicked runs f and makes an error of a panic: a fact that trips somebody up must not stop the journal.
func unpanicked(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}

// facts returns the facts of entries, from memory or from the files.
func (j *Journal) facts(entries []*entry) (facts []Fact, ids []string, err error) {
	for _, e := range entries {
		f := e.fact
		if f == nil {
			payload, err := e.at.load()
			if err != nil {
				return nil, nil, fmt.Errorf("read back: %w", err)
			}
			f = new(Fact)
			if err := json.Unmarshal(payload[9:], f); err != nil {
				return nil, nil, fmt.Errorf("read back: %w", err)
			}
		}
		facts = append(facts, *f)
		ids = append(ids, f.ID)
	}
	return facts, ids, nil
}

// quarantine puts a fact aside that failed for a reason of its own, so that the rest moves on.
func (j *Journal) quarantine(ctx context.Context, e *entry, why error) error {
	facts, ids, err := j.facts([]*entry{e})
	if err != nil { // not even readable: the file is damaged under our feet
		facts, ids = []Fact{{ID: fmt.Sprintf("seq-%d-%d", j.opened.Unix(), e.seq), CallID: e.key, Kind: "unreadable", At: e.filed, Data: json.RawMessage(`{}`)}}, nil
	}
	f := facts[0]
	err = postgres.Tx(ctx, j.cfg.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into fact_quarantine (id, call_id, kind, at, data, error, seen_at) values ($1, $2, $3, $4, $5, $6, now())
			on conflict (id) do update set error = excluded.error`, f.ID, f.CallID, string(f.Kind), f.At, f.Data, why.Error())
		if err == nil {
			_, err = tx.Exec(ctx, `insert into fact_applied (id, at) select unnest($1::uuid[]), now() on conflict do nothing`, ids)
		}
		return lost(tx, err)
	})
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.stats.Quarantined++
	j.mu.Unlock()
	j.cfg.Log.Error("a fact was put into quarantine", "fact", f.ID, "kind", f.Kind, "call", f.CallID, "error", why)
	return nil
}

// done marks entries as applied.
func (j *Journal) done(entries []*entry) {
	marks := make([]byte, 0, 8*len(entries))
	for _, e := range entries {
		marks = binary.LittleEndian.AppendUint64(marks, e.seq)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.DatabaseErr = ""
	j.wal.append(recordApplied, marks) // a mark that is lost costs a look into fact_applied at the next start
	for _, e := range entries {
		j.depth--
		j.stats.Applied++
		if e.fact != nil {
			j.memory -= e.size
		}
		if e.at.seg != nil {
			e.at.seg.pending--
		}
		e.at.seg, e.fact = nil, nil
		for _, f := range j.flushing {
			if e.seq <= f.seq {
				f.left--
			}
		}
	}
	rest := j.flushing[:0]
	for _, f := range j.flushing {
		if f.left == 0 {
			close(f.done)
		} else {
			rest = append(rest, f)
		}
	}
	j.flushing = rest
	if err := j.wal.compact(); err != nil {
		j.cfg.Log.Warn("the journal's files could not be cleared", "error", err)
	}
}

func (j *Journal) noteDatabase(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // it is we who go
	}
	j.mu.Lock()
	was := j.stats.DatabaseErr
	j.stats.DatabaseErr = err.Error()
	j.mu.Unlock()
	if was == "" {
		j.cfg.Log.Error("the database takes no facts; they wait in the journal", "error", err)
	}
}

// tend does what is due from time to time: facts to disk, the sign of life, old rows of fact_applied.
func (j *Journal) tend(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for n := 0; ; n++ {
		j.touch()
		j.sync()
		if n%3600 == 300 {
			j.prune(ctx)
		}
		select {
		case <-second.C:
		case <-ctx.Done():
			j.touch()
			j.sync()
			return
		}
	}
}

// touch leaves a sign of life: calls that are cut by a crash ended then.
func (j *Journal) touch() {
	now := time.Now()
	if os.Chtimes(j.alivePath(), now, now) != nil {
		if f, err := os.Create(j.alivePath()); err == nil {
			f.Close()
		}
	}
}

// sync writes down what the disk refused before, and has it keep what it took.
func (j *Journal) sync() {
	j.mu.Lock()
	loose := j.loose
	j.loose = nil
	for i, e := range loose {
		if e.fact == nil {
			continue // applied meanwhile
		}
		body, err := json.Marshal(e.fact)
		if err == nil {
			e.at, err = j.wal.append(recordFact, binaryRecord(e.seq, body))
		}
		if err != nil {
			j.loose = append(j.loose, loose[i:]...)
			break
		}
		e.at.seg.pending++
	}
	if len(loose) > 0 {
		j.noteDisk(j.wal.failed)
	}
	f := j.wal.unsynced()
	j.mu.Unlock()
	if f == nil {
		return
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		j.cfg.Log.Warn("the journal's disk does not sync", "error", err)
	}
}

func (j *Journal) prune(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	if _, err := j.cfg.Pool.Exec(ctx, `delete from fact_applied where at < now() - make_interval(secs => $1)`, keepApplied.Seconds()); err != nil {
		j.cfg.Log.Warn("old rows of fact_applied could not be deleted", "error", err)
	}
}

// lostError wraps an error of a statement whose connection is gone.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// lost marks err when the transaction's connection did not survive it.
func lost(tx pgx.Tx, err error) error {
	if err != nil && tx.Conn() != nil && tx.Conn().IsClosed() {
		return lostError{err}
	}
	return err
}

// away says whether err is the database's and not the fact's: then waiting helps, and nothing else does.
func away(ctx context.Context, err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "53", "57", "58", "XX": // connection, resources, operator, system
			return true
		}
		return pg.Code == "25006" // read only: a standby was promoted elsewhere
	}
	var connect *pgconn.ConnectError
	var gone lostError
	return ctx.Err() != nil || errors.As(err, &connect) || errors.As(err, &gone) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err)
}

// contended says that err came from another transaction: trying again is all there is to do.
func contended(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code[:2] == "40" || pg.Code == "55P03")
}
