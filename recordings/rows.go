package recordings

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/call"
	"hotline/media"
)

// Kind of a recording.
type Kind string

// The kinds.
const (
	OfCall    Kind = "call"      // the whole call, two channels: caller left, what the caller heard right
	Voicemail Kind = "voicemail" // a message, one channel
)

// State of a recording; the column recording.state.
type State string

// The states.
const (
	Running  State = "recording"
	Complete State = "complete"
	Partial  State = "partial" // something is missing; what is there plays
	Expired  State = "expired" // the audio was deleted when its time was up
	Lost     State = "lost"    // the audio is gone, and not by us
)

// Recording is the index entry of one recording.
type Recording struct {
	ID         string     `json:"id"`
	CallID     string     `json:"call_id"`
	LegID      string     `json:"leg_id,omitempty"`
	Ticket     *int64     `json:"ticket"`
	Kind       Kind       `json:"kind"`
	State      State      `json:"state"`
	Channels   int        `json:"channels"`
	DurationMS int64      `json:"duration_ms"`
	Bytes      int64      `json:"bytes"`
	StartedAt  time.Time  `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	Waveform   Waveform   `json:"waveform"`
	SHA256     []byte     `json:"-"` // of the encrypted file
	file       string
}

// Waveform holds the peaks of each channel, 0 to 255, at most 400 a channel. In JSON they are lists of numbers.
type Waveform [][]uint8

// MarshalJSON implements json.Marshaler: a []uint8 would become base64.
func (w Waveform) MarshalJSON() ([]byte, error) {
	lists := make([][]int, len(w))
	for i, ch := range w {
		lists[i] = make([]int, len(ch))
		for k, v := range ch {
			lists[i][k] = int(v)
		}
	}
	return json.Marshal(lists)
}

// splitWave takes apart the channels that stand one after the other.
func splitWave(b []byte, channels int) Waveform {
	if channels < 1 || len(b) == 0 {
		return Waveform{}
	}
	n := len(b) / channels
	w := make(Waveform, channels)
	for i := range w {
		w[i] = b[i*n : (i+1)*n : (i+1)*n]
	}
	return w
}

func fromRow(r call.RecordingRow) Recording {
	return Recording{
		ID: r.ID, CallID: r.CallID, LegID: r.LegID, Kind: Kind(r.Kind), State: State(r.State), Channels: r.Channels, DurationMS: r.DurationMS,
		Bytes: r.Bytes, StartedAt: r.StartedAt, EndedAt: r.EndedAt, ExpiresAt: r.ExpiresAt, Waveform: splitWave(r.Waveform, r.Channels), SHA256: r.SHA256, file: r.File,
	}
}

// registerAppliers has the journal write the rows, those of one transaction in one go.
func registerAppliers(j *call.Journal) {
	j.OnBatch(func(ctx context.Context, tx pgx.Tx, facts []call.Fact) error {
		b := &pgx.Batch{}
		for _, f := range facts {
			if err := queueFact(b, f); err != nil {
				return err
			}
		}
		return tx.SendBatch(ctx, b).Close()
	}, call.FactRecordingStart, call.FactRecordingEnd, call.FactRecordingGone)
}

func queueFact(b *pgx.Batch, f call.Fact) error {
	if f.Kind == call.FactRecordingGone {
		var p call.RecordingGone
		if err := f.Decode(&p); err != nil {
			return err
		}
		b.Queue(`delete from recording where id = $1`, p.ID)
		return nil
	}
	var r call.RecordingRow
	if err := f.Decode(&r); err != nil {
		return err
	}
	queueRow(b, r)
	return nil
}

// queueRow writes a row as a fact has it. A row that has ended is not opened again.
func queueRow(b *pgx.Batch, r call.RecordingRow) {
	b.Queue(`
		insert into recording (id, call_id, leg_id, ticket, kind, state, file, channels, duration_ms, bytes, sha256, waveform, started_at, ended_at, expires_at)
		values (@id, @call, nullif(@leg, '')::uuid, (select ticket from call where id = @call), @kind, @state, @file, @channels, @duration, @bytes, @sum, @wave, @started, @ended, @expires)
		on conflict (id) do update set state = excluded.state, duration_ms = excluded.duration_ms, bytes = excluded.bytes, sha256 = excluded.sha256,
			waveform = excluded.waveform, ended_at = excluded.ended_at, expires_at = excluded.expires_at, ticket = coalesce(recording.ticket, excluded.ticket)
		where recording.state = 'recording' and excluded.state <> 'recording'`,
		pgx.NamedArgs{
			"id": r.ID, "call": r.CallID, "leg": r.LegID, "kind": r.Kind, "state": r.State, "file": r.File, "channels": r.Channels, "duration": r.DurationMS,
			"bytes": r.Bytes, "sum": r.SHA256, "wave": r.Waveform, "started": r.StartedAt, "ended": r.EndedAt, "expires": r.ExpiresAt,
		})
}

const columns = `id::text, call_id::text, coalesce(leg_id::text, ''), ticket, kind, state, file, channels, duration_ms, bytes, sha256, waveform, started_at, ended_at, expires_at`

func scan(row pgx.CollectableRow) (Recording, error) {
	var r Recording
	var wave []byte
	err := row.Scan(&r.ID, &r.CallID, &r.LegID, &r.Ticket, &r.Kind, &r.State, &r.file, &r.Channels, &r.DurationMS, &r.Bytes, &r.SHA256, &wave, &r.StartedAt, &r.EndedAt, &r.ExpiresAt)
	r.Waveform = splitWave(wave, r.Channels)
	return r, err
}

// Get returns the index entry of a recording.
func (s *Store) Get(ctx context.Context, id string) (Recording, error) {
	list, err := s.query(ctx, `where id::text = $1`, id)
	if err == nil && len(list) == 0 {
		err = hotline.Errorf(hotline.NotFound, "recording.unknown", "there is no recording %q", id)
	}
	if err != nil {
		return Recording{}, err
	}
	return list[0], nil
}

// ForCall returns the recordings of a call, oldest first.
func (s *Store) ForCall(ctx context.Context, callID string) ([]Recording, error) {
	return s.query(ctx, `where call_id::text = $1 order by started_at, id`, callID)
}

func (s *Store) query(ctx context.Context, where string, args ...any) ([]Recording, error) {
	rows, err := s.cfg.Pool.Query(ctx, `select `+columns+` from recording `+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// lose notes that the file of a recording is not there any more.
func (s *Store) lose(ctx context.Context, rec Recording) {
	s.cfg.Log.Error("the audio of a recording is not on the disk any more", "recording", rec.ID, "file", rec.file)
	if _, err := s.cfg.Pool.Exec(ctx, `update recording set state = 'lost' where id = $1 and state in ('complete', 'partial')`, rec.ID); err != nil {
		s.cfg.Log.Warn("a lost recording could not be marked", "recording", rec.ID, "error", err)
	}
}

// Repair closes the recordings that a crash of this process left open: their files play up to the cut. It needs no database, for the
// files say themselves whose they are. Call it at start; recordings that are being made are left alone.
func (s *Store) Repair(ctx context.Context) error {
	var errs []error
	err := s.walk(func(name string, info fs.FileInfo) error {
		if !strings.HasSuffix(name, partSuffix) || s.isActive(name) {
			return ctx.Err()
		}
		if err := s.repair(name, info.Size()); err != nil {
			s.cfg.Log.Error("a recording that was cut could not be repaired; its file is left as it is", "file", name, "error", err)
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return ctx.Err()
	})
	return errors.Join(append(errs, err)...)
}

func (s *Store) isActive(part string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.active {
		if r.part == part {
			return true
		}
	}
	return false
}

func (s *Store) repair(part string, size int64) error {
	f, err := s.root.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	lay, err := survey(f, size, s.key)
	if errors.Is(err, io.EOF) { // killed before the header was written: nothing was recorded, nothing filed
		return s.root.Remove(part)
	} else if err != nil {
		return err
	}
	state := Complete
	if lay.last < 0 {
		state = Partial
		if err := f.Truncate(size - lay.torn); err != nil {
			return err
		}
		end := lay.seal(lay.whole, true, nil)
		if err := s.writeAt(f, end, lay.offset(lay.whole)); err != nil {
			return err
		}
		lay.last = 0
	}
	row, err := s.rowOf(f, lay, state)
	if err != nil {
		return err
	}
	row.File = strings.TrimSuffix(part, partSuffix) + suffix
	if err := s.cfg.Journal.File(lay.CallID, call.FactRecordingEnd, row); err != nil {
		return err
	}
	s.cfg.Log.Warn("a recording that was cut was repaired", "recording", lay.ID, "duration", lay.duration())
	return s.root.Rename(part, row.File)
}

// rowOf reads a file through and returns its row.
func (s *Store) rowOf(f *os.File, lay layout, state State) (call.RecordingRow, error) {
	sum := sha256.New()
	bytes, err := io.Copy(sum, io.NewSectionReader(f, 0, 1<<62))
	if err != nil {
		return call.RecordingRow{}, err
	}
	waves := make([]*peaks, lay.channels)
	for ch := range waves {
		waves[ch] = newPeaks()
	}
	for n := int64(0); n <= lay.whole; n++ {
		samples, err := lay.block(f, n)
		if err != nil {
			return call.RecordingRow{}, err
		}
		pcm := make([]int16, len(samples))
		media.PCMU.Decode(pcm, samples)
		for ch := range waves {
			waves[ch].add(channel(pcm, ch, lay.channels))
		}
	}
	ended := lay.StartedAt.Add(lay.duration())
	row := call.RecordingRow{
		ID: lay.ID, CallID: lay.CallID, LegID: lay.LegID, Kind: string(lay.Kind), State: string(state), Channels: lay.channels,
		DurationMS: lay.duration().Milliseconds(), Bytes: bytes, SHA256: sum.Sum(nil), StartedAt: lay.StartedAt, EndedAt: &ended, ExpiresAt: s.expiry(ended),
	}
	for _, p := range waves {
		row.Waveform = append(row.Waveform, p.list...)
	}
	return row, nil
}

// channel takes one channel out of interleaved samples.
func channel(pcm []int16, ch, channels int) []int16 {
	one := make([]int16, 0, len(pcm)/channels)
	for i := ch; i < len(pcm); i += channels {
		one = append(one, pcm[i])
	}
	return one
}

const expireEvery = time.Hour

// Run expires recordings until ctx is done.
func (s *Store) Run(ctx context.Context) error {
	t := time.NewTicker(expireEvery)
	defer t.Stop()
	for {
		if n, err := s.Expire(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("recordings could not be expired", "error", err)
		} else if n > 0 {
			s.cfg.Log.Info("recordings were deleted because their time was up", "recordings", n)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Expire deletes the audio of the recordings whose time is up at now. Their rows stay.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) {
	for done := 0; ; {
		list, err := s.query(ctx, `where expires_at <= $1 and state not in ('expired', 'recording') order by expires_at limit 100`, now)
		if err != nil || len(list) == 0 {
			return done, err
		}
		for _, rec := range list {
			info, err := s.root.Stat(rec.file)
			if err == nil {
				err = s.root.Remove(rec.file)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return done, err
			}
			if info != nil {
				s.used.Add(-info.Size())
			}
			if _, err := s.cfg.Pool.Exec(ctx, `update recording set state = 'expired', waveform = null where id = $1`, rec.ID); err != nil {
				return done, err
			}
			done++
		}
	}
}
