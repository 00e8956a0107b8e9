package web

import (
	"net/http"
	"strings"
	"testing"

	"hotline/web/login"
)

// TestAsterisks: an engineer sees how each Asterisk is and drains it, which is written down; one that is away degrades the node and does
// not take it out of service.
func TestAsterisks(t *testing.T) {
	o := openOffice(t)
	engineer := o.token(login.Engineer)
	type node struct {
		Name                string
		Connected, Draining bool
		By                  string `json:"drained_by"`
		Code                string `json:"last_error_code"`
	}
	list := func() node {
		t.Helper()
		all := decode[struct{ Items []node }](t, o.must(engineer, "GET", "/api/v1/asterisks", nil, 200)).Items
		if len(all) != 1 {
			t.Fatalf("%+v", all)
		}
		return all[0]
	}
	if n := list(); n.Name != "pbx1" || n.Connected || n.Draining {
		t.Errorf("%+v", n)
	}
	for _, on := range []bool{true, false} {
		if n := decode[node](t, o.must(engineer, "PUT", "/api/v1/asterisks/pbx1/drain", m{"draining": on}, 200)); n.Draining != on || (n.By != "") != on || list() != n {
			t.Errorf("drain %v: %+v", on, n)
		}
	}
	if n := o.count("select count(*) from audit where action = 'asterisk.drain' and subject = 'asterisk:pbx1'"); n != 2 {
		t.Errorf("%d entries in the audit", n)
	}
	wantProblem(t, o.do(ask{method: "PUT", path: "/api/v1/asterisks/pbx9/drain", token: engineer, body: m{"draining": true}}), http.StatusNotFound, "asterisk.no_node")
	ready := decode[Readiness](t, o.must("", "GET", "/readyz", nil, 200))
	if !ready.Ready || strings.Join(ready.Degraded, " ") != "asterisk:pbx1" {
		t.Errorf("%+v", ready)
	}
	system := decode[System](t, o.must(engineer, "GET", "/api/v1/system", nil, 200))
	if !system.Degraded || strings.Join(system.Asterisks, " ") != "pbx1" || strings.Join(system.Away, " ") != "pbx1" {
		t.Errorf("%+v", system)
	}
	if text := string(o.must(engineer, "GET", "/metrics", nil, 200).body); !strings.Contains(text, `hotline_asterisk_up{node="pbx1"} 0`) || !strings.Contains(text, `hotline_asterisk_refused_total{node="pbx1"} 0`) {
		t.Error("the metrics say nothing of pbx1")
	}
	if res := o.do(ask{method: "GET", path: "/asterisk/pbx9"}); res.StatusCode != http.StatusNotFound {
		t.Errorf("a connection for an unknown node: %d", res.StatusCode)
	}
	res := o.do(ask{method: "POST", path: "/api/v1/trunks", token: engineer, body: m{"name": "by asterisk", "settings": m{"host": "192.0.2.9", "edge": "asterisk"}}})
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, res.short())
	}
	for _, native := range o.cfg.Edge.TrunkStates() {
		if id := decode[struct{ ID string }](t, res).ID; native.TrunkID == id {
			t.Error("the native edge has the trunk that Asterisk carries")
		}
	}
	wantProblem(t, o.do(ask{method: "POST", path: "/api/v1/trunks", token: engineer, body: m{"name": "x", "settings": m{"host": "192.0.2.9", "dial": "PJSIP/{number}"}}}), 422, "trunk.dial_without_asterisk")
}
