package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/ivr"
	"hotline/web/api"
	"hotline/web/login"
)

// Whatever is wrong with a request, the answer is a problem with a code.
func TestWrongRequestsAreProblems(t *testing.T) {
	o := openOffice(t)
	w := o.populate()
	token := o.token(login.Admin)
	json := func(method, path, body string) ask {
		return ask{method: method, path: path, body: []byte(body), media: "application/json"}
	}
	big := `{"source":"` + strings.Repeat("x", 2<<20) + `"}`
	for name, c := range map[string]struct {
		ask
		status     int
		code, path string // of the problem, of its first item
	}{
		"unknown address":       {ask{method: "GET", path: "/api/v1/nonsense"}, 404, "notfound", ""},
		"unknown version":       {ask{method: "GET", path: "/api/v2/tickets"}, 404, "notfound", ""},
		"wrong method":          {ask{method: "DELETE", path: "/api/v1/tickets"}, 405, "request.method", ""},
		"odd method":            {ask{method: "BREW", path: "/api/v1/tickets"}, 405, "request.method", ""},
		"wrong type":            {ask{method: "POST", path: "/api/v1/tickets", body: []byte("subject=x"), media: "application/x-www-form-urlencoded"}, 415, "request.media_type", ""},
		"wrong type of sound":   {ask{method: "PUT", path: "/api/v1/prompts/a/en/audio", body: []byte("x"), media: "image/png"}, 415, "request.media_type", ""},
		"too large":             {json("POST", "/api/v1/flows/validate", big), 413, "request.too_large", ""},
		"no body":               {ask{method: "POST", path: "/api/v1/tickets"}, 400, "request.malformed", ""},
		"no JSON":               {json("POST", "/api/v1/tickets", "{"), 400, "request.malformed", "body"},
		"other type of body":    {json("POST", "/api/v1/tickets", `["x"]`), 422, "request.invalid", "body"},
		"missing property":      {json("POST", "/api/v1/tickets", `{}`), 422, "request.invalid", "subject"},
		"wrong type of field":   {json("POST", "/api/v1/tickets", `{"subject":7}`), 422, "request.invalid", "subject"},
		"unknown parameter":     {ask{method: "GET", path: "/api/v1/tickets?sort=x"}, 422, "request.invalid", "query.sort"},
		"limit too high":        {ask{method: "GET", path: "/api/v1/tickets?limit=5000"}, 422, "request.invalid", "query.limit"},
		"forged cursor":         {ask{method: "GET", path: "/api/v1/tickets?cursor=!!"}, 422, "tickets.cursor", "cursor"},
		"forged audit cursor":   {ask{method: "GET", path: "/api/v1/audit?cursor=x"}, 422, "list.cursor", "query.cursor"},
		"no number":             {ask{method: "GET", path: "/api/v1/tickets/abc"}, 422, "request.invalid", "path.number"},
		"number too large":      {ask{method: "GET", path: "/api/v1/tickets/99999999999999999999"}, 422, "request.invalid", "path.number"},
		"no id":                 {ask{method: "GET", path: "/api/v1/calls/1"}, 422, "request.invalid", "path.id"},
		"NUL in a parameter":    {ask{method: "GET", path: "/api/v1/calls?caller=%00"}, 422, "value.invalid", ""},
		"NUL in the path":       {ask{method: "GET", path: "/api/v1/numbers/%00"}, 422, "value.invalid", ""},
		"NUL in a body":         {json("POST", "/api/v1/accounts", `{"login":"nul","name":"a\u0000b","password":"`+goodPassword+`","role":"agent"}`), 422, "account.name", "name"},
		"wrong trunk":           {json("POST", "/api/v1/trunks", `{"name":"t","settings":{"match_addresses":["nowhere"]}}`), 422, "", "settings.match_addresses[0]"},
		"deep unknown property": {json("POST", "/api/v1/trunks", `{"name":"t","settings":{"register":{"registrar":"x","username":"u","evil":1}}}`), 422, "request.invalid", "settings.register.evil"},
		"old version":           {json("PATCH", w.ticketPath(""), `{"version":77,"subject":"x"}`), 409, "tickets.version", ""},
		"wrong flow":            {json("POST", "/api/v1/flows/main/publish", `{}`), 409, "flow.no_draft", ""},
		"delete unversioned":    {ask{method: "DELETE", path: "/api/v1/trunks/" + w.trunkID}, 422, "request.invalid", "query.version"},
	} {
		t.Run(name, func(t *testing.T) {
			res := o.do(withToken(c.ask, token))
			if c.code == "" {
				c.code = decode[api.Problem](t, res).Code
			}
			p := wantProblem(t, res, c.status, c.code)
			if c.path != "" && (len(p.Errors) == 0 || p.Errors[0].Path != c.path || p.Errors[0].Code == "" || p.Errors[0].Message == "") {
				t.Errorf("errors %+v, want path %s", p.Errors, c.path)
			}
			if c.status == http.StatusMethodNotAllowed && !strings.Contains(res.Header.Get("Allow"), "GET") {
				t.Errorf("Allow %q", res.Header.Get("Allow"))
			}
		})
	}
}

