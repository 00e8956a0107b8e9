package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/acd"
	acdboard "hotline/acd/board"
	"hotline/acd/roster"
	"hotline/asterisk"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/call/rows"
	"hotline/ivr"
	"hotline/ivr/speech"
	"hotline/media"
	"hotline/media/peer"
	"hotline/postgres/pgtest"
	"hotline/recordings"
	"hotline/sip"
	"hotline/softphone"
	"hotline/tickets"
	"hotline/trunks/routes"
	"hotline/web/api"
	"hotline/web/login"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// office is the whole product behind an HTTP server: every part is the real one.
type office struct {
	t      *testing.T
	pool   *pgxpool.Pool
	cfg    Config
	server *Server
	http   *httptest.Server
	log    *logBook
	tokens map[login.Role]string
}

// logBook keeps everything that is logged, at every level.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// pages is a console that has been built.
var pages = fstest.MapFS{
	"index.html":          {Data: []byte("<!doctype html><title>Hotline</title><script type=module src=/assets/index-abc123.js></script>")},
	"assets/index-abc.js": {Data: []byte(strings.Repeat("console.log('hotline');\n", 200))},
	"favicon.svg":         {Data: []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")},
}

func openOffice(t *testing.T) *office { return openOfficeWith(t, pages, nil) }

func openOfficeWith(t *testing.T, files fs.FS, change func(*Config)) *office {
	t.Helper()
	o := &office{t: t, pool: pgtest.New(t), log: &logBook{}, tokens: map[login.Role]string{}}
	o.cfg = o.wire()
	if change != nil {
		change(&o.cfg)
	}
	var err error
	if o.server, err = newServer(o.cfg, files); err != nil {
		t.Fatal(err)
	}
	o.http = httptest.NewServer(o.server.Handler())
	t.Cleanup(o.http.Close)
	return o
}

// absent is an Asterisk that is not there.
var absent = []ari.Config{{Name: "pbx1", URL: "http://127.0.0.1:9", User: "hotline", Password: "b6d4c1f09a7e4e52"}}

// waits is the script of every call: it lasts until the call ends.
func waits(context.Context, call.Info) (call.Script, error) {
	return func(ctx context.Context, _ *call.Call) error { <-ctx.Done(); return context.Cause(ctx) }, nil
}

// wire makes the parts and runs them until the test ends.
func (o *office) wire() Config {
	t := o.t
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	run := func(f func(context.Context) error) {
		running.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	journal, err := rows.OpenJournal(call.JournalConfig{Dir: filepath.Join(dir, "journal"), Pool: o.pool, Log: log})
	must(err)
	store, err := recordings.Open(recordings.Config{Dir: filepath.Join(dir, "recordings"), KeyFile: filepath.Join(dir, "key"), Pool: o.pool, Journal: journal, Log: log})
	must(err)
	desk := tickets.New(o.pool, tickets.Config{Log: log})
	desk.Register(journal)
	queues, err := acd.OpenQueues(ctx, o.pool, log)
	must(err)
	agents, err := acd.OpenAgents(ctx, acd.AgentsConfig{Pool: o.pool, Queues: queues, Journal: journal, Node: "test", Log: log})
	must(err)
	out, err := routes.Open(ctx, routes.Config{Pool: o.pool, Log: log})
	must(err)
	run(out.Run)
	run(journal.Run)
	run(agents.Run)
	engine, err := media.NewEngine(media.Config{BindIP: netip.MustParseAddr("127.0.0.1"), Log: log})
	must(err)
	run(engine.Run)
	directory, err := sip.OpenDirectory(ctx, o.pool, log)
	must(err)
	trace := sip.NewTrace(sip.TraceConfig{Pool: o.pool, Log: log})
	run(trace.Run)
	board := call.NewSwitchboard(call.Config{Journal: journal, Node: "test", MaxCalls: 10, Log: log, Route: waits})
	run(board.Run)
	edge, err := sip.New(sip.Config{ListenUDPTCP: "127.0.0.1:0", Engine: engine, Acceptor: board, Directory: directory, Trace: trace, Log: log})
	must(err)
	run(edge.Run)
	pbx, err := asterisk.Open(ctx, asterisk.Config{Nodes: absent, Engine: engine, Acceptor: board, Directory: directory, Pool: o.pool, Log: log})
	must(err)
	run(pbx.Run)
	voice := o.voice(dir)
	line := acd.NewLine(acd.LineConfig{Queues: queues, Agents: agents, Pool: o.pool, Log: log})
	phones := o.phones(softphone.Config{Agents: agents, Line: line, Queues: queues, Calls: board, Desk: desk, Pops: desk, Log: log}, engine, run)
	return Config{
		Pool: o.pool, Desk: desk, Recordings: store, Directory: directory, Edge: edge, Asterisk: pbx, Trace: trace, Flows: ivr.NewStore(o.pool, ivr.Rules{}, voice),
		Queues: queues, Line: line, Agents: agents, Routes: out, Phones: phones, Switchboard: board, Journal: journal, Engine: engine,
		Log: log, Version: "1.2.3",
	}
}

// voice makes what speaks.
func (o *office) voice(dir string) *speech.Voice {
	o.t.Helper()
	espeak, err := speech.NewEspeak()
	if err != nil {
		o.t.Fatal(err)
	}
	voice, err := speech.NewVoice(espeak, filepath.Join(dir, "speech"))
	if err != nil {
		o.t.Fatal(err)
	}
	return voice
}

// phones makes what browsers are connected to.
func (o *office) phones(cfg softphone.Config, engine *media.Engine, run func(func(context.Context) error)) *softphone.Gateway {
	o.t.Helper()
	hub, err := peer.NewHub(peer.Config{Engine: engine, UDPAddr: "127.0.0.1:0", Log: cfg.Log})
	if err != nil {
		o.t.Fatal(err)
	}
	figures := acdboard.New(acdboard.Config{Pool: o.pool, Queues: cfg.Queues, Line: cfg.Line, Agents: cfg.Agents, Log: cfg.Log})
	cfg.Hub, cfg.Board = hub, figures
	g, err := softphone.New(cfg)
	if err != nil {
		o.t.Fatal(err)
	}
	run(hub.Run)
	run(figures.Run)
	run(g.Run)
	return g
}

// token returns an API token of a role.
func (o *office) token(role login.Role) string {
	o.t.Helper()
	if o.tokens[role] == "" {
		secret, err := login.CreateToken(o.t.Context(), o.pool, "test "+string(role), role)
		if err != nil {
			o.t.Fatal(err)
		}
		o.tokens[role] = secret
	}
	return o.tokens[role]
}

// answered is a response that has been read.
type answered struct {
	*http.Response
	body []byte
}

func (a answered) media() string {
	m, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	return m
}

// decode reads a JSON body.
func decode[T any](t *testing.T, a answered) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%s %s: %d %s: %v", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.body, err)
	}
	return v
}

