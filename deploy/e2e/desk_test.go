//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const headsetHz = 1560.0 // of the headset that browser/desk.js plugs in

// TestDesk lets an agent go through what happens around a call: a blocked microphone, a tab that is hidden, people who share a number, a
// headset that is pulled out, the page of another system, a call that is not wanted, a call-back; and a supervisor who has no microphone.
func TestDesk(t *testing.T) {
	t.Parallel()
	crm := newCRM(t)
	h := newHouse(t, "HOTLINE_POP_URL="+crm.URL+"/all?phone={e164}&ticket={number}&call={call}", "HOTLINE_POP_HOOK="+crm.URL+"/hook",
		"HOTLINE_LOOKUP_HOSTS="+strings.TrimPrefix(crm.URL, "http://"))
	a := h.asks("agent", agentHz)
	for _, c := range []struct {
		name string
		run  func(*house, *browser)
	}{
		{"microphone blocked", microphoneBlocked}, {"tab hidden", tabHidden}, {"shared number", sharedNumber}, {"headset", headsetUnplugged},
		{"pop URL", func(h *house, a *browser) { popsElsewhere(h, a, crm) }}, {"call-back", agentCallsBack},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.run(h.in(t), a.in(t)) }) {
			return
		}
	}
	s := h.sits("supervisor", supervisorHz)
	if !t.Run("declined", func(t *testing.T) { agentDeclines(h.in(t), a.in(t), s.in(t)) }) {
		return
	}
	b := h.asks("admin", otherHz)
	if t.Run("no microphone", func(t *testing.T) { listensWithout(h.in(t), a.in(t), b.in(t)) }) {
		t.Run("outside", func(t *testing.T) { endsOutside(h.in(t), a.in(t), b.in(t)) })
	}
	a.in(t).clean()
}

// asks opens a browser as people have it: it asks before it gives the microphone away, and is silent until somebody clicks.
func (h *house) asks(login string, hz float64) *browser {
	h.t.Helper()
	b := h.opens(hz, "", "STRICT=1", "SCRIPT=browser/desk.js")
	b.logIn(login, h.password[login])
	return b
}

// js runs a script in the page and decodes what it gives.
func (b *browser) js(script string, into any) {
	b.t.Helper()
	raw := b.do("evaluate", map[string]any{"script": script})
	if into == nil {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		b.t.Fatalf("%s: %s: %v", script, raw, err)
	}
}

// sees waits for an element.
func (b *browser) sees(selector string) {
	b.t.Helper()
	b.do("sees", map[string]any{"selector": selector})
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("click", map[string]any{"selector": selector})
}

func (b *browser) text(selector string) (text string) {
	b.t.Helper()
	json.Unmarshal(b.do("text", map[string]any{"selector": selector}), &text)
	return text
}

// picks chooses a state in the menu, as a person does.
func (b *browser) picks(word string) {
	b.t.Helper()
	b.click("[data-agent-switch]")
	b.click(`[role=menuitem]:has-text("` + word + `")`)
}

// hangsUp ends the call by the agent and closes it.
func (b *browser) hangsUp(call string, l *line) {
	b.t.Helper()
	mark := b.mark()
	b.must("call.hangup", nil)
	l.ended(10 * time.Second)
	b.closes(mark, call)
}

// microphoneBlocked: the page says what is wrong and how to mend it, nobody is ready without a microphone, and allowing it is enough.
func microphoneBlocked(h *house, a *browser) {
	a.sees(`[data-phone-trouble="mic-blocked"]`)
	if said := a.text(`[data-phone-trouble="mic-blocked"]`); !strings.Contains(said, "blocked") || !strings.Contains(said, "127.0.0.1") {
		h.t.Errorf("the page says %q", said)
	}
	a.do("shot", map[string]any{"name": "blocked"})
	a.picks("Ready")
	a.sees(`[role=alert]:has-text("microphone")`)
	a.refused("agent.ready", nil, 409, "phone.no_audio")
	a.sees(`[data-agent-state="offline"], [data-agent-state="not_ready"]`)
	mark := a.mark()
	a.do("permit", map[string]any{"permissions": []string{"microphone", "notifications"}})
	a.sees(`[data-able="true"]`)
	a.up(mark)
	a.picks("Ready")
	a.state(mark, "ready")
}

