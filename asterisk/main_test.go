package asterisk

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
	"hotline/postgres/pgtest"
	"hotline/testport"
	"hotline/trunks"
	"hotline/trunks/routes"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var loop = netip.MustParseAddr("127.0.0.1")

// plant is what edges under test share: a real Asterisk, a directory with the trunk that it carries, and where that trunk's calls go.
type plant struct {
	t     testing.TB
	a     *asterisktest.Asterisk
	dir   *trunks.Directory
	book  *routes.Book
	trunk *trunks.Trunk
	far   *trunks.Trunk // a second one, for fail-over
	calls netip.AddrPort
}

// silent is the log of tests, unless they are to be seen.
func silent() *slog.Logger {
	if os.Getenv("HOTLINE_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// freePort returns an address of the loopback that nobody has right now.
func freePort(t testing.TB) netip.AddrPort {
	t.Helper()
	return netip.AddrPortFrom(loop, uint16(testport.Free(t)))
}

// newPlant starts an Asterisk whose trunk "line" leads to calls, and whose trunk "far" leads to nobody.
func newPlant(t testing.TB, calls netip.AddrPort, change ...func(*trunks.TrunkSettings)) *plant {
	t.Helper()
	p := newDirectory(t, calls, change...)
	p.a = asterisktest.Start(t, asterisktest.Options{Trunks: p.dir.Snapshot().Trunks()})
	return p
}

// newDirectory is a plant without an Asterisk.
func newDirectory(t testing.TB, calls netip.AddrPort, change ...func(*trunks.TrunkSettings)) *plant {
	t.Helper()
	ctx := context.Background()
	pool := pgtest.New(t)
	if _, err := pool.Exec(ctx, `insert into flow (name) values ('main')`); err != nil {
		t.Fatal(err)
	}
	dir, err := trunks.Open(ctx, pool, silent())
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{t: t, dir: dir, calls: calls}
	line := trunks.TrunkSettings{
		Edge: trunks.EdgeAsterisk, MatchAddresses: []string{"127.0.0.1"}, Host: "127.0.0.1", Port: int(calls.Port()), TrustedIdentity: true,
	}
	for _, f := range change {
		f(&line)
	}
	far := trunks.TrunkSettings{Edge: trunks.EdgeAsterisk, Host: "127.0.0.1", Port: int(freePort(t).Port())}
	p.trunk, p.far = p.create("line", line), p.create("far", far)
	if _, err := dir.PutNumber(ctx, trunks.Number{Number: "4000", Flow: "main", Language: "en"}); err != nil {
		t.Fatal(err)
	}
	if p.book, err = routes.Open(ctx, routes.Config{Pool: pool, Country: "CN", Log: silent()}); err != nil {
		t.Fatal(err)
	}
	if err := dir.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *plant) create(name string, s trunks.TrunkSettings) *trunks.Trunk {
	p.t.Helper()
	tr, err := p.dir.CreateTrunk(context.Background(), trunks.Trunk{Name: name, Enabled: true, Settings: s})
	if err != nil {
		p.t.Fatal(err)
	}
	return &tr
}

// rig is an edge at a plant.
type rig struct {
	*plant
	edge   *Edge
	dialer call.Dialer // the edge, or the outbound routes that lead to it
	eng    *media.Engine
	legs   chan *caught
	stop   func()

	mu     sync.Mutex
	refuse error
}

// caught is a leg that the acceptor was given.
type caught struct {
	call.Leg
	box *call.Mailbox
}

func (r *rig) Incoming(_ context.Context, leg call.Leg) (*call.Mailbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return nil, r.refuse
	}
	c := &caught{leg, call.NewMailbox()}
	r.legs <- c
	return c.box, nil
}

func (p *plant) node() ari.Config {
	if p.a == nil {
		return ari.Config{Name: "one"} // the test fills it in
	}
	return ari.Config{Name: "one", URL: p.a.URL, User: p.a.User, Password: p.a.Password, App: "hotline", Retry: 50 * time.Millisecond}
}

// newRig starts an edge and waits until it is connected.
func (p *plant) newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	r := p.startRig(t, change...)
	r.until("the edge is connected", r.edge.Ready)
	return r
}

// startRig starts an edge.
func (p *plant) startRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	eng, err := media.NewEngine(media.Config{BindIP: loop, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{plant: p, eng: eng, legs: make(chan *caught, 4096)}
	cfg := Config{Nodes: []ari.Config{p.node()}, Engine: eng, Acceptor: r, Directory: p.dir, Log: silent()}
	for _, f := range change {
		f(&cfg)
	}
	if r.edge, err = Open(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	r.dialer = r.edge
	ctx, cancel := context.WithCancel(context.Background())
	var edge, audio sync.WaitGroup
	playing, silence := context.WithCancel(context.Background())
	audio.Go(func() {
		if err := eng.Run(playing); err != nil {
			t.Errorf("media: %v", err)
		}
	})
	edge.Go(func() {
		if err := r.edge.Run(ctx); err != nil {
			t.Errorf("edge: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); edge.Wait(); silence(); audio.Wait() })
	t.Cleanup(r.stop)
	return r
}

// until waits for something that is so by and by.
func (r *rig) until(what string, so func() bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("it did not come about that %s: %+v", what, r.edge.Nodes())
		}
	}
}

// leg waits for the next inbound leg.
func (r *rig) leg() *caught {
	r.t.Helper()
	select {
	case l := <-r.legs:
		return l
	case <-time.After(10 * time.Second):
		r.t.Fatalf("no leg came in: %+v", r.edge.Nodes())
		return nil
	}
}

// gone waits until neither the edge nor Asterisk holds anything of ours any more.
func (r *rig) gone() {
	r.t.Helper()
	r.until("nothing is left over", func() bool {
		return r.edge.Stats().Legs == 0 && r.eng.Stats().Streams == 0 && len(r.edge.held()) == 0
	})
}

// held is what the Asterisks have of ours.
func (e *Edge) held() []string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var out []string
	for _, n := range e.nodes {
		found, err := n.list(ctx)
		if err != nil {
			return []string{fmt.Sprint(err)}
		}
		for id := range found.channels {
			out = append(out, id)
		}
		for id := range found.bridges {
			out = append(out, id)
		}
	}
	return out
}

// hears waits until a frequency is clearly heard.
func (r *rig) hears(s *media.Stream, freq float64) {
	r.t.Helper()
	calltest.Hears(r.t, s, freq)
}

var next = calltest.Next

func loopAt(port uint16) netip.AddrPort { return netip.AddrPortFrom(loop, port) }
