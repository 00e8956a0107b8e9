package ivr

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/acd"
	"hotline/call"
	"hotline/call/archive"
	"hotline/call/calltest"
	"hotline/call/resume"
	"hotline/call/rows"
	"hotline/ivr/speech"
	"hotline/media"
	"hotline/postgres/pgtest"
	"hotline/recordings"
	"hotline/tickets"
)

// TestMain lets more tests run at once than there are processors: most of their time goes by in listening.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	pgtest.Main(m)
}

// testVoice is the real voice; what it has spoken is shared by all runs of the tests on this machine.
var testVoice = sync.OnceValues(func() (*speech.Voice, error) {
	e, err := speech.NewEspeak()
	if err != nil {
		return nil, err
	}
	return speech.NewVoice(e, filepath.Join(os.TempDir(), "hotline-test-speech"))
})

func realVoice(t testing.TB) *speech.Voice {
	t.Helper()
	v, err := testVoice()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// house is a hotline without SIP: everything else is real.
type house struct {
	t        testing.TB
	pool     *pgxpool.Pool
	store    *Store
	exchange *Exchange
	engine   *media.Engine
	journal  *call.Journal
	board    *call.Switchboard
	tapes    *recordings.Store
	desk     *tickets.Desk
	queues   *acd.Queues
	agents   *acd.Agents
	staff    *staff
	log      *safeLog
	home     home
	kept     *backend
	stops    []func()
}

// home is what stays of a house when its process dies.
type home struct {
	pool  *pgxpool.Pool // of this process
	dir   string        // of the journal and the recordings
	rules Rules
	away  time.Duration // for so long a conversation waits for a browser; 0: a second
}

// safeLog keeps what was logged, to look for what must not be in it.
type safeLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newHouse(t testing.TB, rules Rules) *house {
	t.Helper()
	return openHouse(t, home{pool: pgtest.New(t), dir: t.TempDir(), rules: rules}, nil)
}

// openHouse starts the parts of a house; kept is what its edge has kept of the process before.
func openHouse(t testing.TB, at home, kept *backend) *house {
	t.Helper()
	h := &house{t: t, pool: at.pool, engine: calltest.NewEngine(t), log: &safeLog{}, staff: newStaff(), home: at, kept: kept}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(h.log, t.Output()), nil))
	h.store = NewStore(h.pool, at.rules, realVoice(t))
	if err := SeedDemo(t.Context(), h.store); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.journal, err = rows.OpenJournal(call.JournalConfig{Dir: filepath.Join(at.dir, "journal"), Pool: h.pool, Log: log}); err != nil {
		t.Fatal(err)
	}
	h.desk = tickets.New(h.pool, tickets.Config{})
	h.desk.Register(h.journal)
	h.tapes, err = recordings.Open(recordings.Config{Dir: filepath.Join(at.dir, "rec"), KeyFile: filepath.Join(at.dir, "key"), Pool: h.pool, Journal: h.journal, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if h.queues, err = acd.OpenQueues(t.Context(), h.pool, log); err != nil {
		t.Fatal(err)
	}
	h.board = call.NewSwitchboard(call.Config{
		Journal: h.journal, Node: "test", Log: log, Route: func(ctx context.Context, i call.Info) (call.Script, error) { return h.exchange.Route(ctx, i) },
	})
	left := resume.New(resume.Config{Journal: h.journal, Pool: h.pool, Node: "test", Grace: 10 * time.Second, Log: log})
	if kept != nil {
		left.Register("kept", kept)
	}
	h.agents, err = acd.OpenAgents(t.Context(), acd.AgentsConfig{
		Pool: h.pool, Queues: h.queues, Journal: h.journal, Node: "test", Popper: h.staff, Log: log,
		Live: func(id string) bool { _, live := h.board.Call(id); return live || left.Undecided(id) },
	})
	if err != nil {
		t.Fatal(err)
	}
	line := acd.NewLine(acd.LineConfig{Queues: h.queues, Agents: h.agents, Caller: callers{h}, Pool: h.pool, Log: log})
	h.exchange, err = Open(t.Context(), Config{
		Pool: h.pool, Voice: realVoice(t), Line: line, Queues: h.queues, Recordings: h.tapes, Tickets: h.desk, Rules: at.rules, Log: log,
		Agents: h.agents, Calls: h.board, Engine: h.engine, Observe: h.staff.observe, Away: cmp.Or(at.away, time.Second), RecordOut: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.staff.house = h
	if kept != nil { // calls that go on may dial at once
		h.exchange.cfg.Dialer = h.staff
	}
	h.run("journal", h.journal.Run)
	h.run("exchange", h.exchange.Run)
	h.run("agents", h.agents.Run)
	h.run("line", line.Run)
	h.run("switchboard", h.board.Run)
	if kept != nil {
		kept.house = h
		if err := errors.Join(left.Run(t.Context()), h.tapes.Repair(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// run runs a part until the test ends, the last started first to stop.
func (h *house) run(name string, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- part(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil && ctx.Err() == nil {
				h.t.Errorf("%s: %v", name, err)
			}
		case <-time.After(20 * time.Second):
			h.t.Errorf("%s did not stop", name)
		}
	})
	h.stops = append(h.stops, stop)
	h.t.Cleanup(stop)
}

// publish makes a flow live.
func (h *house) publish(name, source string) {
	h.t.Helper()
	if _, err := h.store.SaveDraft(h.t.Context(), "test", name, source, nil); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.store.Publish(h.t.Context(), "test", name, ""); err != nil {
		h.t.Fatal(err)
	}
	if err := h.exchange.Reload(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// ring calls a flow.
func (h *house) ring(flow, caller string) *calltest.Leg {
	h.t.Helper()
	l := calltest.NewLeg(h.t, h.engine, call.Info{
		Caller: call.Party{Number: caller, Withheld: caller == ""}, Dialled: "4000", Flow: flow, Language: "en", Remote: "127.0.0.1:5060",
	})
	for deadline := time.Now().Add(5 * time.Second); ; {
		err := l.Ring(h.t.Context(), h.board)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			h.t.Fatal(err)
		}
		l = calltest.NewLeg(h.t, h.engine, l.Info())
	}
	return l
}

// ended waits for the end of a call and returns its row.
func (h *house) ended(l *calltest.Leg) archive.Detail {
	h.t.Helper()
	select {
	case <-l.Ended():
	case <-time.After(60 * time.Second):
		h.t.Fatal("the call does not end")
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err := h.journal.Flush(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
		d, err := archive.Get(h.t.Context(), h.pool, l.Info().CallID)
		if err == nil && d.EndedAt != nil {
			return d
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("the call's row is not closed: %v", err)
		}
	}
}

// prompt returns a prompt as the caller hears it.
func (h *house) prompt(name, language string) []int16 {
	h.t.Helper()
	list := voice{snap: h.exchange.live.Load(), language: language}.prompt(name)
	if len(list) == 0 {
		h.t.Fatalf("no prompt %s in %s", name, language)
	}
	return list[0].PCM()
}

// hears waits until a prompt was heard, by its loudest part: G.711 changes samples, so likeness is measured.
func (h *house) hears(l *calltest.Leg, pcm []int16, within time.Duration) {
	h.t.Helper()
	if !hearsAfter(l, pcm, 0, within) {
		h.t.Fatalf("the prompt was not heard within %s", within)
	}
}

// hearsAfter looks at what was heard from a sample on, each part once.
func hearsAfter(l *calltest.Leg, pcm []int16, from int, within time.Duration) bool {
	want := loudest(pcm)
	found := l.Phone.WaitHeard(within, func(heard []int16) bool {
		if len(heard) < from+len(want)+1600 {
			return false // look at fifths of seconds rather than at packets
		}
		found := find(heard[min(from, len(heard)):], want)
		from = max(from, len(heard)-len(want))
		return found
	})
	if heard := l.Phone.Heard(); !found && from < len(heard) {
		found = find(heard[from:], want) // the call's last words
	}
	return found
}

func contains(heard, pcm []int16) bool { return find(heard, loudest(pcm)) }

// loudest returns the loudest 300 ms of the first two seconds.
func loudest(pcm []int16) []int16 {
	const n = 2400
	if len(pcm) < n {
		pcm = append(slices.Clone(pcm), make([]int16, n-len(pcm))...)
	}
	best, at := int64(-1), 0
	for i := 0; i+n <= len(pcm) && i < 16000; i += 400 {
		if e := energy(pcm[i : i+n]); e > best {
			best, at = e, i
		}
	}
	return pcm[at : at+n]
}

// find slides want over heard; a coarse look comes first, at a step that no tone of the tests divides.
func find(heard, want []int16) bool {
	for i := 0; i+len(want) <= len(heard); i++ {
		part := heard[i : i+len(want)]
		if likeness(part, want, 11) > 0.5 && likeness(part, want, 1) > 0.9 {
			return true
		}
	}
	return false
}

func energy(pcm []int16) (sum int64) {
	for _, s := range pcm {
		sum += int64(s) * int64(s)
	}
	return sum
}

func likeness(a, b []int16, step int) float64 {
	var ab, aa, bb float64
	for i := 0; i < len(b); i += step {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 || ab < 0 {
		return 0
	}
	return ab * ab / (aa * bb)
}