// tabHidden: a call summons whoever looks elsewhere, by name and queue, until it is gone or looked at.
func tabHidden(h *house, a *browser) {
	type note struct {
		Title, Body string
		Gone        bool
	}
	title := func() (s string) { a.js("document.title", &s); return s }
	before := title()
	for _, looks := range []bool{false, true} {
		mark := a.mark()
		a.js("e2eDesk.hide(true)", nil)
		l := h.queued("+8613800138101", callerHz)
		a.rung(mark)
		var n *note
		h.eventually(10*time.Second, "a notification with the caller and the queue", func() bool {
			a.js("e2eDesk.note()", &n)
			return n != nil && !n.Gone && strings.Contains(n.Title+n.Body, "138 0013 8101") && strings.Contains(n.Body, "Support")
		})
		h.eventually(5*time.Second, "the title flashes", func() bool { return strings.Contains(title(), "☎") })
		h.eventually(5*time.Second, "and is itself between", func() bool { return title() == before })
		if looks {
			a.js("e2eDesk.click()", nil)
			var focused bool
			if a.js("e2eDesk.focused === true && document.activeElement?.closest('[data-pop]') !== null", &focused); !focused {
				h.t.Error("a click on the notification brings nobody to the call")
			}
			a.js("e2eDesk.hide(false)", nil)
			h.eventually(5*time.Second, "the title is as before when the page is seen", func() bool { return title() == before })
		}
		l.hangup()
		a.after(mark, "offer.gone", 10*time.Second, nil)
		h.eventually(5*time.Second, "nothing is left when the offer is gone", func() bool {
			a.js("e2eDesk.note()", &n)
			return n.Gone && title() == before
		})
		a.state(mark, "ready")
	}
	a.js("e2eDesk.hide(false)", nil)
}

// sharedNumber: the pop lets the agent choose who of several it is; the call's ticket keeps it, also through a reload.
func sharedNumber(h *house, a *browser) {
	const from = "+8613800138102"
	var people [2]struct {
		ID string `json:"id"`
	}
	for i, name := range []string{"Mei Lin", "Jun Lin"} {
		h.api("POST", "/api/v1/parties", map[string]any{"name": name, "kind": "person"}, &people[i])
		h.api("POST", "/api/v1/parties/"+people[i].ID+"/identities", map[string]any{"phone": from, "level": "known"}, nil)
	}
	mark := a.mark()
	l := h.queued(from, callerHz)
	a.rung(mark)
	a.sees("[data-pop-matches]")
	a.do("shot", map[string]any{"name": "shared"})
	a.click(fmt.Sprintf(`[data-pop-match="%s"]`, people[1].ID))
	a.sees(fmt.Sprintf(`[data-pop-match="%s"][aria-checked="true"]`, people[1].ID))
	call := a.answers(mark)
	a.sees(`[data-call-caller]:has-text("Jun Lin")`)
	a.do("reload", nil)
	a.sees(`[data-call-caller]:has-text("Jun Lin")`)
	l.hears([]float64{agentHz}, nil)
	a.hangsUp(call, l)
	var ticket struct {
		Party *struct {
			ID string `json:"id"`
		} `json:"party"`
		Owner *struct {
			ID string `json:"id"`
		} `json:"owner"`
	}
	h.api("GET", fmt.Sprintf("/api/v1/tickets/%d", h.ended(from).Ticket), nil, &ticket)
	if ticket.Party == nil || ticket.Party.ID != people[1].ID {
		h.t.Errorf("the ticket belongs to %+v, chosen was %s", ticket.Party, people[1].ID)
	}
	if ticket.Owner == nil || ticket.Owner.ID != h.account("agent") {
		h.t.Errorf("the owner of the ticket that the agent answered is %+v", ticket.Owner)
	}
}

