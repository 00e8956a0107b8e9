package web

import (
	"net/http"
	"strings"
	"testing"

	"hotline/web/login"
)

// person is an account as the tests read it.
type person struct {
	Login, Name, Locale, Password string
	Role                          login.Role
	Disabled                      bool
}

// auditOf returns the actions that the audit has of a subject, the newest first, and all of it as text.
func (o *office) auditOf(subject string) (actions []string, text string) {
	o.t.Helper()
	res := o.do(ask{method: "GET", path: "/api/v1/audit?subject=" + subject, token: o.token(login.Admin)})
	for _, e := range decode[struct{ Items []struct{ Action string } }](o.t, res).Items {
		actions = append(actions, e.Action)
	}
	return actions, string(res.body)
}

func TestAdministeringAccounts(t *testing.T) {
	o := openOffice(t)
	admin, bob := o.logIn("root", login.Admin), o.logIn("bob", login.Agent)
	path := "/api/v1/accounts/" + bob.session.Account.ID
	inside := func(b *browser) bool {
		return b.do(ask{method: "GET", path: "/api/v1/session"}).StatusCode == http.StatusOK
	}
	change := func(body map[string]any) person {
		t.Helper()
		res := admin.do(ask{method: "PATCH", path: path, body: body})
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%v: %d %s", body, res.StatusCode, res.short())
		}
		return decode[person](t, res)
	}
	if a := change(map[string]any{"name": "Bob Hua", "locale": "zh-CN"}); a.Name != "Bob Hua" || a.Locale != "zh-CN" || !inside(bob) {
		t.Errorf("%+v; still logged in: %v", a, inside(bob))
	}
	change(map[string]any{}) // changes nothing, and is not written down
	if a := change(map[string]any{"role": "supervisor", "disabled": true}); a.Role != login.Supervisor || !a.Disabled || inside(bob) {
		t.Errorf("%+v; still logged in: %v", a, inside(bob))
	}
	enter := ask{method: "POST", path: "/api/v1/session", body: map[string]string{"login": "bob", "password": goodPassword}}
	wantProblem(t, o.do(enter), http.StatusUnauthorized, "login.failed")
	change(map[string]any{"disabled": false})
	if res := o.do(enter); res.StatusCode != http.StatusOK {
		t.Errorf("enabled again: %d %s", res.StatusCode, res.short())
	}
	res := admin.do(ask{method: "POST", path: path + "/password"})
	given := decode[person](t, res)
	if res.StatusCode != http.StatusOK || given.Login != "bob" || given.Password == "" || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("new password: %d %s", res.StatusCode, res.Header)
	}
	wantProblem(t, o.do(enter), http.StatusUnauthorized, "login.failed")
	enter.body = map[string]string{"login": "bob", "password": given.Password}
	if res := o.do(enter); res.StatusCode != http.StatusOK {
		t.Errorf("the new password does not open: %d %s", res.StatusCode, res.short())
	}
	actions, text := o.auditOf("account:" + bob.session.Account.ID)
	if got := strings.Join(actions, " "); !strings.Contains(got, "account.password login account.change") || strings.Count(got, "account.change") != 3 {
		t.Errorf("audit: %s", got)
	}
	if !strings.Contains(text, `"role":{"to":"supervisor","from":"agent"}`) || strings.Contains(text, given.Password) || strings.Contains(o.log.String(), given.Password) {
		t.Errorf("the audit lacks the new role, or it or the log tells the password: %s", text)
	}
}

// The last admin who can log in neither disables nor demotes himself.
func TestTheLastAdminStays(t *testing.T) {
	o := openOffice(t)
	admin := o.logIn("root", login.Admin)
	path := "/api/v1/accounts/" + admin.session.Account.ID
	for field, body := range map[string]map[string]any{"role": {"role": "agent"}, "disabled": {"disabled": true, "name": "Gone"}} {
		p := wantProblem(t, admin.do(ask{method: "PATCH", path: path, body: body}), http.StatusConflict, "account.last_admin")
		if len(p.Errors) != 1 || p.Errors[0].Path != field {
			t.Errorf("%v: blamed %+v", body, p.Errors)
		}
	}
	second := o.logIn("second", login.Admin)
	if res := admin.do(ask{method: "PATCH", path: path, body: map[string]any{"role": "agent"}}); res.StatusCode != http.StatusOK {
		t.Errorf("with a second admin: %d %s", res.StatusCode, res.short())
	}
	wantProblem(t, admin.do(ask{method: "GET", path: "/api/v1/session"}), http.StatusUnauthorized, "login.required")
	if a := decode[person](t, second.do(ask{method: "PATCH", path: path, body: map[string]any{}})); a.Role != login.Agent || a.Name != "root" {
		t.Errorf("the first admin has become %+v", a)
	}
}
