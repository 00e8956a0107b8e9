package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline"
	"hotline/postgres"
)

// begin starts a managed server on dir and watches it until the test ends.
func begin(t *testing.T, dir string) *postgres.Server {
	t.Helper()
	return beginWith(t, postgres.Config{DataDir: dir, Throwaway: true})
}

func beginWith(t *testing.T, cfg postgres.Config) *postgres.Server {
	t.Helper()
	s, err := postgres.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	t.Cleanup(func() {
		once.Do(func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	})
	return s
}

// until asks again and again until it is so, for at most limit.
func until(t *testing.T, what string, limit time.Duration, so func() bool) {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func wantCode(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	var e *hotline.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want an error with code %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("the message %q does not say %q", e.Message, w)
		}
	}
}

func TestAKilledServerComesBackWithItsData(t *testing.T) {
	s := beginWith(t, postgres.Config{DataDir: t.TempDir()}) // a throw-away one would forget its last commits
	pool, err := postgres.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		if _, err := pool.Exec(t.Context(), `insert into queue (name, title) values ($1, '{}')`, fmt.Sprint("q", round)); err != nil {
			t.Fatal(err)
		}
		old := s.PID()
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "the server is another and answers", 30*time.Second, func() bool {
			var n int
			err := pool.QueryRow(t.Context(), `select count(*) from queue`).Scan(&n)
			if err != nil && !postgres.Away(err) {
				t.Fatalf("this is not taken for an absent server: %v", err)
			}
			return err == nil && s.PID() != old && n == round+1
		})
	}
}

func TestNoTCPAndNobodyElse(t *testing.T) {
	s := begin(t, t.TempDir())
	pool, err := postgres.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var listen, dirs string
	if err := pool.QueryRow(t.Context(), `select current_setting('listen_addresses'), current_setting('data_directory_mode')`).Scan(&listen, &dirs); err != nil {
		t.Fatal(err)
	}
	if listen != "" || dirs != "0700" {
		t.Errorf("listens on %q, folder mode %s", listen, dirs)
	}
	info, err := os.Stat(fmt.Sprintf("/proc/%d", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid == 0 {
		t.Error("PostgreSQL runs as root")
	}
}

func TestASecondProcessIsRefusedAndAttaches(t *testing.T) {
	dir := t.TempDir()
	begin(t, dir)
	_, err := postgres.Start(t.Context(), postgres.Config{DataDir: dir})
	wantCode(t, err, "postgres.in_use", fmt.Sprint(os.Getpid()), dir)
	a, err := postgres.Attach(t.Context(), postgres.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.Connect(t.Context(), a.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("closing what was attached has stopped the server: %v", err)
	}
	pool.Close()
	// Nobody there: the command runs the server itself, and stops it.
	alone := t.TempDir()
	b, err := postgres.Attach(t.Context(), postgres.Config{DataDir: alone, Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	pid := b.PID()
	if err := b.Close(); err != nil || syscall.Kill(pid, 0) == nil {
		t.Errorf("process %d is still there, %v", pid, err)
	}
}

func TestAnotherVersionIsRefusedAndNothingIsTouched(t *testing.T) {
	dir := t.TempDir()
	s, err := postgres.Start(t.Context(), postgres.Config{DataDir: dir, Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(dir, "postgres/data/PG_VERSION")
	made, err := os.ReadFile(version)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(version, []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	_, err = postgres.Start(t.Context(), postgres.Config{DataDir: dir})
	wantCode(t, err, "postgres.version", "PostgreSQL 9", "apt-get install", "nothing was changed")
	if after := listing(t, dir); after != before {
		t.Errorf("the folder has changed:\n%s\n%s", before, after)
	}
	if err := os.WriteFile(version, made, 0o600); err != nil {
		t.Fatal(err)
	}
	begin(t, dir)
	other := t.TempDir()
	if err := os.MkdirAll(filepath.Join(other, "postgres/data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(other, "postgres/data"), uidOf(t, filepath.Join(dir, "postgres/data")), -1); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "postgres/data/letter.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Start(t.Context(), postgres.Config{DataDir: other})
	wantCode(t, err, "postgres.not_a_cluster", "nothing was changed")
	if _, err := os.Stat(filepath.Join(other, "postgres/data/letter.txt")); err != nil {
		t.Error(err)
	}
}

func uidOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// listing is names, sizes and times of what is below dir, but for the lock.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && filepath.Base(path) != "lock" && !info.IsDir() {
			fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWithoutPostgreSQLTheMessageSaysWhatToInstall(t *testing.T) {
	postgres.HideInstallations(t)
	_, err := postgres.Start(t.Context(), postgres.Config{DataDir: t.TempDir()})
	wantCode(t, err, "postgres.missing", "apt-get install", "HOTLINE_DATABASE_URL")
}

func TestAStalePidFileDoesNotMatter(t *testing.T) {
	for what, pid := range map[string]int{"a process that is gone": 1 << 22, "a process that is something else": os.Getpid()} {
		dir := t.TempDir()
		s, err := postgres.Start(t.Context(), postgres.Config{DataDir: dir, Throwaway: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%d\n%s\n1\n5432\n.\n\n  1  1\nready\n", pid, dir)
		if err := os.WriteFile(filepath.Join(dir, "postgres/data/postmaster.pid"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if s, err = postgres.Start(t.Context(), postgres.Config{DataDir: dir, Throwaway: true}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestALongPathGetsAShortSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 25))
	s := begin(t, dir)
	pool, err := postgres.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	pool.Close()
}

// TestKilledWithItsParent runs a process that starts a server and is killed: the server must not stay, and the next start must work.
func TestKilledWithItsParent(t *testing.T) {
	if dir := os.Getenv("HOTLINE_TEST_PARENT"); dir != "" {
		s, err := postgres.Start(context.Background(), postgres.Config{DataDir: dir, Throwaway: true})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("pid", s.PID())
		select {}
	}
	dir := t.TempDir()
	parent := exec.Command(os.Args[0], "-test.run=^TestKilledWithItsParent$")
	parent.Env = append(os.Environ(), "HOTLINE_TEST_PARENT="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "pid %d", &pid); n == 1 {
			break
		}
	}
	if pid == 0 {
		t.Fatal("the parent has started no server")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait() // killed
	begin(t, dir)
	// Whether its entry is gone is up to init, which reaps it; a dead process has no working directory.
	if _, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil {
		t.Errorf("the server of the killed process, %d, still runs", pid)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	s := begin(t, t.TempDir())
	pool, err := postgres.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `insert into goose_db_version (version_id, is_applied) values (999999, true)`); err != nil {
		t.Fatal(err)
	}
	wantCode(t, postgres.Migrate(t.Context(), pool), "postgres.newer_schema", "999999")
}

func TestManyMigrateAtOnce(t *testing.T) {
	s := begin(t, t.TempDir())
	var wait sync.WaitGroup
	for range 3 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			pool, err := postgres.Connect(t.Context(), s.URL())
			if err != nil {
				t.Error(err)
				return
			}
			defer pool.Close()
			if err := postgres.Migrate(t.Context(), pool); err != nil {
				t.Error(err)
			}
		}()
	}
	wait.Wait()
}

func TestConnectTellsWhatIsWrong(t *testing.T) {
	_, err := postgres.Connect(t.Context(), "postgres://%zz:secret@x")
	wantCode(t, err, "postgres.url")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is in the message: %v", err)
	}
	_, err = postgres.Connect(t.Context(), "postgres:///x?host="+t.TempDir())
	wantCode(t, err, "postgres.away")
}
