package pickup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/asterisk/asterisktest"
	"hotline/asterisk/away"
	"hotline/call"
	"hotline/call/rows"
	"hotline/media"
	"hotline/postgres/pgtest"
	"hotline/recordings"
	"hotline/tickets"
	"hotline/trunks"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// desk is a Hotline that has just been started, at a real Asterisk.
type desk struct {
	t       *testing.T
	dir     string
	pool    *pgxpool.Pool
	journal *call.Journal
	tickets *tickets.Desk
	tapes   *recordings.Store
	numbers *trunks.Directory
	trunk   trunks.Trunk
	a       *asterisktest.Asterisk
	spool   *away.Spool
	log     *lines
	picker  *Picker
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func newDesk(t *testing.T, change ...func(*recordings.Config)) *desk {
	d := &desk{t: t, dir: t.TempDir(), pool: pgtest.New(t), log: &lines{}}
	log := slog.New(slog.NewTextHandler(d.log, nil))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	_, err := d.pool.Exec(ctx, `insert into flow (name) values ('main'); insert into queue (name, title) values ('support', '{}')`)
	must(err)
	d.numbers, err = trunks.Open(ctx, d.pool, log)
	must(err)
	d.trunk, err = d.numbers.CreateTrunk(ctx, trunks.Trunk{Name: "line", Enabled: true, Settings: trunks.TrunkSettings{
		Edge: trunks.EdgeAsterisk, MatchAddresses: []string{"127.0.0.1"}, TrustedIdentity: true,
	}})
	must(err)
	_, err = d.numbers.PutNumber(ctx, trunks.Number{Number: "4000", Flow: "main", Queue: "support", Language: "en"})
	must(err)
	must(d.numbers.Reload(ctx))
	d.journal, err = rows.OpenJournal(call.JournalConfig{Dir: filepath.Join(d.dir, "journal"), Pool: d.pool, Log: log})
	must(err)
	d.tickets = tickets.New(d.pool, tickets.Config{Country: "CN", Log: log})
	d.tickets.Register(d.journal)
	cfg := recordings.Config{Dir: filepath.Join(d.dir, "audio"), KeyFile: filepath.Join(d.dir, "recordings.key"), Pool: d.pool, Journal: d.journal, MinFreeBytes: 1, Log: log}
	for _, f := range change {
		f(&cfg)
	}
	d.tapes, err = recordings.Open(cfg)
	must(err)
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.journal.Run(run) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, d.tapes.Close(ctx), d.journal.Close()); err != nil {
			t.Error(err)
		}
	})
	d.a = asterisktest.Start(t, asterisktest.Options{Trunks: d.numbers.Snapshot().Trunks()})
	d.spool, err = away.OpenSpool([]away.Node{{Name: "pbx", URL: d.a.URL, User: d.a.User, Password: d.a.Password}})
	must(err)
	t.Cleanup(d.spool.Close)
	d.picker = New(Config{Spool: d.spool, Pool: d.pool, Journal: d.journal, Recordings: d.tapes, Directory: d.numbers, Node: "test",
		Broken: filepath.Join(d.dir, "away"), Log: log})
	return d
}

// at is when the messages of these tests began: a while ago.
var at = time.Now().Add(-time.Hour).Truncate(time.Second).UTC()

// name is what the dialplan calls a message.
func (d *desk) name(from, presentation string, n int) string {
	return fmt.Sprintf("hl-away_%d_%s_%s_%s_4000_%d.%d", at.Unix(), d.trunk.ID, from, presentation, at.Unix(), n)
}

// leave puts a file where Asterisk keeps recordings.
func (d *desk) leave(name string, raw []byte) {
	d.t.Helper()
	folder := filepath.Join(d.a.Dir, "spool", "recording")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".wav"), raw, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// there says whether Asterisk still has it.
func (d *desk) there(name string) bool {
	_, err := os.Stat(filepath.Join(d.a.Dir, "spool", "recording", name+".wav"))
	return err == nil
}

