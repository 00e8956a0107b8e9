// Package asterisktest runs a real Asterisk for a test.
//
// [Start] fetches Asterisk once into a cache (deploy/asterisk/fetch.sh), starts it on free ports of the loopback with a folder and a
// password of its own, and takes it away when the test ends, by its process id; it also goes when the test binary dies. Start reading
// at [Start].
package asterisktest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/away"
	"hotline/asterisk/config"
	"hotline/testport"
	"hotline/trunks"
)

// Options of an Asterisk. The zero value is Asterisk 22 without trunks.
type Options struct {
	Version   string            // "22" (default), or "16" to look at its ARI
	Trunks    []trunks.Trunk    // what it carries, whatever they say of being enabled and of their edge
	Numbers   []trunks.Number   // known to the fallback
	Away      away.Options      // the fallback while Hotline is away
	Phones    []config.Phone    // desk phones
	App       string            // Stasis application; default hotline
	Transport ari.Transport     // with Dialled, Asterisk connects to Hotline …
	Hotline   string            // … here
	Extra     map[string]string // file name → text that is added to that configuration file, or makes it
	Render    func(*config.Options)
	Keep      bool // leave the folder
}

// Asterisk is one that runs.
type Asterisk struct {
	URL      string // http://127.0.0.1:port
	User     string
	Password string
	SIPAddr  netip.AddrPort // UDP and TCP
	Dir      string
	PID      int

	t       testing.TB
	options Options
	root    string
	rtpLow  int // the first of audioPorts
	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{}
}

// patience is how long a start or a stop may take on a loaded machine. A start takes half a second.
const patience = 20 * time.Second

// audioPorts are how many ports an Asterisk has for audio.
const audioPorts = 2000

// Start runs an Asterisk until the test ends and returns when it takes calls and requests.
func Start(t testing.TB, o Options) *Asterisk {
	t.Helper()
	if o.App == "" {
		o.App = "hotline"
	}
	if o.Version == "" {
		o.Version = "22"
	}
	dir, err := os.MkdirTemp("", "asterisk-") // short: the path of a unix socket may have 107 bytes
	if err != nil {
		t.Fatalf("asterisktest: %v", err)
	}
	a := &Asterisk{User: "hotline", Password: secret(), Dir: dir, t: t, options: o, root: fetch(t, o.Version)}
	t.Cleanup(a.clean)
	web, sip := testport.Free(t, "tcp"), testport.Free(t, "tcp", "udp")
	a.rtpLow = testport.Block(audioPorts)
	a.URL = fmt.Sprintf("http://127.0.0.1:%d", web)
	a.SIPAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sip))
	a.write(web)
	a.Restart()
	return a
}

func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// fetch returns the folder of an unpacked Asterisk.
func fetch(t testing.TB, version string) string {
	t.Helper()
	script := filepath.Join(deploy(), "fetch.sh")
	cmd := exec.CommandContext(t.Context(), script, version)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("asterisktest: there is no Asterisk %s to test with; get it by: deploy/asterisk/fetch.sh %s\n%s%v", version, version, said.String(), err)
	}
	return strings.TrimSpace(string(out))
}

// deploy returns the folder deploy/asterisk of this module.
func deploy() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "deploy", "asterisk")
}

// Restart stops Asterisk if it runs and starts it with the same configuration, ports and password.
func (a *Asterisk) Restart() {
	a.t.Helper()
	a.Stop()
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(a.Dir, "ready"), Net: "unixgram"})
	if err != nil {
		a.t.Fatalf("asterisktest: %v", err)
	}
	defer os.Remove(filepath.Join(a.Dir, "ready"))
	defer ready.Close()
	cmd := exec.Command(filepath.Join(deploy(), "run.sh"), a.root, a.Dir, "-f", "-n")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(a.Dir, "ready"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	console, err := os.OpenFile(filepath.Join(a.Dir, "console"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatalf("asterisktest: %v", err)
	}
	cmd.Stdout, cmd.Stderr = console, console
	err = cmd.Start()
	_ = console.Close()
	if err != nil {
		a.t.Fatalf("asterisktest: %v", err)
	}
	exited := make(chan struct{})
	go func() { // ends with the process, which Stop or clean ends
		_ = cmd.Wait()
		close(exited)
		_ = ready.SetReadDeadline(time.Now())
	}()
	a.mu.Lock()
	a.cmd, a.exited, a.PID = cmd, exited, cmd.Process.Pid
	a.mu.Unlock()
	if err := await(ready, exited); err != nil {
		a.t.Fatalf("asterisktest: Asterisk does not start: %v\n%s", err, a.Log())
	}
}

// await waits until the process says that it is ready (sd_notify).
func await(ready *net.UnixConn, exited <-chan struct{}) error {
	_ = ready.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	for {
		n, err := ready.Read(buf)
		select {
		case <-exited:
			return errors.New("it ended at once")
		default:
		}
		if err != nil {
			return err
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			return nil
		}
	}
}

// Stop ends Asterisk as its administrator does: calls are hung up and it says good-bye.
func (a *Asterisk) Stop() { a.end(syscall.SIGTERM) }

// Kill ends Asterisk at once.
func (a *Asterisk) Kill() { a.end(syscall.SIGKILL) }

// Freeze stops it in its tracks, connections open; Thaw lets it go on.
func (a *Asterisk) Freeze() { a.signal(syscall.SIGSTOP) }

// Thaw lets a frozen Asterisk go on.
func (a *Asterisk) Thaw() { a.signal(syscall.SIGCONT) }

func (a *Asterisk) signal(s syscall.Signal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd != nil {
		_ = a.cmd.Process.Signal(s)
	}
}

func (a *Asterisk) end(with syscall.Signal) {
	a.mu.Lock()
	cmd, exited := a.cmd, a.exited
	a.cmd = nil
	a.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(with)
	_ = cmd.Process.Signal(syscall.SIGCONT) // a frozen one hears nothing else
	select {
	case <-exited:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-exited
		if with != syscall.SIGKILL {
			a.t.Errorf("asterisktest: Asterisk did not stop within %s", patience)
		}
	}
	_ = os.Remove(filepath.Join(a.Dir, "run", "asterisk.ctl"))
}

func (a *Asterisk) clean() {
	a.end(syscall.SIGKILL)
	if a.t.Failed() {
		a.t.Logf("the end of Asterisk's log:\n%s", tail(a.Log(), 60))
	}
	if a.options.Keep {
		a.t.Logf("Asterisk's folder is kept: %s", a.Dir)
		return
	}
	if err := os.RemoveAll(a.Dir); err != nil {
		a.t.Errorf("asterisktest: %v", err)
	}
}

// CLI runs a command on Asterisk's console, such as CLI("core", "show", "channels"), and returns what it prints.
func (a *Asterisk) CLI(args ...string) string {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.t.Context()), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(deploy(), "run.sh"), a.root, a.Dir, "-rx", strings.Join(args, " ")).CombinedOutput()
	if err != nil {
		a.t.Errorf("asterisktest: %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Log returns what Asterisk has logged since the first start.
func (a *Asterisk) Log() string {
	console, _ := os.ReadFile(filepath.Join(a.Dir, "console"))
	full, _ := os.ReadFile(filepath.Join(a.Dir, "log", "full"))
	return string(console) + string(full)
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
