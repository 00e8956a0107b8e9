//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// browser is an agent at a Chromium of its own. Its microphone gives a tone; what it hears is looked at by frequency.
type browser struct {
	t    testing.TB
	h    *house
	name string // login
	hz   float64
	pen  io.WriteCloser
	done chan struct{} // the process has ended

	mu      sync.Mutex
	changed chan struct{} // closed at each message, and made anew
	serial  int
	replies map[int]message
	seen    []message // events in their order
	faults  []string
}

// message is a line from the browser: an answer to a verb, or an event of the page's socket.
type message struct {
	ID    int             `json:"id"`
	Event string          `json:"event"`
	Error string          `json:"error"`
	Data  json.RawMessage `json:"data"`
	at    time.Time
}

// micro writes a tone as the fake microphone wants it: 48 kHz, one channel, and whole periods so that the loop has no click.
func micro(t testing.TB, hz float64) string {
	const rate = 48_000
	pcm := make([]int16, rate)
	for i := range pcm {
		pcm[i] = int16(9000 * math.Sin(2*math.Pi*math.Round(hz)*float64(i)/rate))
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, uint32(36+2*len(pcm)))
	b.WriteString("WAVEfmt ")
	binary.Write(&b, binary.LittleEndian, struct {
		Size               uint32
		Format, Channels   uint16
		Rate, BytesPerSec  uint32
		Align, BitsPerWord uint16
	}{16, 1, 1, rate, 2 * rate, 2, 16})
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, uint32(2*len(pcm)))
	binary.Write(&b, binary.LittleEndian, pcm)
	file := filepath.Join(t.TempDir(), "mic.wav")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// sits starts a browser with a tone for a microphone and logs an account in.
func (h *house) sits(login string, hz float64) *browser {
	h.t.Helper()
	b := h.opens(hz, "")
	b.logIn(login, h.password[login])
	return b
}

// opens starts a browser, in another network unless its name is "".
func (h *house) opens(hz float64, network string, env ...string) *browser {
	h.t.Helper()
	node, chromium := need(h.t, "node", "nodejs"), need(h.t, "chromium", "chromium")
	if _, err := os.Stat("../../web/console/node_modules/playwright-core"); err != nil {
		h.t.Fatal("playwright-core is missing: make build (or npm ci in web/console)")
	}
	artifacts, err := filepath.Abs("../../artifacts/agents")
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(node, "browser/agent.mjs")
	if network != "" {
		cmd = exec.Command(need(h.t, "ip", "iproute2"), "netns", "exec", network, node, "browser/agent.mjs")
	}
	cmd.Env = append(os.Environ(), "HOTLINE_URL="+h.http, "HOTLINE_CHROMIUM="+chromium, "MIC="+micro(h.t, hz), "HOTLINE_ARTIFACTS="+artifacts)
	cmd.Env = append(cmd.Env, env...)
	b := &browser{t: h.t, h: h, hz: hz, done: make(chan struct{}), changed: make(chan struct{}), replies: map[int]message{}}
	out, err := cmd.StdoutPipe()
	if err == nil {
		b.pen, err = cmd.StdinPipe()
	}
	var stderr logFile
	cmd.Stderr = &stderr
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	go b.read(out)
	h.t.Cleanup(func() {
		if h.t.Failed() {
			for range 2 {
				h.t.Logf("%s's connection: %s", b.name, b.try("stats", nil).Data)
			}
		}
		b.pen.Close()
		select {
		case <-b.done:
		case <-time.After(15 * time.Second):
			cmd.Process.Kill()
		}
		cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("%s's browser:\n%s\nlast events:\n%s", b.name, &stderr, b.history())
		}
	})
	b.expect("started", 60*time.Second, nil)
	return b
}

func (b *browser) read(out io.Reader) {
	defer close(b.done)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		m.at = time.Now()
		b.mu.Lock()
		switch {
		case m.Event == "fault":
			b.faults = append(b.faults, string(m.Data))
		case m.Event != "":
			b.seen = append(b.seen, m)
		default:
			b.replies[m.ID] = m
		}
		close(b.changed)
		b.changed = make(chan struct{})
		b.mu.Unlock()
	}
}

// history is the last events, for failures.
func (b *browser) history() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out bytes.Buffer
	for _, m := range b.seen[max(0, len(b.seen)-40):] {
		said := string(m.Data)
		if len(said) > 400 {
			said = said[:300] + "…" + said[len(said)-100:]
		}
		out.WriteString(m.at.Format("15:04:05.000 ") + m.Event + " " + said + "\n")
	}
	for _, f := range b.faults {
		out.WriteString("fault " + tail(f, 400) + "\n")
	}
	return out.String()
}

// until waits for a state of what has come from the browser.
func (b *browser) until(limit time.Duration, what string, yes func() bool) {
	b.t.Helper()
	end := time.After(limit)
	for {
		b.mu.Lock()
		ok, changed := yes(), b.changed
		b.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-b.done:
			b.t.Fatalf("%s's browser has ended, waiting for %s", b.name, what)
		case <-end:
			b.t.Fatalf("%s's browser, not within %s: %s", b.name, limit, what)
		}
	}
}

// do has the browser do something and returns what it answers.
func (b *browser) do(verb string, args map[string]any) json.RawMessage {
	b.t.Helper()
	m := b.try(verb, args)
	if m.Error != "" {
		b.t.Fatalf("%s's browser, %s %v: %s", b.name, verb, args, m.Error)
	}
	return m.Data
}

