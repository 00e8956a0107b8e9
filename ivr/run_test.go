package ivr

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hotline/call"
	"hotline/call/archive"
	"hotline/call/calltest"
	"hotline/media"
)

// steps writes a call's steps as "main=1 sales voicemail".
func steps(d archive.Detail) string {
	var out []string
	for _, s := range d.Path {
		step := s.Node
		if s.Digits != "" {
			step += "=" + s.Digits
		}
		out = append(out, step)
	}
	return strings.Join(out, " ")
}

func (h *house) expect(l *calltest.Leg, wantPath string, want call.Result) archive.Detail {
	h.t.Helper()
	d := h.ended(l)
	if got := steps(d); got != wantPath {
		h.t.Errorf("path %q, want %q", got, wantPath)
	}
	if d.Result != want {
		h.t.Errorf("result %s, want %s", d.Result, want)
	}
	return d
}

// TestDemoMenu walks through the demonstration: greeting in two languages, language, menu, queue, voicemail by the queue's way out.
func TestDemoMenu(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	l := h.ring("demo", "+8613800138000")
	h.hears(l, h.prompt("demo-greeting", "zh-CN"), 5*time.Second)
	h.hears(l, h.prompt("demo-greeting", "en"), 8*time.Second)
	l.Phone.Press("2")
	h.hears(l, h.prompt("demo-menu", "en"), 8*time.Second)
	l.Phone.Press("1")
	h.hears(l, h.prompt("demo-queue", "en"), 5*time.Second)
	l.Phone.Press("2")
	h.hears(l, h.prompt("voicemail-greeting", "en"), 5*time.Second)
	l.HangUp()
	d := h.expect(l, "greeting language=2 open main=1 support=2 voicemail", call.ResultAbandoned)
	if d.Language != "en" || *d.FlowVersion != 1 || d.Queue != "support" {
		t.Errorf("language %s, version %v, queue %s", d.Language, d.FlowVersion, d.Queue)
	}
	var phases []string
	for _, s := range d.Segments {
		phases = append(phases, string(s.Kind)+"/"+s.Reason)
	}
	if got := strings.Join(phases, " "); got != "ring/answered menu/moved queue/voicemail voicemail/abandoned" {
		t.Errorf("segments %s", got)
	}
}

// TestTypeAhead: who knows the way types it in one go and hears none of it.
func TestTypeAhead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	l := h.ring("demo", "+8613800138000")
	<-l.Answered()
	l.Phone.Press("212")
	h.hears(l, h.prompt("voicemail-greeting", "en"), 5*time.Second)
	if contains(l.Phone.Heard(), h.prompt("demo-menu", "en")) {
		t.Error("the menu was played although the choice was typed ahead")
	}
	l.HangUp()
	h.expect(l, "greeting language=2 open main=1 support=2 voicemail", call.ResultAbandoned)
}

const tiny = `
flow: tiny
languages: [en]
start: main
fallback: last
nodes:
  main:
    kind: menu
    say: {text: Choose., language: en}
    keys: {"1": main, "2": bye, "3": pin}
    timeout: 1s
    tries: 2
  pin:
    kind: collect
    say: {text: Your PIN., language: en}
    into: pin
    secret: true
    min: 4
    max: 6
    timeout: 1s
    inter_digit: 500ms
    tries: 2
    next: main
    otherwise: bye
  last: {kind: voicemail, queue: support, say: {text: Speak now., language: en}, min: 1s, max: 5s}
  bye: {kind: hangup}
`

// TestNobodyChooses: no input and wrong input are told, and then there is a humane way out.
func TestNobodyChooses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("tiny", tiny)
	l := h.ring("tiny", "4711")
	h.hears(l, h.prompt("no-input", "en"), 10*time.Second)
	l.Phone.Press("9")
	h.hearsText(l, "Speak now.", 10*time.Second)
	l.HangUp()
	h.expect(l, "main last", call.ResultAbandoned)

	l = h.ring("tiny", "4711")
	<-l.Answered()
	l.Phone.Press("8")
	h.hears(l, h.prompt("invalid-choice", "en"), 10*time.Second)
	l.Phone.Press("2")
	h.hears(l, h.prompt("goodbye", "en"), 10*time.Second)
	h.expect(l, "main=2 bye", call.ResultCompleted)
}

