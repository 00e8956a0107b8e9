package ivr

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline/acd"
	"hotline/call"
	"hotline/call/archive"
	"hotline/call/calltest"
	"hotline/media"
)

const shopFlow = `
flow: shop
languages: [en]
record: always
start: hello
fallback: vm
nodes:
  hello: {kind: play, say: {text: Welcome to the shop., language: en}, next: main}
  main:
    kind: menu
    say: {text: Choose one of these., language: en}
    keys: {"1": order, "2": q, "3": vm, "4": pin, "5": bye}
    timeout: 20s
  order: {kind: collect, say: {text: Your order number., language: en}, into: order, min: 4, max: 4, timeout: 20s, next: sure, otherwise: vm}
  sure: {kind: menu, say: {text: Are you sure., language: en}, keys: {"1": known}, timeout: 20s}
  known: {kind: branch, "on": $order, cases: [{is: ["1234"], next: found}], otherwise: bye}
  found: {kind: menu, say: {text: We have found it., language: en}, keys: {"1": bye}, timeout: 20s}
  pin: {kind: collect, say: {text: Your secret number., language: en}, into: pin, secret: true, min: 4, max: 4, timeout: 20s, next: inside, otherwise: vm}
  inside: {kind: menu, say: {text: You are inside., language: en}, keys: {"1": bye}, timeout: 20s}
  q: {kind: queue, queue: support, say: {text: Please hold., language: en}, keys: {"9": vm}, timeout: vm}
  vm: {kind: voicemail, queue: support, say: {text: Speak now., language: en}, min: 1s, max: 20s}
  bye: {kind: hangup}
`

// TestMenusGoOnAfterAKill: the caller hears the prompt of the node where it was, what was typed before counts, and secrets are asked
// for again.
func TestMenusGoOnAfterAKill(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.publish("shop", shopFlow)
	menu, collect, typed, secret := r.calls("shop", "+861001"), r.calls("shop", "+861002"), r.calls("shop", "+861003"), r.calls("shop", "+861004")
	r.hearsText(menu, "Choose one of these.", patience)
	r.hearsText(collect, "Choose one of these.", patience)
	collect.Phone.Press("1")
	r.hearsText(collect, "Your order number.", patience)
	collect.Phone.Press("12") // and the rest never
	typed.Phone.Press("11234")
	r.hearsText(typed, "Are you sure.", patience)
	secret.Phone.Press("44711")
	r.hearsText(secret, "You are inside.", patience)
	r.kill()
	menu, collect, typed, secret = r.same(menu), r.same(collect), r.same(typed), r.same(secret)
	r.hearsText(menu, "Choose one of these.", patience)
	r.hearsText(collect, "Your order number.", patience)
	r.hearsText(typed, "Are you sure.", patience)
	r.hearsText(secret, "Your secret number.", patience)
	menu.Phone.Press("5")
	collect.Phone.Press("12341")
	r.hearsText(collect, "We have found it.", patience)
	collect.Phone.Press("1")
	typed.Phone.Press("1")
	r.hearsText(typed, "We have found it.", patience)
	typed.Phone.Press("1")
	secret.Phone.Press("4711")
	r.hearsText(secret, "You are inside.", patience)
	secret.Phone.Press("1")
	r.whole(r.expect(menu, "hello  main=5 bye", call.ResultCompleted))
	r.whole(r.expect(collect, "hello main=1  order=1234 sure=1 known found=1 bye", call.ResultCompleted))
	r.whole(r.expect(typed, "hello main=1 order=1234  sure=1 known found=1 bye", call.ResultCompleted))
	r.whole(r.expect(secret, "hello main=4 pin=••••  pin=•••• inside=1 bye", call.ResultCompleted))
	if strings.Contains(r.log.String(), "4711") {
		t.Error("a secret is in the log")
	}
}

// TestTheLineGoesOnAfterAKill: those who wait have their places again, in their order, before those who come later; who hung up while
// the process was dead is closed as cut.
func TestTheLineGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.publish("support", supportFlow)
	amy := r.hire("amy", amyTone, "support")
	var legs []*calltest.Leg
	for _, n := range []string{"+861001", "+861002", "+861003", "+861004"} {
		l := r.calls("support", n)
		r.waits(l)
		legs = append(legs, l)
	}
	before := r.exchange.cfg.Line.Waiting("support")
	r.kept.gone[legs[1].Info().CallID] = true
	r.kill()
	var order []string
	for i, l := range legs {
		if i != 1 {
			l = r.same(l)
			r.waits(l)
			order = append(order, l.Info().CallID)
		}
		legs[i] = l
	}
	late := r.calls("support", "+861005")
	r.waits(late)
	order = append(order, late.Info().CallID)
	var now []string
	for i, p := range r.exchange.cfg.Line.Waiting("support") {
		now = append(now, p.CallID)
		was := slices.IndexFunc(before, func(b acd.Standing) bool { return b.CallID == p.CallID })
		if i < 3 && (was < 0 || p.JoinedAt.Sub(before[was].JoinedAt).Abs() > time.Millisecond) {
			t.Errorf("place %d is held since %v", i+1, p.JoinedAt)
		}
	}
	if !slices.Equal(now, order) {
		t.Errorf("the line is %v, want %v", now, order)
	}
	r.hears(legs[0], r.prompt("place-kept", "en"), patience)
	cut := r.ended(legs[1])
	if r.whole(cut); cut.Result != call.ResultCutBySystem {
		t.Errorf("who hung up while nobody was there: %s", cut.Result)
	}
	amy = r.back(amy, amyTone)
	r.ready(amy)
	r.answers(amy)
	r.talks(legs[0].Info().CallID, amy)
	r.tunes("the caller who waited longest", legs[0].Phone, amyTone)
	for _, l := range append(slices.Delete(legs, 1, 2), late) {
		l.HangUp()
		r.whole(r.ended(l))
	}
}