func (b *browser) try(verb string, args map[string]any) message {
	b.t.Helper()
	b.mu.Lock()
	b.serial++
	id := b.serial
	b.mu.Unlock()
	line := map[string]any{"id": id, "verb": verb}
	for k, v := range args {
		line[k] = v
	}
	raw, err := json.Marshal(line)
	if err == nil {
		_, err = b.pen.Write(append(raw, '\n'))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	var m message
	b.until(45*time.Second, verb, func() bool {
		var ok bool
		m, ok = b.replies[id]
		return ok
	})
	return m
}

// answer is what the server says to a command of the socket.
type answer struct {
	OK      bool            `json:"ok"`
	Data    json.RawMessage `json:"data"`
	Problem *struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"problem"`
}

// ask sends a command over the page's own socket.
func (b *browser) ask(cmd string, data any) answer {
	b.t.Helper()
	var a answer
	if err := json.Unmarshal(b.do("command", map[string]any{"cmd": cmd, "data": data}), &a); err != nil {
		b.t.Fatal(err)
	}
	return a
}

// must sends a command that may not fail.
func (b *browser) must(cmd string, data any) json.RawMessage {
	b.t.Helper()
	a := b.ask(cmd, data)
	if !a.OK {
		b.t.Fatalf("%s, %s %v: %+v", b.name, cmd, data, a.Problem)
	}
	return a.Data
}

// refused sends a command that must fail with a code.
func (b *browser) refused(cmd string, data any, status int, code string) {
	b.t.Helper()
	a := b.ask(cmd, data)
	if a.OK || a.Problem == nil || a.Problem.Status != status || a.Problem.Code != code {
		b.t.Errorf("%s, %s %v: %s %+v, want %d %s", b.name, cmd, data, a.Data, a.Problem, status, code)
	}
}

// mark is a place in the events: what comes later is after it.
func (b *browser) mark() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen)
}

// after waits for an event that comes after a mark.
func (b *browser) after(mark int, event string, limit time.Duration, yes func(json.RawMessage) bool) message {
	b.t.Helper()
	var found message
	b.until(limit, "event "+event, func() bool {
		for _, m := range b.seen[mark:] {
			if m.Event == event && (yes == nil || yes(m.Data)) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// expect waits for an event, whenever it came.
func (b *browser) expect(event string, limit time.Duration, yes func(json.RawMessage) bool) message {
	b.t.Helper()
	return b.after(0, event, limit, yes)
}

func (b *browser) logIn(login, password string) {
	b.t.Helper()
	b.name = login
	mark := b.mark()
	b.do("login", map[string]any{"login": login, "password": password})
	b.after(mark, "snapshot", 20*time.Second, nil)
}

// up waits until the browser's audio is up.
func (b *browser) up(mark int) {
	b.t.Helper()
	b.after(mark, "phone", 20*time.Second, func(d json.RawMessage) bool {
		return field(d, "media") == "up" && field(d, "active") == "this"
	})
}

// field is a string of a JSON object, by a path.
func field(data json.RawMessage, path ...string) string {
	var v any
	if json.Unmarshal(data, &v) != nil {
		return ""
	}
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	s, _ := v.(string)
	return s
}

// ready lets the agent take calls.
func (b *browser) ready() {
	b.t.Helper()
	b.up(0)
	mark := b.mark()
	b.must("agent.ready", nil)
	b.state(mark, "ready")
}

// rung waits for an offer.
func (b *browser) rung(mark int) (offer, call string) {
	b.t.Helper()
	m := b.after(mark, "offer", 20*time.Second, nil)
	return field(m.Data, "id"), field(m.Data, "call_id")
}

// answers takes an offer and waits until the call talks.
func (b *browser) answers(mark int) (call string) {
	b.t.Helper()
	call = b.takes(mark)
	b.phase(mark, "talking")
	return call
}

// takes takes an offer by the key, as a person does.
func (b *browser) takes(mark int) (call string) {
	b.t.Helper()
	_, call = b.rung(mark)
	b.do("sees", map[string]any{"selector": "[data-answer]:not([disabled])"})
	b.do("press", map[string]any{"key": "Alt+a"})
	return call
}

// phase waits until the call is in a phase.
func (b *browser) phase(mark int, phase string) message {
	b.t.Helper()
	return b.after(mark, "call", 20*time.Second, func(d json.RawMessage) bool { return field(d, "phase") == phase })
}

// heard is how loud some frequencies are at the browser now, dB.
func (b *browser) heard(hz ...float64) []float64 {
	b.t.Helper()
	var levels []float64
	if err := json.Unmarshal(b.do("listen", map[string]any{"frequencies": hz}), &levels); err != nil || levels == nil {
		levels = make([]float64, len(hz))
		for i := range levels {
			levels[i] = -200
		}
	}
	return levels
}

const (
	audible   = -60.0 // dB in a bin of the analyser: a tone of ours is at about -25
	inaudible = -75.0
)

// hears waits until the browser hears exactly the tones of those that are given: on are heard, off are not.
func (b *browser) hears(on, off []float64) {
	b.t.Helper()
	all := append(append([]float64{}, on...), off...)
	var last []float64
	ok := soon(15*time.Second, func() bool {
		last = b.heard(all...)
		for i, level := range last {
			if i < len(on) && level < audible || i >= len(on) && level > inaudible {
				return false
			}
		}
		return true
	})
	if !ok {
		b.t.Fatalf("%s hears %v dB at %v Hz; wants the first %d of them and no more", b.name, last, all, len(on))
	}
}

// clean fails the test when the page has reported errors.
func (b *browser) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("%s's page: %s", b.name, f)
	}
}
