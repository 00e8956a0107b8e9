// Package journal carries facts from the moment at which they happen to PostgreSQL, without ever making those wait who file them.
//
// It owns the local files that facts are written to first, the workers that apply them in order, and what happens when the database is
// away, the disk is full or a fact cannot be applied. What a fact means it does not know: whoever writes rows registers for its kind.
//
// Start at [Journal.File], then [Journal.Run].
package journal

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"

	"hotline"
)

// Applier writes what a fact says, inside the transaction that marks the fact as applied. It runs more than once when that
// transaction fails, so it must do nothing outside of it.
type Applier func(ctx context.Context, tx pgx.Tx, f Fact) error

// BatchApplier is an [Applier] of all facts of its kinds that one transaction applies, in their order: it can take its locks in one
// order and send its statements together.
type BatchApplier func(ctx context.Context, tx pgx.Tx, facts []Fact) error

// batchApplier is a BatchApplier with its kinds.
type batchApplier struct {
	kinds []Kind
	apply BatchApplier
}

// Config configures a [Journal].
type Config struct {
	Dir     string // a folder of its own; two processes cannot share it
	Pool    *pgxpool.Pool
	Log     *slog.Logger
	Workers int // transactions at a time; 0 means 4
	Tries   int // how often a fact may fail for a reason of its own before it is quarantined; 0 means 5

	SegmentBytes int64 // size at which a file is closed; 0 means 32 MiB
	MemoryBytes  int64 // facts held in memory, 0 means 64 MiB; those beyond it are read back from the files when their turn comes
}

// Journal carries facts from calls to PostgreSQL.
//
// A fact is on its way once it is written to a local file, so neither a killed process nor a lost database loses it; it is applied
// in the order of its call, in batches, by a few workers; the table fact_applied makes it harmless to apply one again. When the disk
// is full, facts wait in memory and the journal says so.
type Journal struct {
	cfg     Config
	batches []batchApplier
	lock    *os.File
	opened  time.Time
	alive   time.Time // when the process before this one was last seen alive
	lanes   []*lane
	seed    maphash.Seed

	mu       sync.Mutex
	wal      *wal
	seq      uint64
	depth    int
	memory   int64    // bytes of facts held
	loose    []*entry // held in memory alone: the disk did not take them
	flushing []*flush
	stats    Stats
}

// Stats are the journal's figures.
type Stats struct {
	Depth       int       `json:"depth"`        // facts that wait
	Filed       uint64    `json:"filed"`        // since the start
	Applied     uint64    `json:"applied"`      // since the start
	Quarantined uint64    `json:"quarantined"`  // since the start
	Memory      int64     `json:"memory"`       // bytes of facts held
	Loose       int       `json:"loose"`        // facts that the disk did not take
	OldestAt    time.Time `json:"oldest_at"`    // of the facts that wait; zero when none does
	DatabaseErr string    `json:"database_err"` // why facts cannot be applied at present
	DiskErr     string    `json:"disk_err"`     // why facts cannot be written down at present
}

// entry is a fact on its way.
type entry struct {
	seq   uint64
	key   string // entries of one key are applied in order
	fact  *Fact  // nil: in the file at place
	at    place  // seg is nil while the disk did not take it
	size  int64
	filed time.Time
	tries int
	due   time.Time // not to be tried before
}

// flush is somebody who waits until what was filed before is done.
type flush struct {
	seq  uint64
	left int
	done chan struct{}
}

// Open locks the folder and reads the facts that were not applied yet.
func Open(cfg Config) (*Journal, error) {
	cfg.Workers = defaultTo(cfg.Workers, 4)
	cfg.Tries = defaultTo(cfg.Tries, 5)
	cfg.SegmentBytes = defaultTo(cfg.SegmentBytes, 32<<20)
	cfg.MemoryBytes = defaultTo(cfg.MemoryBytes, 64<<20)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	j := &Journal{cfg: cfg, opened: time.Now(), seed: maphash.MakeSeed()}
	for range cfg.Workers {
		j.lanes = append(j.lanes, newLane())
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := j.takeLock(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(j.alivePath()); err == nil {
		j.alive = info.ModTime()
	}
	if err := j.replay(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), j.lock.Close())
	}
	return j, nil
}

