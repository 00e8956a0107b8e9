package web

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hotline/web/api"
	"hotline/web/login"
)

func TestLogInByCookie(t *testing.T) {
	o := openOffice(t)
	b := o.logIn("anna", login.Agent)
	if len(b.cookies) != 1 {
		t.Fatalf("%d cookies", len(b.cookies))
	}
	c := b.cookies[0]
	if c.Name != "hotline_session" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure || c.Domain != "" {
		t.Errorf("cookie %s", c)
	}
	if b.session.Account.Login != "anna" || b.session.Account.Role != login.Agent || b.session.CSRF == "" || b.session.CSRF == c.Value {
		t.Errorf("session %+v", b.session)
	}
	if again := decode[Session](t, b.do(ask{method: "GET", path: "/api/v1/session"})); !reflect.DeepEqual(again, b.session) {
		t.Errorf("GET says %+v, POST said %+v", again, b.session)
	}
	res := b.do(ask{method: "PATCH", path: "/api/v1/session/account", body: map[string]any{"timezone": "Asia/Shanghai", "name": "安娜"}})
	if s := decode[Session](t, res); s.Account.Timezone != "Asia/Shanghai" || s.Account.Name != "安娜" {
		t.Errorf("changed: %s", res.short())
	}
	res = b.do(ask{method: "DELETE", path: "/api/v1/session"})
	if res.StatusCode != http.StatusNoContent || len(res.Cookies()) != 1 || res.Cookies()[0].MaxAge >= 0 {
		t.Errorf("log out: %d %v", res.StatusCode, res.Cookies())
	}
	wantProblem(t, b.do(ask{method: "GET", path: "/api/v1/session"}), http.StatusUnauthorized, "login.required")
}

func TestCookieIsSecureBehindTLS(t *testing.T) {
	o := openOfficeWith(t, pages, func(c *Config) { c.Secure = true })
	if c := o.logIn("anna", login.Agent).cookies[0]; !c.Secure {
		t.Errorf("cookie %s", c)
	}
}

func TestWrongLogin(t *testing.T) {
	o := openOffice(t)
	o.logIn("anna", login.Agent)
	try := func(name, password string) answered {
		return o.do(ask{method: "POST", path: "/api/v1/session", body: map[string]string{"login": name, "password": password}})
	}
	known := wantProblem(t, try("anna", "wrong password"), http.StatusUnauthorized, "login.failed")
	unknown := wantProblem(t, try("nobody", "wrong password"), http.StatusUnauthorized, "login.failed")
	if known.Detail != unknown.Detail {
		t.Errorf("%q tells who exists: %q", known.Detail, unknown.Detail)
	}
	var last answered
	for range 10 {
		if last = try("anna", "wrong password"); last.StatusCode == http.StatusTooManyRequests {
			break
		}
	}
	wantProblem(t, last, http.StatusTooManyRequests, "login.throttled")
	if last.Header.Get("Retry-After") == "" {
		t.Error("nothing says when to try again")
	}
	var failed int
	if err := o.pool.QueryRow(t.Context(), "select count(*) from audit where action = 'login.failed' and remote = '127.0.0.1'").Scan(&failed); err != nil || failed < 3 {
		t.Errorf("%d failures in the audit (%v)", failed, err)
	}
	if err := o.cfg.Desk.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// Abuse 47: a change by cookie needs the session's token, and must not come from another site's page.
func TestChangesFromElsewhereAreRefused(t *testing.T) {
	o := openOffice(t)
	b, other := o.logIn("anna", login.Agent), o.logIn("bert", login.Agent)
	change := ask{method: "POST", path: "/api/v1/tickets", body: map[string]string{"subject": "forged"}}
	with := func(headers ...string) ask {
		a := change
		a.header = map[string]string{}
		for i := 0; i < len(headers); i += 2 {
			a.header[headers[i]] = headers[i+1]
		}
		return a
	}
	wantProblem(t, b.do(with(api.CSRFHeader, "")), http.StatusForbidden, "csrf")
	wantProblem(t, b.do(with(api.CSRFHeader, other.session.CSRF)), http.StatusForbidden, "csrf")
	wantProblem(t, b.do(with("Origin", "https://evil.example")), http.StatusForbidden, "origin")
	wantProblem(t, b.do(with("Origin", "null")), http.StatusForbidden, "origin")
	wantProblem(t, b.do(with("Sec-Fetch-Site", "cross-site")), http.StatusForbidden, "origin")
	if res := b.do(with("Origin", o.http.URL)); res.StatusCode != http.StatusCreated {
		t.Errorf("from our own page: %d %s", res.StatusCode, res.short())
	}
	loginAway := ask{method: "POST", path: "/api/v1/session", body: map[string]string{"login": "anna", "password": goodPassword}, header: map[string]string{"Sec-Fetch-Site": "cross-site"}}
	wantProblem(t, o.do(loginAway), http.StatusForbidden, "origin")
	// A form of another site can send this type without asking first.
	form := ask{method: "POST", path: "/api/v1/session", body: []byte(`{"login":"anna","password":"x"}`), media: "text/plain"}
	wantProblem(t, o.do(form), http.StatusUnsupportedMediaType, "request.media_type")
}

func TestTokens(t *testing.T) {
	o := openOffice(t)
	admin := o.logIn("root", login.Admin)
	res := admin.do(ask{method: "POST", path: "/api/v1/tokens", body: map[string]any{"name": "ci", "role": "agent"}})
	made := decode[struct{ ID, Token string }](t, res)
	list := ask{method: "GET", path: "/api/v1/tickets", token: made.Token}
	if r := o.do(list); r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, r.short())
	}
	// A token changes without the session's token: no browser sends it by itself.
	if r := o.do(ask{method: "POST", path: "/api/v1/tickets", body: map[string]string{"subject": "by token"}, token: made.Token}); r.StatusCode != http.StatusCreated {
		t.Errorf("%d %s", r.StatusCode, r.short())
	}
	wantProblem(t, o.do(ask{method: "PATCH", path: "/api/v1/session/account", body: map[string]string{"name": "x"}, token: made.Token}), http.StatusForbidden, "session.needed")
	wantProblem(t, o.do(ask{method: "GET", path: "/api/v1/tickets?owner=me", token: made.Token}), http.StatusForbidden, "session.needed")
	if strings.Contains(string(admin.do(ask{method: "GET", path: "/api/v1/tokens"}).body), made.Token) {
		t.Error("the list shows the secret")
	}
	if r := admin.do(ask{method: "DELETE", path: "/api/v1/tokens/" + made.ID}); r.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", r.StatusCode, r.short())
	}
	wantProblem(t, o.do(list), http.StatusUnauthorized, "login.required")
	// A wrong token is not made good by a right cookie.
	bad := ask{method: "GET", path: "/api/v1/tickets", token: "hl_wrong"}
	wantProblem(t, admin.do(bad), http.StatusUnauthorized, "login.required")
}

