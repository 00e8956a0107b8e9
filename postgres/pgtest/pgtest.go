// Package pgtest gives each test a PostgreSQL database of its own.
//
// A test binary that calls [Main] gets one throw-away cluster, started when the first test asks and gone at the end, also when the
// binary dies; HOTLINE_TEST_DATABASE_URL names a server to use instead. It never touches a database it has not made. Start reading
// at [New].
package pgtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/postgres"
)

// running is what the binary's tests share.
type running struct {
	server  *postgres.Server
	dir     string
	keeper  *exec.Cmd // removes dir when this process is gone
	leash   io.Closer
	admin   string // URL with the right to make databases
	prefix  string // of every database that is made
	count   atomic.Int64
	stopped bool
}

var (
	mu     sync.Mutex
	shared *running
	failed error // the first start's failure, for all
	mained bool
)

// Main runs the tests of a binary and takes away what [New] has made. Call it from TestMain and nothing else there.
func Main(m *testing.M) {
	mained = true
	code := m.Run()
	mu.Lock()
	r := shared
	mu.Unlock()
	if r != nil {
		if err := r.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// New returns a pool on a fresh database with the current schema. Both go when the test ends.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Connect(t.Context(), NewURL(t))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}

// closePool closes a pool, and says so instead of hanging when the test has not given a connection back.
func closePool(t testing.TB, pool *pgxpool.Pool) {
	done := make(chan struct{})
	go func() { // ends at the latest when the database is dropped and its sessions with it
		pool.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Errorf("pgtest: %d connections were not given back at the end of the test", pool.Stat().AcquiredConns())
	}
}

// NewURL is [New] for tests that connect themselves, or run a program that does.
func NewURL(t testing.TB) string {
	t.Helper()
	if !mained {
		t.Fatal("pgtest: the package's TestMain must call pgtest.Main")
	}
	r, err := start()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := fmt.Sprintf("%s_%d", r.prefix, r.count.Add(1))
	if err := r.exec(t.Context(), "create database "+name+" template "+r.prefix); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := r.exec(context.Background(), "drop database if exists "+name+" with (force)"); err != nil {
			t.Logf("pgtest: %v", err)
		}
	})
	return withDatabase(r.admin, name)
}

// start starts what the tests share, once.
func start() (*running, error) {
	mu.Lock()
	defer mu.Unlock()
	if shared != nil || failed != nil {
		return shared, failed
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := &running{prefix: "hotline_test_" + strconv.Itoa(os.Getpid()), admin: os.Getenv("HOTLINE_TEST_DATABASE_URL")}
	if failed = r.begin(ctx); failed != nil {
		r.stop() // what there is of it
		return nil, failed
	}
	shared = r
	return shared, nil
}

func (r *running) begin(ctx context.Context) error {
	if r.admin == "" {
		if err := r.cluster(ctx); err != nil {
			return err
		}
	}
	// The template is migrated once; copying it takes some 30 ms.
	if err := r.exec(ctx, "create database "+r.prefix); err != nil {
		return err
	}
	pool, err := postgres.Connect(ctx, withDatabase(r.admin, r.prefix))
	if err != nil {
		return err
	}
	defer pool.Close() // a template must have no sessions
	return postgres.Migrate(ctx, pool)
}

// cluster starts PostgreSQL in a temporary folder.
func (r *running) cluster(ctx context.Context) (err error) {
	if r.dir, err = os.MkdirTemp("", "hotline-pg-"); err != nil {
		return err
	}
	if err := r.keep(); err != nil {
		return err
	}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	if r.server, err = postgres.Start(ctx, postgres.Config{DataDir: r.dir, Throwaway: true, Log: quiet}); err != nil {
		return err
	}
	r.admin = r.server.URL()
	return nil
}

// keep starts a shell that waits for the end of its input, which the kernel closes when this process is gone, and then removes the
// folder, a few times, because PostgreSQL (which the kernel stops too) may still write to it.
func (r *running) keep() error {
	const script = `read -r _; for i in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" 2>/dev/null && [ ! -e "$1" ] && exit 0; sleep 0.3; done`
	r.keeper = exec.Command("/bin/sh", "-c", script, "sh", r.dir)
	r.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is not for it
	in, err := r.keeper.StdinPipe()
	if err != nil {
		return err
	}
	r.leash = in
	return r.keeper.Start()
}

func (r *running) stop() error {
	if r.stopped {
		return nil
	}
	r.stopped = true
	var err error
	switch {
	case r.server != nil:
		err = r.server.Close()
	case r.dir == "" && r.admin != "":
		err = r.exec(context.Background(), "drop database if exists "+r.prefix+" with (force)")
	}
	if r.leash != nil {
		r.leash.Close()
		r.keeper.Wait() // it has removed the folder
	}
	return err
}

// exec runs one statement on a connection of its own: databases are made and dropped outside transactions.
func (r *running) exec(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, r.admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// withDatabase replaces the database in a URL.
func withDatabase(raw, name string) string {
	u, err := url.Parse(raw)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return raw + " dbname=" + name // a key=value string: the last one counts
	}
	u.Path = "/" + name
	return u.String()
}
