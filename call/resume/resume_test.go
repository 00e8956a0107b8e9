package resume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
	"hotline/call/archive"
	"hotline/call/rows"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// process is a journal that runs, as far as this package knows of one.
func process(t *testing.T, dir string, pool *pgxpool.Pool) (j *call.Journal, stop func()) {
	t.Helper()
	j, err := rows.OpenJournal(call.JournalConfig{Dir: dir, Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	over := false
	stop = func() {
		if over {
			return
		}
		over = true
		err := j.Flush(context.Background())
		cancel()
		if err := errors.Join(err, <-done, j.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return j, stop
}

func info(edge string) call.Info {
	return call.Info{
		LegID: hotline.NewID(), CallID: hotline.NewID(), Direction: call.Inbound, Edge: edge, ForeignID: hotline.NewID(), Outlives: edge == "kept",
		Caller: call.Party{Number: "+8613800138000"}, Dialled: "4000", Flow: "main", Language: "en", ReceivedAt: time.Now().Add(-time.Minute),
	}
}

// begin files what makes a call that waits in a queue, and ends it if it is over.
func begin(t *testing.T, j *call.Journal, i call.Info, node string, over bool) {
	t.Helper()
	at := i.ReceivedAt
	joined := at.Add(10 * time.Second)
	facts := []struct {
		kind    call.FactKind
		payload any
	}{
		{call.FactCallStarted, call.CallStarted{Info: i, Node: node}},
		{call.FactCallAnswered, call.CallAnswered{LegID: i.LegID}},
		{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentRing, StartedAt: at, EndedAt: at.Add(time.Second), Reason: "answered"}},
		{call.FactCallStep, call.CallStepped{CallStep: call.CallStep{Node: "main", Kind: "menu", Digits: "1"}, Next: "wait", Vars: map[string]string{"order": "7"}}},
		{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentMenu, StartedAt: at.Add(time.Second), EndedAt: joined, Reason: "moved"}},
		{call.FactCallPhase, call.CallPhase{Phase: call.PhaseQueued, Queue: "sales", Place: &call.Standing{JoinedAt: joined, Rank: joined.Add(-time.Hour)}}},
		{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentOffer, StartedAt: joined, EndedAt: joined.Add(20 * time.Second), Reason: "declined"}},
	}
	if over {
		facts = append(facts, struct {
			kind    call.FactKind
			payload any
		}{call.FactCallEnded, call.CallEnded{Result: call.ResultAbandoned, Phase: call.PhaseQueued, At: time.Now()}})
	}
	for _, f := range facts {
		if err := j.File(i.CallID, f.kind, f.payload); err != nil {
			t.Fatal(err)
		}
	}
}

// seen says when the process was last seen alive.
func seen(t *testing.T, dir string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(filepath.Join(dir, "alive"), at, at); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, pool *pgxpool.Pool, i call.Info) archive.Detail {
	t.Helper()
	d, err := archive.Get(t.Context(), pool, i.CallID)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCallsOfADeadProcessAreClosed(t *testing.T) {
	pool, dir := pgtest.New(t), t.TempDir()
	j, stop := process(t, dir, pool)
	open, closed, foreign := info("sip"), info("sip"), info("sip")
	begin(t, j, open, "n1", false)
	begin(t, j, closed, "n1", true)
	begin(t, j, foreign, "n2", false)
	stop()
	at := time.Now().Add(10 * time.Second).Truncate(time.Second)
	seen(t, dir, at)
	j, _ = process(t, dir, pool)
	live := info("sip")
	live.ReceivedAt = time.Now() // began after the restart
	begin(t, j, live, "n1", false)
	for range 2 {
		r := New(Config{Journal: j, Pool: pool, Node: "n1"})
		if r.Undecided(open.CallID) {
			t.Error("without an edge that keeps calls, none is undecided")
		}
		if err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	d := get(t, pool, open)
	if d.Result != call.ResultCutBySystem || d.EndedAt == nil || !d.EndedAt.Equal(at) || d.Legs[0].EndedAt == nil {
		t.Errorf("the call that was open: %+v", d)
	}
	last := d.Segments[len(d.Segments)-1]
	for _, s := range d.Segments {
		if s.Reason == "cut" {
			last = s
		}
	}
	if last.Kind != call.SegmentQueue || last.Queue != "sales" || !last.EndedAt.Equal(at) || last.StartedAt.Sub(open.ReceivedAt.Add(10*time.Second)).Abs() > time.Millisecond {
		t.Errorf("its last stretch is %+v: an offer to an agent is none of the caller's", last)
	}
	if d := get(t, pool, closed); d.Result != call.ResultAbandoned {
		t.Errorf("the call that was closed: %+v", d)
	}
	for _, i := range []call.Info{foreign, live} {
		if d := get(t, pool, i); d.EndedAt != nil {
			t.Errorf("a call that goes on was closed: %+v", d)
		}
	}
}

// keeper is an edge that gives back what it claims, and keeps the process waiting for the rest.
type keeper struct {
	got   []*call.Left
	alive string
}

func (k *keeper) Adopt(ctx context.Context, left []*call.Left) error {
	k.got = left
	for _, l := range left {
		if l.Info.CallID == k.alive && !l.Claim() {
			return errors.New("somebody else has decided")
		}
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestAnEdgeIsAskedFirst: it is told what there is to know; what it does not give back in time is closed, and not given later.
func TestAnEdgeIsAskedFirst(t *testing.T) {
	pool, dir := pgtest.New(t), t.TempDir()
	j, stop := process(t, dir, pool)
	kept, lost, native := info("kept"), info("kept"), info("sip")
	for _, i := range []call.Info{kept, lost, native} {
		begin(t, j, i, "n1", false)
	}
	stop()
	j, _ = process(t, dir, pool)
	k := &keeper{alive: kept.CallID}
	r := New(Config{Journal: j, Pool: pool, Node: "n1", Grace: 100 * time.Millisecond})
	r.Register("kept", k)
	if !r.Undecided(kept.CallID) {
		t.Error("nothing is known yet, and the call is taken for dead")
	}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(k.got) != 2 {
		t.Fatalf("the edge was asked for %d calls", len(k.got))
	}
	l := k.got[0]
	if l.Info.LegID != kept.LegID || l.Info.ForeignID != kept.ForeignID || !l.Info.ReceivedAt.Equal(kept.ReceivedAt) || l.Phase != call.PhaseQueued || l.Queue != "sales" ||
		l.Stage.Node != "wait" || l.Stage.Vars["order"] != "7" || l.Stage.Place == nil || !l.Stage.Place.JoinedAt.Equal(kept.ReceivedAt.Add(10*time.Second)) ||
		l.AnsweredAt == nil || l.Since.Sub(kept.ReceivedAt.Add(10*time.Second)).Abs() > time.Millisecond {
		t.Errorf("what was left: %+v", l)
	}
	if d := get(t, pool, kept); d.EndedAt != nil {
		t.Errorf("the call that goes on: %+v", d)
	}
	for _, i := range []call.Info{lost, native} {
		if d := get(t, pool, i); d.Result != call.ResultCutBySystem || r.Undecided(i.CallID) {
			t.Errorf("a call that nobody has: %+v", d)
		}
	}
	if k.got[1].Claim() {
		t.Error("a call that was closed can be given back")
	}
	var rest bool
	if err := pool.QueryRow(t.Context(), `select exists (select from call where ended_at is not null and resume is not null)`).Scan(&rest); err != nil || rest {
		t.Errorf("what is needed to go on is kept of a call that has ended: %v", err)
	}
}
