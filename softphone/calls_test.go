package softphone_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/acd"
	"hotline/acd/roster"
	"hotline/softphone"
	"hotline/softphone/softphonetest"
	"hotline/tickets"
)

// talking brings a caller and an agent together.
func (o *office) talking(b *tab, queue, number string) (*caller, softphone.CallView) {
	o.t.Helper()
	c := o.call(queue, number)
	offer := b.rings()
	b.do("offer.answer", map[string]string{"offer": offer.ID})
	v := await(b, "call", func(v softphone.CallView) bool { return v.ID == offer.CallID && v.Phase == "talking" })
	return c, v
}

// TestPopBeforeAnswer shows who calls before the call can be answered; then both hear each other.
func TestPopBeforeAnswer(t *testing.T) {
	o := newOffice(t, func(o *options) {
		o.popURL = "https://crm.example/?phone={e164}&ticket={ticket}"
		o.hook = "https://crm.example/pop"
	})
	o.queue("sales")
	anna := o.account("Anna", "agent", "sales")
	_, err := o.desk.CreateParty(t.Context(), tickets.System, tickets.NewParty{Name: "Wang Fang", Company: "Acme", Phone: "+8613900000001"})
	o.check(err)
	b := o.agent(anna, annaTone)
	c := o.call("sales", "+8613900000001")
	offer := await(b, "offer", func(v softphone.OfferView) bool { return v.Pop.Ticket != nil })
	p := offer.Pop
	if p.Caller.Number != "+8613900000001" || p.Direction != "in" || offer.Queue == nil || offer.Queue.Name != "sales" || offer.Kind != "queue" {
		t.Errorf("the offer: %+v", offer)
	}
	if len(p.Matches) != 1 || p.Matches[0].Party.Name != "Wang Fang" || p.Matches[0].Party.Company != "Acme" || p.Matches[0].Level == "verified" {
		t.Errorf("the matches: %+v", p.Matches)
	}
	if p.URL == nil || !strings.Contains(*p.URL, "phone="+url.QueryEscape("+8613900000001")+"&ticket=") {
		t.Errorf("the address of the foreign system: %v", p.URL)
	}
	if body := <-o.hooked; !strings.Contains(body, `"+8613900000001"`) || !strings.Contains(body, anna) {
		t.Errorf("the foreign system was told %s", body)
	}
	if !offer.RingUntil.After(offer.At) {
		t.Errorf("rings until %v, since %v", offer.RingUntil, offer.At)
	}
	c.hears(holdTone)
	b.do("offer.answer", map[string]string{"offer": offer.ID})
	gone := await[softphone.Gone](b, "offer.gone", nil)
	if gone.ID != offer.ID || gone.Why != "answered" {
		t.Errorf("the offer is gone: %+v", gone)
	}
	v := await(b, "call", func(v softphone.CallView) bool { return v.Phase == "talking" })
	if v.Pop.Caller.Number != "+8613900000001" || v.Ticket == nil || v.Queue != "sales" {
		t.Errorf("the call: %+v", v)
	}
	c.hears(annaTone)
	b.hears(callerTone)
	c.HangUp()
	if gone := await[softphone.Gone](b, "call.gone", nil); gone.ID != v.ID || gone.Why != "hung_up" {
		t.Errorf("the call is gone: %+v", gone)
	}
	o.free(b)
}

