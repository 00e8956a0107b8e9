package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hotline"
)

// role and database of a managed cluster. Nobody but the owner of the socket's folder and root can connect, so there is no password.
const (
	role     = "hotline"
	database = "hotline"
	port     = "5432" // names the socket; nothing listens on TCP
)

// cluster is PostgreSQL's files below the data directory.
type cluster struct {
	home  string              // DataDir/postgres: lock, data, data.new
	owner *syscall.Credential // whom PostgreSQL runs as; nil: as ourselves
	pg    installation
}

func (c *cluster) pgdata() string { return filepath.Join(c.home, "data") }

// codeInUse is the code of the error that the second process on a data directory gets.
const codeInUse = "postgres.in_use"

// takeLock makes this process the only one that runs a cluster at home. The kernel drops the lock when the process dies, however
// it dies.
func takeLock(home string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(home, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cluster: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := make([]byte, 20)
		n, _ := f.ReadAt(holder, 0) // only for the message
		f.Close()
		return nil, hotline.Errorf(hotline.Conflict, codeInUse,
			"another Hotline (process %s) runs on the data directory %s: stop it first, or give this one another HOTLINE_DATA_DIR",
			bytes.TrimSpace(holder[:n]), filepath.Dir(home))
	}
	f.Truncate(0) // what is written here only helps a reader
	f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return f, nil
}

// chooseOwner says whom PostgreSQL runs as: it refuses root, so root gives the cluster to its present owner, to "postgres" or to
// "nobody".
func (c *cluster) chooseOwner() error {
	info, err := os.Stat(c.pgdata())
	if err == nil {
		uid := info.Sys().(*syscall.Stat_t).Uid
		gid := info.Sys().(*syscall.Stat_t).Gid
		switch me := os.Geteuid(); {
		case me == int(uid) && me != 0:
			return nil
		case me == 0 && uid != 0:
			c.owner = &syscall.Credential{Uid: uid, Gid: gid}
			return nil
		}
		return hotline.Errorf(hotline.Conflict, "postgres.owner",
			"the cluster at %s belongs to user id %d, which cannot run it here: run Hotline as the user who made it, or give the folder back with chown", c.pgdata(), uid)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			c.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			return nil
		}
	}
	return hotline.Errorf(hotline.Unavailable, "postgres.no_user",
		"PostgreSQL refuses to run as root and there is neither a user \"postgres\" nor \"nobody\": run `adduser --system postgres`, or run Hotline as another user")
}

// command is a PostgreSQL program that works on dir. The folders above may be closed to the cluster's owner (a checkout in /root),
// so the program gets the folder as an open file rather than by its path.
func (c *cluster) command(ctx context.Context, dir, program string, args ...string) (*exec.Cmd, *os.File, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open the cluster: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.pg.bin, program), append([]string{"-D", "/proc/self/fd/3"}, args...)...)
	cmd.ExtraFiles = []*os.File{folder} // the child's file 3
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + c.pg.bin + ":/usr/bin:/bin"}
	// Its own process group: a Ctrl-C in the terminal is for us alone, we stop PostgreSQL when we are done. And should we be
	// killed, the kernel tells PostgreSQL to stop fast (SIGINT).
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT, Credential: c.owner}
	return cmd, folder, nil
}

// create makes the cluster when there is none. It is made aside and renamed when it is whole, so that a kill leaves no half cluster.
func (c *cluster) create(ctx context.Context) error {
	entries, err := os.ReadDir(c.pgdata())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for the cluster: %w", err)
	}
	if _, err := os.Stat(filepath.Join(c.pgdata(), "PG_VERSION")); err == nil {
		return nil
	}
	if len(entries) > 0 {
		return hotline.Errorf(hotline.Conflict, "postgres.not_a_cluster",
			"%s holds files but no PostgreSQL cluster (PG_VERSION is missing): move it away or choose another HOTLINE_DATA_DIR; nothing was changed", c.pgdata())
	}
	aside := c.pgdata() + ".new"
	if err := os.RemoveAll(aside); err != nil { // a start that was killed; it never held data
		return fmt.Errorf("make the cluster: %w", err)
	}
	if err := os.Mkdir(aside, 0o700); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	if c.owner != nil {
		if err := os.Chown(aside, int(c.owner.Uid), int(c.owner.Gid)); err != nil {
			return fmt.Errorf("make the cluster: %w", err)
		}
	}
	// Byte order sorts fast and does not change with the C library; the character type knows Chinese letters (pg_trgm needs that).
	cmd, folder, err := c.command(ctx, aside, "initdb", "-U", role, "-A", "trust", "--encoding=UTF8",
		"--locale=C.UTF-8", "--lc-collate=C", "--lc-messages=C", "--no-instructions", "--no-sync")
	if err != nil {
		return err
	}
	defer folder.Close()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the cluster: initdb: %w: %s", err, lastLines(out))
	}
	if err := syncTree(aside); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	if err := os.Rename(aside, c.pgdata()); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	return nil
}

// syncTree asks the kernel to write the file system of dir out, once, which is far cheaper than initdb's file by file.
func syncTree(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}

// socketDir is where the socket lives: in the cluster, or below the temporary directory when the path would not fit into a socket
// address (108 bytes, unix(7)).
func socketDir(home string) (dir string, aside bool) {
	dir = filepath.Join(home, "data")
	if len(dir)+len("/.s.PGSQL."+port+".lock") < 100 {
		return dir, false
	}
	sum := sha256.Sum256([]byte(home))
	return filepath.Join(os.TempDir(), "hotline-"+hex.EncodeToString(sum[:6])), true
}

// makeSocketDir makes a folder aside that is the owner's alone: whoever can enter it can be any user of the database.
func (c *cluster) makeSocketDir() (string, error) {
	dir, aside := socketDir(c.home)
	if !aside {
		return ".", nil // PostgreSQL's working directory is the cluster
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if c.owner != nil {
		uid, gid = int(c.owner.Uid), int(c.owner.Gid)
	}
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := os.Chown(dir, uid, gid); err != nil {
			return "", fmt.Errorf("make the socket's folder: %w", err)
		}
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("make the socket's folder: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		return "", hotline.Errorf(hotline.Conflict, "postgres.socket", "%s is there but is not a private folder of user id %d: remove it", dir, uid)
	}
	return dir, nil
}

// clearStale deals with the postmaster.pid of a server that we did not start: a server that still runs on this cluster is an
// orphan, because we hold the lock, and is stopped; a file whose process is gone, or is some other program that got its number, is
// removed, because PostgreSQL itself would refuse to start in the second case.
func (c *cluster) clearStale(ctx context.Context) error {
	file := filepath.Join(c.pgdata(), "postmaster.pid")
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil // none, the usual case
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 || !c.runsHere(pid) {
		return os.Remove(file)
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 10 * time.Second}} {
		syscall.Kill(pid, step.signal) // it may have gone meanwhile
		if c.gone(ctx, pid, step.wait) {
			return nil
		}
	}
	return hotline.Errorf(hotline.Conflict, "postgres.orphan",
		"a PostgreSQL server (process %d) still runs on %s and does not stop: stop it by hand", pid, c.pgdata())
}

// runsHere says whether process pid is a PostgreSQL server whose working directory is this cluster.
func (c *cluster) runsHere(pid int) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(c.pgdata())
	return err == nil && cwd == real
}

// gone waits until process pid, which is not our child, no longer runs on the cluster.
func (c *cluster) gone(ctx context.Context, pid int, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for c.runsHere(pid) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
