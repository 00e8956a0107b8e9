package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/recordings"
	"hotline/tickets"
	"hotline/web/login"
)

// side is the work of one queue: an agent who talks with a customer, and a supervisor who watches over that agent's team.
type side struct {
	queue, team       string
	agent, supervisor *browser
	world
	phone string
}

// sides makes two queues that have nothing to do with each other, each with all that hangs on a call.
func (o *office) sides() [2]*side {
	o.t.Helper()
	admin := o.token(login.Admin)
	var both [2]*side
	for i, name := range []string{"north", "south"} {
		s := &side{queue: name, team: name, agent: o.logIn(name+"-agent", login.Agent), supervisor: o.logIn(name+"-supervisor", login.Supervisor), phone: fmt.Sprintf("+86138001380%02d", i)}
		o.must(admin, "PUT", "/api/v1/queues/"+name, m{"title": m{"en": name}}, 200)
		o.must(admin, "PUT", "/api/v1/teams/"+name, m{"title": m{"en": name}, "supervisors": []string{s.supervisor.session.Account.ID}}, 200)
		o.enlist(s.agent, name, name)
		o.talk(s)
		both[i] = s
	}
	return both
}

func (o *office) must(token, method, path string, body any, status int) answered {
	o.t.Helper()
	a := ask{method: method, path: path, token: token, body: body}
	if raw, ok := body.([]byte); ok {
		a.body, a.media = raw, "application/octet-stream"
	}
	res := o.do(a)
	if res.StatusCode != status {
		o.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, res.short())
	}
	return res
}

// talk files a recorded call in which the side's agent talked, and puts a note, a file, a task and a mention on its ticket.
func (o *office) talk(s *side) {
	t := o.t
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	j, agent := o.cfg.Journal, s.agent.session.Account.ID
	s.callID = hotline.NewID()
	leg := hotline.NewID()
	now := time.Now().Add(-time.Minute)
	must(j.File(s.callID, call.FactCallStarted, call.CallStarted{Node: "test", Info: call.Info{LegID: leg, CallID: s.callID, Direction: call.Inbound, Edge: "sip",
		Caller: call.Party{Number: s.phone}, Dialled: "4000", Queue: s.queue, Language: "en", ReceivedAt: now}}))
	must(j.File(s.callID, call.FactLegStarted, call.LegStarted{LegID: hotline.NewID(), Direction: call.Outbound, Edge: "webrtc", Party: call.Party{Agent: agent}, StartedAt: now}))
	rec, err := o.cfg.Recordings.Start(t.Context(), recordings.Start{CallID: s.callID, LegID: leg, Kind: recordings.OfCall})
	must(err)
	for range 60 {
		rec.Frame(make([]int16, 160), make([]int16, 160))
	}
	kept, err := rec.Stop(t.Context())
	must(err)
	s.recordingID = kept.ID
	must(j.File(s.callID, call.FactCallbackAsked, call.CallbackAsked{Phone: s.phone, Queue: s.queue, JoinedAt: now}))
	must(j.File(s.callID, call.FactCallEnded, call.CallEnded{Result: call.ResultCallback, Queue: s.queue, Phase: call.PhaseQueued, Answered: true, At: now}))
	must(j.Flush(t.Context()))
	must(o.pool.QueryRow(t.Context(), `select t.number, t.party_id::text, k.id::text, t.identity_id::text from call c join ticket t on t.number = c.ticket join task k on k.ticket = t.number where c.id = $1`,
		s.callID).Scan(&s.ticket, &s.partyID, &s.taskID, &s.identityID))
	admin := o.token(login.Admin)
	o.must(admin, "POST", s.ticketPath("/notes"), m{"body": "secret of " + s.queue, "mentions": []string{agent}}, 201)
	s.attachmentID = decode[struct{ ID string }](t, o.must(admin, "POST", s.ticketPath("/attachments?name=a.txt"), []byte("file of "+s.queue), 201)).ID
	must(o.pool.QueryRow(t.Context(), `select id::text from mention where ticket = $1`, s.ticket).Scan(&s.mentionID))
	s.agentID, s.accountID = agent, agent
}