// TestHoldMuteDigitsNote gives the plain commands of a call.
func TestHoldMuteDigitsNote(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	c.hears(annaTone)
	b.do("call.hold", nil)
	await(b, "call", func(v softphone.CallView) bool { return v.Held && v.Phase == "held" })
	c.hears(holdTone)
	b.do("call.resume", nil)
	await(b, "call", func(v softphone.CallView) bool { return !v.Held })
	c.hears(annaTone)
	b.do("call.mute", map[string]bool{"on": true})
	await(b, "call", func(v softphone.CallView) bool { return v.Muted })
	c.hears()
	b.hears(callerTone)
	b.do("call.mute", map[string]bool{"on": false})
	c.hears(annaTone)
	b.do("call.digits", map[string]string{"digits": "12#"})
	if !c.Phone.WaitKeys(10*time.Second, "12#") {
		t.Error("the keys did not reach the caller")
	}
	b.refused("call.digits", "call.digits", map[string]string{"digits": "call me"})
	ticket := v.Ticket
	if ticket == nil {
		ticket = await(b, "call", func(v softphone.CallView) bool { return v.Ticket != nil }).Ticket
	}
	b.do("call.note", map[string]string{"body": "wants a refund"})
	page, err := o.desk.Timeline(t.Context(), *ticket, tickets.TimelineQuery{Audience: tickets.Staff})
	o.check(err)
	found := false
	for _, e := range page.Items {
		found = found || e.Kind == "note" && e.Interaction != nil && e.Interaction.Body == "wants a refund"
	}
	if !found {
		t.Error("the note is not on the ticket")
	}
	b.refused("value.empty", "call.note", map[string]string{"body": "  "})
	b.do("call.hangup", nil)
	<-c.Ended()
	if gone := await[softphone.Gone](b, "call.gone", nil); gone.Why != "agent_hung_up" {
		t.Errorf("the call is gone: %+v", gone)
	}
	b.refused("call.none", "call.hold", nil)
}

// TestTwoAgentsRace lets two agents answer one call that rings for both: one gets it, the other is told.
func TestTwoAgentsRace(t *testing.T) {
	o := newOffice(t)
	o.queue("sales", func(s *acd.Settings) { s.Offering.Strategy = acd.RingAll })
	tabs := []*tab{o.agent(o.account("Anna", "agent", "sales"), annaTone), o.agent(o.account("Ben", "agent", "sales"), benTone)}
	c := o.call("sales", "+8613900000001")
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, b := range tabs {
		offer := b.rings()
		both.Go(func() { errs[i] = b.Do(o.ctx(), "offer.answer", map[string]string{"offer": offer.ID}, nil) })
	}
	both.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("answered: %v, %v; want exactly one", errs[0], errs[1])
	}
	won, lost, tone := tabs[0], tabs[1], annaTone
	if errs[0] != nil {
		won, lost, tone = lost, won, benTone
	}
	c.hears(tone)
	won.hears(callerTone)
	await(lost, "offer.gone", func(g softphone.Gone) bool { return g.Why == "elsewhere" || g.Why == "withdrawn" })
	o.free(lost)
}

// TestDecline lets one agent decline; the other one gets the call.
func TestDecline(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	anna, ben := o.agent(o.account("Anna", "agent", "sales"), annaTone), o.agent(o.account("Ben", "agent", "sales"), benTone)
	c := o.call("sales", "+8613900000001")
	first, second, tone := anna, ben, benTone
	o.eventually("it rings", func() bool { return len(rung(anna))+len(rung(ben)) > 0 })
	if len(rung(ben)) > 0 {
		first, second, tone = ben, anna, annaTone
	}
	offer := first.rings()
	second.refused("offer.gone", "offer.answer", map[string]string{"offer": offer.ID}) // it is not theirs
	first.do("offer.decline", map[string]string{"offer": offer.ID, "reason": "busy"})
	if g := await[softphone.Gone](first, "offer.gone", nil); g.Why != "declined" {
		t.Errorf("gone: %+v", g)
	}
	first.refused("offer.gone", "offer.answer", map[string]string{"offer": offer.ID})
	offer = second.rings()
	second.do("offer.answer", map[string]string{"offer": offer.ID})
	c.hears(tone)
}

func rung(b *tab) (offers []string) {
	for _, e := range b.Events() {
		if e.Name == "offer" {
			offers = append(offers, string(e.Data))
		}
	}
	return offers
}

// TestCallerLeavesWhileItRings takes the call from the screen.
func TestCallerLeavesWhileItRings(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c := o.call("sales", "+8613900000001")
	offer := b.rings()
	c.HangUp()
	if g := await[softphone.Gone](b, "offer.gone", nil); g.ID != offer.ID || g.Why != "caller_left" {
		t.Errorf("gone: %+v", g)
	}
	b.refused("offer.gone", "offer.answer", map[string]string{"offer": offer.ID})
	o.free(b)
}