// TestStepBudget: a caller may press the key that leads round in a circle only so often.
func TestStepBudget(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("tiny", strings.Replace(tiny, "start: main", "max_steps: 10\nstart: main", 1))
	l := h.ring("tiny", "4711")
	<-l.Answered()
	l.Phone.Press(strings.Repeat("1", 12))
	l.Phone.WaitHeard(10*time.Second, func([]int16) bool { return strings.Contains(h.log.String(), "led to the fallback") })
	l.HangUp()
	h.expect(l, strings.Repeat("main=1 ", 10)+"last", call.ResultAbandoned)
}

// TestDigitFlood is abuse case 21: ten digits a millisecond, and the IVR keeps its state.
func TestDigitFlood(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("tiny", tiny)
	l := h.ring("tiny", "4711")
	<-l.Answered()
	for i := range 5000 {
		l.Audio().InjectDigit("45678"[i%5], 40*time.Millisecond)
		if i%10 == 9 {
			time.Sleep(time.Millisecond) // the flood's pace, not a wait
		}
	}
	l.HangUp()
	d := h.ended(l)
	if len(d.Path) == 0 || len(d.Path) > 4 || d.Path[0].Node != "main" {
		t.Errorf("path %q", steps(d))
	}
	// And another caller, at the same time or after, notices nothing.
	l = h.ring("tiny", "4712")
	<-l.Answered()
	l.Phone.Press("2")
	h.expect(l, "main=2 bye", call.ResultCompleted)
}

// TestSecretsStaySecret: a PIN is in no log, no row and no fact, and too many tries end in a refusal, over several calls.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("tiny", strings.Replace(tiny, "start: main", "record: always\nstart: main", 1))
	for range 5 {
		l := h.ring("tiny", "+8613911112222")
		<-l.Answered()
		for range 2 {
			l.Phone.Press("3")
			h.hearsAgain(l, "3")
			l.Phone.Press("924681")
			h.hearsAgain(l, "pin")
		}
		l.Phone.Press("2")
		d := h.expect(l, "main=3 pin=•••• main=3 pin=•••• main=2 bye", call.ResultCompleted)
		if raw := fmt.Sprintf("%+v", d); strings.Contains(raw, "924681") {
			t.Error("the PIN is in the call's row")
		}
	}
	l := h.ring("tiny", "+8613911112222") // the eleventh try
	<-l.Answered()
	l.Phone.Press("3")
	h.hears(l, h.prompt("locked", "en"), 10*time.Second)
	h.expect(l, "main=3 pin bye", call.ResultCompleted)
	if strings.Contains(h.log.String(), "924681") {
		t.Error("the PIN is in the log")
	}
	var n int
	err := h.pool.QueryRow(t.Context(), `select count(*) from (select data::text from ticket_event union all select data::text from interaction union all
		select body from interaction union all select path::text from call) x(s) where s like '%924681%'`).Scan(&n)
	if err != nil || n > 0 {
		t.Errorf("the PIN is in %d rows (%v)", n, err)
	}
	// The recordings of these calls play, and while the PIN was typed they are silent on both sides.
	list, err := h.tapes.ForCall(t.Context(), l.Info().CallID)
	if err != nil || len(list) != 1 || list[0].State != "complete" {
		t.Errorf("recordings %+v, %v", list, err)
	}
}

// hearsAgain waits until the prompt of the node that follows has begun, so that keys are not typed ahead of what they answer.
func (h *house) hearsAgain(l *calltest.Leg, after string) {
	h.t.Helper()
	text := map[string]string{"3": "Your PIN.", "pin": "Choose."}[after]
	list := voice{snap: h.exchange.live.Load(), language: "en"}.text(text)
	if len(list) == 0 {
		h.t.Fatalf("%q was not spoken ahead", text)
	}
	skip := len(l.Phone.Heard())
	if !hearsAfter(l, list[0].PCM(), max(skip-800, 0), 10*time.Second) {
		h.t.Fatalf("%q was not heard", text)
	}
}

// hearsText waits until a text that stands in the flow was heard.
func (h *house) hearsText(l *calltest.Leg, text string, within time.Duration) {
	h.t.Helper()
	list := voice{snap: h.exchange.live.Load(), language: "en"}.text(text)
	if len(list) == 0 {
		h.t.Fatalf("%q was not spoken ahead", text)
	}
	h.hears(l, list[0].PCM(), within)
}