func defaultTo[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

func (j *Journal) takeLock() error {
	f, err := os.OpenFile(filepath.Join(j.cfg.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return hotline.Errorf(hotline.Conflict, "journal.locked", "the journal in %s is in use by another process; stop it first, or give this one a data directory of its own", j.cfg.Dir)
	}
	j.lock = f
	return nil
}

func (j *Journal) alivePath() string { return filepath.Join(j.cfg.Dir, "alive") }

// replay fills the lanes with what the files hold and no mark says is applied.
func (j *Journal) replay() error {
	w, old, err := openWAL(j.cfg.Dir, j.cfg.SegmentBytes)
	if err != nil {
		return err
	}
	j.wal = w
	waiting := map[uint64]*entry{}
	for _, s := range old {
		err := s.read(func(p place, payload []byte) error { return j.replayRecord(waiting, p, payload) })
		if errors.Is(err, errDamaged) {
			j.cfg.Log.Error("a segment of the journal is damaged; a copy of it is kept", "error", err)
		} else if err != nil {
			return err
		}
	}
	entries := make([]*entry, 0, len(waiting))
	for _, e := range waiting {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *entry) int { return int(int64(a.seq - b.seq)) })
	for _, e := range entries {
		j.enqueue(e)
	}
	return w.compact()
}

func (j *Journal) replayRecord(waiting map[uint64]*entry, p place, payload []byte) error {
	kind, body := payload[0], payload[1:]
	switch {
	case kind == recordFact && len(body) > 8:
		var f Fact
		if err := json.Unmarshal(body[8:], &f); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		seq := binary.LittleEndian.Uint64(body)
		j.seq = max(j.seq, seq)
		if _, twice := waiting[seq]; twice {
			return nil // written again when the disk took it the second time
		}
		p.seg.pending++
		waiting[seq] = j.hold(seq, f, int64(len(body)), p)
	case kind == recordApplied:
		for ; len(body) >= 8; body = body[8:] {
			seq := binary.LittleEndian.Uint64(body)
			if e := waiting[seq]; e != nil {
				e.at.seg.pending--
				if e.fact != nil {
					j.memory -= e.size
				}
				delete(waiting, seq)
			}
		}
	}
	return nil
}

// hold makes the entry of a fact; beyond the memory it may use, only the place in the file is kept.
func (j *Journal) hold(seq uint64, f Fact, size int64, p place) *entry {
	e := &entry{seq: seq, key: f.CallID, at: p, size: size, filed: f.At}
	if e.key == "" {
		e.key = f.ID
	}
	if p.seg == nil || j.memory+size <= j.cfg.MemoryBytes {
		e.fact = &f
		j.memory += size
	}
	return e
}

// On registers an applier of single facts; those of one kind run in order of registration. Register before Run.
func (j *Journal) On(kind Kind, a Applier) {
	j.OnBatch(func(ctx context.Context, tx pgx.Tx, facts []Fact) error {
		for _, f := range facts {
			if err := a(ctx, tx, f); err != nil {
				return err
			}
		}
		return nil
	}, kind)
}

// OnBatch registers an applier of batches; several run in order of registration. Register before Run.
func (j *Journal) OnBatch(a BatchApplier, kinds ...Kind) {
	j.batches = append(j.batches, batchApplier{kinds: kinds, apply: a})
}

// File writes a fact down and sends it on its way. It never waits for the database. It fails only when the payload cannot be
// encoded: a fact that the disk does not take is kept in memory.
func (j *Journal) File(callID string, kind Kind, payload any) error {
	data, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("fact %s: %w", kind, err)
	}
	f := Fact{ID: hotline.NewID(), CallID: callID, Kind: kind, At: time.Now().UTC(), Data: data}
	body := f.encode()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	j.stats.Filed++
	p, err := j.wal.append(recordFact, binaryRecord(j.seq, body))
	e := j.hold(j.seq, f, int64(len(body)), p)
	if err != nil {
		j.loose = append(j.loose, e)
		j.noteDisk(err)
	} else {
		p.seg.pending++
		j.noteDisk(nil)
	}
	j.enqueue(e)
	return nil
}

func binaryRecord(seq uint64, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(body)), seq), body...)
}

func (j *Journal) enqueue(e *entry) {
	j.depth++
	j.lanes[maphash.String(j.seed, e.key)%uint64(len(j.lanes))].put(e)
}

// noteDisk remembers whether the disk takes facts, and says so once when that changes. j.mu is held.
func (j *Journal) noteDisk(err error) {
	was := j.stats.DiskErr
	if err == nil && len(j.loose) == 0 {
		j.stats.DiskErr = ""
		if was != "" {
			j.cfg.Log.Info("the journal's disk takes facts again")
		}
		return
	}
	if err != nil {
		j.stats.DiskErr = err.Error()
		if was == "" {
			j.cfg.Log.Error("the journal's disk takes no facts; they wait in memory and are lost if this process is killed", "error", err)
		}
	}
}

// Flush waits until all that was filed so far is applied or quarantined.
func (j *Journal) Flush(ctx context.Context) error {
	j.mu.Lock()
	if j.depth == 0 {
		j.mu.Unlock()
		return nil
	}
	f := &flush{seq: j.seq, left: j.depth, done: make(chan struct{})}
	j.flushing = append(j.flushing, f)
	j.mu.Unlock()
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		j.mu.Lock()
		j.flushing = slices.DeleteFunc(j.flushing, func(o *flush) bool { return o == f })
		j.mu.Unlock()
		return fmt.Errorf("journal: %d facts wait: %w", j.Depth(), context.Cause(ctx))
	}
}

// Opened is when this process opened the journal.
func (j *Journal) Opened() time.Time { return j.opened }

// Alive is when the process before this one was last seen alive; zero when there was none.
func (j *Journal) Alive() time.Time { return j.alive }

// Depth returns how many facts wait to be applied.
func (j *Journal) Depth() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.depth
}

// Degraded says that facts cannot be applied, or not be written down, at present: the database is away or slow, or the disk is full.
func (j *Journal) Degraded() bool {
	s := j.Stats()
	return s.DatabaseErr != "" || s.DiskErr != "" || (!s.OldestAt.IsZero() && time.Since(s.OldestAt) > 10*time.Second)
}

// Stats returns the journal's figures.
func (j *Journal) Stats() Stats {
	var oldest time.Time
	for _, l := range j.lanes {
		if at := l.oldest(); !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.Depth, s.Memory, s.Loose, s.OldestAt = j.depth, j.memory, len(j.loose), oldest
	return s
}

// Close closes the files. What waits is applied by the next process that opens the folder.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.wal.close(), j.lock.Close())
}