// waits waits until a caller stands in the line.
func (h *house) waits(l *calltest.Leg) {
	h.t.Helper()
	line := h.exchange.cfg.Line
	sub := line.Changes()
	defer sub.Close()
	limit := time.After(patience)
	for {
		for _, queue := range line.Queues() {
			if slices.ContainsFunc(line.Waiting(queue), func(p acd.Standing) bool { return p.CallID == l.Info().CallID }) {
				return
			}
		}
		select {
		case <-sub.C():
		case <-limit:
			h.t.Fatal("the caller does not wait in the line")
		}
	}
}

// TestConversationsGoOnAfterAKill: the caller hears music and the agent is given back by the browser's return; without it the caller is
// the next in the queue. Hold stays hold.
func TestConversationsGoOnAfterAKill(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.publish("support", supportFlow)
	amy, ben := r.hire("amy", amyTone, "support"), r.hire("ben", benTone, "support")
	r.ready(amy)
	talking := r.calls("support", "+861001")
	talking.Phone.Hum(callerTone)
	r.answers(amy)
	r.talks(talking.Info().CallID, amy)
	r.ready(ben)
	held := r.calls("support", "+861002")
	r.answers(ben)
	r.talks(held.Info().CallID, ben)
	r.do(held.Info().CallID, func(k *call.Talk) error { return k.Hold(ben.Seat.Agent) })
	r.kill()
	talking, held = r.same(talking), r.same(held)
	talking.Phone.Hum(callerTone)
	if !talking.Phone.HearsTone(523.25, patience) {
		t.Error("no music while the agent is away")
	}
	for _, b := range []*calltest.Browser{amy, ben} {
		if a, _ := r.agents.Get(b.Seat.Agent); a.State != acd.Talking {
			t.Errorf("%s is %s while the call goes on", a.Name, a.State)
		}
	}
	amy, ben = r.back(amy, amyTone), r.back(ben, benTone)
	r.do(talking.Info().CallID, func(k *call.Talk) error { return k.Reseat(amy.Seat) })
	r.do(held.Info().CallID, func(k *call.Talk) error { return k.Reseat(ben.Seat) })
	r.tunes("the caller", talking.Phone, amyTone)
	r.tunes("the agent", amy.Phone, callerTone)
	if v := r.view(held.Info().CallID, "held", func(v call.TalkView) bool { return v.Phase == call.TalkHeld }); v.Agent != ben.Seat.Agent {
		t.Errorf("held by %q", v.Agent)
	}
	r.do(held.Info().CallID, func(k *call.Talk) error { return k.Resume(ben.Seat.Agent) })
	r.tunes("who was on hold", held.Phone, benTone)
	talking.HangUp()
	r.state(amy, acd.WrapUp)
	d := r.expect(talking, " q", call.ResultAnswered)
	r.whole(d)
	if got := kinds(d); got != "ring menu queue talk hold talk" {
		t.Errorf("segments %s", got)
	}
	r.kill() // ben does not come back
	held = r.same(held)
	r.hears(held, r.prompt("agent-lost", "en"), patience)
	r.waits(held)
	r.state(ben, acd.WrapUp)
	held.HangUp()
	r.whole(r.ended(held))
}

// kinds lists the stretches of a call.
func kinds(d archive.Detail) string {
	var list []string
	for _, s := range d.Segments {
		if s.Kind != call.SegmentOffer && s.Kind != call.SegmentWrap {
			list = append(list, string(s.Kind))
		}
	}
	return strings.Join(list, " ")
}

