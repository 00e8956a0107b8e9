package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"hotline"
	"hotline/web/api"
	"hotline/web/login"
)

// example is a request to an operation that succeeds.
type example struct {
	op string
	ask
}

func (w world) ticketPath(rest string) string {
	return fmt.Sprintf("/api/v1/tickets/%d%s", w.ticket, rest)
}

// examples holds a request for every operation of the document, in an order in which they all succeed.
func examples(t *testing.T, w world) []example {
	return slices.Concat(w.work(), w.staffing(), w.setup(t))
}

type m = map[string]any

func show(op, path string) example { return example{op, ask{method: "GET", path: path}} }

func with(op, method, path string, body any) example {
	return example{op, ask{method: method, path: path, body: body}}
}

// work is what agents do.
func (w world) work() []example {
	return []example{
		with("log-in", "POST", "/api/v1/session", m{"login": "walker", "password": goodPassword}),
		show("show-session", "/api/v1/session"),
		show("list-accounts", "/api/v1/accounts"),
		with("create-account", "POST", "/api/v1/accounts", m{"login": "new.agent", "password": goodPassword, "role": "agent"}),
		with("change-account", "PATCH", "/api/v1/accounts/"+w.accountID, m{"name": "Anders", "role": "engineer", "disabled": true}),
		with("reset-password", "POST", "/api/v1/accounts/"+w.accountID+"/password", nil),
		show("list-owners", "/api/v1/owners"),
		show("list-tokens", "/api/v1/tokens"),
		with("create-token", "POST", "/api/v1/tokens", m{"name": "another", "role": "agent", "expires_at": "2099-01-01T00:00:00Z"}),
		with("revoke-token", "DELETE", "/api/v1/tokens/"+w.tokenID, nil),
		show("list-tickets", "/api/v1/tickets?state=new,open&owner=none&limit=10"),
		with("create-ticket", "POST", "/api/v1/tickets", m{"subject": "By hand", "phone": "+8613900139000", "body": "first"}),
		show("show-ticket", w.ticketPath("")),
		with("change-ticket", "PATCH", w.ticketPath(""), m{"version": 1, "priority": "high", "owner_id": nil}),
		with("add-note", "POST", w.ticketPath("/notes"), m{"body": "a note about 发票"}),
		with("set-ticket-state", "POST", w.ticketPath("/state"), m{"state": "open"}),
		show("show-timeline", w.ticketPath("/timeline?after=0")),
		show("search", "/api/v1/search?q=发票"),
		show("list-attachments", w.ticketPath("/attachments")),
		{"add-attachment", ask{method: "POST", path: w.ticketPath("/attachments?name=more.txt&key=k"), body: []byte("more"), media: "application/octet-stream"}},
		show("download-attachment", w.ticketPath("/attachments/"+w.attachmentID)),
		with("remove-attachment", "DELETE", w.ticketPath("/attachments/"+w.attachmentID), nil),
		show("list-mentions", "/api/v1/mentions?unread=true"),
		with("read-mention", "POST", "/api/v1/mentions/"+w.mentionID+"/read", nil),
		with("read-mentions", "POST", "/api/v1/mentions/read", nil),
		show("list-callbacks", "/api/v1/callbacks?state=open&queue=support"),
		show("list-tasks", "/api/v1/tasks?state=open"),
		with("complete-task", "POST", "/api/v1/tasks/"+w.taskID+"/done", nil),
		show("list-parties", "/api/v1/parties"),
		with("create-party", "POST", "/api/v1/parties", m{"name": "Li", "kind": "person"}),
		show("show-party", "/api/v1/parties/"+w.partyID),
		with("change-party", "PATCH", "/api/v1/parties/"+w.partyID, m{"version": 1, "name": "Wang Wei", "vip": true}),
		show("list-contacts", "/api/v1/parties/"+w.partyID+"/contacts"),
		with("link-phone", "POST", "/api/v1/parties/"+w.partyID+"/identities", m{"phone": "+8613800138000", "level": "known"}),
		with("unlink-identity", "DELETE", "/api/v1/parties/"+w.partyID+"/identities/"+w.identityID, nil),
		show("list-calls", "/api/v1/calls?result=abandoned&from=2020-01-01T00:00:00Z"),
		show("list-live-calls", "/api/v1/calls/live"),
		show("show-call", "/api/v1/calls/"+w.callID),
		show("show-trace", "/api/v1/calls/"+w.callID+"/trace"),
		show("show-recording", "/api/v1/recordings/"+w.recordingID),
		show("play-recording", "/api/v1/recordings/"+w.recordingID+"/audio"),
	}
}

