package ivr

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
	"hotline/call/archive"
	"hotline/call/calltest"
	"hotline/postgres/pgtest"
)

// backend carries the callers' legs, as an Asterisk does: it stays when the process dies, and gives back what is alive.
type backend struct {
	house *house // the process that it is connected with

	mu      sync.Mutex
	legs    map[string]*calltest.Leg // by call, of the newest process
	numbers map[string]*calltest.Leg // that were dialled, by number, of the newest process
	gone    map[string]bool          // who hung up meanwhile: a call, or a number that was dialled
}

// Adopt implements call.Adopter.
func (b *backend) Adopt(ctx context.Context, left []*call.Left) error {
	for _, l := range left {
		b.mu.Lock()
		gone := b.gone[l.Info.CallID]
		b.mu.Unlock()
		if gone {
			continue
		}
		for _, o := range l.Others {
			if err := b.giveBack(ctx, l, o); err != nil {
				return err
			}
		}
		info := l.Info
		info.Resume = l
		leg := calltest.NewLeg(b.house.t, b.house.engine, info)
		if err := leg.Ring(ctx, b.house.board); err != nil {
			return err
		}
		b.mu.Lock()
		b.legs[info.CallID] = leg
		b.mu.Unlock()
	}
	return nil
}

// giveBack finds the leg of a number that is still on the line.
func (b *backend) giveBack(ctx context.Context, l *call.Left, o *call.LeftLeg) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone[o.Number] {
		return nil
	}
	leg := calltest.NewLeg(b.house.t, b.house.engine, call.Info{LegID: o.LegID, CallID: l.Info.CallID, Direction: call.Outbound, Edge: "kept"})
	leg.Attach(o.Mailbox)
	o.Leg, b.numbers[o.Number] = leg, leg
	return leg.Progress(ctx, true) // its audio
}

// mortal is a pool whose connections can all be cut at once, as when the process is killed.
type mortal struct {
	*pgxpool.Pool
	dead  atomic.Bool
	mu    sync.Mutex
	conns []net.Conn
}

func newMortal(t testing.TB, like *pgxpool.Pool) *mortal {
	t.Helper()
	m := &mortal{}
	cfg := like.Config()
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if m.dead.Load() {
			return nil, net.ErrClosed
		}
		c, err := dial(ctx, network, addr)
		if err == nil {
			m.mu.Lock()
			m.conns = append(m.conns, c)
			m.mu.Unlock()
		}
		return c, err
	}
	var err error
	if m.Pool, err = pgxpool.NewWithConfig(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *mortal) kill() {
	m.dead.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.Close()
	}
}

// relay is a row of processes, one after the other, with the callers of one backend.
type relay struct {
	*house
	base *pgxpool.Pool // outlives them
	pool *mortal
	kept *backend
}

func newRelay(t testing.TB) *relay {
	t.Helper()
	return newPatientRelay(t, 0)
}

// newPatientRelay is a relay in which conversations wait longer for their agents.
func newPatientRelay(t testing.TB, away time.Duration) *relay {
	t.Helper()
	r := &relay{base: pgtest.New(t), kept: &backend{legs: map[string]*calltest.Leg{}, numbers: map[string]*calltest.Leg{}, gone: map[string]bool{}}}
	r.pool = newMortal(t, r.base)
	r.house = openHouse(t, home{pool: r.pool.Pool, dir: t.TempDir(), away: away}, r.kept)
	return r
}

// kill ends the process as kill -9 does: what is on the disk and in the database stays as it is. Then the next one starts.
func (r *relay) kill() {
	t, old := r.t, r.house
	t.Helper()
	r.pool.kill()
	next := home{dir: t.TempDir(), rules: old.home.rules, away: old.home.away}
	if err := os.CopyFS(next.dir, os.DirFS(old.home.dir)); err != nil {
		t.Fatal(err)
	}
	alive := filepath.Join("journal", "alive")
	info, err := os.Stat(filepath.Join(old.home.dir, alive))
	if err == nil {
		err = os.Chmod(filepath.Join(next.dir, "key"), 0o600)
	}
	if err == nil {
		err = os.Chtimes(filepath.Join(next.dir, alive), info.ModTime(), info.ModTime())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, stop := range slices.Backward(old.stops) { // of a dead process: whatever it still does, nobody notices
		stop()
	}
	r.pool = newMortal(t, r.base)
	next.pool = r.pool.Pool
	r.house = openHouse(t, next, r.kept)
}

// calls rings a flow by a trunk whose legs are kept.
func (r *relay) calls(flow, caller string) *calltest.Leg {
	r.t.Helper()
	l := calltest.NewLeg(r.t, r.engine, call.Info{
		Edge: "kept", Outlives: true, ForeignID: hotline.NewID(), Caller: call.Party{Number: caller}, Dialled: "4000", Flow: flow, Language: "en",
	})
	if err := l.Ring(r.t.Context(), r.board); err != nil {
		r.t.Fatal(err)
	}
	return l
}

// same is the leg of a call in the process that lives now.
func (r *relay) same(l *calltest.Leg) *calltest.Leg {
	r.t.Helper()
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	now := r.kept.legs[l.Info().CallID]
	if now == nil || now == l {
		r.t.Fatal("the call was not taken over")
	}
	return now
}

// back is an agent whose browser has connected again.
func (r *relay) back(b *calltest.Browser, tone float64) *calltest.Browser {
	r.t.Helper()
	n := calltest.NewBrowser(r.t, r.engine, b.Seat.Agent)
	n.Phone.Hum(tone)
	for _, err := range []error{second(r.agents.Arrive(r.t.Context(), n.Seat.Agent, "tab")), r.agents.Media(r.t.Context(), n.Seat.Agent, "tab", true)} {
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return n
}

func second[T any](_ T, err error) error { return err }

// whole checks what must be true of every call that has ended: one row, one ticket, times without gaps.
func (r *relay) whole(d archive.Detail) {
	r.t.Helper()
	var tickets, rows int
	err := r.base.QueryRow(r.t.Context(), `select (select count(*) from call where id = $1), (
		select count(distinct ti.ticket) from interaction i join ticket_interaction ti on ti.interaction_id = i.id where i.call_id = $1 and i.kind = 'call')`, d.ID).
		Scan(&rows, &tickets)
	if err != nil || rows != 1 || tickets != 1 {
		r.t.Errorf("call %s has %d rows and %d tickets: %v", d.ID, rows, tickets, err)
	}
	var list []call.Segment
	for _, s := range d.Segments {
		if s.Kind != call.SegmentOffer && s.Kind != call.SegmentWrap {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b call.Segment) int { return a.StartedAt.Compare(b.StartedAt) })
	at := d.StartedAt
	for _, s := range list {
		if gap := s.StartedAt.Sub(at).Abs(); gap > 50*time.Millisecond {
			r.t.Errorf("call %s: %v before %s are missing or counted twice: %+v", d.ID, gap, s.Kind, list)
		}
		at = s.EndedAt
	}
	if gap := d.EndedAt.Sub(at).Abs(); gap > 50*time.Millisecond {
		r.t.Errorf("call %s: its end, %v, is missing: %+v", d.ID, gap, list)
	}
	for _, l := range d.Legs {
		if l.EndedAt == nil {
			r.t.Errorf("call %s: a leg is open: %+v", d.ID, l)
		}
	}
}