// TestTransfers sends the caller to a colleague, to another queue, and back to the head of the line.
func TestTransfers(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	o.queue("billing")
	anna := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	ben := o.agent(o.account("Ben", "agent", "billing"), benTone)
	c, v := o.talking(anna, "sales", "+8613900000001")
	anna.refused("agent.unknown", "call.transfer", to("agent", hotline.NewID()))
	anna.refused("queue.unknown", "call.transfer", to("queue", "nowhere"))
	anna.refused("call.yourself", "call.transfer", to("agent", anna.account))
	anna.do("call.transfer", to("agent", ben.account))
	if g := await[softphone.Gone](anna, "call.gone", nil); g.Why != "transfer" {
		t.Errorf("gone: %+v", g)
	}
	offer := ben.rings()
	if offer.Kind != "direct" || offer.From == nil || offer.From.Name != "Anna" || offer.CallID != v.ID {
		t.Errorf("the offer: %+v", offer)
	}
	ben.do("offer.answer", map[string]string{"offer": offer.ID})
	c.hears(benTone)
	ben.hears(callerTone)
	anna.quiet()
	await(ben, "call", func(v softphone.CallView) bool { return v.Phase == "talking" })
	ben.do("call.transfer", to("queue", "sales"))
	offer = anna.rings()
	anna.do("offer.answer", map[string]string{"offer": offer.ID})
	c.hears(annaTone)
	await(anna, "call", func(v softphone.CallView) bool { return v.Phase == "talking" })
	anna.do("agent.after", map[string]string{"state": "not_ready", "reason": ""})
	anna.do("call.park", nil)
	c.hears(holdTone)
	o.eventually("the caller waits at the head", func() bool {
		w := o.line.Waiting("sales")
		return len(w) == 1 && w[0].CallID == v.ID && w[0].Position == 1
	})
}

func to(kind, value string) any {
	return map[string]any{"to": map[string]string{"kind": kind, "value": value}}
}

// TestConsultConference asks a colleague, talks with both in turn and together, and leaves the two alone.
func TestConsultConference(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	o.queue("billing")
	anna := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	ben := o.agent(o.account("Ben", "agent", "billing"), benTone)
	c, _ := o.talking(anna, "sales", "+8613900000001")
	c.hears(annaTone)
	anna.do("call.consult", to("agent", ben.account))
	await(anna, "call", func(v softphone.CallView) bool { return v.Consult != nil && v.Consult.State == "ringing" })
	c.hears(holdTone)
	offer := ben.rings()
	if offer.Kind != "consult" || offer.From == nil || offer.From.ID != anna.account {
		t.Errorf("the offer: %+v", offer)
	}
	ben.do("offer.answer", map[string]string{"offer": offer.ID})
	await(anna, "call", func(v softphone.CallView) bool { return v.Consult != nil && v.Consult.State == "talking" })
	anna.hears(benTone)
	ben.hears(annaTone)
	c.hears(holdTone)
	anna.do("call.swap", nil)
	c.hears(annaTone)
	anna.hears(callerTone)
	anna.do("call.conference", nil)
	await(anna, "call", func(v softphone.CallView) bool { return v.Phase == "conference" && len(v.Parties) == 3 })
	c.hears(annaTone, benTone)
	ben.hears(annaTone, callerTone)
	anna.hears(benTone, callerTone)
	anna.do("call.hangup", nil)
	await[softphone.Gone](anna, "call.gone", nil)
	c.hears(benTone)
	ben.hears(callerTone)
	anna.quiet()
	o.free(anna)
	ben.do("call.hangup", nil)
	<-c.Ended()
	o.free(ben)
}