// Abuse 41: nobody sets what is not theirs to set, by naming it.
func TestMassAssignment(t *testing.T) {
	o := openOffice(t)
	w := o.populate()
	anna := o.logIn("anna", login.Agent)
	for _, c := range []struct{ method, path, body, blamed string }{
		{"PATCH", "/api/v1/session/account", `{"name":"x","role":"admin"}`, "role"},
		{"PATCH", "/api/v1/session/account", `{"id":"x"}`, "id"},
		{"PATCH", "/api/v1/session/account", `{"password_hash":"x"}`, "password_hash"},
		{"POST", "/api/v1/tickets", `{"subject":"x","created_at":"2020-01-01T00:00:00Z"}`, "created_at"},
		{"POST", "/api/v1/tickets", `{"subject":"x","number":1}`, "number"},
		{"POST", w.ticketPath("/notes"), `{"body":"x","internal":false}`, "internal"},
		{"POST", w.ticketPath("/notes"), `{"body":"x","author":"admin"}`, "author"},
		{"PATCH", w.ticketPath(""), `{"version":1,"team_id":7}`, "team_id"},
		{"PATCH", "/api/v1/parties/" + w.partyID, `{"version":1,"merged_into":null}`, "merged_into"},
	} {
		res := anna.do(ask{method: c.method, path: c.path, body: []byte(c.body), media: "application/json"})
		p := wantProblem(t, res, http.StatusUnprocessableEntity, "request.invalid")
		if len(p.Errors) != 1 || p.Errors[0].Path != c.blamed || p.Errors[0].Code != "property.unexpected" {
			t.Errorf("%s %s: %s", c.method, c.body, res.short())
		}
	}
	if s := decode[Session](t, anna.do(ask{method: "GET", path: "/api/v1/session"})); s.Account.Role != login.Agent || s.Account.Name != "anna" {
		t.Errorf("the account has become %+v", s.Account)
	}
}

// Several wrong inputs are all told, with paths, and files with lines.
func TestAllThatIsWrongIsTold(t *testing.T) {
	o := openOffice(t)
	o.populate()
	token := o.token(login.Engineer)
	res := o.do(ask{method: "PUT", path: "/api/v1/hours/other", token: token, body: map[string]any{"timezone": "Asia/Shanghai", "schedule": map[string]any{
		"weekly": []any{map[string]string{"day": "mon", "from": "09:00", "to": "18:00"}, map[string]string{"day": "someday", "from": "25:00", "to": "x"}}}}})
	p := decode[api.Problem](t, res)
	if res.StatusCode != http.StatusUnprocessableEntity || len(p.Errors) < 2 || !strings.HasPrefix(p.Errors[0].Path, "schedule.weekly[1]") {
		t.Errorf("hours: %d %s", res.StatusCode, res.short())
	}
	o.do(ask{method: "PUT", path: "/api/v1/flows/main/draft", token: token, body: map[string]string{"source": flowSource + "  odd: {kind: dance}\n"}})
	res = o.do(ask{method: "POST", path: "/api/v1/flows/main/publish", token: token, body: map[string]string{}})
	if p = decode[api.Problem](t, res); res.StatusCode != http.StatusUnprocessableEntity || len(p.Errors) == 0 || p.Errors[0].Line != 11 {
		t.Errorf("flow: %d %s", res.StatusCode, res.short())
	}
	live := o.do(ask{method: "GET", path: "/api/v1/flows/main", token: token})
	if f := decode[struct {
		Version int64  `json:"published_version"`
		Source  string `json:"published_source"`
	}](t, live); f.Version != 1 || f.Source != flowSource {
		t.Errorf("what callers meet has changed: %s", live.short())
	}
}

