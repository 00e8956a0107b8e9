// Package recordings keeps what was said: it records legs, encrypts, finds, plays and expires.
//
// The audio is a file below the data directory, encrypted while it is written; the row in PostgreSQL is the index, kept by facts in
// the call's journal. The key is a file of its own, outside the database. Nothing here decides what is recorded, or who may listen.
//
// Start at [Open] and [Store.Start]; file.go describes the container, recorder.go how the clock is never kept waiting.
package recordings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"

	"hotline"
	"hotline/call"
)

// Config of a [Store].
type Config struct {
	Dir           string        // the folder of the audio
	KeyFile       string        // the age identity; made at first start, mode 0600
	Pool          *pgxpool.Pool // rows are read through it
	Journal       *call.Journal // and written through it
	RetentionDays int           // 0: kept for ever
	MinFreeBytes  int64         // when less is free on the disk nothing is written; 0 means 256 MiB
	QuotaBytes    int64         // of all recordings together; 0: no limit
	Log           *slog.Logger
}

// Start says what is to be recorded.
type Start struct {
	CallID string
	LegID  string
	Kind   Kind
}

const (
	suffix     = ".hlrec"
	partSuffix = ".part"
)

// Store keeps recordings.
type Store struct {
	cfg  Config
	key  *age.X25519Identity
	root *os.Root
	used atomic.Int64 // bytes of all files

	mu      sync.Mutex
	active  map[string]*Recorder
	alarm   string    // why recordings suffer; "" when they do not
	checked time.Time // when the disk was asked for its free space
	full    error     // what it said

	writeAt func(f *os.File, p []byte, off int64) error // the disk; tests have worse ones
}

// Open prepares the folder and the key and registers the store's appliers with the journal.
func Open(cfg Config) (*Store, error) {
	cfg.MinFreeBytes = cmp.Or(cfg.MinFreeBytes, 256<<20)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	s := &Store{cfg: cfg, root: root, active: map[string]*Recorder{}, writeAt: writeAt}
	if err := s.measure(); err != nil {
		return nil, errors.Join(fmt.Errorf("recordings: %w", err), root.Close())
	}
	if s.key, err = loadKey(cfg.KeyFile, s.used.Load() > 0); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	registerAppliers(cfg.Journal)
	return s, nil
}

func writeAt(f *os.File, p []byte, off int64) error {
	_, err := f.WriteAt(p, off)
	return err
}

// measure adds up the files.
func (s *Store) measure() error {
	var sum int64
	err := s.walk(func(_ string, info fs.FileInfo) error { sum += info.Size(); return nil })
	s.used.Store(sum)
	return err
}

// walk calls fn for each file of the store.
func (s *Store) walk(fn func(name string, info fs.FileInfo) error) error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		return fn(name, info)
	})
}

// loadKey reads the identity, or makes it at the first start. With recordings there already, a missing key is no first start.
func loadKey(file string, haveRecordings bool) (*age.X25519Identity, error) {
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && haveRecordings:
		return nil, hotline.Errorf(hotline.Unavailable, "recording.key_missing", "the key of the recordings, %s, is missing: put it back from your backup, or move the recordings away to begin with a new key", file)
	case errors.Is(err, fs.ErrNotExist):
		return makeKey(file)
	case err != nil:
		return nil, fmt.Errorf("recordings: %w", err)
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, hotline.Errorf(hotline.Invalid, "recording.key_mode", "the key of the recordings, %s, can be read by others: chmod 600 it", file)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		key, err := age.ParseX25519Identity(line)
		if err != nil {
			return nil, hotline.Errorf(hotline.Invalid, "recording.key_invalid", "%s holds no age identity: %w", file, err)
		}
		return key, nil
	}
	return nil, hotline.Errorf(hotline.Invalid, "recording.key_invalid", "%s holds no age identity", file)
}

func makeKey(file string) (*age.X25519Identity, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	_, err = fmt.Fprintf(f, "# The key of Hotline's recordings. Without it they cannot be played: keep a copy in a safe place.\n# public key: %s\n%s\n", key.Recipient(), key)
	return key, errors.Join(err, f.Sync(), f.Close())
}

