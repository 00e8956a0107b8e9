package rows

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"

	"hotline/call"
	"hotline/postgres/pgtest"
)

// cable is a TCP path to the database that can be cut.
type cable struct {
	listener net.Listener
	target   func() (net.Conn, error)
	mu       sync.Mutex
	cut      bool
	open     map[net.Conn]bool
	wait     sync.WaitGroup
}

// newCable returns a pool on a fresh database whose connections can be cut.
func newCable(t *testing.T) (*cable, *pgxpool.Pool) {
	t.Helper()
	raw := pgtest.NewURL(t)
	cfg, err := pgxpool.ParseConfig(raw)
	if err != nil {
		t.Fatal(err)
	}
	network, address := pgNetworkAddress(cfg.ConnConfig.Host, cfg.ConnConfig.Port)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, target: func() (net.Conn, error) { return net.Dial(network, address) }, open: map[net.Conn]bool{}}
	c.wait.Go(c.serve)
	cfg.ConnConfig.Host, cfg.ConnConfig.Port = "127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)
	cfg.ConnConfig.Fallbacks = nil
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.set(true)
		pool.Close()
		l.Close()
		c.wait.Wait()
	})
	return c, pool
}

func pgNetworkAddress(host string, port uint16) (network, address string) {
	if filepath.IsAbs(host) {
		return "unix", filepath.Join(host, ".s.PGSQL."+itoa(port))
	}
	return "tcp", net.JoinHostPort(host, itoa(port))
}

func itoa(n uint16) string { return (&url.URL{Host: ":" + string(appendUint(nil, n))}).Port() }

func appendUint(b []byte, n uint16) []byte {
	if n >= 10 {
		b = appendUint(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

func (c *cable) serve() {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		out, err := c.target()
		c.mu.Lock()
		if err != nil || c.cut {
			in.Close()
			if out != nil {
				out.Close()
			}
			c.mu.Unlock()
			continue
		}
		c.open[in], c.open[out] = true, true
		c.mu.Unlock()
		for _, p := range [][2]net.Conn{{in, out}, {out, in}} {
			c.wait.Go(func() { io.Copy(p[0], p[1]); p[0].Close(); p[1].Close() })
		}
	}
}

func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = cut; cut {
		for conn := range c.open {
			conn.Close()
		}
		clear(c.open)
	}
}

// Fault: PostgreSQL is away for a while. Filing goes on without waiting, the journal says that it is degraded, and catches up.
func TestTheDatabaseGoesAwayAndComesBack(t *testing.T) {
	cable, pool := newCable(t)
	j, _ := runJournal(t, call.JournalConfig{Dir: t.TempDir(), Pool: pool, MemoryBytes: 40_000}, nil)
	var ids []string
	file := func(n int) {
		for range n {
			i := testInfo()
			ids = append(ids, i.CallID)
			fileCall(t, j, i, true)
		}
	}
	file(20)
	flushed(t, j)
	if j.Degraded() {
		t.Error("degraded while all is well")
	}
	file(200) // cut in the middle of it
	cable.set(true)
	began := time.Now()
	file(300)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("filing waited for the database: %v", took)
	}
	eventually(t, j.Degraded)
	if d := j.Depth(); d < 3600 {
		t.Errorf("%d facts wait", d)
	}
	cable.set(false)
	flushed(t, j)
	if j.Degraded() || j.Stats().Quarantined > 0 {
		t.Errorf("%+v", j.Stats())
	}
	var calls, segments int
	if err := pool.QueryRow(t.Context(), `select (select count(*) from call where result = 'abandoned'), (select count(*) from call_segment)`).Scan(&calls, &segments); err != nil || calls != len(ids) || segments != 3*len(ids) {
		t.Errorf("%d calls, %d segments of %d calls, %v", calls, segments, len(ids), err)
	}
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatal("it did not come about in 10 s")
		}
	}
}

