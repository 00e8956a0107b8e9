package softphone_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hotline"
	"hotline/softphone"
	"hotline/softphone/softphonetest"
)

// TestSocketRefusesStrangers is abuse case 46 and 47 where a socket is opened: a page of somebody else, a token in the address, another
// protocol.
func TestSocketRefusesStrangers(t *testing.T) {
	o := newOffice(t)
	anna := o.account("Anna", "agent")
	for _, c := range []struct {
		name   string
		change func(h http.Header, url *string)
		status int
	}{
		{"no origin", func(h http.Header, _ *string) { h.Del("Origin") }, http.StatusForbidden},
		{"somebody else's origin", func(h http.Header, _ *string) { h.Set("Origin", "https://evil.example") }, http.StatusForbidden},
		{"an origin that begins like ours", func(h http.Header, _ *string) { h.Set("Origin", o.web.URL+".evil.example") }, http.StatusForbidden},
		{"no site's origin", func(h http.Header, _ *string) { h.Set("Origin", "null") }, http.StatusForbidden},
		{"two origins", func(h http.Header, _ *string) { h.Add("Origin", "https://evil.example") }, http.StatusForbidden},
		{"a token in the address", func(_ http.Header, u *string) { *u += "?token=secret" }, http.StatusBadRequest},
		{"another protocol", func(h http.Header, _ *string) { h.Set("Sec-Websocket-Protocol", "hotline.v0") }, http.StatusBadRequest},
		{"nobody", func(h http.Header, _ *string) { h.Del("X-Account") }, http.StatusUnauthorized},
	} {
		h, url := o.header(anna), o.url()
		h.Set("Sec-Websocket-Protocol", softphone.Protocol)
		c.change(h, &url)
		conn, response, err := websocket.DefaultDialer.DialContext(o.ctx(), url, h)
		if err == nil {
			conn.Close()
			t.Errorf("%s: let in", c.name)
			continue
		}
		if response == nil || response.StatusCode != c.status {
			t.Errorf("%s: %v, want %d", c.name, response, c.status)
		}
	}
	if n := o.g.Stats().Sockets; n != 0 {
		t.Errorf("%d sockets are left", n)
	}
}

// TestSocketsAreCapped opens more than there may be; who is there goes on unharmed.
func TestSocketsAreCapped(t *testing.T) {
	o := newOffice(t, func(o *options) { o.limits = softphone.Limits{Sockets: 6, Account: 3} })
	anna, ben, chef := o.account("Anna", "agent"), o.account("Ben", "agent"), o.account("Chef", "supervisor")
	first := o.tab(anna)
	open := 1
	for _, account := range []string{anna, ben, chef} {
		for range 20 {
			h := o.header(account)
			tab, err := softphonetest.Open(o.ctx(), softphonetest.Options{URL: o.url(), Header: h, Session: hotline.NewID()})
			if err != nil {
				continue
			}
			open++
			o.tabs = append(o.tabs, tab)
		}
	}
	if open != 6 {
		t.Errorf("%d sockets are open, want 6", open)
	}
	first.do("ping", nil)
	for _, tab := range o.tabs[1:] {
		tab.Close()
	}
	o.eventually("the others are gone", func() bool { return o.g.Stats().Sockets == 1 })
	o.tab(chef).do("ping", nil)
}

// eventually waits for what no event tells.
func (o *office) eventually(what string, is func() bool) {
	o.t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			o.t.Fatalf("not: %s", what)
		}
	}
}

// TestBadFramesEndTheSocketAlone sends what no page of ours sends.
func TestBadFramesEndTheSocketAlone(t *testing.T) {
	o := newOffice(t)
	anna, ben := o.account("Anna", "agent"), o.account("Ben", "agent")
	other := o.tab(ben)
	huge := bytes.Repeat([]byte("x"), 1<<20)
	for name, send := range map[string]func(b *tab) int{
		"no JSON":    func(b *tab) int { o.check(b.SendRaw([]byte("hello?"))); return 4400 },
		"no command": func(b *tab) int { o.check(b.Send(map[string]any{"id": "x"})); return 4400 },
		"a huge id": func(b *tab) int {
			o.check(b.Send(map[string]any{"id": strings.Repeat("i", 65), "cmd": "ping"}))
			return 4400
		},
		"100 MB more": func(b *tab) int { flood(b, huge, 100); return websocket.CloseMessageTooBig },
	} {
		b := o.tab(anna)
		want := send(b)
		if got := b.Code(); got != want && !(got == 0 && want == websocket.CloseMessageTooBig) { // the reason is lost when the flood is cut off
			t.Errorf("%s: closed with %d, want %d", name, got, want)
		}
	}
	other.do("ping", nil)
	o.eventually("the bad ones are gone", func() bool { return o.g.Stats().Sockets == 1 })
}