// TestConsultComplete asks a colleague and leaves the caller to them: an attended transfer.
func TestConsultComplete(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	o.queue("billing")
	anna := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	ben := o.agent(o.account("Ben", "agent", "billing"), benTone)
	c, v := o.talking(anna, "sales", "+8613900000001")
	anna.do("call.consult", to("queue", "billing"))
	offer := ben.rings()
	ben.do("offer.answer", map[string]string{"offer": offer.ID})
	anna.hears(benTone)
	anna.do("call.complete", nil)
	await[softphone.Gone](anna, "call.gone", nil)
	c.hears(benTone)
	ben.hears(callerTone)
	anna.quiet()
	got := await(ben, "call", func(v softphone.CallView) bool { return v.Phase == "talking" && v.Consult == nil })
	if got.ID != v.ID || got.Pop.Caller.Number != "+8613900000001" {
		t.Errorf("Ben's call: %+v", got)
	}
	c.HangUp()
	await[softphone.Gone](ben, "call.gone", nil)
	o.eventually("both are free", func() bool {
		x, _ := o.agents.Get(anna.account)
		y, _ := o.agents.Get(ben.account)
		return x.State == acd.Ready && y.State == acd.Ready
	})
}

// TestConsultCancelled gives up before the colleague answers, who rings no more, and after.
func TestConsultCancelled(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	o.queue("billing")
	anna := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	ben := o.agent(o.account("Ben", "agent", "billing"), benTone)
	c, _ := o.talking(anna, "sales", "+8613900000001")
	anna.do("call.consult", to("agent", ben.account))
	offer := ben.rings()
	anna.do("call.consult.cancel", nil)
	await(ben, "offer.gone", func(g softphone.Gone) bool { return g.ID == offer.ID })
	c.hears(annaTone)
	o.free(ben)
	anna.do("call.consult", to("agent", ben.account))
	offer = ben.rings()
	ben.do("offer.decline", map[string]string{"offer": offer.ID})
	await(anna, "call", func(v softphone.CallView) bool { return v.Consult != nil && v.Consult.State == "failed" })
	anna.do("call.consult.cancel", nil)
	c.hears(annaTone)
}

// TestNumbersOutside dials, and is refused what the role or the routes do not allow.
func TestNumbersOutside(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	b.refused("dial.not_allowed", "call.dial", map[string]string{"phone": "+19005550000"})
	b.refused("call.number", "call.dial", map[string]string{"phone": "sip:evil@example.com"})
	b.refused("queue.denied", "call.dial", map[string]string{"phone": "+8613800000001", "queue": "board"})
	var dialled struct {
		CallID string `json:"call_id"`
	}
	o.check(b.Do(o.ctx(), "call.dial", map[string]string{"phone": "+86 138-0000 0001", "queue": "sales"}, &dialled))
	v := await(b, "call", func(v softphone.CallView) bool { return v.Phase == "talking" })
	if v.ID != dialled.CallID || v.Direction != "out" {
		t.Errorf("the call: %+v", v)
	}
	if v.Pop.Caller.Number != "+8613800000001" {
		t.Errorf("who is called, as the agent is shown: %+v", v.Pop)
	}
	b.hears(callerTone)
	b.refused("call.busy", "call.dial", map[string]string{"phone": "+8613800000001"})
	b.refused("dial.not_allowed", "call.transfer", to("number", "+19005550000"))
	b.refused("dial.not_allowed", "call.consult", to("number", "+19005550000"))
	b.do("call.hangup", nil)
	await[softphone.Gone](b, "call.gone", nil)
	o.free(b)
	tim := o.account("Tim", "agent", "sales")
	o.mu.Lock()
	who := o.who[tim]
	who.May = func(r softphone.Right) bool { return r == softphone.MayTakeCalls }
	o.who[tim] = who
	o.mu.Unlock()
	b.do("agent.pause", map[string]string{"reason": o.reason("lunch")})
	trainee := o.agent(tim, benTone)
	o.talking(trainee, "sales", "+8613900000002")
	for _, cmd := range []string{"call.transfer", "call.consult"} { // abuse case 4
		if p := trainee.refused("call.dial_out", cmd, to("number", "+8613800000001")); p.Status != 403 {
			t.Errorf("%s: status %d, want 403", cmd, p.Status)
		}
	}
	trainee.refused("socket.denied", "call.dial", map[string]string{"phone": "+8613800000001"})
	var n int
	o.check(o.pool.QueryRow(t.Context(), `select count(*) from audit where action = 'softphone.denied'`).Scan(&n))
	if n != 7 {
		t.Errorf("%d denials are in the audit, want 7", n)
	}
}

