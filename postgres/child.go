package postgres

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is one run of the server process.
type child struct {
	pid     int
	started time.Time
	tail    tail          // its last words
	done    chan struct{} // closed when it has been reaped
	err     error         // how it ended; read after done
}

// settings are given on the command line, so that they change with Hotline and not with the cluster.
func settings(sockets string, throwaway bool) []string {
	list := []string{
		"listen_addresses=", "unix_socket_directories=" + sockets, "unix_socket_permissions=0700", "port=" + port,
		"max_connections=100", "shared_buffers=256MB", "max_wal_size=1GB", "random_page_cost=1.1",
		"deadlock_timeout=100ms", // a circle of waiting is broken before anybody notices
		"jit=off",                // costs more than it gives on short statements
		// Statements may hold what callers and agents wrote; the log must not.
		"log_min_error_statement=panic", "log_parameter_max_length=0", "log_parameter_max_length_on_error=0",
		"log_line_prefix=", "log_checkpoints=off", "log_timezone=UTC", "timezone=UTC",
	}
	if throwaway {
		list = append(list, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=4GB")
	}
	args := make([]string, 0, 2*len(list))
	for _, s := range list {
		args = append(args, "-c", s)
	}
	return args
}

// spawn starts the server process. The kernel's promise to signal the child when we die (PR_SET_PDEATHSIG) is bound to the thread
// that forked, so one goroutine keeps its thread from fork to wait.
func (c *cluster) spawn(sockets string, throwaway bool, log *slog.Logger) (*child, error) {
	cmd, folder, err := c.command(context.Background(), c.pgdata(), "postgres", settings(sockets, throwaway)...)
	if err != nil {
		return nil, err
	}
	ch := &child{started: time.Now(), done: make(chan struct{})}
	out := &lineLog{log: log, tail: &ch.tail}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // its children may hold the pipe a little longer
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		folder.Close()
		if err != nil {
			started <- fmt.Errorf("start PostgreSQL: %w", err)
			return
		}
		ch.pid = cmd.Process.Pid
		started <- nil
		ch.err = cmd.Wait()
		close(ch.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return ch, nil
}

// stop asks the child to stop fast and, if it does not, at once.
func (ch *child) stop() error {
	for _, step := range []struct {
		signal syscall.Signal // pg_ctl: fast, immediate, kill
		wait   time.Duration
	}{{syscall.SIGINT, 30 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		signal(ch.pid, step.signal)
		select {
		case <-ch.done:
			if step.signal != syscall.SIGINT {
				return fmt.Errorf("PostgreSQL (process %d) had to be stopped with %v; it will recover at its next start", ch.pid, step.signal)
			}
			return nil
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("PostgreSQL (process %d) does not stop", ch.pid)
}

// tail keeps the last lines that the server wrote.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > 10 {
		t.lines = t.lines[1:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "; ")
}

// lineLog hands what the server writes to the log, line by line. exec calls Write from one goroutine.
type lineLog struct {
	log  *slog.Logger
	tail *tail
	part []byte
}

var _ io.Writer = (*lineLog)(nil)

func (l *lineLog) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 {
			if len(l.part) > bufio.MaxScanTokenSize {
				l.part = nil // a line without end is no log
			}
			return len(p), nil
		}
		line := string(bytes.TrimSpace(l.part[:i]))
		l.part = l.part[i+1:]
		l.tail.add(line)
		l.log.Log(context.Background(), levelOf(line), line)
	}
}

func levelOf(line string) slog.Level {
	switch kind, _, _ := strings.Cut(line, ":"); kind {
	case "PANIC":
		return slog.LevelError
	case "WARNING":
		return slog.LevelWarn
	}
	return slog.LevelDebug // what a statement got refused is told to whoever asked
}