// TestNeverSilent: from the answer to the end nobody hears nothing for more than two seconds.
func TestNeverSilent(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("tiny", strings.ReplaceAll(tiny, "timeout: 1s\n    tries: 2\n  pin", "timeout: 6s\n    tries: 2\n  pin"))
	l := h.ring("tiny", "4711")
	<-l.Answered()
	from := len(l.Phone.Heard())
	h.hears(l, h.prompt("one-moment", "en"), 40*time.Second)
	heard := l.Phone.Heard()[from:]
	quiet := 0
	for i := 0; i+160 <= len(heard); i += 160 {
		if media.Level(heard[i:i+160]) > -50 {
			quiet = 0
		} else if quiet++; quiet > 100 {
			t.Fatalf("two seconds of silence at %s", time.Duration(i)*time.Second/media.SampleRate)
		}
	}
	l.HangUp()
	h.ended(l)
}

// TestVersions: a call keeps the flow it began with; the next call has the new one; rolling back brings the old one as a new version.
func TestVersions(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("tiny", tiny)
	old := h.ring("tiny", "4711")
	<-old.Answered()
	h.publish("tiny", strings.Replace(tiny, `"2": bye`, `"5": bye`, 1))
	l := h.ring("tiny", "4711")
	<-l.Answered()
	l.Phone.Press("5")
	if d := h.expect(l, "main=5 bye", call.ResultCompleted); *d.FlowVersion != 2 {
		t.Errorf("version %d", *d.FlowVersion)
	}
	old.Phone.Press("2")
	if d := h.expect(old, "main=2 bye", call.ResultCompleted); *d.FlowVersion != 1 {
		t.Errorf("version %d", *d.FlowVersion)
	}
	if _, err := h.store.Rollback(t.Context(), "test", "tiny", 1, ""); err != nil {
		t.Fatal(err)
	}
	// The notification reaches the exchange without anybody asking it to reload.
	for deadline := time.Now().Add(10 * time.Second); h.exchange.live.Load().flows["tiny"].version != 3; {
		if time.Now().After(deadline) {
			t.Fatal("the publication was not noticed")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// TestDatabaseAway: calls go on with what was published.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("tiny", tiny)
	h.pool.Close()
	l := h.ring("tiny", "4711")
	<-l.Answered()
	l.Phone.Press("2")
	h.hears(l, h.prompt("goodbye", "en"), 10*time.Second)
	<-l.Ended()
}

// TestLookup: the answer decides the way; a failure takes the fallback; the secret is sent, and only there.
func TestLookup(t *testing.T) {
	t.Parallel()
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		body = string(raw)
		if strings.Contains(body, "0000") {
			w.WriteHeader(500)
			return
		}
		io.WriteString(w, `{"level": "gold", "tickets": 12}`)
	}))
	t.Cleanup(server.Close)
	host := server.Listener.Addr().(*net.TCPAddr).String()
	h := newHouse(t, Rules{LookupAllow: []string{host}})
	h.publish("crm", fmt.Sprintf(`
flow: crm
languages: [en]
start: ask
fallback: last
nodes:
  ask: {kind: collect, say: {text: Your PIN., language: en}, into: pin, secret: true, min: 4, max: 4, next: crm}
  crm: {kind: lookup, url: "http://%s/x", send: {pin: $pin, from: $caller}, into: {level: level, n: tickets}, timeout: 1s, retries: 0, next: which, failed: last}
  which: {kind: branch, on: $level, cases: [{is: gold, next: tell}], otherwise: last}
  tell: {kind: play, say: [{number: $n}], next: bye}
  bye: {kind: hangup}
  last: {kind: voicemail, queue: support}
`, host))
	l := h.ring("crm", "4711")
	<-l.Answered()
	l.Phone.Press("4321")
	h.hears(l, voice{h.exchange.live.Load(), "en"}.text("twelve")[0].PCM(), 10*time.Second)
	h.expect(l, "ask=•••• crm which tell bye", call.ResultCompleted)
	if body != `{"from":"4711","pin":"4321"}` {
		t.Errorf("sent %s", body)
	}
	l = h.ring("crm", "4711")
	<-l.Answered()
	l.Phone.Press("0000")
	h.hears(l, h.prompt("voicemail-greeting", "en"), 10*time.Second)
	l.HangUp()
	h.expect(l, "ask=•••• crm last", call.ResultAbandoned)
}