// reaching is every request whose path names something of a side: what an attacker changes the ids of.
func (s *side) reaching() []example {
	return []example{
		show("show-ticket", s.ticketPath("")),
		with("change-ticket", "PATCH", s.ticketPath(""), m{"version": 1, "priority": "high"}),
		with("add-note", "POST", s.ticketPath("/notes"), m{"body": "I was here"}),
		with("set-ticket-state", "POST", s.ticketPath("/state"), m{"state": "open"}),
		show("show-timeline", s.ticketPath("/timeline")),
		show("list-attachments", s.ticketPath("/attachments")),
		{"add-attachment", ask{method: "POST", path: s.ticketPath("/attachments?name=x"), body: []byte("x"), media: "application/octet-stream"}},
		show("download-attachment", s.ticketPath("/attachments/"+s.attachmentID)),
		with("remove-attachment", "DELETE", s.ticketPath("/attachments/"+s.attachmentID), nil),
		with("read-mention", "POST", "/api/v1/mentions/"+s.mentionID+"/read", nil),
		with("complete-task", "POST", "/api/v1/tasks/"+s.taskID+"/done", nil),
		show("show-call", "/api/v1/calls/"+s.callID),
		show("show-trace", "/api/v1/calls/"+s.callID+"/trace"),
		show("show-recording", "/api/v1/recordings/"+s.recordingID),
		show("play-recording", "/api/v1/recordings/"+s.recordingID+"/audio"),
		show("show-agent", "/api/v1/agents/"+s.agentID),
		with("put-agent", "PUT", "/api/v1/agents/"+s.agentID, m{"queues": []string{}, "skills": m{}}),
		with("delete-agent", "DELETE", "/api/v1/agents/"+s.agentID, nil),
		show("list-members", "/api/v1/queues/"+s.queue+"/members"),
		with("put-members", "PUT", "/api/v1/queues/"+s.queue+"/members", m{"members": []string{}}),
		with("put-queue", "PUT", "/api/v1/queues/"+s.queue, m{"title": m{"en": "mine"}, "version": 1}),
		with("delete-queue", "DELETE", "/api/v1/queues/"+s.queue+"?version=1", nil),
		with("change-account", "PATCH", "/api/v1/accounts/"+s.accountID, m{"role": "admin"}),
		with("reset-password", "POST", "/api/v1/accounts/"+s.accountID+"/password", nil),
	}
}

// common are operations whose path names nothing that belongs to a queue: the address book, which all share, and the set-up, which
// the role decides about.
var common = []string{
	"show-party", "change-party", "link-phone", "unlink-identity", "list-contacts", // parties; what was between us and them is looked at below
	"show-queue", "revoke-token", "show-trunk", "put-trunk", "delete-trunk", "show-number", "put-number", "delete-number",
	"show-flow", "save-draft", "discard-draft", "publish-flow", "roll-back-flow", "show-version",
	"show-prompt", "put-prompt", "delete-prompt", "put-prompt-audio", "prompt-audio", "show-hours", "put-hours", "delete-hours",
	"put-team", "delete-team", "put-skill", "delete-skill", "put-pause-reason", "delete-pause-reason", "put-wrap-code", "delete-wrap-code",
	"drain-asterisk", "show-outbound-route", "put-outbound-route", "delete-outbound-route",
}

// TestNobodySeesBeyondTheirScope asks, for each pair of people and each operation that names something by its id, for what is the
// other side's (abuse 40, 25): it is not there, or they may not; and nothing has changed afterwards.
func TestNobodySeesBeyondTheirScope(t *testing.T) {
	o := openOffice(t)
	s := o.sides()
	doc := o.document()
	named := map[string]bool{}
	for _, e := range s[0].reaching() {
		named[e.op] = true
	}
	for id, op := range operations(doc) {
		if strings.Contains(op.Path, "{") && !named[id] && !slices.Contains(common, id) {
			t.Errorf("%s names something by its id: add it to what is reached for, or to what is common", id)
		}
	}
	before := o.picture()
	other := func(i int) []*browser { return []*browser{s[i].agent, s[i].supervisor} }
	asked := 0
	for i := range s {
		for _, who := range other(1 - i) {
			for _, e := range s[i].reaching() {
				res := who.do(e.ask)
				asked++
				if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusForbidden {
					t.Errorf("%s may %s of %s: %d %s", who.session.Account.Login, e.op, s[i].queue, res.StatusCode, res.short())
				}
				if strings.Contains(string(res.body), "secret of") || strings.Contains(string(res.body), s[i].phone) {
					t.Errorf("%s is told something by the refusal of %s: %s", who.session.Account.Login, e.op, res.short())
				}
			}
		}
	}
	if asked < 90 {
		t.Errorf("only %d requests", asked)
	}
	if after := o.picture(); after != before {
		t.Errorf("something was changed:\n%s\n%s", before, after)
	}
	o.listsAreNarrow(s)
	o.oneSeesTheirOwn(s)
}