// staffing is what supervisors, engineers and administrators do about agents, and about calls out.
func (w world) staffing() []example {
	return []example{
		show("list-outbound-routes", "/api/v1/outbound-routes"),
		with("create-outbound-route", "POST", "/api/v1/outbound-routes", m{"name": "abroad", "trunks": []string{w.outTrunkID}, "settings": m{"prefixes": []string{"+44"}}, "enabled": false}),
		show("show-outbound-route", "/api/v1/outbound-routes/"+w.routeID),
		with("put-outbound-route", "PUT", "/api/v1/outbound-routes/"+w.routeID, m{"name": "out", "trunks": []string{w.outTrunkID}, "enabled": false, "settings": m{"prefixes": []string{"+86"}}, "version": 1}),
		with("delete-outbound-route", "DELETE", "/api/v1/outbound-routes/"+w.routeID+"?version=2", nil),
		show("show-outbound-limits", "/api/v1/outbound-limits"),
		with("put-outbound-limits", "PUT", "/api/v1/outbound-limits", m{"calls_per_day": 10, "minutes_per_day": 0, "agent_calls_per_day": 0, "agent_minutes_per_day": 0, "max_minutes": 60, "deny": []string{}, "roles": []string{"agent"}, "version": 1}),
		show("show-outbound-usage", "/api/v1/outbound-usage"),
		show("list-asterisks", "/api/v1/asterisks"),
		with("drain-asterisk", "PUT", "/api/v1/asterisks/"+w.asterisk+"/drain", m{"draining": true}),
		show("show-board", "/api/v1/board"),
		show("list-agents", "/api/v1/agents?queue=support"),
		show("show-agent", "/api/v1/agents/"+w.agentID),
		with("put-agent", "PUT", "/api/v1/agents/"+w.agentID, m{"queues": []string{"support"}, "skills": m{"french": 5}, "capacity": 1}),
		show("list-colleagues", "/api/v1/colleagues"),
		show("list-members", "/api/v1/queues/support/members"),
		with("put-members", "PUT", "/api/v1/queues/support/members", m{"members": []string{w.agentID}}),
		show("list-teams", "/api/v1/teams"),
		with("put-team", "PUT", "/api/v1/teams/red", m{"title": m{"en": "Red"}, "version": 1}),
		show("list-skills", "/api/v1/skills"),
		with("put-skill", "PUT", "/api/v1/skills/french", m{"title": m{"en": "French", "zh-CN": "法语"}, "version": 1}),
		with("delete-skill", "DELETE", "/api/v1/skills/french?version=2", nil),
		show("list-pause-reasons", "/api/v1/pause-reasons"),
		with("put-pause-reason", "PUT", "/api/v1/pause-reasons/lunch", m{"title": m{"en": "Lunch"}, "max_s": 3600, "version": 1}),
		with("delete-pause-reason", "DELETE", "/api/v1/pause-reasons/lunch?version=2", nil),
		show("list-wrap-codes", "/api/v1/wrap-codes?queue=support"),
		with("put-wrap-code", "PUT", "/api/v1/wrap-codes/solved", m{"title": m{"en": "Done"}, "queue": nil, "version": 1}),
		with("delete-wrap-code", "DELETE", "/api/v1/wrap-codes/solved?version=2", nil),
		with("delete-agent", "DELETE", "/api/v1/agents/"+w.agentID, nil),
		with("delete-team", "DELETE", "/api/v1/teams/red?version=2", nil),
	}
}