func flood(b *tab, chunk []byte, times int) {
	for range times {
		if b.SendRaw(chunk) != nil {
			return
		}
	}
}

// TestFirstWordIsHello waits for no one who has nothing to say.
func TestFirstWordIsHello(t *testing.T) {
	o := newOffice(t)
	anna := o.account("Anna", "agent")
	for name, first := range map[string]string{
		"another command": `{"id":"1","cmd":"agent.ready"}`,
		"no session":      `{"id":"1","cmd":"hello","data":{}}`,
		"a bad session":   `{"id":"1","cmd":"hello","data":{"session":"../../etc"}}`,
		"unknown data":    `{"id":"1","cmd":"hello","data":{"session":"12345678","role":"admin"}}`,
	} {
		h := o.header(anna)
		h.Set("Sec-Websocket-Protocol", softphone.Protocol)
		conn, _, err := websocket.DefaultDialer.DialContext(o.ctx(), o.url(), h)
		o.check(err)
		o.check(conn.WriteMessage(websocket.TextMessage, []byte(first)))
		_, frame, err := conn.ReadMessage()
		o.check(err)
		var reply struct {
			OK      bool
			Problem softphone.Problem
		}
		if err := json.Unmarshal(frame, &reply); err != nil || reply.OK || reply.Problem.Status != 422 {
			t.Errorf("%s: %s", name, frame)
		}
		if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, 4408) {
			t.Errorf("%s: %v, want the close code 4408", name, err)
		}
		conn.Close()
	}
}

// TestResume cuts a tab off and lets it come back: it is told what it missed, or everything.
func TestResume(t *testing.T) {
	o := newOffice(t)
	anna := o.account("Anna", "agent")
	b := o.tab(anna)
	if b.Hello.Snapshot == nil || b.Hello.Snapshot.Phone.Active != "none" {
		t.Fatalf("the first hello: %+v", b.Hello)
	}
	o.g.Notify(anna, softphone.Notice{Code: "one"})
	await(b, "notice", func(n softphone.Notice) bool { return n.Code == "one" })
	seen := b.Events()
	last := seen[len(seen)-1].Seq
	b.Cut()
	for i := range 5 {
		o.g.Notify(anna, softphone.Notice{Code: fmt.Sprint("missed", i)})
	}
	back := o.tab(anna, func(x *softphonetest.Options) { x.Session, x.Stream, x.Seq = b.Session, b.Hello.Stream, last })
	if back.Hello.Snapshot != nil || back.Hello.Seq != last || back.Hello.Stream != b.Hello.Stream {
		t.Fatalf("not resumed: %+v, was %d", back.Hello, last)
	}
	for i := range 5 {
		await(back, "notice", func(n softphone.Notice) bool { return n.Code == fmt.Sprint("missed", i) })
	}
	await[softphone.PhoneView](back, "phone", nil)
	for i, e := range back.Events() {
		if e.Seq != last+1+uint64(i) {
			t.Errorf("event %d has seq %d, want %d", i, e.Seq, last+1+uint64(i))
		}
	}
	back.Cut()
	for i := range 300 { // more than is kept
		o.g.Notify(anna, softphone.Notice{Code: fmt.Sprint("many", i)})
	}
	late := o.tab(anna, func(x *softphonetest.Options) { x.Session, x.Stream, x.Seq = b.Session, b.Hello.Stream, last })
	if late.Hello.Snapshot == nil || late.Hello.Stream == b.Hello.Stream || late.Hello.Seq != 0 {
		t.Errorf("resumed with what is not kept: %+v", late.Hello)
	}
	other := o.tab(o.account("Ben", "agent"), func(x *softphonetest.Options) { x.Session, x.Stream, x.Seq = b.Session, late.Hello.Stream, 0 })
	if other.Hello.Snapshot == nil || other.Hello.Stream == late.Hello.Stream {
		t.Error("one account resumed another's events")
	}
}

