package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
	"hotline/postgres/pgtest"
)

// runJournal opens a journal and runs it until the returned function is called.
func runJournal(t *testing.T, cfg call.JournalConfig, register func(*call.Journal)) (*call.Journal, func()) {
	t.Helper()
	j := openJournal(t, cfg)
	if register != nil {
		register(j)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return j, stop
}

func openJournal(t *testing.T, cfg call.JournalConfig) *call.Journal {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = quietLog(t)
	}
	j, err := OpenJournal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func flushed(t *testing.T, j *call.Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := j.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// fileCall files the facts of one short call.
func fileCall(t testing.TB, j call.Filer, i call.Info, end bool) {
	t.Helper()
	now := time.Now()
	facts := []struct {
		kind    call.FactKind
		payload any
	}{
		{call.FactCallStarted, call.CallStarted{Info: i, Node: "n1"}},
		{call.FactCallAnswered, call.CallAnswered{LegID: i.LegID}},
		{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentRing, StartedAt: i.ReceivedAt, EndedAt: now, DurationMS: 12, Reason: "answered"}},
		{call.FactCallPhase, call.CallPhase{Phase: call.PhaseMenu}},
		{call.FactCallNoted, call.CallNoted{Language: "en", FlowVersion: 3}},
		{call.FactCallStep, call.CallStep{Node: "menu", Kind: "menu", Digits: "1"}},
		{call.FactCallStep, call.CallStep{Node: "wait", Kind: "queue"}},
		{call.FactCallPhase, call.CallPhase{Phase: call.PhaseQueued, Queue: "sales"}},
		{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentMenu, StartedAt: now, EndedAt: now.Add(time.Second), DurationMS: 1000, Reason: "moved"}},
	}
	if end {
		ended := now.Add(3 * time.Second)
		facts = append(facts, []struct {
			kind    call.FactKind
			payload any
		}{
			{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentQueue, Queue: "sales", StartedAt: now.Add(time.Second), EndedAt: ended, DurationMS: 2000, Reason: "abandoned"}},
			{call.FactLegEnded, call.LegEnded{LegID: i.LegID, Codec: "PCMA", EndedAt: ended, Cause: call.CausePeerHangup, Quality: []byte(`{"mos":4.2}`)}},
			{call.FactCallEnded, call.CallEnded{Result: call.ResultAbandoned, Cause: call.CausePeerHangup, Queue: "sales", Phase: call.PhaseQueued, Answered: true, At: ended}},
		}...)
	}
	for _, f := range facts {
		if err := j.File(i.CallID, f.kind, f.payload); err != nil {
			t.Error(err)
		}
	}
}