// setup is what engineers and administrators do.
func (w world) setup(t *testing.T) []example {
	return []example{
		show("list-numbers", "/api/v1/numbers"),
		show("show-number", "/api/v1/numbers/4000"),
		with("put-number", "PUT", "/api/v1/numbers/4000", m{"flow": "main", "queue": nil, "title": "Front", "version": 1}),
		with("delete-number", "DELETE", "/api/v1/numbers/4000?version=2", nil),
		show("list-trunks", "/api/v1/trunks"),
		with("create-trunk", "POST", "/api/v1/trunks", m{"name": "second", "enabled": false, "settings": m{"host": "192.0.2.1"}}),
		show("show-trunk", "/api/v1/trunks/"+w.trunkID),
		with("put-trunk", "PUT", "/api/v1/trunks/"+w.trunkID, m{"name": "carrier", "enabled": true, "version": 1, "settings": m{"match_addresses": []string{"203.0.113.0/24"}, "match_digest": m{"username": "pbx"}}}),
		with("delete-trunk", "DELETE", "/api/v1/trunks/"+w.trunkID+"?version=2", nil),
		show("list-queues", "/api/v1/queues"),
		show("show-queue", "/api/v1/queues/spare"),
		with("put-queue", "PUT", "/api/v1/queues/spare", m{"title": m{"en": "Help", "zh-CN": "帮助"}, "settings": m{"max_wait_s": 60}, "version": 1}),
		with("delete-queue", "DELETE", "/api/v1/queues/spare?version=2", nil),
		show("list-flows", "/api/v1/flows"),
		with("validate-flow", "POST", "/api/v1/flows/validate", m{"source": "flow: x\nnodes: {a: {kind: nonsense}}\n"}),
		show("show-flow", "/api/v1/flows/main"),
		with("save-draft", "PUT", "/api/v1/flows/main/draft", m{"source": strings.Replace(flowSource, "Hello", "Good day", 1), "base": 1}),
		with("publish-flow", "POST", "/api/v1/flows/main/publish", m{"comment": "politer"}),
		with("roll-back-flow", "POST", "/api/v1/flows/main/rollback", m{"version": 1}),
		show("show-version", "/api/v1/flows/main/versions/2"),
		with("save-draft", "PUT", "/api/v1/flows/main/draft", m{"source": "not yet a flow", "base": nil}),
		with("discard-draft", "DELETE", "/api/v1/flows/main/draft", nil),
		show("list-prompts", "/api/v1/prompts"),
		show("show-prompt", "/api/v1/prompts/welcome/en"),
		with("put-prompt", "PUT", "/api/v1/prompts/welcome/en", m{"text": "Welcome again", "version": 1}),
		{"put-prompt-audio", ask{method: "PUT", path: "/api/v1/prompts/welcome/en/audio?version=2&text=Welcome", body: aWAV(t), media: "audio/wav"}},
		show("prompt-audio", "/api/v1/prompts/welcome/en/audio"),
		with("speak", "POST", "/api/v1/prompts/speak", m{"text": "你好", "language": "zh-CN"}),
		with("delete-prompt", "DELETE", "/api/v1/prompts/welcome/en?version=3", nil),
		show("list-hours", "/api/v1/hours"),
		show("show-hours", "/api/v1/hours/office"),
		with("put-hours", "PUT", "/api/v1/hours/office", m{"timezone": "UTC", "schedule": m{"holidays": []any{m{"date": "2026-01-01", "name": "New year"}}}, "version": 1}),
		with("delete-hours", "DELETE", "/api/v1/hours/office?version=2", nil),
		show("show-system", "/api/v1/system"),
		show("list-audit", "/api/v1/audit?limit=5"),
		with("change-own-account", "PATCH", "/api/v1/session/account", m{"locale": "zh-CN"}),
		with("log-out", "DELETE", "/api/v1/session", nil),
	}
}

