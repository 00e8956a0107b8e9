package archive

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
	"hotline/call/rows"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// filing is a database with a journal that files into it.
func filing(t *testing.T) (*pgxpool.Pool, *call.Journal) {
	t.Helper()
	pool := pgtest.New(t)
	j, err := rows.OpenJournal(call.JournalConfig{Dir: t.TempDir(), Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, j.Close()); err != nil {
			t.Error(err)
		}
	})
	return pool, j
}

// calls files the facts of one short call that began at a time, and returns what it was.
func calls(t *testing.T, j *call.Journal, at time.Time, end bool) call.Info {
	t.Helper()
	i := call.Info{
		LegID: hotline.NewID(), CallID: hotline.NewID(), Direction: call.Inbound, Edge: "sip", ForeignID: hotline.NewID(),
		Caller: call.Party{Number: "+8613800138000"}, Dialled: "4000", Flow: "main", Language: "zh-CN", ReceivedAt: at,
	}
	type fact struct {
		kind    call.FactKind
		payload any
	}
	facts := []fact{
		{call.FactCallStarted, call.CallStarted{Info: i, Node: "n1"}},
		{call.FactCallAnswered, call.CallAnswered{LegID: i.LegID}},
		{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentRing, StartedAt: at, EndedAt: at.Add(time.Second), DurationMS: 1000, Reason: "answered"}},
		{call.FactCallNoted, call.CallNoted{Language: "en", FlowVersion: 3}},
		{call.FactCallStep, call.CallStep{Node: "menu", Kind: "menu", Digits: "1"}},
		{call.FactCallStep, call.CallStep{Node: "wait", Kind: "queue"}},
		{call.FactCallPhase, call.CallPhase{Phase: call.PhaseQueued, Queue: "sales"}},
		{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentMenu, StartedAt: at.Add(time.Second), EndedAt: at.Add(2 * time.Second), DurationMS: 1000, Reason: "moved"}},
	}
	if end {
		over := at.Add(4 * time.Second)
		facts = append(facts,
			fact{call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentQueue, Queue: "sales", StartedAt: at.Add(2 * time.Second), EndedAt: over, DurationMS: 2000, Reason: "abandoned"}},
			fact{call.FactLegEnded, call.LegEnded{LegID: i.LegID, Codec: "PCMA", EndedAt: over, Cause: call.CausePeerHangup, Quality: []byte(`{"mos":4.2}`)}},
			fact{call.FactCallEnded, call.CallEnded{Result: call.ResultAbandoned, Cause: call.CausePeerHangup, Queue: "sales", Phase: call.PhaseQueued, Answered: true, At: over}},
		)
	}
	for _, f := range facts {
		if err := j.File(i.CallID, f.kind, f.payload); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

func TestACallBecomesItsRows(t *testing.T) {
	pool, j := filing(t)
	i := calls(t, j, time.Now().Add(-time.Minute), true)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, err := Get(t.Context(), pool, i.CallID)
	if err != nil {
		t.Fatal(err)
	}
	if d.Result != call.ResultAbandoned || d.Phase != call.PhaseEnded || d.Queue != "sales" || d.Language != "en" || *d.FlowVersion != 3 || d.AnsweredAt == nil || d.Cause != call.CausePeerHangup {
		t.Errorf("call: %+v", d)
	}
	if d.DurationMS == nil || *d.DurationMS != 4000 {
		t.Errorf("duration: %v", d.DurationMS)
	}
	if len(d.Path) != 2 || d.Path[0].Digits != "1" || d.Path[1].Node != "wait" || d.Path[0].At.IsZero() {
		t.Errorf("path: %+v", d.Path)
	}
	if len(d.Segments) != 3 || d.Segments[2].Reason != "abandoned" || d.Segments[2].DurationMS != 2000 {
		t.Errorf("segments: %+v", d.Segments)
	}
	if len(d.Legs) != 1 || d.Legs[0].Codec != "PCMA" || d.Legs[0].Party.Number != i.Caller.Number || d.Legs[0].EndedAt == nil || d.Legs[0].AnsweredAt == nil {
		t.Errorf("legs: %+v", d.Legs)
	}
}

func TestListPagesByKey(t *testing.T) {
	pool, j := filing(t)
	at := time.Now().Truncate(time.Second)
	want := map[string]bool{}
	for n := range 7 {
		want[calls(t, j, at.Add(-time.Duration(n/3)*time.Second), n%2 == 0).CallID] = true // three at a time begin together
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var last Row
	f := Filter{Limit: 2}
	for page := 0; ; page++ {
		rows, next, err := List(t.Context(), pool, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if !want[r.ID] {
				t.Errorf("call %s came twice, or is a stranger", r.ID)
			}
			delete(want, r.ID)
			if last.ID != "" && r.StartedAt.After(last.StartedAt) {
				t.Errorf("%v stands after %v", r.StartedAt, last.StartedAt)
			}
			last = r
		}
		if next == "" {
			break
		}
		f.Cursor = next
		if page > 10 {
			t.Fatal("the pages do not end")
		}
	}
	if len(want) != 0 {
		t.Errorf("left out: %v", want)
	}
	for name, f := range map[string]Filter{
		"open": {Open: true}, "result": {Result: call.ResultAbandoned},
		"caller": {Caller: "+8613800138000", Queue: "sales", From: at.Add(-time.Hour), To: at.Add(time.Hour)},
	} {
		rows, _, err := List(t.Context(), pool, f)
		if wantN := map[string]int{"open": 3, "result": 4, "caller": 7}[name]; err != nil || len(rows) != wantN {
			t.Errorf("%s: %d rows, want %d, %v", name, len(rows), wantN, err)
		}
	}
	for _, bad := range []string{"x", "!!", "MjAyNg", "2026 ' or 1=1"} {
		if _, _, err := List(t.Context(), pool, Filter{Cursor: bad}); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "x", hotline.NewID(), "'; drop table call"} {
		if _, err := Get(t.Context(), pool, bad); hotline.KindOf(err) != hotline.NotFound {
			t.Errorf("Get(%q): %v", bad, err)
		}
	}
}
