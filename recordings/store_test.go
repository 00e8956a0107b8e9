package recordings

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
	"hotline/call/rows"
	"hotline/media"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// bench is a store with what it stands on.
type bench struct {
	*Store
	journal *call.Journal
	pool    *pgxpool.Pool
	callID  string
}

func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	b := &bench{pool: pgtest.New(t), callID: hotline.NewID()}
	var err error
	b.journal, err = rows.OpenJournal(call.JournalConfig{Dir: filepath.Join(dir, "journal"), Pool: b.pool, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Dir: filepath.Join(dir, "audio"), KeyFile: filepath.Join(dir, "recordings.key"), Pool: b.pool, Journal: b.journal, RetentionDays: 30, MinFreeBytes: 1, Log: log}
	if change != nil {
		change(&cfg)
	}
	if b.Store, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.journal.Run(ctx) }()
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		if err := errors.Join(<-done, b.journal.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) flush(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.journal.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) start(t *testing.T, kind Kind) *Recorder {
	t.Helper()
	r, err := b.Start(t.Context(), Start{CallID: b.callID, Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func stopped(t *testing.T, r *Recorder) Recording {
	t.Helper()
	rec, err := r.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// talk feeds a tone on each side, frame by frame.
func talk(r *Recorder, d time.Duration, left, right float64) {
	for at := time.Duration(0); at < d; at += 20 * time.Millisecond {
		r.Frame(sine(left, at), sine(right, at))
	}
}

// talkPaced is talk for a disk that works: it waits when the queue is full, which a clock never would.
func talkPaced(r *Recorder, d time.Duration, left, right float64) {
	for at := time.Duration(0); at < d; at += 20 * time.Millisecond {
		for len(r.queue) == cap(r.queue) {
			time.Sleep(time.Millisecond)
		}
		r.Frame(sine(left, at), sine(right, at))
	}
}

func sine(freq float64, at time.Duration) []int16 {
	pcm := make([]int16, 160)
	for i := range pcm {
		pcm[i] = int16(10000 * math.Sin(2*math.Pi*freq*(at.Seconds()+float64(i)/sampleRate)))
	}
	return pcm
}

// played reads a recording as a player does.
func (b *bench) played(t *testing.T, id string) (media.WAV, Recording) {
	t.Helper()
	r, rec, err := b.Audio(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return parseWAV(t, data), rec
}

func parseWAV(t *testing.T, data []byte) media.WAV {
	t.Helper()
	w, err := media.ReadWAV(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func side(w media.WAV, ch int) []int16 { return channel(w.PCM, ch, w.Channels) }

func hears(pcm []int16, freq float64) bool {
	return media.Goertzel(pcm, sampleRate, freq) > 0.01
}

func TestACallIsRecordedInStereo(t *testing.T) {
	b := newBench(t, nil)
	r := b.start(t, OfCall)
	talkPaced(r, 3*time.Second+140*time.Millisecond, 440, 1000)
	rec := stopped(t, r)
	if again := stopped(t, r); again.ID != rec.ID || again.Bytes != rec.Bytes {
		t.Errorf("a second Stop returns %+v", again)
	}
	b.flush(t)
	got, err := b.Get(t.Context(), rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != Complete || got.DurationMS != 3140 || got.Channels != 2 || got.ExpiresAt == nil || got.EndedAt == nil {
		t.Errorf("%+v", got)
	}
	wav, _ := b.played(t, rec.ID)
	if wav.Rate != 8000 || wav.Channels != 2 || len(wav.PCM) != 2*8*3140 {
		t.Errorf("rate %d, %d channels, %d samples", wav.Rate, wav.Channels, len(wav.PCM))
	}
	if !hears(side(wav, 0), 440) || !hears(side(wav, 1), 1000) || hears(side(wav, 0), 1000) {
		t.Error("the sides are not where they belong")
	}
	if len(got.Waveform) != 2 || len(got.Waveform[0]) == 0 || len(got.Waveform[0]) > 400 || got.Waveform[0][3] < 60 || got.Waveform[0][3] > 90 {
		t.Errorf("waveform: %v", got.Waveform)
	}
	raw, err := os.ReadFile(filepath.Join(b.cfg.Dir, got.file))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); !bytes.Equal(sum[:], got.SHA256) || got.Bytes != int64(len(raw)) {
		t.Errorf("sha256 or size of the file are not what the row says: %d, %d bytes", got.Bytes, len(raw))
	}
	if list, err := b.ForCall(t.Context(), b.callID); err != nil || len(list) != 1 || list[0].ID != rec.ID {
		t.Errorf("ForCall: %v, %v", list, err)
	}
	if js, _ := json.Marshal(got); !strings.Contains(string(js), `"waveform":[[`) || strings.Contains(string(js), got.file) {
		t.Errorf("JSON: %s", js)
	}
}

// Case: range requests while encrypted. Reading from anywhere gives the same bytes as reading it all.
func TestSeeking(t *testing.T) {
	b := newBench(t, nil)
	r := b.start(t, OfCall)
	talkPaced(r, 2300*time.Millisecond, 300, 700)
	rec := stopped(t, r)
	b.flush(t)
	f, _, err := b.Audio(t.Context(), rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(f.(io.Reader), nil); err == nil {
		t.Error("at the end, there is something to be read")
	}
	for _, off := range []int64{0, 1, 43, 44, 45, 16043, 16044, 16045, 32044, int64(len(all)) - 1, int64(len(all))} {
		if _, err := f.Seek(off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, all[off:]) {
			t.Errorf("from %d: %d bytes, want %d, %v", off, len(got), len(all)-int(off), err)
		}
	}
	if end, err := f.Seek(-10, io.SeekEnd); err != nil || end != int64(len(all))-10 {
		t.Errorf("%d, %v", end, err)
	}
	if _, err := f.Seek(-1, io.SeekStart); err == nil {
		t.Error("it can be read from before its beginning")
	}
	f.Seek(0, io.SeekStart)
	if err := iotest.TestReader(f, all); err != nil {
		t.Error(err)
	}
}

func TestAPauseIsSilenceOnTheClock(t *testing.T) {
	b := newBench(t, nil)
	r := b.start(t, OfCall)
	talkPaced(r, time.Second, 440, 1000)
	r.Pause()
	r.Pause() // by two parties
	talkPaced(r, 500*time.Millisecond, 440, 1000)
	r.Resume()
	talkPaced(r, 500*time.Millisecond, 440, 1000)
	r.Resume()
	talkPaced(r, time.Second, 440, 1000)
	rec := stopped(t, r)
	b.flush(t)
	if rec.DurationMS != 3000 || rec.State != Complete {
		t.Errorf("%+v", rec)
	}
	wav, _ := b.played(t, rec.ID)
	for ch := range 2 {
		pcm := side(wav, ch)
		if l := media.Level(pcm[8000:16000]); l > -90 {
			t.Errorf("side %d: the pause is at %.1f dBFS", ch, l)
		}
		if media.Level(pcm[:8000]) < -20 || media.Level(pcm[16000:]) < -20 {
			t.Errorf("side %d: nothing is heard around the pause", ch)
		}
	}
	if w := rec.Waveform[0]; w[len(w)/2] != 0 {
		t.Errorf("the waveform shows what was paused: %v", w)
	}
}

func TestAVoicemailHasOneChannel(t *testing.T) {
	b := newBench(t, nil)
	r := b.start(t, Voicemail)
	talkPaced(r, 1200*time.Millisecond, 500, 900)
	rec := stopped(t, r)
	b.flush(t)
	wav, _ := b.played(t, rec.ID)
	if wav.Channels != 1 || !hears(wav.PCM, 500) || len(wav.PCM) != 9600 {
		t.Errorf("%d channels, %d samples", wav.Channels, len(wav.PCM))
	}
	r = b.start(t, Voicemail)
	talkPaced(r, 200*time.Millisecond, 500, 900)
	before := b.Stats().Bytes
	if err := r.Discard(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.flush(t)
	if _, err := b.Get(t.Context(), r.ID()); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("what was discarded is still there: %v", err)
	}
	if files := b.files(t); len(files) != 1 {
		t.Errorf("files: %v", files)
	}
	if after := b.Stats().Bytes; after >= before {
		t.Errorf("the store thinks it has %d bytes, %d before", after, before)
	}
}

func (b *bench) files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := b.walk(func(name string, _ os.FileInfo) error { names = append(names, name); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Nothing of what was said, and no name from outside, can be found on the disk without the key.
func TestEncryptedAtRest(t *testing.T) {
	b := newBench(t, nil)
	r := b.start(t, OfCall)
	for range 200 {
		r.Frame(make([]int16, 160), make([]int16, 160)) // silence would be 0xff all over
		for len(r.queue) == cap(r.queue) {
			time.Sleep(time.Millisecond)
		}
	}
	rec := stopped(t, r)
	b.flush(t)
	name := b.files(t)[0]
	raw, err := os.ReadFile(filepath.Join(b.cfg.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, bytes.Repeat([]byte{0xff}, 8)) || !bytes.Contains(raw, []byte("age-encryption.org/v1")) {
		t.Error("the audio is readable without the key")
	}
	if want := rec.ID + ".hlrec"; filepath.Base(name) != want {
		t.Errorf("the file is called %s, want %s", name, want)
	}
	if info, _ := os.Stat(b.cfg.KeyFile); info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", info.Mode())
	}
	if strings.HasPrefix(b.cfg.KeyFile, b.cfg.Dir) {
		t.Error("the key lies with what it opens")
	}
	raw[len(raw)-9000] ^= 1
	if err := os.WriteFile(filepath.Join(b.cfg.Dir, name), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	f, _, err := b.Audio(t.Context(), rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(io.Discard, f); err == nil {
		t.Error("a changed file plays as if nothing had happened")
	}
}

func TestKeys(t *testing.T) {
	b := newBench(t, nil)
	rec := stopped(t, b.start(t, Voicemail))
	_ = rec
	other, err := rows.OpenJournal(call.JournalConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	open := func(key string) error {
		cfg := b.cfg
		cfg.KeyFile, cfg.Journal = key, other
		s, err := Open(cfg)
		if err == nil {
			s.root.Close()
		}
		return err
	}
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, err := os.ReadFile(b.cfg.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := open(filepath.Join(dir, "none")); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("a missing key with recordings there: %v", err)
	}
	if err := open(file("wide", string(good), 0o644)); hotline.KindOf(err) != hotline.Invalid || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that all can read: %v", err)
	}
	for name, text := range map[string]string{"empty": "# nothing\n", "junk": "AGE-SECRET-KEY-1XYZ\n"} {
		if err := open(file(name, text, 0o600)); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := open(file("copy", string(good), 0o600)); err != nil {
		t.Errorf("the same key from elsewhere: %v", err)
	}
}

func TestRetention(t *testing.T) {
	b := newBench(t, nil)
	r := b.start(t, Voicemail)
	talkPaced(r, time.Second, 440, 440)
	rec := stopped(t, r)
	running := b.start(t, Voicemail)
	b.flush(t)
	if n, err := b.Expire(t.Context(), time.Now().AddDate(0, 0, 29)); n != 0 || err != nil {
		t.Errorf("a day early: %d, %v", n, err)
	}
	if n, err := b.Expire(t.Context(), time.Now().AddDate(0, 0, 31)); n != 1 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
	got, err := b.Get(t.Context(), rec.ID)
	if err != nil || got.State != Expired || got.DurationMS != 1000 || len(got.Waveform) != 0 {
		t.Errorf("the row: %+v, %v", got, err)
	}
	if files := b.files(t); len(files) != 1 || !strings.Contains(files[0], running.ID()) {
		t.Errorf("files: %v", files)
	}
	if _, _, err := b.Audio(t.Context(), rec.ID); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("its audio: %v", err)
	}
	last := stopped(t, running)
	b.flush(t)
	if err := b.root.Remove(b.files(t)[0]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Audio(t.Context(), last.ID); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("a file that is gone: %v", err)
	}
	if got, err := b.Get(t.Context(), last.ID); err != nil || got.State != Lost {
		t.Errorf("%+v, %v", got, err)
	}
}

// Case 23: whatever stands in the row or the address, nothing outside the folder is read.
func TestNothingOutsideTheFolderIsRead(t *testing.T) {
	b := newBench(t, nil)
	rec := stopped(t, b.start(t, Voicemail))
	b.flush(t)
	for _, file := range []string{"../recordings.key", "/etc/passwd", "2026/../../recordings.key"} {
		if _, err := b.pool.Exec(t.Context(), `update recording set file = $1 where id = $2`, file, rec.ID); err != nil {
			t.Fatal(err)
		}
		if f, _, err := b.Audio(t.Context(), rec.ID); err == nil {
			f.Close()
			t.Errorf("%s was opened", file)
		}
	}
	for _, id := range []string{"", "../x", "'; select 1", hotline.NewID()} {
		if _, _, err := b.Audio(t.Context(), id); hotline.KindOf(err) != hotline.NotFound {
			t.Errorf("Audio(%q): %v", id, err)
		}
	}
}

// A recording that goes on plays up to now.
func TestPlayingWhatIsBeingRecorded(t *testing.T) {
	b := newBench(t, nil)
	r := b.start(t, OfCall)
	talkPaced(r, 2*time.Second, 440, 1000)
	waitFor(t, func() bool { return len(r.queue) == 0 })
	b.flush(t)
	wav, rec := b.played(t, r.ID())
	if rec.State != Running || len(wav.PCM) < 2*8000 || !hears(side(wav, 1), 1000) {
		t.Errorf("%+v, %d samples", rec, len(wav.PCM))
	}
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-deadline:
			t.Fatal("it did not come about in 10 s")
		}
	}
}

// The clock's side costs little: a thousand recordings are 50,000 frames a second.
func BenchmarkFrame(b *testing.B) {
	s := &Store{writeAt: func(*os.File, []byte, int64) error { return nil }, cfg: Config{Log: slog.New(slog.DiscardHandler)}}
	r := &Recorder{store: s, head: header{channels: 2}, queue: make(chan block, 1), fresh: make([]byte, 0, 8000), waves: []*peaks{newPeaks(), newPeaks()}}
	in, out := sine(440, 0), sine(1000, 0)
	var n atomic.Int64
	for b.Loop() {
		r.Frame(in, out)
		n.Add(1)
	}
}