// nothing is a world of which nothing exists.
func nothing() world {
	id := hotline.NewID
	return world{callID: id(), recordingID: id(), taskID: id(), partyID: id(), identityID: id(), trunkID: id(), tokenID: id(), accountID: id(),
		agentID: id(), routeID: id(), outTrunkID: id(), attachmentID: id(), mentionID: id(), asterisk: "elsewhere", ticket: 999999}
}

// document is what the server says of itself.
func (o *office) document() *huma.OpenAPI {
	o.t.Helper()
	res := o.do(ask{method: "GET", path: "/api/openapi.json"})
	if res.StatusCode != http.StatusOK || res.media() != "application/json" {
		o.t.Fatalf("document: %d %s", res.StatusCode, res.media())
	}
	// What is served must be what the server validates by; the parsed form of huma cannot be read back from JSON, so compare the bytes.
	served, err := json.MarshalIndent(o.server.api.OpenAPI(), "", " ")
	if err != nil || string(served) != string(res.body) {
		o.t.Fatalf("the document that is served is not the one that requests are checked by (%v)", err)
	}
	return o.server.api.OpenAPI()
}

// operations lists all of the document.
func operations(doc *huma.OpenAPI) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch, item.Head, item.Options, item.Trace} {
			if op != nil {
				all[op.OperationID] = op
			}
		}
	}
	return all
}

// TestEveryRouteAnswersAsDocumented walks the document: each operation is asked once, and status, media type and body are held against
// what it says.
func TestEveryRouteAnswersAsDocumented(t *testing.T) {
	o := openOffice(t)
	w := o.populate()
	doc := o.document()
	ops := operations(doc)
	admin := o.logIn("walker", login.Admin)
	if _, err := o.pool.Exec(t.Context(), `update mention set account_id = $1`, admin.session.Account.ID); err != nil {
		t.Fatal(err)
	}
	walked := map[string]bool{}
	for _, e := range examples(t, w) {
		op := ops[e.op]
		if op == nil {
			t.Errorf("there is no operation %s", e.op)
			continue
		}
		walked[e.op] = true
		if api.PermissionOf(op) != login.Anyone {
			bare := e.ask
			wantProblem(t, o.do(bare), http.StatusUnauthorized, "login.required")
		}
		res := admin.do(e.ask)
		if res.StatusCode >= 300 {
			t.Errorf("%s: %d %s", e.op, res.StatusCode, res.short())
			continue
		}
		checkDocumented(t, doc, op, res)
	}
	for id := range ops {
		if !walked[id] {
			t.Errorf("operation %s has no example: add one", id)
		}
	}
}

func checkDocumented(t *testing.T, doc *huma.OpenAPI, op *huma.Operation, res answered) {
	t.Helper()
	documented := op.Responses[fmt.Sprint(res.StatusCode)]
	if documented == nil {
		t.Errorf("%s: status %d is not documented", op.OperationID, res.StatusCode)
		return
	}
	if res.Header.Get("Cache-Control") == "" {
		t.Errorf("%s: nothing is said about caching", op.OperationID)
	}
	if len(documented.Content) == 0 {
		if len(res.body) > 0 {
			t.Errorf("%s: a body of %d bytes that is not documented", op.OperationID, len(res.body))
		}
		return
	}
	content := documented.Content[res.media()]
	if content == nil {
		t.Errorf("%s: %s is not documented", op.OperationID, res.media())
		return
	}
	if res.media() != "application/json" {
		return
	}
	var v any
	if err := json.Unmarshal(res.body, &v); err != nil {
		t.Errorf("%s: %v", op.OperationID, err)
		return
	}
	checkTimes(t, op.OperationID, v)
	result := &huma.ValidateResult{}
	huma.Validate(doc.Components.Schemas, content.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, result)
	for _, err := range result.Errors {
		t.Errorf("%s: the answer is not as documented: %v\n%s", op.OperationID, err, res.short())
	}
}