// TestAMessageGoesOnAfterAKill: what was said is on the ticket, and the caller may say it again.
func TestAMessageGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.publish("message", strings.Replace(messageFlow, "max: 6s", "max: 20s", 1))
	l := r.calls("message", "+861001")
	r.beep(l, 0)
	l.Phone.Say(media.Tone(700, 3*time.Second, 0.3).PCM())
	r.spoken(l, 3*time.Second)
	r.kill()
	l = r.same(l)
	r.beep(l, 0)
	l.Phone.Say(media.Tone(500, 2*time.Second, 0.3).PCM())
	r.spoken(l, 2*time.Second)
	l.HangUp()
	d := r.expect(l, " vm", call.ResultVoicemail)
	r.whole(d)
	list, err := r.tapes.ForCall(t.Context(), d.ID)
	if err != nil || len(list) != 2 || list[0].Ticket == nil || list[1].Ticket == nil || *list[0].Ticket != *list[1].Ticket {
		t.Fatalf("recordings %+v, %v", list, err)
	}
	if list[0].State != "partial" || list[0].DurationMS < 2000 || list[1].State != "complete" || list[1].DurationMS < 1500 {
		t.Errorf("recordings %+v", list)
	}
	var parts int
	if err := r.base.QueryRow(t.Context(), `select count(*) from interaction where kind = 'voicemail' and call_id = $1`, d.ID).Scan(&parts); err != nil || parts != 2 {
		t.Errorf("%d messages on the ticket, %v", parts, err)
	}
}

// TestNobodyIsTakenForTalkingAfterAKill: whoever is rung when the process dies is free again, and rung again.
func TestNobodyIsTakenForTalkingAfterAKill(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.publish("support", supportFlow)
	amy := r.hire("amy", amyTone, "support")
	r.ready(amy)
	l := r.calls("support", "+861001")
	r.rings(amy)
	r.kill()
	l = r.same(l)
	r.waits(l)
	amy = r.back(amy, amyTone)
	o := r.rings(amy)
	r.state(amy, acd.Ringing)
	if err := r.agents.Answer(t.Context(), o.ID, amy.Seat); err != nil {
		t.Fatal(err)
	}
	r.tunes("the caller", l.Phone, amyTone)
	l.HangUp()
	r.whole(r.ended(l))
}

// TestKillsAtRandom kills the process again and again while callers come, press keys and talk with agents. Whoever has not hung up is there
// again each time; in the end every call is closed once, on one ticket, with whole times, and no agent is taken for busy.
func TestKillsAtRandom(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(uint64(seed), 1))
	r := newRelay(t)
	r.publish("shop", shopFlow)
	amy, ben := r.hire("amy", amyTone, "support"), r.hire("ben", benTone, "support")
	r.ready(amy)
	r.ready(ben)
	agents := map[string]*calltest.Browser{amy.Seat.Agent: amy, ben.Seat.Agent: ben}
	var all, up []*calltest.Leg
	for round := range 4 {
		for n := range 4 {
			l := r.calls("shop", fmt.Sprintf("+86100%d%d", round, n))
			l.Phone.Press([]string{"", "1", "11", "12", "112341", "2", "2", "3", "44711"}[dice.IntN(9)])
			all, up = append(all, l), append(up, l)
		}
		r.works(agents, dice, time.Duration(dice.IntN(4000))*time.Millisecond)
		if len(up) > 5 {
			at := dice.IntN(len(up))
			r.kept.gone[up[at].Info().CallID] = true // hangs up while the process is dead
			up = slices.Delete(up, at, at+1)
		}
		r.kill()
		for i, l := range up {
			if now := r.kept.legs[l.Info().CallID]; now != nil {
				up[i] = now
			}
		}
		for id, b := range agents {
			agents[id] = r.back(b, amyTone)
			for _, l := range up {
				if c, ok := r.board.Call(l.Info().CallID); ok {
					_ = c.Do(t.Context(), func(k *call.Talk) error { return k.Reseat(agents[id].Seat) }) // of who is in it
				}
			}
		}
	}
	for _, l := range up {
		l.HangUp()
	}
	for _, l := range all {
		r.whole(r.closed(l.Info().CallID))
	}
	for _, b := range agents {
		r.rests(b)
	}
}

// works lets agents answer, or not, for a while.
func (r *relay) works(agents map[string]*calltest.Browser, dice *rand.Rand, d time.Duration) {
	for end := time.After(d); ; {
		select {
		case o := <-r.staff.shown:
			if dice.IntN(3) > 0 {
				_ = r.agents.Answer(r.t.Context(), o.ID, agents[o.Agent].Seat)
			}
		case <-end:
			return
		}
	}
}

// rests waits until an agent is in no call.
func (r *relay) rests(b *calltest.Browser) {
	r.t.Helper()
	sub := r.agents.Changes()
	defer sub.Close()
	for limit := time.After(patience); ; {
		a, _ := r.agents.Get(b.Seat.Agent)
		if a.State == acd.WrapUp || a.State == acd.Ready || a.State == acd.NotResponding {
			return
		}
		select {
		case <-sub.C():
		case <-limit:
			r.t.Fatalf("%s is %s when no call is up: %+v", a.Name, a.State, a.Lease)
		}
	}
}

// closed waits until a call is filed as ended.
func (r *relay) closed(id string) archive.Detail {
	r.t.Helper()
	for end := time.Now().Add(patience); ; {
		if err := r.journal.Flush(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		d, err := archive.Get(r.t.Context(), r.base, id)
		if err == nil && d.EndedAt != nil {
			return d
		}
		if time.Now().After(end) {
			r.t.Fatalf("call %s is not closed: %+v, %v", id, d, err)
		}
	}
}
