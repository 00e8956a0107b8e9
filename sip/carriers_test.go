package sip

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/trunks/callout"
	"hotline/trunks/routes"
	"hotline/trunks/siptest"
)

// route makes an outbound route to prefixes through trunks.
func (r *rig) route(prefixes []string, trunks ...string) routes.Route {
	r.t.Helper()
	out, err := r.book.CreateRoute(r.t.Context(), routes.Route{
		Name: "route " + newTag()[:6], Enabled: true, Trunks: trunks, Settings: routes.Settings{Prefixes: prefixes, CallerID: "+861055550000"},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// way is a call by the outbound routes.
type way struct {
	call.Leg
	box *call.Mailbox
}

func (w *way) next(t testing.TB, kind call.EventKind) call.Event {
	t.Helper()
	return nextEvent(t, w.box, kind)
}

// dialer dials by the routes, on this edge only.
func (r *rig) dialer(change ...func(*callout.Config)) *callout.Dialer {
	r.t.Helper()
	cfg := callout.Config{Directory: r.dir, Routes: r.book, Engine: r.eng, SIP: r.edge, Log: r.edge.cfg.Log}
	for _, f := range change {
		f(&cfg)
	}
	d, err := callout.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// out dials without naming a trunk.
func (r *rig) out(by *callout.Dialer, to string, change ...func(*call.Dial)) *way {
	r.t.Helper()
	d := call.Dial{CallID: hotline.NewID(), LegID: hotline.NewID(), To: to, Mailbox: call.NewMailbox()}
	for _, f := range change {
		f(&d)
	}
	l, err := by.Dial(r.t.Context(), d)
	if err != nil {
		r.t.Fatal(err)
	}
	return &way{l, d.Mailbox}
}

func codeOf(err error) string {
	var e *hotline.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestCarriersInTurn: the first trunk is dead, the second overloaded, the third a real edge: one call, one leg, answered by the third.
// The dead one wakes up afterwards and answers as well: it is hung up. The next call does not go to either again.
func TestCarriersInTurn(t *testing.T) {
	book := &logbook{}
	r, far := newRig(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(book, nil)) }), newRig(t)
	dead, first := r.callee()
	full, second := r.callee()
	at := far.edge.Addr("UDP")
	_, third := r.callee(func(s *TrunkSettings) { s.Port = int(at.Port()) })
	r.route([]string{"40"}, first, second)
	r.route([]string{"4"}, third)
	by := r.dialer()
	l := r.out(by, "4000")
	asleep := dead.want("INVITE sip:4000@")
	refused := full.want("INVITE sip:4000@")
	if siptest.Header(asleep, "Call-ID") == siptest.Header(refused, "Call-ID") {
		t.Errorf("two trunks are told of one dialog:\n%s\n%s", asleep, refused)
	}
	full.send(answerTo(refused, "503 Service Unavailable", "", ""))
	full.want("ACK ")
	peer := far.leg()
	if got := peer.Info().Caller.Number; got != "+861055550000" {
		t.Errorf("caller ID %q, want the route's", got)
	}
	dead.send(answerTo(asleep, "200 OK", contactOf(dead)+sdpType, testOffer("")))
	dead.want("ACK sip:far@")
	dead.send(okTo(dead.want("BYE sip:far@")))
	if err := peer.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.next(t, call.Answered)
	peer.next(t, call.Answered)
	if i := l.Info(); i.TrunkID != third || i.Remote != at.String() {
		t.Errorf("the leg says %+v, want trunk %s", i, third)
	}
	for _, s := range r.edge.TrunkStates() {
		if want := map[string]int{first: 0, second: 0, third: 1}; s.Calls != want[s.TrunkID] {
			t.Errorf("trunk %s holds %d calls", s.TrunkID, s.Calls)
		}
	}
	if !book.has("event=alarm", "another trunk", "no response from the trunk") || !book.has("event=alarm", "another trunk", "Service Unavailable") {
		t.Error("no alarm that the call went another way")
	}
	l.Hangup(t.Context(), call.CauseNormal)
	l.next(t, call.Ended)
	peer.next(t, call.Ended)
	if u := r.book.Usage(); u.Calls != 1 || u.Live != 0 || u.Minutes != 1 {
		t.Errorf("usage %+v", u)
	}
	l = r.out(by, "4000")
	peer = far.leg() // at once: four seconds of silence would be too long for the test's patience
	l.Hangup(t.Context(), call.CauseNormal)
	l.next(t, call.Ended)
	peer.next(t, call.Ended)
	r.gone()
	far.gone()
}

// TestCarrierThatRingsNobody: a trunk that says 100 and nothing more is cancelled, and the next one tried. What the called says is
// final: he is not rung twice.
func TestCarrierThatRingsNobody(t *testing.T) {
	const within = 300 * time.Millisecond
	r := newRig(t)
	by := r.dialer(func(c *callout.Config) { c.RingWithin = within })
	slow, first := r.callee()
	good, second := r.callee()
	r.route([]string{"+86"}, first, second)
	l := r.out(by, "+8613900139000")
	inv := slow.want("INVITE ")
	slow.send(answerTo(inv, "100 Trying", "", ""))
	next := good.want("INVITE ")
	cancel := slow.want("CANCEL ")
	slow.send(okTo(cancel))
	slow.send(answerTo(inv, "487 Request Terminated", "", ""))
	slow.want("ACK ")
	good.send(answerTo(next, "180 Ringing", contactOf(good), ""))
	l.next(t, call.Ringing)
	good.send(answerTo(next, "486 Busy Here", "", ""))
	good.want("ACK ")
	if e := l.next(t, call.Ended); e.Cause.SIP != 486 {
		t.Errorf("ended with %+v", e.Cause)
	}
	r.gone()
	// Busy at the first is busy.
	l = r.out(by, "+8613900139000")
	inv = slow.want("INVITE ")
	slow.send(answerTo(inv, "486 Busy Here", "", ""))
	if e := l.next(t, call.Ended); e.Cause.SIP != 486 {
		t.Errorf("ended with %+v", e.Cause)
	}
	// Hung up while the first is still silent: the second is not called.
	l = r.out(by, "+8613900139000")
	inv = slow.want("INVITE ")
	slow.send(answerTo(inv, "100 Trying", "", ""))
	l.Hangup(t.Context(), call.CauseNormal)
	l.next(t, call.Ended)
	slow.send(okTo(slow.want("CANCEL ")))
	slow.send(answerTo(inv, "487 Request Terminated", "", ""))
	if m := good.recv(2 * within); m != "" {
		t.Errorf("the second trunk was called for nobody:\n%s", m)
	}
	r.gone()
}

// TestCarriersRefuse: what no route has, premium numbers, tricks and calls above the caps are refused before anything is sent.
func TestCarriersRefuse(t *testing.T) {
	r := newRig(t)
	p, trunk := r.callee()
	r.route([]string{"+86", "+44"}, trunk)
	limits, err := r.book.GetLimits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	by := r.dialer()
	limits.AgentCallsPerDay, limits.Deny = 2, []string{"+86400"}
	if limits, err = r.book.PutLimits(t.Context(), limits); err != nil {
		t.Fatal(err)
	}
	dial := func(to, agent string) error {
		_, err := by.Dial(t.Context(), call.Dial{CallID: hotline.NewID(), To: to, From: call.Party{Agent: agent}, Mailbox: call.NewMailbox()})
		return err
	}
	for to, code := range map[string]string{
		"+12125550100": "dial.not_allowed", "+864001234567": "dial.denied", "+449098790000": "dial.premium",
		"+8613900139000;phone-context=+1900": "dial.bad_number", "sip:+8613900139000@evil.example": "dial.bad_number", "4711": "dial.not_allowed",
		"+8613900139000@evil.example": "dial.bad_number", "": "dial.bad_number", "alice": "dial.bad_number",
	} {
		if err := dial(to, "a"); codeOf(err) != code {
			t.Errorf("%q: %v, want %s", to, err, code)
		}
	}
	for range 2 {
		l := r.out(by, "+8613900139000", func(d *call.Dial) { d.From.Agent = "a" })
		inv := p.want("INVITE ")
		p.send(answerTo(inv, "486 Busy Here", "", ""))
		l.next(t, call.Ended)
	}
	if err := dial("+8613900139000", "a"); codeOf(err) != "dial.cap_agent_calls_per_day" || hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("the third call of the agent: %v", err)
	}
	l := r.out(by, "+8613900139000", func(d *call.Dial) { d.From.Agent = "b" })
	p.send(answerTo(p.want("INVITE "), "486 Busy Here", "", ""))
	l.next(t, call.Ended)
	if m := p.recv(100 * time.Millisecond); m != "" && m[:3] != "ACK" {
		t.Errorf("a refused call was sent:\n%s", m)
	}
	r.gone()
}