var (
	stamped     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`)
	stampedWell = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

// checkTimes finds times that are not UTC with milliseconds.
func checkTimes(t *testing.T, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			checkTimes(t, where+"."+name, one)
		}
	case []any:
		for _, one := range v {
			checkTimes(t, where+"[]", one)
		}
	case string:
		if stamped.MatchString(v) && !stampedWell.MatchString(v) {
			t.Errorf("%s: the time %s", where, v)
		}
	}
}

// TestDocumentIsComplete checks what generators and people need of each operation.
func TestDocumentIsComplete(t *testing.T) {
	o := openOffice(t)
	doc := o.document()
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Info.Version != "1.2.3" {
		t.Errorf("OpenAPI %s, version %s", doc.OpenAPI, doc.Info.Version)
	}
	for id, op := range operations(doc) {
		if op.Summary == "" || len(op.Tags) == 0 {
			t.Errorf("%s has no summary or tag", id)
		}
		if api.PermissionOf(op) != login.Anyone && len(op.Security) == 0 {
			t.Errorf("%s asks for %s but is documented as open", id, api.PermissionOf(op))
		}
		for _, part := range strings.Split(op.Path, "/") {
			name, is := strings.CutPrefix(part, "{")
			name = strings.TrimSuffix(name, "}")
			if is && !slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "path" && p.Name == name }) {
				t.Errorf("%s does not read {%s}", id, name)
			}
		}
		for status, response := range op.Responses {
			if status < "400" {
				continue
			}
			if _, ok := response.Content["application/problem+json"]; !ok && status != "416" {
				t.Errorf("%s: %s is not a problem", id, status)
			}
		}
		for _, media := range []string{"application/json"} {
			if op.RequestBody == nil || op.RequestBody.Content[media] == nil {
				continue
			}
			s := op.RequestBody.Content[media].Schema
			if s.Ref != "" {
				s = doc.Components.Schemas.SchemaFromRef(s.Ref)
			}
			if s.AdditionalProperties != false {
				t.Errorf("%s takes properties that nobody has named", id)
			}
		}
	}
}

// roles that may use each operation: a agent, s supervisor, e engineer, x admin. Written down here a second time, on purpose.
var mayUse = map[string]string{
	"show-session": "asex", "log-out": "asex", "change-own-account": "asex", "show-system": "asex",
	"list-accounts": "x", "create-account": "x", "change-account": "x", "reset-password": "x", "list-tokens": "x", "create-token": "x", "revoke-token": "x",
	"list-owners": "asex", "list-tickets": "asex", "create-ticket": "asex", "show-ticket": "asex", "change-ticket": "asex", "add-note": "asex",
	"set-ticket-state": "asex", "show-timeline": "asex", "search": "asex", "list-tasks": "asex", "complete-task": "asex", "list-parties": "asex",
	"create-party": "asex", "show-party": "asex", "change-party": "asex", "link-phone": "asex", "unlink-identity": "asex",
	"list-calls": "asex", "list-live-calls": "asex", "show-call": "asex", "show-recording": "asex", "play-recording": "asex",
	"show-trace": "ex", "list-trunks": "ex", "create-trunk": "ex", "show-trunk": "ex", "put-trunk": "ex", "delete-trunk": "ex",
	"list-numbers": "ex", "show-number": "ex", "put-number": "ex", "delete-number": "ex",
	"list-queues": "asex", "show-queue": "asex", "put-queue": "sex", "delete-queue": "sex",
	"list-flows": "ex", "validate-flow": "ex", "show-flow": "ex", "save-draft": "ex", "publish-flow": "ex", "roll-back-flow": "ex", "show-version": "ex", "discard-draft": "ex",
	"list-prompts": "ex", "show-prompt": "ex", "put-prompt": "ex", "put-prompt-audio": "ex", "prompt-audio": "ex", "speak": "ex", "delete-prompt": "ex",
	"list-hours": "ex", "show-hours": "ex", "put-hours": "ex", "delete-hours": "ex", "list-audit": "sx",
	"list-attachments": "asex", "add-attachment": "asex", "download-attachment": "asex", "remove-attachment": "asex",
	"list-mentions": "asex", "read-mention": "asex", "read-mentions": "asex", "list-callbacks": "asex", "list-contacts": "asex",
	"list-agents": "sex", "show-agent": "sex", "put-agent": "sex", "delete-agent": "sex", "list-colleagues": "asex", "list-members": "asex", "put-members": "sex",
	"list-teams": "asex", "put-team": "sex", "delete-team": "sex", "list-skills": "asex", "put-skill": "sex", "delete-skill": "sex",
	"list-pause-reasons": "asex", "put-pause-reason": "sex", "delete-pause-reason": "sex", "list-wrap-codes": "asex", "put-wrap-code": "sex", "delete-wrap-code": "sex",
	"list-outbound-routes": "ex", "create-outbound-route": "ex", "show-outbound-route": "ex", "put-outbound-route": "ex", "delete-outbound-route": "ex",
	"show-outbound-limits": "ex", "put-outbound-limits": "ex", "show-outbound-usage": "ex", "list-asterisks": "ex", "drain-asterisk": "ex", "show-board": "sex",
}

// TestNobodyDoesMoreThanTheRoleAllows asks every operation as everybody (abuse 40): the right role is never told that it may not, the
// wrong one always is, before anything is looked up or changed; and what does not exist is not found, whoever asks.
func TestNobodyDoesMoreThanTheRoleAllows(t *testing.T) {
	o := openOffice(t)
	letters := map[login.Role]string{login.Agent: "a", login.Supervisor: "s", login.Engineer: "e", login.Admin: "x"}
	missing := nothing()
	people := map[login.Role]*browser{}
	for _, role := range login.Roles {
		people[role] = o.logIn("the-"+string(role), role)
	}
	asked := 0
	for _, e := range examples(t, missing) {
		if e.op == "log-in" || e.op == "log-out" {
			continue
		}
		allowed, ok := mayUse[e.op]
		if !ok {
			t.Errorf("who may %s? Add it to the table", e.op)
		}
		for _, role := range login.Roles {
			may := strings.Contains(allowed, letters[role])
			for kind, res := range map[string]answered{
				"session": people[role].do(e.ask), "token": o.do(withToken(e.ask, o.token(role))),
			} {
				asked++
				// Other refusals are not about the role but about whose it is: see TestNobodySeesBeyondTheirScope.
				refused := res.StatusCode == http.StatusForbidden && decode[api.Problem](t, res).Code == "role.forbidden"
				if refused == may || res.StatusCode == http.StatusUnauthorized || res.StatusCode >= 500 {
					t.Errorf("%s as %s by %s: %d %.200s", e.op, role, kind, res.StatusCode, res.short())
				}
				if !may {
					wantProblem(t, res, http.StatusForbidden, "role.forbidden")
				}
			}
		}
		wantProblem(t, o.do(e.ask), http.StatusUnauthorized, "login.required")
		wantProblem(t, o.do(withToken(e.ask, "hl_nobody")), http.StatusUnauthorized, "login.required")
	}
	if asked < 400 {
		t.Errorf("only %d requests", asked)
	}
}

func withToken(a ask, token string) ask {
	a.token = token
	return a
}

// Operations whose id is in the path answer 404 for what is not there, not 500 and not an empty thing.
func TestWhatIsMissingIsNotFound(t *testing.T) {
	o := openOffice(t)
	missing := nothing()
	others := []string{"put-number", "put-queue", "put-hours", "put-prompt", "put-prompt-audio", "save-draft", "show-prompt", "prompt-audio", // some prompts are built in
		"put-team", "put-skill", "put-pause-reason", "put-wrap-code"} // make what is not there
	ops := operations(o.document())
	for _, e := range examples(t, missing) {
		op := ops[e.op]
		if !strings.Contains(op.Path, "{") || slices.Contains(others, e.op) {
			continue
		}
		res := o.do(withToken(e.ask, o.token(login.Admin)))
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", e.op, res.StatusCode, res.short())
		}
	}
}