func spokenFor(d time.Duration) []byte {
	var b bytes.Buffer
	pcm := append(media.Silence(time.Second).PCM(), media.Tone(500, d, 0.4).PCM()...)
	if err := media.WriteWAV(&b, media.WAV{Rate: media.SampleRate, Channels: 1, PCM: pcm}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// filed is what the database has of the messages.
type filed struct {
	Calls, Tickets, Voicemails, Recordings, Tasks int
	Result, Caller, Queue, Language, Reason       string
	Verified                                      bool
	StartedAt                                     time.Time
	Ended                                         bool
}

func (d *desk) filed() (f filed) {
	d.t.Helper()
	if err := d.journal.Flush(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	err := d.pool.QueryRow(d.t.Context(), `
		select (select count(*) from call), (select count(*) from ticket), (select count(*) from interaction where kind = 'voicemail'),
			(select count(*) from recording where state = 'complete' and ticket is not null), (select count(*) from task where state = 'open'),
			coalesce(max(result), ''), coalesce(max(caller), ''), coalesce(max(queue), ''), coalesce(max(language), ''), coalesce((select max(reason) from task), ''),
			coalesce(bool_or(verified), false), coalesce(min(started_at), 'epoch'), coalesce(bool_and(ended_at is not null), false)
		from call`).Scan(&f.Calls, &f.Tickets, &f.Voicemails, &f.Recordings, &f.Tasks, &f.Result, &f.Caller, &f.Queue, &f.Language, &f.Reason,
		&f.Verified, &f.StartedAt, &f.Ended)
	if err != nil {
		d.t.Fatal(err)
	}
	f.StartedAt = f.StartedAt.UTC()
	return f
}

func (d *desk) collect(want int) {
	d.t.Helper()
	if n, err := d.picker.Collect(d.t.Context()); err != nil || n != want {
		d.t.Errorf("collected %d, %v; want %d", n, err, want)
	}
}

func (d *desk) equal(want filed) {
	d.t.Helper()
	if got := d.filed(); got != want {
		d.t.Errorf("filed\n%+v, want\n%+v", got, want)
	}
}

var onTicket = filed{Calls: 1, Tickets: 1, Voicemails: 1, Recordings: 1, Tasks: 1, Result: "voicemail", Caller: "+8613800138000", Queue: "support", Language: "en",
	Reason: "voicemail", Verified: true, StartedAt: at, Ended: true}

// A message is on its caller's ticket, once, and gone from Asterisk. What is not ours stays.
func TestOnce(t *testing.T) {
	d := newDesk(t)
	name := d.name("P8613800138000", "allowed", 1)
	raw := spokenFor(3 * time.Second)
	d.leave(name, raw)
	d.leave("meeting-2026", raw)
	d.leave("hl-away_x", raw)
	d.collect(1)
	d.equal(onTicket)
	if d.there(name) || !d.there("meeting-2026") || !d.there("hl-away_x") {
		t.Error("of Asterisk's recordings the message alone should be gone")
	}
	var id string
	if err := d.pool.QueryRow(t.Context(), `select id::text from recording`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	audio, rec, err := d.tapes.Audio(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer audio.Close()
	wav, err := media.ReadWAV(audio)
	if err != nil || media.Goertzel(wav.PCM[media.SampleRate:2*media.SampleRate], media.SampleRate, 500) < 0.01 {
		t.Errorf("the recording does not say what was said: %v", err)
	}
	if rec.DurationMS < 3000 || rec.DurationMS > 3400 {
		t.Errorf("duration %d ms: the silence before the first word is to be left out", rec.DurationMS)
	}
	d.collect(0)
	d.leave(name, raw) // as if it had not been deleted before the process died
	d.collect(0)
	d.equal(onTicket)
	if d.there(name) {
		t.Error("what is filed is still at Asterisk")
	}
}

// Two processes that share the database make one ticket of a message.
func TestTwoProcesses(t *testing.T) {
	d := newDesk(t)
	d.leave(d.name("P8613800138000", "allowed", 1), spokenFor(3*time.Second))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := d.picker.Collect(context.Background()); err != nil && !strings.Contains(err.Error(), "404") { // another one was first
				t.Errorf("collect: %v", err)
			}
		})
	}
	wg.Wait()
	d.equal(onTicket)
}

// A process that dies in the middle leaves nothing that the next one does not mend.
func TestHalf(t *testing.T) {
	d := newDesk(t)
	name := d.name("P8613800138000", "allowed", 1)
	d.leave(name, spokenFor(3*time.Second))
	list, err := d.spool.Messages(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	info := d.picker.info(list[0])
	if err := d.journal.File(info.CallID, call.FactCallStarted, call.CallStarted{Info: info, Node: "test"}); err != nil {
		t.Fatal(err)
	}
	d.collect(1)
	d.equal(onTicket)
	// And one whose call was closed as cut by then.
	other := d.name("P8613900139000", "allowed", 2)
	d.leave(other, spokenFor(3*time.Second))
	if list, err = d.spool.Messages(t.Context()); err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	info = d.picker.info(list[0])
	for _, s := range []step{{call.FactCallStarted, call.CallStarted{Info: info, Node: "test"}},
		{call.FactCallEnded, call.CallEnded{Result: call.ResultCutBySystem, Cause: call.CauseCutBySystem, At: at}}} {
		if err := d.journal.File(info.CallID, s.kind, s.payload); err != nil {
			t.Fatal(err)
		}
	}
	d.collect(1)
	if f := d.filed(); f.Calls != 2 || f.Tickets != 2 || f.Voicemails != 2 || f.Recordings != 2 || f.Tasks != 2 || d.there(other) {
		t.Errorf("filed %+v", f)
	}
}

// Nobody who called is forgotten: silence and what cannot be played are worth a call back; the audio is put aside and somebody is told.
func TestNothingSaid(t *testing.T) {
	d := newDesk(t)
	name := d.name("P8613800138000", "allowed", 1)
	var silence bytes.Buffer
	if err := media.WriteWAV(&silence, media.WAV{Rate: media.SampleRate, Channels: 1, PCM: media.Silence(4 * time.Second).PCM()}); err != nil {
		t.Fatal(err)
	}
	d.leave(name, silence.Bytes())
	d.collect(1)
	want := onTicket
	want.Voicemails, want.Recordings, want.Result, want.Reason = 0, 0, "abandoned", "abandoned"
	d.equal(want)
	if d.there(name) {
		t.Error("still at Asterisk")
	}
}

func TestBroken(t *testing.T) {
	d := newDesk(t)
	name, good := d.name("P8613800138000", "allowed", 1), d.name("P8613800138000", "allowed", 2)
	d.leave(name, []byte("RIFF, or so"))
	d.leave(good, spokenFor(2*time.Second))
	d.collect(2)
	f := d.filed()
	if f.Calls != 2 || f.Tickets != 1 || f.Voicemails != 1 || f.Tasks != 1 || d.there(name) || d.there(good) {
		t.Errorf("filed %+v", f)
	}
	var failed int
	if err := d.pool.QueryRow(t.Context(), `select count(*) from call where result = 'failed'`).Scan(&failed); err != nil || failed != 1 {
		t.Errorf("%d calls failed, %v", failed, err)
	}
	aside, _ := filepath.Glob(filepath.Join(d.dir, "away", "*.wav"))
	if len(aside) != 1 {
		t.Fatalf("put aside: %v", aside)
	}
	if raw, err := os.ReadFile(aside[0]); err != nil || string(raw) != "RIFF, or so" {
		t.Errorf("put aside %q, %v", raw, err)
	}
	if !strings.Contains(d.log.String(), "level=ERROR") || !strings.Contains(d.log.String(), aside[0]) {
		t.Errorf("nobody is told:\n%s", d.log.String())
	}
}

// A withheld number stays so.
func TestWithheld(t *testing.T) {
	d := newDesk(t)
	d.leave(d.name("P8613800138000", "prohibnotscreened", 1), spokenFor(2*time.Second))
	d.collect(1)
	if f := d.filed(); f.Caller != "" || f.Voicemails != 1 || f.Tickets != 1 {
		t.Errorf("filed %+v", f)
	}
}

// Without room for it a message stays at Asterisk, and no ticket says that there is one.
func TestNoRoom(t *testing.T) {
	d := newDesk(t, func(c *recordings.Config) { c.MinFreeBytes = 1 << 60 })
	name := d.name("P8613800138000", "allowed", 1)
	d.leave(name, spokenFor(2*time.Second))
	if n, err := d.picker.Collect(t.Context()); n != 0 || err == nil {
		t.Errorf("collected %d, %v", n, err)
	}
	if f := d.filed(); f.Calls != 0 || f.Tickets != 0 || !d.there(name) {
		t.Errorf("filed %+v", f)
	}
}

// An Asterisk that cannot be reached does not keep the others' messages back.
func TestOneIsGone(t *testing.T) {
	d := newDesk(t)
	d.leave(d.name("P8613800138000", "allowed", 1), spokenFor(2*time.Second))
	both, err := away.OpenSpool([]away.Node{{Name: "gone", URL: "http://127.0.0.1:1", User: d.a.User, Password: d.a.Password},
		{Name: "pbx", URL: d.a.URL, User: d.a.User, Password: d.a.Password}})
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	d.picker.cfg.Spool = both
	if n, err := d.picker.Collect(t.Context()); n != 1 || err == nil {
		t.Errorf("collected %d, %v; want 1 and an error", n, err)
	}
	d.equal(onTicket)
}