func TestPages(t *testing.T) {
	o := openOffice(t)
	token := o.token(login.Agent)
	for range 7 {
		o.call()
	}
	seen := map[string]bool{}
	path := "/api/v1/calls?limit=3"
	for range 5 {
		page := decode[struct {
			Items []struct{ ID string }
			Next  *string
		}](t, o.do(ask{method: "GET", path: path, token: token}))
		for _, c := range page.Items {
			if seen[c.ID] {
				t.Errorf("call %s comes twice", c.ID)
			}
			seen[c.ID] = true
		}
		if page.Next == nil {
			break
		}
		path = "/api/v1/calls?limit=3&cursor=" + *page.Next
	}
	if len(seen) != 7 {
		t.Errorf("%d calls on all pages, want 7", len(seen))
	}
}

func TestHealthAndMetrics(t *testing.T) {
	o := openOffice(t)
	o.populate()
	if res := o.do(ask{method: "GET", path: "/healthz"}); res.StatusCode != http.StatusOK || string(res.body) != "ok\n" {
		t.Errorf("healthz: %d %s", res.StatusCode, res.short())
	}
	res := o.do(ask{method: "GET", path: "/readyz"})
	if v := decode[Readiness](t, res); res.StatusCode != http.StatusOK || !v.Ready || len(v.Checks) != 4 {
		t.Errorf("readyz: %d %s", res.StatusCode, res.short())
	}
	res = o.do(ask{method: "GET", path: "/metrics"})
	for _, want := range []string{"hotline_calls 0\n", "hotline_calls_max 10\n", "hotline_sip_legs 0\n", `hotline_calls_refused_total{reason="no_flow"} 0`, `hotline_sip_guard_refused_total{reason="unassigned"} 0`, `hotline_sip_guard_refused_total{reason="stranger"} 0`, "hotline_rtp_ports_in_use 0\n",
		"hotline_journal_depth 0\n", "hotline_quarantine 0\n", `hotline_recordings{state="complete"} 1`, `hotline_queue_waiting{queue="support"} 0`, "hotline_up_database 1\n",
		`hotline_http_request_seconds_count{method="PUT",route="/api/v1/flows/{name}/draft",status="200"} 1`, `hotline_audit_entries_total{action="flow.publish"} 1`} {
		if !bytes.Contains(res.body, []byte(want)) {
			t.Errorf("metrics lack %q", want)
		}
	}
}

