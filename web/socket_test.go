package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hotline"
	"hotline/web/login"
)

// connect opens the socket as a browser does.
func (b *browser) connect(header http.Header) (*websocket.Conn, *http.Response, error) {
	for _, c := range b.cookies {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	d := websocket.Dialer{Subprotocols: []string{"hotline.v1"}, HandshakeTimeout: 10 * time.Second}
	return d.DialContext(b.o.t.Context(), "ws"+strings.TrimPrefix(b.o.http.URL, "http")+"/api/v1/socket", header)
}

// frame is a message of the socket, as far as tests look at it.
type frame struct {
	Reply string
	OK    bool
	Event string
	Data  struct {
		Ticket  int64
		Excerpt string
		Stream  string
	}
}

// await reads until a frame is the one that is waited for.
func await(t *testing.T, c *websocket.Conn, want func(frame) bool) frame {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		var f frame
		if err := c.ReadJSON(&f); err != nil {
			t.Fatal(err)
		}
		if want(f) {
			return f
		}
	}
}

// TestSocket: a page of ours with the cookie of somebody who is logged in gets on, nobody else does (abuse 46, 47); and who is named in
// a note is told there.
func TestSocket(t *testing.T) {
	o := openOffice(t)
	s := o.sides()
	ours := func() http.Header { return http.Header{"Origin": {o.http.URL}} }
	nobody := &browser{o: o}
	for name, c := range map[string]struct {
		who    *browser
		header http.Header
		status int
	}{
		"no cookie":               {nobody, ours(), http.StatusUnauthorized},
		"a wrong cookie":          {&browser{o: o, cookies: []*http.Cookie{{Name: "hotline_session", Value: "x"}}}, ours(), http.StatusUnauthorized},
		"a page of somebody else": {s[0].agent, http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
		"no page at all":          {s[0].agent, http.Header{}, http.StatusForbidden},
		"an API token":            {nobody, http.Header{"Origin": {o.http.URL}, "Authorization": {"Bearer " + o.token(login.Agent)}}, http.StatusForbidden},
	} {
		conn, res, err := c.who.connect(c.header)
		if err == nil {
			conn.Close()
		}
		if err == nil || res == nil || res.StatusCode != c.status {
			t.Errorf("%s: %v, %+v", name, err, res)
		}
	}
	conn, _, err := s[1].agent.connect(ours())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteJSON(m{"id": "1", "cmd": "hello", "data": m{"session": hotline.NewID(), "resume": nil}}); err != nil {
		t.Fatal(err)
	}
	if f := await(t, conn, func(f frame) bool { return f.Reply == "1" }); !f.OK || f.Data.Stream == "" {
		t.Fatalf("hello: %+v", f)
	}
	o.must(o.token(login.Admin), "POST", s[0].ticketPath("/notes"), m{"body": "have a look", "mentions": []string{s[1].agent.session.Account.ID}}, 201)
	if f := await(t, conn, func(f frame) bool { return f.Event == "mention" }); f.Data.Ticket != s[0].ticket || f.Data.Excerpt != "have a look" {
		t.Errorf("mention: %+v", f)
	}
	if res := o.do(ask{method: "GET", path: "/api/asyncapi.yaml"}); res.StatusCode != 200 || !strings.Contains(string(res.body), "asyncapi:") {
		t.Errorf("asyncapi: %d", res.StatusCode)
	}
}

// TestStillWhoTheyWere: what the socket asks now and then.
func TestStillWhoTheyWere(t *testing.T) {
	o := openOffice(t)
	s := o.sides()
	agent := s[0].agent
	account, secret := login.Account{ID: agent.session.Account.ID, Role: login.Agent}, agent.cookies[0].Value
	see, err := o.server.still(t.Context(), secret, account)
	if err != nil || !see.Sees("north") || see.Sees("south") {
		t.Fatalf("%+v, %v", see, err)
	}
	o.enlist(agent, "south", "south")
	if see, err = o.server.still(t.Context(), secret, account); err != nil || see.Sees("north") || !see.Sees("south") {
		t.Errorf("after another queue: %+v, %v", see, err)
	}
	o.must(o.token(login.Admin), "PATCH", "/api/v1/accounts/"+account.ID, m{"disabled": true}, 200)
	if _, err := o.server.still(t.Context(), secret, account); hotline.KindOf(err) != hotline.Denied {
		t.Errorf("after it was closed: %v", err)
	}
}