// headsetUnplugged: the headset is chosen and seen in the dialog, its loss in a call leaves the agent with another microphone, and with
// none the page says so; what is plugged in again is used again. The phone rings where it was told to.
func headsetUnplugged(h *house, a *browser) {
	a.click("[data-sound-settings]")
	a.sees("select[name=microphone]")
	a.do("pick", map[string]any{"selector": "select[name=microphone]", "value": "headset"})
	var loud float64
	h.eventually(10*time.Second, "the meter of the headset moves", func() bool {
		a.js("Number(document.querySelector('[data-mic-level]')?.getAttribute('aria-valuenow') ?? 0)", &loud)
		return loud > 30
	})
	var ringer string
	a.js("navigator.mediaDevices.enumerateDevices().then((d) => d.filter((x) => x.kind === 'audiooutput').at(-1).deviceId)", &ringer)
	a.do("pick", map[string]any{"selector": "select[name=ringer]", "value": ringer})
	a.do("shot", map[string]any{"name": "sound"})
	a.do("press", map[string]any{"key": "Escape"})
	mark := a.mark()
	l := h.queued("+8613800138103", callerHz)
	a.rung(mark)
	h.eventually(5*time.Second, "it rings on the chosen device", func() bool {
		var sinks []string
		a.js("e2eDesk.sinks()", &sinks)
		return len(sinks) > 0 && sinks[len(sinks)-1] == ringer
	})
	call := a.answers(mark)
	l.hears([]float64{headsetHz}, []float64{agentHz})
	a.js("e2eDesk.unplug('headset')", nil)
	l.hears([]float64{agentHz}, []float64{headsetHz})
	a.js("e2eDesk.plug('headset')", nil)
	l.hears([]float64{headsetHz}, []float64{agentHz})
	a.js("e2eDesk.unplug('headset')", nil)
	l.hears([]float64{agentHz}, []float64{headsetHz})
	a.js("e2eDesk.unplug('table')", nil)
	a.sees(`[data-phone-trouble="mic-none"]`)
	a.hears([]float64{callerHz}, nil) // the caller is heard all the same
	a.js("e2eDesk.plug('table')", nil)
	l.hears([]float64{agentHz}, []float64{headsetHz})
	a.js("e2eDesk.plug('headset')", nil)
	a.hangsUp(call, l)
	a.click("[data-sound-settings]")
	a.do("pick", map[string]any{"selector": "select[name=microphone]", "value": ""})
	a.do("press", map[string]any{"key": "Escape"})
}

// crm is another system: it is opened for a call, and told of one.
type crm struct {
	*httptest.Server
	hooks chan []byte
}

func newCRM(t *testing.T) *crm {
	c := &crm{hooks: make(chan []byte, 64)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hook" {
			body, _ := io.ReadAll(r.Body)
			c.hooks <- body
		}
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<title>CRM</title>")
	}))
	t.Cleanup(c.Close)
	return c
}

// popsElsewhere: answering opens the other system's page, that of the queue or else the one for all, with number and ticket filled in;
// and the system is told of each call that rings.
func popsElsewhere(h *house, a *browser, c *crm) {
	for _, path := range []string{"/all", "/queue"} {
		if path == "/queue" {
			h.queueSetting("pop_url", c.URL+path+"?phone={e164}&ticket={number}&call={call}")
		}
		from := "+861380013810" + map[string]string{"/all": "4", "/queue": "5"}[path]
		mark := a.mark()
		l := h.queued(from, callerHz)
		call := a.answers(mark)
		l.hears([]float64{agentHz}, nil)
		a.hangsUp(call, l)
		row := h.ended(from)
		var found url.Values
		h.eventually(10*time.Second, "the other system's page is open", func() bool {
			var pages []string
			json.Unmarshal(a.do("opened", nil), &pages)
			for _, p := range pages {
				if u, err := url.Parse(p); err == nil && u.Path == path {
					found = u.Query()
				}
			}
			return found != nil
		})
		if found.Get("phone") != from || found.Get("ticket") != fmt.Sprint(row.Ticket) || found.Get("call") != call {
			h.t.Errorf("%s was opened with %v; the call %s of %s is on ticket %d", path, found, call, from, row.Ticket)
		}
		told := false
		for !told {
			select {
			case body := <-c.hooks:
				told = field(body, "event") == "offer" && field(body, "offer", "call_id") == call && field(body, "offer", "pop", "caller", "number") == from &&
					field(body, "agent", "id") == h.account("agent")
			case <-time.After(10 * time.Second):
				h.t.Fatalf("the other system was not told of the call of %s", from)
			}
		}
	}
	h.queueSetting("pop_url", "")
}

// queueSetting changes one setting of the support queue.
func (h *house) queueSetting(name string, value any) {
	h.t.Helper()
	var q map[string]any
	h.api("GET", "/api/v1/queues/support", nil, &q)
	settings := q["settings"].(map[string]any)
	settings[name] = value
	h.api("PUT", "/api/v1/queues/support", map[string]any{"title": q["title"], "settings": settings, "version": q["version"]}, &q)
}