// Start opens a recording and files it. The [Recorder] is to be tapped into a stream, and stopped. The error is of kind Unavailable
// when there is no room: the call goes on without.
func (s *Store) Start(ctx context.Context, what Start) (*Recorder, error) {
	channels := 2
	if what.Kind == Voicemail {
		channels = 1
	}
	if err := s.roomLeft(); err != nil {
		s.trouble(err)
		return nil, err
	}
	l := label{ID: hotline.NewID(), CallID: what.CallID, LegID: what.LegID, Kind: what.Kind, StartedAt: time.Now().UTC()}
	r, err := s.begin(l, channels)
	if err != nil {
		s.trouble(err)
		return nil, err
	}
	s.mu.Lock()
	s.active[l.ID] = r
	s.mu.Unlock()
	go r.run() // ends by Stop, which waits for it, or by Close
	err = s.cfg.Journal.File(l.CallID, call.FactRecordingStart, call.RecordingRow{
		ID: l.ID, CallID: l.CallID, LegID: l.LegID, Kind: string(l.Kind), State: string(Running), File: r.name, Channels: channels, StartedAt: l.StartedAt,
	})
	return r, err
}

// end takes a recorder off the list of those that write.
func (s *Store) end(r *Recorder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, r.head.ID)
}

// expiry is when a recording that ended at a time is to be deleted.
func (s *Store) expiry(ended time.Time) *time.Time {
	if s.cfg.RetentionDays <= 0 {
		return nil
	}
	at := ended.AddDate(0, 0, s.cfg.RetentionDays)
	return &at
}

// roomLeft refuses to write when the disk would be too full for the rest of the product. The disk is asked once a second.
func (s *Store) roomLeft() error {
	if s.cfg.QuotaBytes > 0 && s.used.Load() >= s.cfg.QuotaBytes {
		return hotline.Errorf(hotline.Unavailable, "recording.quota", "the recordings take all the %d bytes that they may", s.cfg.QuotaBytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.checked) < time.Second {
		return s.full
	}
	s.checked, s.full = time.Now(), nil
	var disk unix.Statfs_t
	if err := unix.Statfs(s.cfg.Dir, &disk); err != nil {
		return nil // writing will tell
	}
	if free := int64(disk.Bavail) * int64(disk.Bsize); free < s.cfg.MinFreeBytes {
		s.full = hotline.Errorf(hotline.Unavailable, "recording.disk_full", "only %d MiB are free on the disk of the recordings; nothing is recorded below %d MiB", free>>20, s.cfg.MinFreeBytes>>20)
	}
	return s.full
}

// trouble raises the alarm, once until it is over.
func (s *Store) trouble(err error) {
	s.mu.Lock()
	was := s.alarm
	s.alarm = err.Error()
	s.mu.Unlock()
	if was == "" {
		s.cfg.Log.Error("recordings suffer; calls go on", "error", err)
	}
}

func (s *Store) recovered() {
	s.mu.Lock()
	was := s.alarm
	s.alarm = ""
	s.mu.Unlock()
	if was != "" {
		s.cfg.Log.Info("recordings are written again")
	}
}

// Stats are the store's figures.
type Stats struct {
	Active int    `json:"active"` // recordings that are written now
	Bytes  int64  `json:"bytes"`  // of all files
	Alarm  string `json:"alarm"`  // why recordings suffer; "" when they do not
}

// Stats returns the store's figures.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Active: len(s.active), Bytes: s.used.Load(), Alarm: s.alarm}
}

// Audio opens the recording as a WAV file of 16-bit samples, decrypted as it is read. A recording that goes on plays up to now.
func (s *Store) Audio(ctx context.Context, id string) (io.ReadSeekCloser, Recording, error) {
	rec, err := s.Get(ctx, id)
	if err != nil {
		return nil, rec, err
	}
	if rec.State == Expired {
		return nil, rec, hotline.Errorf(hotline.NotFound, "recording.expired", "the audio of this recording was deleted when its time was up")
	}
	f, err := s.openFile(rec.file)
	if errors.Is(err, fs.ErrNotExist) {
		s.lose(ctx, rec)
		return nil, rec, hotline.Errorf(hotline.NotFound, "recording.lost", "the audio of this recording is not on the disk any more")
	} else if err != nil {
		return nil, rec, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, rec, errors.Join(err, f.Close())
	}
	lay, err := survey(f, info.Size(), s.key)
	if err != nil {
		return nil, rec, errors.Join(err, f.Close())
	}
	return newWave(f, lay), rec, nil
}

// openFile opens a file by its final name, also while it still has the name of one that is written.
func (s *Store) openFile(name string) (*os.File, error) {
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = s.root.Open(strings.TrimSuffix(name, suffix) + partSuffix)
	}
	if errors.Is(err, fs.ErrNotExist) { // it was renamed between the two
		f, err = s.root.Open(name)
	}
	return f, err
}

// Close stops the recordings that go on.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	left := make([]*Recorder, 0, len(s.active))
	for _, r := range s.active {
		left = append(left, r)
	}
	s.mu.Unlock()
	var err error
	for _, r := range left {
		_, e := r.Stop(ctx)
		err = errors.Join(err, e)
	}
	return errors.Join(err, s.root.Close())
}
