//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hotline/testport"
)

// TestCommands runs the other commands of the binary beside a running product.
func TestCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, try := range map[string]func(*house){
		"accounts and logins":     accounts,
		"tokens":                  tokens,
		"configuration as files":  configFiles,
		"a second product":        secondServe,
		"key of the recordings":   keyFile,
		"doctor beside a product": doctorBeside,
	} {
		t.Run(name, func(t *testing.T) {
			mine := *h
			mine.t = t
			try(&mine)
		})
	}
}

// try runs a command with additions to the environment and returns all that it printed, and its exit status.
func (h *house) try(env []string, args ...string) (out string, status int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, product(h.t), args...)
	cmd.Env = append(append([]string{}, h.env...), env...)
	raw, _ := cmd.CombinedOutput()
	return string(raw), cmd.ProcessState.ExitCode()
}

// refuses runs a command that must fail and say each of the words.
func (h *house) refuses(env []string, args []string, words ...string) {
	h.t.Helper()
	out, status := h.try(env, args...)
	if status != 1 {
		h.t.Errorf("hotline %s %v: status %d\n%s", strings.Join(args, " "), env, status, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			h.t.Errorf("hotline %s %v does not say %q:\n%s", strings.Join(args, " "), env, w, out)
		}
	}
}

// logIn posts to the API as a browser does.
func (h *house) logIn(login, password string) *http.Response {
	h.t.Helper()
	raw, err := json.Marshal(map[string]string{"login": login, "password": password})
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.Post(h.http+"/api/v1/session", "application/json", bytes.NewReader(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func (h *house) logsIn(login, password string, want int) {
	h.t.Helper()
	if resp := h.logIn(login, password); resp.StatusCode != want {
		h.t.Errorf("log in as %s: %s, wanted %d", login, resp.Status, want)
	}
}

func accounts(h *house) {
	h.logsIn("admin", h.password["admin"], 200)
	printed := func(out string) string {
		login, password, ok := credential(strings.TrimSpace(out))
		if !ok || login != "maria" {
			h.t.Fatalf("not a login and its password: %q", out)
		}
		return password
	}
	first := printed(h.run("user", "add", "--login", "maria", "--name", "Maria", "--role", "agent"))
	h.logsIn("maria", first, 200)
	h.refuses(nil, []string{"user", "add", "--login", "maria", "--role", "agent"}, "maria")
	h.refuses(nil, []string{"user", "add", "--login", "nobody", "--role", "king"}, "king", "supervisor")
	h.refuses(nil, []string{"user", "password", "--login", "stranger"}, "stranger")
	second := printed(h.run("user", "password", "--login", "maria"))
	h.logsIn("maria", first, 401)
	h.logsIn("maria", second, 200)
	for range 20 {
		resp := h.logIn("maria", "guessed")
		if resp.StatusCode == http.StatusTooManyRequests {
			if resp.Header.Get("Retry-After") == "" {
				h.t.Error("429 without Retry-After")
			}
			return
		}
		if resp.StatusCode != http.StatusUnauthorized {
			h.t.Errorf("a wrong password is answered %s", resp.Status)
		}
	}
	h.t.Error("twenty wrong passwords in a row are looked at")
}

func tokens(h *house) {
	out := h.run("token", "create", "--name", "wall", "--role", "agent")
	token := strings.TrimSuffix(out, "\n")
	if !strings.HasPrefix(token, "hl_") || strings.ContainsAny(token, " \n\t") || out != token+"\n" {
		h.t.Fatalf("not a token alone: %q", out)
	}
	mine := *h
	mine.token = token
	if status := mine.api("GET", "/api/v1/tickets", nil, nil); status != 200 {
		h.t.Errorf("the list of tickets by token: %d", status)
	}
	if status := mine.api("GET", "/api/v1/trunks", nil, nil); status != 403 {
		h.t.Errorf("an agent's token reads trunks: %d", status)
	}
	mine.token += "x"
	if status := mine.api("GET", "/api/v1/tickets", nil, nil); status != 401 {
		h.t.Errorf("a wrong token: %d", status)
	}
	h.refuses(nil, []string{"token", "create", "--role", "agent"}, "--name")
	h.refuses(nil, []string{"token", "create", "--name", "x", "--role", "king"}, "king")
}

func (h *house) published(flow string) (version int64) {
	h.t.Helper()
	var f struct {
		Version int64 `json:"published_version"`
	}
	h.api("GET", "/api/v1/flows/"+flow, nil, &f)
	return f.Version
}

// configFiles takes the configuration out, changes it, puts it back, and breaks it.
func configFiles(h *house) {
	dir := filepath.Join(h.t.TempDir(), "conf")
	h.run("config", "export", dir)
	if out := h.run("config", "plan", dir); out != "no changes\n" {
		h.t.Errorf("a plan of what was just exported: %q", out)
	}
	edit := func(file, old, new string) {
		h.t.Helper()
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !strings.Contains(string(raw), old) {
			h.t.Fatalf("%s has no %q (%v):\n%s", file, old, err, raw)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(strings.Replace(string(raw), old, new, 1)), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	edit("flows/demo-closed.yaml", "Demo after hours", "Closed")
	edit("numbers.yaml", "numbers:\n", "numbers:\n  - {number: \"4002\", title: Second, flow: demo-closed, queue: support, language: en}\n")
	closed := h.published("demo-closed")
	plan := h.run("config", "plan", dir)
	if !strings.Contains(plan, "update flow demo-closed") || !strings.Contains(plan, "create number 4002") || strings.Count(plan, "\n") != 2 {
		h.t.Errorf("plan: %q", plan)
	}
	if h.published("demo-closed") != closed {
		h.t.Error("a plan published a flow")
	}
	if out := h.run("config", "apply", dir); out != plan {
		h.t.Errorf("planned %q, applied %q", plan, out)
	}
	if out := h.run("config", "plan", dir); out != "no changes\n" {
		h.t.Errorf("a plan of what was just applied: %q", out)
	}
	if now := h.published("demo-closed"); now != closed+1 {
		h.t.Errorf("version %d of the flow is live after version %d", now, closed)
	}
	h.eventually(20*time.Second, "the running product answers the new number", func() bool {
		p, err := h.tryRing("4002", "+8613811200001", 500)
		if err == nil {
			p.hangup()
		}
		return err == nil
	})
	h.brokenFlow(dir, edit)
}

// brokenFlow: the file is refused with its line, and callers go on as before.
func (h *house) brokenFlow(dir string, edit func(file, old, new string)) {
	h.t.Helper()
	demo := h.published("demo")
	edit("flows/demo.yaml", "next: language", "next: nowhere")
	edit("numbers.yaml", "title: Second", "title: Third")
	place := regexp.MustCompile(`flows/demo\.yaml:\d+: .*nowhere`)
	for _, what := range []string{"plan", "apply"} {
		out, status := h.try(nil, "config", what, dir)
		if status != 1 || !place.MatchString(out) {
			h.t.Errorf("config %s of a broken flow: status %d\n%s", what, status, out)
		}
	}
	if now := h.published("demo"); now != demo {
		h.t.Errorf("version %d of the flow is live after a refused file, before it was %d", now, demo)
	}
	var number struct {
		Title string `json:"title"`
	}
	if h.api("GET", "/api/v1/numbers/4002", nil, &number); number.Title != "Second" {
		h.t.Errorf("the number of a refused folder has the title %q", number.Title)
	}
	const from = "+8613811200002"
	p := h.rings("4000", from, 500)
	p.press("21")
	h.reaches(from, "queued")
	p.hangup()
	if c := h.ended(from); c.digits() != "21" {
		h.t.Errorf("path %s", c.path())
	}
}

// secondServe: the data folder has one user at a time, and so has a port.
func secondServe(h *house) {
	h.refuses(nil, []string{"serve"}, "cannot listen at", "http_addr")
	other := []string{fmt.Sprintf("HOTLINE_HTTP_ADDR=127.0.0.1:%d", testport.Free(h.t, "tcp")), fmt.Sprintf("HOTLINE_SIP_ADDR=127.0.0.1:%d", testport.Free(h.t, "udp"))}
	h.refuses(other, []string{"serve"}, fmt.Sprintf("process %d", h.cmd.Process.Pid), h.dir, "HOTLINE_DATA_DIR")
	if status, body := h.ready(); status != 200 {
		h.t.Errorf("the first one is %d %s after that", status, body)
	}
}

func keyFile(h *house) {
	info, err := os.Stat(filepath.Join(h.dir, "recordings.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		h.t.Errorf("%v %v", info, err)
	}
}

func doctorBeside(h *house) {
	wide := []string{"HOTLINE_RTP_PORTS=12000-15999"}
	if out, status := h.try(wide, "doctor"); status != 0 || !strings.Contains(out, "Hotline is running") {
		h.t.Errorf("status %d\n%s", status, out)
	}
}

// TestWrongConfiguration needs no running product.
func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	h := &house{t: t, dir: t.TempDir()}
	h.env = append(os.Environ(), "HOTLINE_DATA_DIR="+h.dir, fmt.Sprintf("HOTLINE_HTTP_ADDR=127.0.0.1:%d", testport.Free(t, "tcp")),
		fmt.Sprintf("HOTLINE_SIP_ADDR=127.0.0.1:%d", testport.Free(t, "udp")), "HOTLINE_RTP_PORTS=12000-15999", "HOTLINE_WEBRTC_ADDR=127.0.0.1:0")
	if out, status := h.try(nil, "version"); status != 0 || !regexp.MustCompile(`^hotline \S+\n$`).MatchString(out) {
		t.Errorf("version: status %d, %q", status, out)
	}
	h.refuses(nil, []string{"sreve"}, `"sreve"`, "serve")
	for _, c := range []struct{ env, mend string }{
		{"HOTLINE_RTP_PORTS=many", "20000-23999"}, {"HOTLINE_RTP_PORTS=30000-20000", "at least four"}, {"HOTLINE_HTTP_ADDR=8080", "127.0.0.1:8080"},
		{"HOTLINE_SIP_ADDR=127.0.0.1:sip", "number"}, {"HOTLINE_LOG_LEVEL=loud", "debug, info, warn, error"},
		{"HOTLINE_EXTERNAL_ADDR=example.org", "203.0.113.7"}, {"HOTLINE_DATABASE_URL=mysql://x", "postgres://"}, {"HOTLINE_MAX_CALLS=-1", "whole number"},
	} {
		key, value, _ := strings.Cut(strings.TrimPrefix(c.env, "HOTLINE_"), "=")
		h.refuses([]string{c.env}, []string{"serve"}, "HOTLINE_"+key, strings.ToLower(key), value, c.mend)
	}
	h.refuses([]string{"HOTLINE_RTPPORTS=1"}, []string{"serve"}, "did you mean rtp_ports")
	file := filepath.Join(h.dir, "hotline.yaml")
	os.WriteFile(file, []byte("# process\nlog_level: info\nsip_adr: 127.0.0.1:5060\n"), 0o600)
	h.refuses(nil, []string{"serve", "--config", file}, file+":3", "sip_adr")
	if left, _ := filepath.Glob(filepath.Join(h.dir, "*")); len(left) != 1 {
		t.Errorf("a refused start left %v", left)
	}
}

// TestDoctor looks for what it must find before the product starts.
func TestDoctor(t *testing.T) {
	t.Parallel()
	h := &house{t: t, dir: t.TempDir()}
	web, sip := testport.Free(t, "tcp"), testport.Free(t, "udp")
	h.env = append(os.Environ(), "HOTLINE_DATA_DIR="+h.dir, fmt.Sprintf("HOTLINE_HTTP_ADDR=127.0.0.1:%d", web),
		fmt.Sprintf("HOTLINE_SIP_ADDR=127.0.0.1:%d", sip), "HOTLINE_RTP_PORTS=12000-15999", "HOTLINE_WEBRTC_ADDR=127.0.0.1:0")
	if out, status := h.try(nil, "doctor"); status != 0 || strings.Contains(out, "FAIL") {
		t.Fatalf("nothing is wrong, status %d:\n%s", status, out)
	}
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", web))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	pem := filepath.Join(h.dir, "cert.pem")
	os.WriteFile(pem, []byte("not a certificate"), 0o600)
	for _, c := range []struct {
		env   []string
		words []string
	}{
		{[]string{"HOTLINE_RTP_PORTS=12000-12009"}, []string{"rtp_ports 12000-12009", "mend: widen rtp_ports"}},
		{[]string{"HOTLINE_HTTP_TLS_CERT=" + pem, "HOTLINE_HTTP_TLS_KEY=" + pem}, []string{"http_tls_cert", pem, "mend: give a PEM certificate"}},
		{[]string{"HOTLINE_SIP_TLS_ADDR=127.0.0.1:0", "HOTLINE_SIP_TLS_CERT=" + pem, "HOTLINE_SIP_TLS_KEY=" + pem}, []string{"sip_tls_cert", "mend: "}},
		{[]string{"HOTLINE_HTTP_TLS_CERT=/nowhere/cert.pem"}, []string{"http_tls_cert", "/nowhere/cert.pem", "give the path of a PEM file"}},
		{[]string{"HOTLINE_WEBRTC_ADDR=" + taken.Addr().String()}, []string{"agents' audio cannot be used", "mend: set webrtc_addr"}},
		{[]string{"HOTLINE_DATABASE_URL=postgres://127.0.0.1:1/hotline"}, []string{"database_url", "mend: "}},
		{[]string{"HOTLINE_DATA_DIR=/proc/hotline"}, []string{"/proc/hotline", "mend: set data_dir"}},
	} {
		h.refuses(c.env, []string{"doctor"}, c.words...)
	}
	heard, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", sip))
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	h.refuses(nil, []string{"doctor"}, fmt.Sprintf("console address 127.0.0.1:%d cannot be used", web), "mend: stop what uses it",
		fmt.Sprintf("SIP address 127.0.0.1:%d cannot be used", sip), "mend: stop the other SIP server")
}