// ask is a request to be sent; the zero value of most fields is what most tests want.
type ask struct {
	method, path string
	body         any // JSON; []byte as it is
	media        string
	token        string
	header       map[string]string
	cookies      []*http.Cookie
}

func (o *office) do(a ask) answered {
	o.t.Helper()
	var body io.Reader
	switch b := a.body.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			o.t.Fatal(err)
		}
		body = bytes.NewReader(encoded)
		if a.media == "" {
			a.media = "application/json"
		}
	}
	ctx, cancel := context.WithTimeout(o.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, a.method, o.http.URL+a.path, body)
	if err != nil {
		o.t.Fatal(err)
	}
	if a.media != "" {
		req.Header.Set("Content-Type", a.media)
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	for name, value := range a.header {
		req.Header.Set(name, value)
	}
	for _, c := range a.cookies {
		req.AddCookie(c)
	}
	res, err := plain.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return answered{res, content}
}

// plain follows nothing and unpacks nothing: tests see what is sent.
var plain = &http.Client{
	Transport:     &http.Transport{DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// wantProblem checks that an answer is a complete problem.
func wantProblem(t *testing.T, a answered, status int, code string) api.Problem {
	t.Helper()
	where := a.Request.Method + " " + a.Request.URL.Path
	if a.StatusCode != status || a.media() != "application/problem+json" {
		t.Fatalf("%s: %d %s %s, want the problem %d %s", where, a.StatusCode, a.media(), a.short(), status, code)
	}
	p := decode[api.Problem](t, a)
	if p.Status != status || p.Code != code || p.Detail == "" || p.Title == "" || !strings.HasPrefix(p.Instance, "urn:uuid:") || p.Type != "urn:hotline:problem:"+code {
		t.Errorf("%s: problem %s, want code %s", where, a.body, code)
	}
	return p
}

// account makes an account and logs it in.
func (o *office) logIn(name string, role login.Role) *browser {
	o.t.Helper()
	if _, err := login.CreateAccount(o.t.Context(), o.pool, login.NewAccount{Login: name, Name: name, Password: goodPassword, Role: role}); err != nil {
		o.t.Fatal(err)
	}
	res := o.do(ask{method: "POST", path: "/api/v1/session", body: map[string]string{"login": name, "password": goodPassword}})
	if res.StatusCode != http.StatusOK {
		o.t.Fatalf("log in: %d %s", res.StatusCode, res.short())
	}
	return &browser{o: o, cookies: res.Cookies(), session: decode[Session](o.t, res)}
}

// enlist makes somebody an agent of a team and of queues.
func (o *office) enlist(b *browser, team string, queues ...string) {
	o.t.Helper()
	_, err := o.cfg.Agents.Roster().PutAgent(o.t.Context(), roster.Agent{ID: b.session.Account.ID, Team: team, Queues: queues, Capacity: 1})
	if err != nil {
		o.t.Fatal(err)
	}
}

const goodPassword = "correct horse 9 battery"

// browser is somebody who is logged in.
type browser struct {
	o       *office
	cookies []*http.Cookie
	session Session
}

func (b *browser) do(a ask) answered {
	b.o.t.Helper()
	a.cookies = b.cookies
	if a.header == nil {
		a.header = map[string]string{}
	}
	if _, set := a.header[api.CSRFHeader]; !set {
		a.header[api.CSRFHeader] = b.session.CSRF
	}
	return b.o.do(a)
}

// short is a body for a failure's message.
func (a answered) short() string {
	if strings.HasPrefix(a.media(), "audio/") {
		return fmt.Sprintf("%d bytes of audio", len(a.body))
	}
	return string(a.body[:min(len(a.body), 1000)])
}