// TestTransfer is abuse case 3: only the allow-list is dialled, and it is asked again when the call is there.
func TestTransfer(t *testing.T) {
	t.Parallel()
	const source = `
flow: out
languages: [en]
start: go
fallback: last
nodes:
  go: {kind: transfer, to: "+861012345678", failed: last}
  last: {kind: voicemail, queue: support}
`
	h := newHouse(t, Rules{OutboundAllow: []string{"+861012345678"}})
	if problems, err := h.store.Validate(t.Context(), strings.Replace(source, "+861012345678", "+861012345678;phone-context=+1900", 1)); err != nil || len(problems) != 1 {
		t.Errorf("problems %v, %v", problems, err)
	}
	h.publish("out", source)
	refer := make(chan string, 1)
	l := calltest.NewLeg(t, h.engine, call.Info{Flow: "out", Dialled: "4000", Language: "en", Remote: "192.0.2.7:5062", Caller: call.Party{Number: "4711"}})
	l.ReferTo = func(target string) error { refer <- target; return nil }
	if err := l.Ring(t.Context(), h.board); err != nil {
		t.Fatal(err)
	}
	h.expect(l, "go", call.ResultTransferred)
	if got := <-refer; got != "sip:+861012345678@192.0.2.7" {
		t.Errorf("referred to %s", got)
	}
	h.exchange.rules.OutboundAllow = nil
	l = h.ring("out", "4711")
	h.hears(l, h.prompt("transfer-failed", "en"), 10*time.Second)
	h.hears(l, h.prompt("voicemail-greeting", "en"), 10*time.Second)
	l.HangUp()
	h.expect(l, "go last", call.ResultAbandoned)
	for number, want := range map[string]bool{"+8610": false, "+86101234": true, "+8610123456789012345678": false, "+8610;x": false, "sip:+8610": false, "8610123": false, "+8610\r\n": false, "110": true} {
		if mayDial([]string{"+86101*", "110", "*"}, number) != want {
			t.Errorf("%q: want %v", number, want)
		}
	}
}

// exit is the way out of the house: a phone that answers what is dialled.
type exit struct {
	h      *house
	dialed chan call.Dial
	leg    chan *calltest.Leg
}

// Incoming gives the dialled leg's events to whoever has dialled.
func (m mailbox) Incoming(context.Context, call.Leg) (*call.Mailbox, error) { return m.box, nil }

type mailbox struct{ box *call.Mailbox }

func (e *exit) Dial(ctx context.Context, d call.Dial) (call.Leg, error) {
	l := calltest.NewLeg(e.h.t, e.h.engine, call.Info{CallID: d.CallID, LegID: d.LegID, Direction: call.Outbound})
	if err := l.Ring(ctx, mailbox{d.Mailbox}); err != nil {
		return nil, err
	}
	e.dialed <- d
	e.leg <- l
	return l, l.Answer(ctx)
}

// TestTransferThroughUs: the number is dialled by the edge, and the two hear each other.
func TestTransferThroughUs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{OutboundAllow: []string{"+8610*"}})
	h.publish("out", `
flow: out
languages: [en]
start: go
fallback: last
nodes:
  go: {kind: transfer, to: "+861012345678", failed: last}
  last: {kind: voicemail, queue: support}
`)
	out := &exit{h: h, dialed: make(chan call.Dial, 1), leg: make(chan *calltest.Leg, 1)}
	h.exchange.cfg.Dialer, h.exchange.cfg.Engine = out, h.engine
	l := h.ring("out", "4711")
	h.hears(l, h.prompt("transferring", "en"), 10*time.Second)
	if d := <-out.dialed; d.To != "+861012345678" || d.From.Number != "4000" {
		t.Errorf("dialled %+v", d)
	}
	other := <-out.leg
	l.Phone.Say(media.Tone(700, 4*time.Second, 0.3).PCM())
	other.Phone.Say(media.Tone(500, 4*time.Second, 0.3).PCM())
	for _, c := range []struct {
		leg  *calltest.Leg
		tone float64
	}{{other, 700}, {l, 500}} {
		if !hearsAfter(c.leg, media.Tone(c.tone, time.Second, 0.3).PCM(), 0, 10*time.Second) {
			t.Errorf("%.0f Hz is not heard at the other end", c.tone)
		}
	}
	other.HangUp()
	h.expect(l, "go", call.ResultTransferred)
}