// The database is away when the process starts: facts wait in the files.
func TestTheDatabaseIsAwayAtTheStart(t *testing.T) {
	cable, pool := newCable(t)
	cable.set(true)
	dir := t.TempDir()
	j, stop := runJournal(t, call.JournalConfig{Dir: dir, Pool: pool}, nil)
	i := testInfo()
	fileCall(t, j, i, true)
	eventually(t, j.Degraded)
	stop()
	cable.set(false)
	j, _ = runJournal(t, call.JournalConfig{Dir: dir, Pool: pool}, nil)
	flushed(t, j)
	if d := get(t, pool, i.CallID); d.Result != call.ResultAbandoned {
		t.Errorf("%+v", d)
	}
}

// Fault: the disk of the journal is full. Facts wait in memory, there is an alarm, calls go on; and when there is room again the
// facts are in the files. The kernel's limit on the size of files stands for the disk: it tears the record in the middle as well.
func TestTheDiskIsFull(t *testing.T) {
	cable, pool := newCable(t)
	cable.set(true)
	dir := t.TempDir()
	j, stop := runJournal(t, call.JournalConfig{Dir: dir, Pool: pool}, nil)
	i := testInfo()
	limit := limitFiles(t)
	var filed int
	for !j.Degraded() || j.Stats().DiskErr == "" {
		if err := j.File(i.CallID, "test.filler", filed); err != nil {
			t.Fatal(err)
		}
		if filed++; filed > 100_000 {
			t.Fatal("the disk takes everything")
		}
	}
	fileCall(t, j, i, true)
	if s := j.Stats(); s.Loose == 0 || s.Depth != filed+12 {
		t.Errorf("%+v", s)
	}
	limit()
	eventually(t, func() bool { return j.Stats().Loose == 0 && j.Stats().DiskErr == "" })
	stop() // and now a restart: nothing is lost
	cable.set(false)
	j, _ = runJournal(t, call.JournalConfig{Dir: dir, Pool: pool}, nil)
	if d := j.Depth(); d != filed+12 {
		t.Errorf("%d facts are in the files, %d were filed", d, filed+12)
	}
	flushed(t, j)
	if d := get(t, pool, i.CallID); d.Result != call.ResultAbandoned || len(d.Path) != 2 {
		t.Errorf("%+v", d)
	}
}

// limitFiles keeps files of this process below 20 kB until the returned function is called.
func limitFiles(t *testing.T) (lift func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	tight := unix.Rlimit{Cur: 20_003, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &tight); err != nil { // Go ignores SIGXFSZ: the write fails with EFBIG
		t.Fatal(err)
	}
	lift = sync.OnceFunc(func() { unix.Setrlimit(unix.RLIMIT_FSIZE, &old) })
	t.Cleanup(lift)
	return lift
}

// The bar is 500 calls filed a second, each with its twelve facts, in the rows of calls, legs and segments.
func BenchmarkCallsFiled(b *testing.B) {
	j, err := OpenJournal(call.JournalConfig{Dir: b.TempDir(), Pool: pgtest.New(b), Log: quietLog(b)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	for b.Loop() {
		for range 1000 {
			fileCall(b, j, testInfo(), true)
		}
		if err := j.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	cancel()
	if err := errors.Join(<-done, j.Close()); err != nil {
		b.Error(err)
	}
}

func BenchmarkFile(b *testing.B) {
	j, err := OpenJournal(call.JournalConfig{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	for b.Loop() {
		if err := j.File("one", call.FactCallStep, call.CallStep{Node: "menu", Kind: "menu", Digits: "1"}); err != nil {
			b.Fatal(err)
		}
	}
}

// An idle journal holds no more than its smallest files.
func TestFilesAreCleared(t *testing.T) {
	dir := t.TempDir()
	j, _ := runJournal(t, call.JournalConfig{Dir: dir, Pool: pgtest.New(t), SegmentBytes: 64_000}, nil)
	for range 100 {
		fileCall(t, j, testInfo(), true)
	}
	flushed(t, j)
	eventually(t, func() bool {
		var sum int64
		files, _ := filepath.Glob(filepath.Join(dir, "*.facts"))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				sum += info.Size()
			}
		}
		return len(files) <= 1 && sum < 2000
	})
}
