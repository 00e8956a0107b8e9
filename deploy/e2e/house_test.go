//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline/testport"
)

// house is one running product.
type house struct {
	t        testing.TB
	dir      string // data folder
	http     string // base URL
	sip      string // ip:port
	env      []string
	cmd      *exec.Cmd
	exited   chan struct{}
	password map[string]string // first passwords by login, as printed
	token    string            // of an administrator
	log      *logFile
}

// logFile keeps what the process printed, for failures.
type logFile struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// product is the binary under test: HOTLINE_TEST_BINARY, or the one that make e2e builds.
func product(t testing.TB) string {
	name := os.Getenv("HOTLINE_TEST_BINARY")
	if name == "" {
		name = "../../bin/hotline"
	}
	path, err := filepath.Abs(name)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("no binary: run make build (%v)", err)
	}
	return path
}

// need fails the test with the command that installs what is missing.
func need(t testing.TB, program, debian string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install --no-install-recommends %s", program, debian)
	}
	return path
}

// newHouse starts the demo on free ports. It is stopped, and its folder removed, when the test ends.
func newHouse(t testing.TB, env ...string) *house {
	t.Helper()
	httpPort, sipPort := testport.Free(t, "tcp"), testport.Free(t, "udp")
	rtp := testport.Block(1000)
	h := &house{
		t: t, dir: t.TempDir(), log: &logFile{}, password: map[string]string{},
		http: fmt.Sprintf("http://127.0.0.1:%d", httpPort), sip: fmt.Sprintf("127.0.0.1:%d", sipPort),
	}
	h.env = append(os.Environ(),
		"HOTLINE_HTTP_ADDR="+strings.TrimPrefix(h.http, "http://"), "HOTLINE_SIP_ADDR="+h.sip,
		fmt.Sprintf("HOTLINE_RTP_PORTS=%d-%d", rtp, rtp+999), "HOTLINE_DATA_DIR="+h.dir, "HOTLINE_LOG_LEVEL=warn",
		"HOTLINE_WEBRTC_ADDR=127.0.0.1:0")
	h.env = append(h.env, env...)
	for _, pair := range env {
		if at, ok := strings.CutPrefix(pair, "HOTLINE_HTTP_ADDR="); ok {
			h.http = "http://" + at
		}
		if pair == "HOTLINE_HTTP_TLS=self-signed" {
			h.http = strings.Replace(h.http, "http://", "https://", 1)
		}
	}
	os.Chmod(h.dir, 0o755) // the cluster runs as another user when we are root
	t.Cleanup(h.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the product printed:\n%s", tail(h.log.String(), 12_000))
		}
	})
	h.start()
	h.token = strings.TrimSpace(h.run("token", "create", "--name", "e2e", "--role", "admin"))
	return h
}

// start runs the binary and waits until it is ready.
func (h *house) start() {
	h.t.Helper()
	h.cmd = exec.Command(product(h.t), "serve", "--demo")
	h.cmd.Env, h.cmd.Dir = h.env, h.dir
	h.cmd.Stderr = h.log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	exited, ready := make(chan struct{}), make(chan struct{})
	h.exited = exited
	go h.readOutput(out, ready)
	go func(cmd *exec.Cmd) {
		cmd.Wait()
		close(exited)
	}(h.cmd)
	select {
	case <-ready:
	case <-exited:
		h.t.Fatalf("the product stopped at start:\n%s", h.log)
	case <-time.After(90 * time.Second):
		h.t.Fatalf("the product was not ready within 90 s:\n%s", h.log)
	}
}

// readOutput takes the first passwords from what serve prints and closes ready when it says so.
func (h *house) readOutput(out io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		fmt.Fprintln(h.log, line)
		if login, password, ok := credential(line); ok {
			h.password[login] = password
		}
		if strings.Contains(line, "Ctrl-C") {
			close(ready)
			io.Copy(h.log, out)
			return
		}
	}
}

// credential reads a line of the form "log in as admin with PASSWORD".
func credential(line string) (login, password string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) == 6 && fields[0] == "log" && fields[2] == "as" && fields[4] == "with" {
		return fields[3], fields[5], true
	}
	return "", "", false
}

// stop ends the product as Ctrl-C does, and by force after 30 s.
func (h *house) stop() {
	if h.cmd == nil || h.cmd.Process == nil {
		return
	}
	h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.exited:
	case <-time.After(10 * time.Second):
		h.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-h.exited:
		case <-time.After(20 * time.Second):
			h.t.Error("the product did not stop within 30 s")
			h.kill()
		}
	}
}

// kill ends the process without a word, as a crash does.
func (h *house) kill() {
	h.cmd.Process.Kill()
	<-h.exited
}

// run runs another command of the binary with the same configuration and returns what it printed.
func (h *house) run(args ...string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, product(h.t), args...)
	cmd.Env = h.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("hotline %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

// api sends a request with the administrator's token and decodes the answer into v unless it is nil.
func (h *house) api(method, path string, body, v any) int {
	h.t.Helper()
	var reader io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		reader, contentType = bytes.NewReader(b), "audio/wav"
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, h.http+path, reader)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	if reader != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := h.client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if out, ok := v.(*[]byte); ok {
		*out = raw
	} else if v != nil {
		if resp.StatusCode >= 300 {
			h.t.Fatalf("%s %s: %s\n%s", method, path, resp.Status, raw)
		}
		if err := json.Unmarshal(raw, v); err != nil {
			h.t.Fatalf("%s %s: %v\n%s", method, path, err, raw)
		}
	}
	return resp.StatusCode
}

// client speaks to the product. Its own certificate is believed because it is in its data folder, and checked like any other.
func (h *house) client() *http.Client {
	if strings.HasPrefix(h.http, "http://") {
		return http.DefaultClient
	}
	raw, err := os.ReadFile(filepath.Join(h.dir, "tls", "console.crt"))
	if err != nil {
		h.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

// eventually asks until the answer is yes, or fails after the limit.
func (h *house) eventually(limit time.Duration, what string, yes func() bool) {
	h.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !yes() {
		select {
		case <-tick.C:
		case <-end:
			h.t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