// Figures are for machines on this host, or for those who are let in.
func TestMetricsAreNotForStrangers(t *testing.T) {
	o := openOfficeWith(t, pages, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	from := map[string]string{"X-Forwarded-For": "10.0.0.1, 203.0.113.9"}
	wantProblem(t, o.do(ask{method: "GET", path: "/metrics", header: from}), http.StatusUnauthorized, "login.required")
	if res := o.do(ask{method: "GET", path: "/metrics", header: from, token: o.token(login.Agent)}); res.StatusCode != http.StatusOK {
		t.Errorf("with a token: %d", res.StatusCode)
	}
}

func TestForwardedAddressesAreBelievedFromProxiesOnly(t *testing.T) {
	s := &Server{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "198.51.100.1", "203.0.113.9"},
		{"10.0.0.2:1", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.2:1", "6.6.6.6, 198.51.100.1", "198.51.100.1"},
		{"10.0.0.2:1", "198.51.100.1, 10.0.0.9", "198.51.100.1"},
		{"10.0.0.2:1", "nonsense", "10.0.0.2"},
		{"10.0.0.2:1", "", "10.0.0.2"},
		{"[::ffff:203.0.113.9]:1", "", "203.0.113.9"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		if got := s.remoteOf(r).String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// While the database is away the API says so, and says when to come back.
func TestDatabaseAway(t *testing.T) {
	away, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none?connect_timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	o := openOfficeWith(t, pages, func(c *Config) { c.Pool, c.Flows = away, ivr.NewStore(away, ivr.Rules{}, nil) })
	res := o.do(ask{method: "GET", path: "/api/v1/tickets", token: o.token(login.Agent)})
	wantProblem(t, res, http.StatusServiceUnavailable, "database.away")
	if res.Header.Get("Retry-After") == "" {
		t.Error("nothing says when to try again")
	}
	if res := o.do(ask{method: "GET", path: "/readyz"}); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(res.body), `"database":false`) {
		t.Errorf("readyz: %d %s", res.StatusCode, res.short())
	}
	if res := o.do(ask{method: "GET", path: "/healthz"}); res.StatusCode != http.StatusOK {
		t.Errorf("healthz: %d", res.StatusCode)
	}
	if res := o.do(ask{method: "GET", path: "/metrics"}); !bytes.Contains(res.body, []byte("hotline_up_database 0\n")) {
		t.Error("metrics do not say that the database is away")
	}
	o.do(ask{method: "POST", path: "/api/v1/session", body: map[string]string{"login": "a", "password": "b"}})
	o.do(ask{method: "GET", path: "/"})
}

func TestConsole(t *testing.T) {
	o := openOffice(t)
	for _, path := range []string{"/", "/tickets/1042", "/index.html"} {
		res := o.do(ask{method: "GET", path: path})
		policy := res.Header.Get("Content-Security-Policy")
		if res.StatusCode != http.StatusOK || res.media() != "text/html" || res.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %q", path, policy, want)
			}
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, res.Header)
		}
	}
	res := o.do(ask{method: "GET", path: "/assets/index-abc.js", header: map[string]string{"Accept-Encoding": "br;q=0, gzip"}})
	if res.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || res.Header.Get("Content-Encoding") != "gzip" || res.media() != "text/javascript" {
		t.Errorf("asset: %v", res.Header)
	}
	z, err := gzip.NewReader(bytes.NewReader(res.body))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, pages["assets/index-abc.js"].Data) {
		t.Errorf("asset unpacks to %d bytes, %v", len(unpacked), err)
	}
	etag := map[string]string{"Accept-Encoding": "gzip", "If-None-Match": res.Header.Get("ETag")}
	if res := o.do(ask{method: "GET", path: "/assets/index-abc.js", header: etag}); res.StatusCode != http.StatusNotModified {
		t.Errorf("known asset: %d", res.StatusCode)
	}
	wantProblem(t, o.do(ask{method: "GET", path: "/assets/gone.js"}), http.StatusNotFound, "notfound")
	wantProblem(t, o.do(ask{method: "POST", path: "/tickets"}), http.StatusMethodNotAllowed, "request.method")
	if res := o.do(ask{method: "GET", path: "/../../etc/passwd"}); strings.Contains(string(res.body), "root:") {
		t.Error("a file of the machine")
	}
}

func TestConsoleThatIsNotBuilt(t *testing.T) {
	c, err := openConsole(fstest.MapFS{".keep": {}})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "make build") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestPanicIsAnInternalProblem(t *testing.T) {
	o := openOffice(t)
	h := o.server.observe(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret inside") }))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/api/v1/tickets", nil))
	if rec.Code != http.StatusInternalServerError || rec.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestKindsHaveStatuses(t *testing.T) {
	for kind, status := range map[hotline.Kind]int{hotline.Invalid: 422, hotline.NotFound: 404, hotline.Conflict: 409, hotline.Denied: 403, hotline.Unavailable: 503, hotline.Internal: 500} {
		p := api.ProblemOf(errors.Join(hotline.Errorf(kind, "a.code", "why")))
		if p.Status != status || (status != 500 && p.Code != "a.code") || (status == 500 && p.Detail == "why") {
			t.Errorf("%s: %+v", kind, p)
		}
	}
	if p := api.ProblemOf(fmt.Errorf("list tickets: %w", context.Canceled)); p.Status != api.StatusGone {
		t.Errorf("a client that went away: %+v", p)
	}
	if p := api.ProblemOf(errors.New("password=x")); p.Status != 500 || strings.Contains(p.Detail, "password") {
		t.Errorf("%+v", p)
	}
}

// Run ends with its context, lets the request under way finish, and closes its listener.
func TestRunStops(t *testing.T) {
	o := openOffice(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.server.Run(ctx, l) }()
	res, err := plain.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not stop")
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}