// TestOnlyOnesOwnCalls is abuse case 25: no command reaches somebody else's call.
func TestOnlyOnesOwnCalls(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	anna, eve := o.agent(o.account("Anna", "agent", "sales"), annaTone), o.agent(o.account("Eve", "agent"), benTone)
	c, v := o.talking(anna, "sales", "+8613900000001")
	for _, cmd := range []string{"call.hangup", "call.hold", "call.swap", "call.complete", "call.conference", "call.park"} {
		eve.refused("call.none", cmd, nil)
		eve.refused("socket.data", cmd, map[string]string{"call_id": v.ID})
	}
	eve.refused("call.none", "call.transfer", to("queue", "sales"))
	eve.refused("socket.denied", "supervise.start", map[string]string{"call_id": v.ID, "mode": "listen"})
	if err := eve.Do(o.ctx(), "wrap.done", map[string]string{"call_id": v.ID, "code": ""}, nil); err == nil {
		t.Error("closed somebody else's call")
	}
	c.hears(annaTone)
	for _, e := range eve.Events() {
		if strings.Contains(string(e.Data), "+8613900000001") {
			t.Errorf("Eve was told of the call: %s %s", e.Name, e.Data)
		}
	}
}

// TestNoAudioNoCalls keeps an agent without audio from being ready: nobody is answered into silence.
func TestNoAudioNoCalls(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.tab(o.account("Anna", "agent", "sales"))
	b.refused("phone.no_audio", "agent.ready", nil)
	b.refused("peer.bad_offer", "phone.offer", map[string]string{"sdp": "v=0"})
	deaf, err := softphonetest.NewAudio(annaTone)
	o.check(err)
	defer deaf.Close()
	sdp, err := deaf.Offer()
	o.check(err)
	var answer struct{ SDP string }
	o.check(b.Do(o.ctx(), "phone.offer", map[string]string{"sdp": strings.Replace(sdp, "a=sendrecv", "a=recvonly", 1)}, &answer))
	o.check(deaf.Answer(answer.SDP))
	await(b, "phone", func(p softphone.PhoneView) bool { return p.Media == "up" })
	b.refused("phone.no_microphone", "agent.ready", nil)
	b.phone(annaTone)
	b.ready()
}

// TestNothingIsLeftOver has calls of all sorts and closes everything: no goroutine, stream, peer or station stays behind.
func TestNothingIsLeftOver(t *testing.T) {
	o := newOffice(t, func(o *options) { o.alone, o.limits.Away = true, time.Second })
	o.queue("sales")
	anna, ben := o.agent(o.account("Anna", "agent", "sales"), annaTone), o.agent(o.account("Ben", "agent"), benTone)
	c, _ := o.talking(anna, "sales", "+8613900000001")
	c.hears(annaTone)
	anna.Close()
	anna = anna.again(annaTone)
	await(anna, "call", func(v softphone.CallView) bool { return v.Phase == "talking" })
	anna.do("call.consult", to("agent", ben.account))
	offer := ben.rings()
	c.HangUp() // while it rings
	await(ben, "offer.gone", func(g softphone.Gone) bool { return g.ID == offer.ID })
	o.free(ben)
	for _, tab := range o.tabs {
		tab.Close()
	}
	o.eventually("all is forgotten", func() bool { return o.g.Stats() == softphone.Stats{} && o.hub.Stats().Peers == 0 })
	if s := o.engine.Stats(); s.Streams > 1 { // the caller's telephone belongs to the test
		t.Errorf("left over: %+v", s)
	}
}

// code adds a wrap-up code of a queue.
func (o *office) code(name, queue string) {
	o.t.Helper()
	_, err := o.agents.Roster().PutCode(o.t.Context(), roster.Code{Name: name, Title: map[string]string{"en": name, "zh-CN": name}, Queue: &queue})
	o.check(err)
}

// reason adds a reason of pauses.
func (o *office) reason(name string) string {
	o.t.Helper()
	_, err := o.agents.Roster().PutReason(o.t.Context(), roster.Reason{Name: name, Title: map[string]string{"en": name, "zh-CN": name}})
	o.check(err)
	return name
}