// TestCopiedTab opens the same session twice, as a browser that copies a tab does: the newer one has it.
func TestCopiedTab(t *testing.T) {
	o := newOffice(t)
	anna := o.account("Anna", "agent")
	b := o.tab(anna)
	copied := o.tab(anna, func(x *softphonetest.Options) { x.Session = b.Session })
	if code := b.Code(); code != 4409 {
		t.Errorf("closed with %d, want 4409", code)
	}
	copied.do("ping", nil)
}

// TestSlowReaderIsDropped lets one browser read nothing: it is dropped, and nobody else waits for it.
func TestSlowReaderIsDropped(t *testing.T) {
	o := newOffice(t)
	anna := o.account("Anna", "agent")
	h := o.header(anna)
	h.Set("Sec-Websocket-Protocol", softphone.Protocol)
	small := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(4096)
		}
		return conn, err
	}}
	conn, _, err := small.DialContext(o.ctx(), o.url(), h)
	o.check(err)
	defer conn.Close()
	o.check(conn.WriteMessage(websocket.TextMessage, []byte(`{"id":"1","cmd":"hello","data":{"session":"slow-reader"}}`)))
	reader := o.tab(anna)
	o.eventually("both are there", func() bool { return o.g.Stats().Sockets == 2 })
	text := strings.Repeat("long ", 2000)
	for i := 0; o.g.Stats().Sockets == 2; i++ {
		if i == 10_000 {
			t.Fatal("the slow reader is still there")
		}
		o.g.Notify(anna, softphone.Notice{Code: fmt.Sprint("n", i), Text: text})
		await(reader, "notice", func(n softphone.Notice) bool { return n.Code == fmt.Sprint("n", i) })
	}
	reader.do("ping", nil)
}

// TestLoggedOut ends the socket of somebody whose session has ended.
func TestLoggedOut(t *testing.T) {
	o := newOffice(t)
	chef := o.account("Chef", "supervisor")
	b := o.tab(chef)
	o.mu.Lock()
	o.revoked[chef] = true
	o.mu.Unlock()
	err := b.Do(o.ctx(), "board.watch", nil, nil) // what matters is asked anew
	if err == nil {
		t.Error("somebody who is logged out watches the board")
	}
	if code := b.Code(); code != 4401 {
		t.Errorf("closed with %d, want 4401", code)
	}
}

// TestCommandsAreForThoseWhoMay gives commands without the right: each is refused with 403 and in the audit.
func TestCommandsAreForThoseWhoMay(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	anna := o.account("Anna", "agent", "sales")
	engineer := o.account("Eng", "engineer")
	b, e := o.tab(anna), o.tab(engineer)
	if p := b.refused("socket.denied", "supervise.start", map[string]any{"call_id": "x", "mode": "listen"}); p.Status != 403 {
		t.Errorf("status %d, want 403", p.Status)
	}
	b.refused("socket.denied", "board.watch", nil)
	for _, cmd := range []string{"agent.ready", "call.hangup", "call.dial", "offer.answer", "wrap.done"} {
		e.refused("socket.denied", cmd, nil)
	}
	b.refused("socket.command", "admin.everything", nil)
	b.refused("socket.data", "agent.pause", map[string]any{"reason": "lunch", "agent": engineer})
	b.refused("phone.elsewhere", "call.hangup", nil)
	var n int
	o.check(o.pool.QueryRow(t.Context(), `select count(*) from audit where action = 'softphone.denied'`).Scan(&n))
	if n != 7 {
		t.Errorf("%d denials are in the audit, want 7", n)
	}
	o.check(o.desk.VerifyAudit(t.Context()))
}

// TestCommandsAreLimited sends commands faster than anybody clicks.
func TestCommandsAreLimited(t *testing.T) {
	o := newOffice(t)
	b := o.tab(o.account("Anna", "agent"))
	refused := 0
	replies := make(chan error, 400)
	for range 400 {
		go func() { replies <- b.Do(o.ctx(), "ping", nil, nil) }()
	}
	for range 400 {
		if <-replies != nil {
			refused++
		}
	}
	if refused < 200 || refused > 399 {
		t.Errorf("%d of 400 were refused", refused)
	}
	o.eventually("a command is taken again", func() bool { return b.Do(o.ctx(), "ping", nil, nil) == nil })
}