// Abuse 51: what is secret is in no log, at no level.
func TestSecretsAreNotLogged(t *testing.T) {
	o := openOffice(t)
	w := o.populate()
	b := o.logIn("anna", login.Admin)
	b.do(ask{method: "POST", path: "/api/v1/session", body: map[string]string{"login": "anna", "password": "a wrong secret"}})
	b.do(ask{method: "PATCH", path: "/api/v1/session/account", body: map[string]any{"password": map[string]string{"old": "my old secret", "new": "my new secret"}}})
	b.do(ask{method: "GET", path: "/api/v1/search?q=searched-for-words"})
	b.do(ask{method: "GET", path: "/api/v1/calls/" + w.callID + "/trace"})
	secrets := []string{goodPassword, "a wrong secret", "my old secret", "my new secret", b.cookies[0].Value, b.session.CSRF, o.token(login.Admin),
		"trunk-secret-1", "trace-secret", "searched-for-words"}
	log := o.log.String()
	for _, s := range secrets {
		if strings.Contains(log, s) {
			t.Errorf("%q is in the log", s)
		}
	}
	if !strings.Contains(log, "path=/api/v1/search") {
		t.Error("the log has no requests: this test cannot fail")
	}
	rows, err := o.pool.Query(t.Context(), "select action || ' ' || subject || ' ' || data::text from audit")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	actions := []string{}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		actions = append(actions, strings.Fields(line)[0])
		for _, s := range secrets {
			if strings.Contains(line, s) {
				t.Errorf("the audit says %s", line)
			}
		}
	}
	for _, want := range []string{"login", "login.failed", "flow.publish", "trunk.create", "number.put", "queue.create", "hours.put", "prompt.put", "token.create"} {
		if !slices.Contains(actions, want) {
			t.Errorf("%s is not in the audit", want)
		}
	}
	res := o.do(ask{method: "GET", path: "/api/v1/trunks/" + w.trunkID, token: o.token(login.Engineer)})
	if strings.Contains(string(res.body), "trunk-secret-1") || !strings.Contains(string(res.body), `"password_set":true`) {
		t.Errorf("trunk: %s", res.short())
	}
	if trace := o.do(ask{method: "GET", path: "/api/v1/calls/" + w.callID + "/trace", token: o.token(login.Engineer)}); strings.Contains(string(trace.body), "trace-secret") || !strings.Contains(string(trace.body), "INVITE sip:4000") {
		t.Errorf("trace: %s", trace.short())
	}
}