// picture is a digest of what must not be changed by those who may not.
func (o *office) picture() (p string) {
	o.t.Helper()
	err := o.pool.QueryRow(o.t.Context(), `select concat_ws(' ', (select string_agg(version::text || state || last_seq, ',' order by number) from ticket),
		(select string_agg(state, ',' order by id) from task), (select count(*) from attachment where removed_at is null), (select count(*) from mention where read_at is not null),
		(select string_agg(queue || agent, ',' order by queue, agent) from queue_member), (select string_agg(version::text, ',' order by name) from queue), (select string_agg(role, ',' order by id) from account))`).Scan(&p)
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

// lists are the operations that list what belongs to queues.
var lists = []string{"/api/v1/tickets", "/api/v1/tickets?state=new,open,pending", "/api/v1/tickets?owner=none", "/api/v1/tickets?queue=%s", "/api/v1/tickets?q=%s", "/api/v1/tickets?party=%s",
	"/api/v1/search?q=secret", "/api/v1/tasks", "/api/v1/tasks?queue=%s", "/api/v1/callbacks", "/api/v1/calls", "/api/v1/calls?queue=%s", "/api/v1/calls?ticket=%s", "/api/v1/calls/live",
	"/api/v1/mentions", "/api/v1/parties/%s/contacts", "/api/v1/agents", "/api/v1/board", "/api/v1/audit"}

// listsAreNarrow looks into every list for what is the other side's.
func (o *office) listsAreNarrow(s [2]*side) {
	for i := range s {
		theirs := s[1-i]
		for _, who := range []*browser{s[i].agent, s[i].supervisor} {
			for _, list := range lists {
				word := theirs.queue
				switch {
				case strings.Contains(list, "part"):
					word = theirs.partyID
				case strings.Contains(list, "ticket="):
					word = fmt.Sprint(theirs.ticket)
				}
				path := list
				if strings.Contains(path, "%s") {
					path = fmt.Sprintf(list, word)
				}
				res := who.do(ask{method: "GET", path: path})
				if res.StatusCode == http.StatusForbidden && who == s[i].agent {
					continue // the role has no such list
				}
				body := string(res.body)
				if res.StatusCode != http.StatusOK || strings.Contains(body, theirs.callID) || strings.Contains(body, fmt.Sprintf(`"number":%d,`, theirs.ticket)) ||
					strings.Contains(body, fmt.Sprintf(`"ticket":%d,`, theirs.ticket)) || strings.Contains(body, "secret of "+theirs.queue) || strings.Contains(body, theirs.agentID) {
					o.t.Errorf("%s sees of the other side in %s: %d %s", who.session.Account.Login, path, res.StatusCode, res.short())
				}
			}
		}
	}
}

// oneSeesTheirOwn makes sure that the refusals above are about the scope, and not about something that does not work at all.
func (o *office) oneSeesTheirOwn(s [2]*side) {
	for _, mine := range s {
		for _, path := range []string{mine.ticketPath(""), mine.ticketPath("/timeline"), mine.ticketPath("/attachments/" + mine.attachmentID), "/api/v1/calls/" + mine.callID,
			"/api/v1/recordings/" + mine.recordingID, "/api/v1/recordings/" + mine.recordingID + "/audio"} {
			for _, who := range []*browser{mine.agent, mine.supervisor} {
				if res := who.do(ask{method: "GET", path: path}); res.StatusCode != http.StatusOK {
					o.t.Errorf("%s: %s: %d %s", who.session.Account.Login, path, res.StatusCode, res.short())
				}
			}
		}
		for _, path := range []string{"/api/v1/tickets", "/api/v1/tasks", "/api/v1/callbacks", "/api/v1/calls", "/api/v1/search?q=secret", "/api/v1/parties/" + mine.partyID + "/contacts"} {
			for _, who := range []*browser{mine.agent, mine.supervisor} {
				if n := len(decode[struct{ Items []any }](o.t, who.do(ask{method: "GET", path: path})).Items); n != 1 {
					o.t.Errorf("%s: %d in %s", who.session.Account.Login, n, path)
				}
			}
		}
	}
}

// TestConversationsAreHeardByThoseWhoHadThem: a colleague of the same queue sees the call and may not listen to it; the supervisor may
// (abuse 25). A message left in the queue is for all of it.
func TestConversationsAreHeardByThoseWhoHadThem(t *testing.T) {
	o := openOffice(t)
	mine := o.sides()[0]
	colleague := o.logIn("colleague", login.Agent)
	o.enlist(colleague, mine.team, mine.queue)
	audio := "/api/v1/recordings/" + mine.recordingID + "/audio"
	for who, want := range map[*browser]int{mine.agent: 200, colleague: 403, mine.supervisor: 200} {
		if res := who.do(ask{method: "GET", path: audio}); res.StatusCode != want {
			t.Errorf("%s: %d %s", who.session.Account.Login, res.StatusCode, res.short())
		}
		d := decode[struct{ Recordings []any }](t, who.do(ask{method: "GET", path: "/api/v1/calls/" + mine.callID}))
		if (len(d.Recordings) == 1) != (want == 200) {
			t.Errorf("%s is shown %d recordings of the call", who.session.Account.Login, len(d.Recordings))
		}
		timeline := who.do(ask{method: "GET", path: mine.ticketPath("/timeline")})
		if strings.Contains(string(timeline.body), mine.recordingID) != (want == 200) {
			t.Errorf("%s: timeline %s", who.session.Account.Login, timeline.short())
		}
	}
	wantProblem(t, colleague.do(ask{method: "GET", path: audio}), http.StatusForbidden, "recording.others")
	if n := o.audited("recording.play", mine.recordingID); n != 2 {
		t.Errorf("%d listenings in the audit", n)
	}
	if _, err := o.pool.Exec(t.Context(), `update recording set kind = 'voicemail' where id = $1`, mine.recordingID); err != nil {
		t.Fatal(err)
	}
	if res := colleague.do(ask{method: "GET", path: "/api/v1/recordings/" + mine.recordingID}); res.StatusCode != 200 {
		t.Errorf("a message of the queue: %d %s", res.StatusCode, res.short())
	}
}

// TestScopesOfAccountsAndTokens: what somebody sees follows what an administrator says, at once; an engineer finds faults in all calls
// and hears none.
func TestScopesOfAccountsAndTokens(t *testing.T) {
	o := openOffice(t)
	s := o.sides()
	admin := o.token(login.Admin)
	n := func(who *browser, path string) int {
		t.Helper()
		return len(decode[struct{ Items []any }](t, who.do(ask{method: "GET", path: path})).Items)
	}
	agent := s[0].agent
	for _, side := range s { // who answers has the ticket: here nobody may have it
		if _, err := o.pool.Exec(t.Context(), `update ticket set owner_id = null where number = $1`, side.ticket); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		scope string
		want  int
	}{{"own", 0}, {"queue", 1}, {"team", 1}, {"all", 2}, {"queue", 1}} {
		o.must(admin, "PATCH", "/api/v1/accounts/"+agent.session.Account.ID, m{"scope": c.scope}, 200)
		if got := n(agent, "/api/v1/tickets"); got != c.want {
			t.Errorf("scope %s sees %d tickets, want %d", c.scope, got, c.want)
		}
		if got := decode[Session](t, agent.do(ask{method: "GET", path: "/api/v1/session"})).Scope.Kind; string(got) != c.scope {
			t.Errorf("the session says %q", got)
		}
	}
	// Who took part sees the one ticket and the call, whatever the queues say.
	o.must(admin, "PATCH", "/api/v1/accounts/"+agent.session.Account.ID, m{"scope": "own"}, 200)
	for _, path := range []string{s[0].ticketPath(""), "/api/v1/calls/" + s[0].callID, "/api/v1/recordings/" + s[0].recordingID} {
		if res := agent.do(ask{method: "GET", path: path}); res.StatusCode != 200 {
			t.Errorf("own %s: %d", path, res.StatusCode)
		}
	}
	if n(agent, "/api/v1/calls") != 1 {
		t.Error("the own call is not listed")
	}
	if o.do(ask{method: "PATCH", path: "/api/v1/accounts/" + agent.session.Account.ID, token: admin, body: m{"scope": "universe"}}).StatusCode != 422 {
		t.Error("a scope that is none")
	}
	engineer := o.logIn("engine", login.Engineer)
	if n(engineer, "/api/v1/tickets") != 0 || n(engineer, "/api/v1/calls") != 2 {
		t.Errorf("an engineer sees %d tickets and %d calls", n(engineer, "/api/v1/tickets"), n(engineer, "/api/v1/calls"))
	}
	if res := engineer.do(ask{method: "GET", path: "/api/v1/recordings/" + s[0].recordingID + "/audio"}); res.StatusCode != 404 {
		t.Errorf("an engineer hears: %d", res.StatusCode)
	}
	for _, c := range []struct {
		queues any
		want   int
	}{{nil, 2}, {[]string{"south"}, 1}, {[]string{}, 0}} {
		made := decode[struct{ Token string }](t, o.must(admin, "POST", "/api/v1/tokens", m{"name": fmt.Sprint("t", c.want), "role": "agent", "queues": c.queues}, 201))
		if got := len(decode[struct{ Items []any }](t, o.must(made.Token, "GET", "/api/v1/tickets", nil, 200)).Items); got != c.want {
			t.Errorf("a token of %v sees %d tickets", c.queues, got)
		}
	}
}

// TestNothingIsSneakedIn: what is no input of a route is refused, not ignored (abuse 41).
func TestNothingIsSneakedIn(t *testing.T) {
	o := openOffice(t)
	mine := o.sides()[0]
	for _, e := range mine.reaching() {
		body, ok := e.body.(m)
		if !ok {
			continue
		}
		for _, sneaked := range []string{"role", "team_id", "created_at", "internal", "scope_all", "owner"} {
			if _, real := body[sneaked]; real {
				continue
			}
			more := m{sneaked: "admin"}
			for k, v := range body {
				more[k] = v
			}
			a := e.ask
			a.body, a.token = more, o.token(login.Admin)
			if e.op == "change-account" && sneaked == "role" {
				continue
			}
			if res := o.do(a); res.StatusCode != 422 && res.StatusCode != 400 {
				t.Errorf("%s takes %s: %d %s", e.op, sneaked, res.StatusCode, res.short())
			}
		}
	}
}

// mentioned and file are what the API says of mentions and attachments, to be read back.
type mentioned struct {
	ID      string
	Ticket  int64
	Excerpt string
	By      Owner
}

type file struct {
	ID, Name, Media string
	Bytes           int
}

// TestMentions: whoever is named is told, may read that ticket and nothing else, and sees it in the own list until it was read.
func TestMentions(t *testing.T) {
	o := openOffice(t)
	s := o.sides()
	author, named := s[0].agent, s[1].agent
	wantProblem(t, named.do(ask{method: "GET", path: s[0].ticketPath("")}), http.StatusNotFound, "tickets.ticket_unknown")
	res := author.do(ask{method: "POST", path: s[0].ticketPath("/notes"), body: m{"body": "@south please look: <b>老王</b>", "mentions": []string{named.session.Account.ID, named.session.Account.ID, author.session.Account.ID}}})
	if res.StatusCode != 201 || !strings.Contains(string(res.body), `"mentions":[{"id":"`+named.session.Account.ID+`"`) {
		t.Fatalf("%d %s", res.StatusCode, res.short())
	}
	list := decode[struct{ Items []mentioned }](t, named.do(ask{method: "GET", path: "/api/v1/mentions?unread=true"})).Items
	if len(list) != 2 || list[0].Ticket != s[0].ticket || list[0].Excerpt != "@south please look: <b>老王</b>" || list[0].By.ID != author.session.Account.ID {
		t.Fatalf("%+v", list)
	}
	if got := decode[Session](t, named.do(ask{method: "GET", path: "/api/v1/session"})).UnreadMentions; got != 2 {
		t.Errorf("%d unread", got)
	}
	if res := named.do(ask{method: "GET", path: s[0].ticketPath("/timeline")}); res.StatusCode != 200 {
		t.Errorf("whoever is named cannot read: %d", res.StatusCode)
	}
	if res := s[1].supervisor.do(ask{method: "GET", path: s[0].ticketPath("")}); res.StatusCode != 404 {
		t.Errorf("others of that team: %d", res.StatusCode)
	}
	path := "/api/v1/mentions/" + list[0].ID + "/read"
	wantProblem(t, author.do(ask{method: "POST", path: path}), http.StatusNotFound, "tickets.mention_unknown")
	if res := named.do(ask{method: "POST", path: path}); res.StatusCode != 200 || strings.Contains(string(res.body), `"read_at":null`) {
		t.Errorf("%d %s", res.StatusCode, res.short())
	}
	if n := len(decode[struct{ Items []mentioned }](t, named.do(ask{method: "GET", path: "/api/v1/mentions?unread=true"})).Items); n != 1 {
		t.Errorf("%d unread", n)
	}
	for _, bad := range [][]string{{"nobody"}, {hotline.NewID()}} {
		wantProblem(t, author.do(ask{method: "POST", path: s[0].ticketPath("/notes"), body: m{"body": "x", "mentions": bad}}), 422, "tickets.mention")
	}
	if err := o.cfg.Desk.VerifyTicket(t.Context(), s[0].ticket); err != nil {
		t.Error(err)
	}
}

// TestAttachments: hostile names are names only (abuse 32), what is sent is what comes back, never to be shown by a browser.
func TestAttachments(t *testing.T) {
	o := openOffice(t)
	s := o.sides()
	mine := s[0]
	page := []byte("<!doctype html><script>alert(1)</script>" + strings.Repeat("\x00\xff", 300_000))
	for raw, want := range map[string]string{
		"../../x": "x", `..\..\evil.exe`: "evil.exe", "report\u202egnp.exe": "reportgnp.exe", "a\x00b.txt": "ab.txt", strings.Repeat("长", 1000): strings.Repeat("长", 150),
		"...": "file", "合同 (1).pdf": "合同 (1).pdf", "line\r\nSet-Cookie: x": "line  Set-Cookie: x",
	} {
		path := mine.ticketPath("/attachments?name=" + url.QueryEscape(raw))
		a := decode[file](t, mine.agent.do(ask{method: "POST", path: path, body: page, media: "application/octet-stream"}))
		if a.Name != want || a.Bytes != len(page) || a.Media != "application/octet-stream" {
			t.Errorf("%q is %+v", raw, a)
			continue
		}
		res := mine.agent.do(ask{method: "GET", path: mine.ticketPath("/attachments/" + a.ID)})
		h := res.Header
		if string(res.body) != string(page) || h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("Set-Cookie") != "" {
			t.Errorf("%q: %d bytes, %v", raw, len(res.body), h)
		}
		wantProblem(t, s[1].agent.do(ask{method: "GET", path: s[1].ticketPath("/attachments/" + a.ID)}), http.StatusNotFound, "attachment.unknown")
		if n := o.count(`select count(*) from audit where action in ('attachment.add', 'attachment.download') and subject = $1`, "attachment:"+a.ID); n != 2 {
			t.Errorf("%d entries in the audit", n)
		}
	}
	add := func(path string, body []byte) answered {
		return mine.agent.do(ask{method: "POST", path: mine.ticketPath(path), body: body, media: "application/octet-stream"})
	}
	wantProblem(t, add("/attachments?name=big", make([]byte, 20<<20+2)), http.StatusRequestEntityTooLarge, "request.too_large")
	wantProblem(t, add("/attachments?name=none", []byte{}), 400, "request.malformed")
	if res := mine.agent.do(ask{method: "POST", path: mine.ticketPath("/attachments?name=x"), body: []byte("x"), media: "text/html"}); res.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("text/html: %d", res.StatusCode)
	}
	first, again := decode[file](t, add("/attachments?name=once&key=k1", []byte("once"))), decode[file](t, add("/attachments?name=once&key=k1", []byte("once")))
	if first.ID == "" || first.ID != again.ID {
		t.Errorf("sent twice: %s and %s", first.ID, again.ID)
	}
	wantProblem(t, mine.agent.do(ask{method: "DELETE", path: mine.ticketPath("/attachments/" + mine.attachmentID)}), http.StatusForbidden, "attachment.others")
	if res := mine.supervisor.do(ask{method: "DELETE", path: mine.ticketPath("/attachments/" + mine.attachmentID)}); res.StatusCode != 204 {
		t.Errorf("a supervisor removes: %d %s", res.StatusCode, res.short())
	}
	wantProblem(t, mine.agent.do(ask{method: "GET", path: mine.ticketPath("/attachments/" + mine.attachmentID)}), http.StatusNotFound, "attachment.unknown")
	if n := o.count(`select count(*) from attachment_part where attachment_id::text = $1`, mine.attachmentID); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	if err := o.cfg.Desk.VerifyTicket(t.Context(), mine.ticket); err != nil {
		t.Error(err)
	}
	if err := o.cfg.Desk.Erase(t.Context(), tickets.System, mine.partyID); err != nil {
		t.Fatal(err)
	}
	if n := o.count(`select count(*) from attachment_part p join attachment a on a.id = p.attachment_id where a.ticket = $1`, mine.ticket); n != 0 {
		t.Errorf("%d parts outlive an erasure", n)
	}
}

func (o *office) count(sql string, args ...any) (n int) {
	o.t.Helper()
	if err := o.pool.QueryRow(o.t.Context(), sql, args...).Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}
