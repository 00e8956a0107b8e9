package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
)

// Config says which PostgreSQL to use.
type Config struct {
	URL       string // a server of the user's; "" runs one of our own
	DataDir   string // where our own keeps its cluster (DataDir/postgres)
	Throwaway bool   // for tests: nothing survives a crash of the machine
	Log       *slog.Logger
}

// Server is the PostgreSQL in use: the user's, or a child process of ours.
type Server struct {
	url     string
	log     *slog.Logger
	throw   bool
	cluster *cluster // nil: the user's
	lock    *os.File

	mu     sync.Mutex
	child  *child
	closed bool
}

// Start makes PostgreSQL available. With a URL it only remembers it; otherwise it makes the cluster if there is none, starts the
// child and returns when it answers. Run watches the child, Close stops it.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{url: cfg.URL, log: cfg.Log.With("part", "postgres"), throw: cfg.Throwaway}
	if cfg.URL != "" {
		return s, nil
	}
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil || cfg.DataDir == "" {
		return nil, hotline.Errorf(hotline.Invalid, "postgres.data_dir", "the data directory %q is no path", cfg.DataDir)
	}
	home := filepath.Join(dir, "postgres")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, hotline.Errorf(hotline.Invalid, "postgres.data_dir", "the data directory cannot be made: %w", err)
	}
	s.url = managedURL(home, database)
	s.cluster = &cluster{home: home}
	if s.lock, err = takeLock(home); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		s.lock.Close()
		return nil, err
	}
	return s, nil
}

// prepare brings the cluster up for the first time.
func (s *Server) prepare(ctx context.Context) (err error) {
	c := s.cluster
	if err := c.chooseOwner(); err != nil {
		return err
	}
	if c.pg, err = pick(installations(ctx), c.pgdata()); err != nil {
		return err
	}
	if err := c.create(ctx); err != nil {
		return err
	}
	if err := c.clearStale(ctx); err != nil {
		return err
	}
	ch, err := s.launch(ctx)
	if err != nil {
		return err
	}
	s.child = ch
	return nil
}

// Attach is [Start] for a command that runs beside a Hotline: when one runs on the data directory, its server is used and Close leaves
// it alone; otherwise the server runs for as long as the command.
func Attach(ctx context.Context, cfg Config) (*Server, error) {
	s, err := Start(ctx, cfg)
	var in *hotline.Error
	if !errors.As(err, &in) || in.Code != codeInUse {
		return s, err
	}
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	s = &Server{url: managedURL(filepath.Join(dir, "postgres"), database), log: cfg.Log}
	// The other one may be about to start, or to stop.
	ctx, cancel := context.WithTimeout(ctx, attachLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.url)
		if err == nil {
			return s, conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, hotline.Errorf(hotline.Unavailable, "postgres.away", "a Hotline runs on %s, but its database does not answer: %w", dir, err)
		}
	}
}

// attachLimit is how long Attach waits for a server that another process is starting.
const attachLimit = 15 * time.Second

func managedURL(home, db string) string {
	dir, _ := socketDir(home)
	q := url.Values{"host": {dir}, "port": {port}, "user": {role}, "sslmode": {"disable"}}
	return "postgres:///" + db + "?" + q.Encode()
}

// URL is what [Connect] takes.
func (s *Server) URL() string { return s.url }

// Managed says whether the server is a child of ours.
func (s *Server) Managed() bool { return s.cluster != nil }

// PID is the child's process id, 0 when there is none.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return 0
	}
	return s.child.pid
}

// The wait before a crashed child is started again doubles from first to last, and begins anew after a quiet time.
const (
	backoffFirst = 200 * time.Millisecond
	backoffLast  = 10 * time.Second
	backoffQuiet = time.Minute
)

// Run watches the child until ctx ends, and starts it again when it dies. It does not stop it: [Server.Close] does, when everybody
// else is done.
func (s *Server) Run(ctx context.Context) error {
	if s.cluster == nil {
		<-ctx.Done()
		return nil
	}
	wait := backoffFirst
	for {
		s.mu.Lock()
		ch := s.child
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-ch.done:
		}
		if s.isClosed() {
			return nil
		}
		s.log.Error("PostgreSQL stopped by itself; starting it again", "pid", ch.pid, "exit", ch.err, "said", ch.tail.String())
		if time.Since(ch.started) > backoffQuiet {
			wait = backoffFirst
		}
		if err := s.relaunch(ctx, &wait); err != nil {
			return nil // ctx has ended
		}
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// relaunch starts the child again, as often as it takes.
func (s *Server) relaunch(ctx context.Context, wait *time.Duration) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(*wait):
		}
		*wait = min(*wait*2, backoffLast)
		err := s.cluster.clearStale(ctx)
		if err == nil {
			var ch *child
			if ch, err = s.launch(ctx); err == nil {
				s.mu.Lock()
				s.child = ch
				late := s.closed
				s.mu.Unlock()
				if late { // Close came while we were starting
					ch.stop()
				}
				s.log.Info("PostgreSQL is back", "pid", ch.pid)
				return nil
			}
		}
		s.log.Error("PostgreSQL does not start", "err", err, "again_in", wait.String())
	}
}

// Close stops the child fast (sessions are cut, everything committed is on disk) and returns when it is gone.
func (s *Server) Close() error {
	if s.cluster == nil {
		return nil
	}
	s.mu.Lock()
	ch, closed := s.child, s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	err := ch.stop()
	if dir, aside := socketDir(s.cluster.home); aside {
		os.Remove(dir) // empty by now; if not, it does no harm
	}
	s.lock.Close()
	return err
}

// launch starts the child and returns when it answers and the database is there.
func (s *Server) launch(ctx context.Context) (*child, error) {
	sockets, err := s.cluster.makeSocketDir()
	if err != nil {
		return nil, err
	}
	ch, err := s.cluster.spawn(sockets, s.throw, s.log)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, ch); err != nil {
		ch.stop()
		return nil, err
	}
	return ch, nil
}

// startLimit bounds a start: recovery after a crash replays at most max_wal_size of log.
const startLimit = 2 * time.Minute

// await waits until ch answers, then makes the database if it is missing.
func (s *Server) await(ctx context.Context, ch *child) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ensureDatabase(ctx, managedURL(s.cluster.home, "postgres"))
		if err == nil {
			return nil
		}
		if !Away(err) {
			return fmt.Errorf("start PostgreSQL: %w", err)
		}
		select {
		case <-tick.C:
		case <-ch.done:
			return hotline.Errorf(hotline.Unavailable, "postgres.start", "PostgreSQL does not start (%v): %s", ch.err, ch.tail.String())
		case <-ctx.Done():
			return hotline.Errorf(hotline.Unavailable, "postgres.start", "PostgreSQL does not answer: %v: %s", err, ch.tail.String())
		}
	}
}

func ensureDatabase(ctx context.Context, admin string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var there bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, database).Scan(&there); err != nil || there {
		return err
	}
	_, err = conn.Exec(ctx, "create database "+database)
	return err
}

// signal sends sig to a process and says whether it was there.
func signal(pid int, sig syscall.Signal) bool {
	return !errors.Is(syscall.Kill(pid, sig), syscall.ESRCH)
}