// The facts of a call are applied in order, whatever the other calls do, and each once, also when the process dies again and again.
func TestOrderAndOnceOverRestarts(t *testing.T) {
	pool := pgtest.New(t)
	dir := t.TempDir()
	var mu sync.Mutex
	seen := map[string][]int{}
	register := func(j *call.Journal) {
		j.On("test.count", func(ctx context.Context, tx pgx.Tx, f call.Fact) error {
			var n int
			if err := f.Decode(&n); err != nil {
				return err
			}
			// The table's primary key would catch a fact that is applied twice.
			_, err := tx.Exec(ctx, `insert into fact_quarantine (id, call_id, kind, at, data, error, seen_at) values ($1, $2, 'n', now(), '{}', '', now())`, fmt.Sprint(f.CallID, "/", n), f.CallID)
			mu.Lock()
			seen[f.CallID] = append(seen[f.CallID], n)
			mu.Unlock()
			return err
		})
	}
	const calls, facts = 40, 50
	for round := range 5 {
		j, stop := runJournal(t, call.JournalConfig{Dir: dir, Pool: pool, SegmentBytes: 20_000, MemoryBytes: 30_000}, register)
		for n := range facts {
			for c := range calls {
				if err := j.File(fmt.Sprint("call-", c), "test.count", round*facts+n); err != nil {
					t.Fatal(err)
				}
			}
		}
		stop() // without a flush: most of it is left for the next round
	}
	mu.Lock()
	for c := range seen {
		seen[c] = nil // a transaction that was cut may have run its appliers
	}
	mu.Unlock()
	j, stop := runJournal(t, call.JournalConfig{Dir: dir, Pool: pool, SegmentBytes: 20_000, MemoryBytes: 30_000}, register)
	flushed(t, j)
	if held := j.Stats().Memory; held != 0 {
		t.Errorf("%d bytes are taken to be held", held)
	}
	stop()
	var rows int
	if err := pool.QueryRow(t.Context(), `select count(*) from fact_quarantine where kind = 'n'`).Scan(&rows); err != nil || rows != 5*calls*facts {
		t.Errorf("%d facts were applied, want %d, %v", rows, 5*calls*facts, err)
	}
	for c, ns := range seen {
		for i := 1; i < len(ns); i++ {
			if ns[i] <= ns[i-1] {
				t.Fatalf("%s: %d after %d", c, ns[i], ns[i-1])
			}
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.facts")); len(files) > 2 {
		t.Errorf("%d segments are left: %v", len(files), files)
	}
}

func TestPoisonIsQuarantinedAndTheRestMovesOn(t *testing.T) {
	pool := pgtest.New(t)
	j, _ := runJournal(t, call.JournalConfig{Dir: t.TempDir(), Pool: pool, Tries: 3}, func(j *call.Journal) {
		j.On(call.FactCallStep, func(ctx context.Context, tx pgx.Tx, f call.Fact) error {
			var s call.CallStep
			if err := f.Decode(&s); err != nil {
				return err
			}
			switch s.Node {
			case "error":
				return errors.New("no such thing")
			case "sql":
				_, err := tx.Exec(ctx, `select 1/0`)
				return err
			case "panic":
				panic("oops")
			}
			return nil
		})
	})
	ids := []string{}
	for _, poison := range []string{"error", "sql", "panic", "none"} {
		i := testInfo()
		ids = append(ids, i.CallID)
		if err := j.File(i.CallID, call.FactCallStarted, call.CallStarted{Info: i, Node: "n"}); err != nil {
			t.Fatal(err)
		}
		j.File(i.CallID, call.FactCallStep, call.CallStep{Node: poison})
		j.File(i.CallID, call.FactCallStep, call.CallStep{Node: "after"})
		j.File(i.CallID, call.FactCallEnded, call.CallEnded{Result: call.ResultCompleted, At: time.Now()})
	}
	flushed(t, j)
	for _, id := range ids {
		d := get(t, pool, id)
		if d.Result != call.ResultCompleted || d.Path[len(d.Path)-1].Node != "after" {
			t.Errorf("call %s: %+v", id, d)
		}
	}
	var n int
	var why string
	if err := pool.QueryRow(t.Context(), `select count(*), string_agg(error, ' | ') from fact_quarantine`).Scan(&n, &why); err != nil || n != 3 {
		t.Errorf("%d in quarantine, %v", n, err)
	}
	for _, part := range []string{"no such thing", "division by zero", "panic: oops"} {
		if !strings.Contains(why, part) {
			t.Errorf("the reasons lack %q: %s", part, why)
		}
	}
	if s := j.Stats(); s.Quarantined != 3 || j.Degraded() {
		t.Errorf("%+v", s)
	}
}

// TestKill9 runs this test binary as a process that files facts until it is killed.
func TestKill9(t *testing.T) {
	if dir := os.Getenv("HOTLINE_TEST_JOURNAL"); dir != "" {
		fileForEver(dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill9$")
	cmd.Env = append(os.Environ(), "HOTLINE_TEST_JOURNAL="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Read what it says it has filed, and kill it in the middle of it.
	var said strings.Builder
	buf := make([]byte, 4096)
	for said.Len() < 100_000 {
		n, err := out.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			t.Fatalf("it ended by itself: %v\n%s", err, said.String())
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	lines := strings.Split(said.String(), "\n")
	last, err := strconv.Atoi(lines[len(lines)-2])
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	got := 0
	j, _ := runJournal(t, call.JournalConfig{Dir: dir, Pool: pgtest.New(t)}, func(j *call.Journal) {
		j.On("test.count", func(_ context.Context, _ pgx.Tx, f call.Fact) error {
			var n int
			if err := f.Decode(&n); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if n != got {
				return fmt.Errorf("%d came, %d was expected", n, got)
			}
			got++
			return nil
		})
	})
	flushed(t, j)
	if got <= last {
		t.Errorf("%d facts survived; the process had filed %d", got, last+1)
	}
	if j.Stats().Quarantined != 0 {
		t.Error("they came out of order")
	}
}

func fileForEver(dir string) {
	j, err := OpenJournal(call.JournalConfig{Dir: dir})
	for n := 0; err == nil; n++ {
		if err = j.File("one", "test.count", n); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestTornAndDamagedTails(t *testing.T) {
	pool := pgtest.New(t)
	for name, spoil := range map[string]func([]byte) []byte{
		"cut in a payload":    func(b []byte) []byte { return b[:len(b)-5] },
		"cut in a header":     func(b []byte) []byte { return append(b, 1, 2, 3) },
		"zeros after a crash": func(b []byte) []byte { return append(b, make([]byte, 4096)...) },
		"a flipped bit":       func(b []byte) []byte { b[len(b)-3] ^= 4; return b },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := openJournal(t, call.JournalConfig{Dir: dir, Pool: pool})
			for n := range 10 {
				j.File("one", "test.count", n)
			}
			j.Close()
			files, _ := filepath.Glob(filepath.Join(dir, "*.facts"))
			data, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(files[0], spoil(data), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // what is written behind a torn tail is found again too
				j = openJournal(t, call.JournalConfig{Dir: dir, Pool: pool})
				j.File("one", "test.count", 0)
				j.Close()
			}
			j = openJournal(t, call.JournalConfig{Dir: dir, Pool: pool})
			defer j.Close()
			if d := j.Depth(); d < 11 {
				t.Errorf("%d facts are left", d)
			}
		})
	}
}

func TestTwoProcessesCannotShareAJournal(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, call.JournalConfig{Dir: dir})
	if _, err := OpenJournal(call.JournalConfig{Dir: dir}); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("%v", err)
	}
	j.Close()
	j = openJournal(t, call.JournalConfig{Dir: dir})
	j.Close()
}

// filed is what the tests of the journal look at of a call's row; the rest of it is looked at by package archive.
type filed struct {
	Result call.Result
	Path   []step
}

func get(t *testing.T, pool *pgxpool.Pool, id string) (d filed) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `select result, path from call where id = $1`, id).Scan(&d.Result, &d.Path); err != nil {
		t.Fatal(err)
	}
	return d
}
