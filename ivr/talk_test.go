package ivr

import (
	"encoding/binary"
	"io"
	"slices"
	"testing"
	"time"

	"hotline/acd"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

const (
	callerTone = 600
	amyTone    = 900
	benTone    = 1250
	thirdTone  = 1600
)

const supportFlow = `
flow: support
languages: [en]
record: always
start: q
fallback: vm
nodes:
  q: {kind: queue, queue: support, say: {text: Please hold., language: en}, timeout: vm}
  vm: {kind: voicemail, queue: support, say: {text: Speak now., language: en}}
`

// desk is a house with two agents, the first of them ready.
func desk(t *testing.T) (h *house, amy, ben *calltest.Browser) {
	h = newHouse(t, Rules{})
	h.publish("support", supportFlow)
	amy, ben = h.hire("amy", amyTone, "support"), h.hire("ben", benTone, "support", "billing")
	h.ready(amy)
	return h, amy, ben
}

// connected is a caller who talks with amy.
func (h *house) connected(amy *calltest.Browser) *calltest.Leg {
	h.t.Helper()
	l := h.ring("support", "+8613800138000")
	l.Phone.Hum(callerTone)
	h.answers(amy)
	h.talks(l.Info().CallID, amy)
	return l
}

// quietest checks that the caller never had silence for more than two seconds, but while an agent talked with it.
func (h *house) neverSilent(l *calltest.Leg) {
	h.t.Helper()
	silent, heard := 0, l.Phone.Heard()
	for at := 0; at+800 <= len(heard); at += 800 {
		if media.Level(heard[at:at+800]) > -60 {
			silent = 0
		} else if silent += 100; silent > 2000 {
			h.t.Fatalf("silence of more than 2 s, %d ms after the answer", at/8)
		}
	}
}

// TestAgentAnswersAtOnce: the announcement is cut, both hear each other, both sides are recorded, and after the call there is
// after-call work.
func TestAgentAnswersAtOnce(t *testing.T) {
	t.Parallel()
	h, amy, _ := desk(t)
	l := h.connected(amy)
	h.tunes("the caller", l.Phone, amyTone)
	h.tunes("the agent", amy.Phone, callerTone)
	h.do(l.Info().CallID, func(k *call.Talk) error { return k.Hold(amy.Seat.Agent) })
	if !l.Phone.HearsTone(523.25, patience) {
		t.Error("no music on hold")
	}
	h.do(l.Info().CallID, func(k *call.Talk) error { return k.Resume(amy.Seat.Agent) })
	h.tunes("the caller", l.Phone, amyTone)
	h.state(amy, acd.Talking)
	l.HangUp()
	h.state(amy, acd.WrapUp)
	d := h.expect(l, "q", call.ResultAnswered)
	var kinds []call.SegmentKind
	for _, s := range d.Segments {
		if s.Kind != call.SegmentOffer && s.Kind != call.SegmentWrap {
			kinds = append(kinds, s.Kind)
		}
		if s.Kind == call.SegmentTalk && s.Agent != amy.Seat.Agent || s.Kind == call.SegmentQueue && s.Reason != "answered" {
			t.Errorf("segment %+v", s)
		}
	}
	if want := []call.SegmentKind{"ring", "menu", "queue", "talk", "hold", "talk"}; !slices.Equal(kinds, want) {
		t.Errorf("segments %v, want %v", kinds, want)
	}
	if len(d.Legs) != 2 || d.Legs[1].Edge != "webrtc" || d.Legs[1].Party.Agent != amy.Seat.Agent || d.Legs[1].EndedAt == nil {
		t.Errorf("legs %+v", d.Legs)
	}
	caller, agent := h.sides(d.ID)
	if !tuned(caller, callerTone) || tuned(caller, amyTone) || !tuned(agent, amyTone) || tuned(agent, callerTone) {
		t.Error("the recording has the wrong sides")
	}
	h.neverSilent(l)
}

// sides returns the two channels of a call's recording.
func (h *house) sides(callID string) (in, out []int16) {
	h.t.Helper()
	list, err := h.tapes.ForCall(h.t.Context(), callID)
	if err != nil || len(list) != 1 {
		h.t.Fatalf("recordings %+v, %v", list, err)
	}
	audio, _, err := h.tapes.Audio(h.t.Context(), list[0].ID)
	if err != nil {
		h.t.Fatal(err)
	}
	defer audio.Close()
	raw, err := io.ReadAll(audio)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 44; i+4 <= len(raw); i += 4 {
		in = append(in, int16(binary.LittleEndian.Uint16(raw[i:])))
		out = append(out, int16(binary.LittleEndian.Uint16(raw[i+2:])))
	}
	return in, out
}

func tuned(pcm []int16, tone float64) bool {
	const window = 320 // a busy machine loses a frame here and there
	for at := 0; at+window <= len(pcm); at += 80 {
		if media.Goertzel(pcm[at:at+window], media.SampleRate, tone) > 0.003 {
			return true
		}
	}
	return false
}

// TestAgentHangsUp ends the call for the caller too.
func TestAgentHangsUp(t *testing.T) {
	t.Parallel()
	h, amy, _ := desk(t)
	l := h.connected(amy)
	h.do(l.Info().CallID, func(k *call.Talk) error { return k.Hangup(amy.Seat.Agent) })
	h.expect(l, "q", call.ResultAnswered)
	h.state(amy, acd.WrapUp)
}

// TestLostAgent: music at once, an apology, the head of the queue, and the next agent.
func TestLostAgent(t *testing.T) {
	t.Parallel()
	h, amy, ben := desk(t)
	l := h.connected(amy)
	other := h.ring("support", "+8613911112222") // waits already, but has lost nobody
	h.view(l.Info().CallID, "there", func(call.TalkView) bool { return true })
	amy.Close()
	if err := h.agents.Media(t.Context(), amy.Seat.Agent, "tab", false); err != nil {
		t.Fatal(err)
	}
	h.do(l.Info().CallID, func(k *call.Talk) error { return k.Gone(amy.Seat.Agent) })
	if !l.Phone.HearsTone(523.25, patience) {
		t.Error("no music while the agent is away")
	}
	h.hears(l, h.prompt("agent-lost", "en"), patience)
	h.ready(ben)
	if o := h.answers(ben); o.CallID != l.Info().CallID {
		t.Error("the caller who lost an agent is not the next")
	}
	h.talks(l.Info().CallID, ben)
	h.tunes("the caller", l.Phone, benTone)
	other.HangUp()
	l.HangUp()
	d := h.expect(l, "q", call.ResultAnswered)
	h.neverSilent(l)
	talked := map[string]string{}
	for _, s := range d.Segments {
		if s.Kind == call.SegmentTalk {
			talked[s.Agent] = s.Reason
		}
	}
	if talked[amy.Seat.Agent] != "away" || talked[ben.Seat.Agent] != "hung_up" {
		t.Errorf("segments %v", talked)
	}
}

// TestReload: the caller hears music until the agent's new tab is there, and the call goes on.
func TestReload(t *testing.T) {
	t.Parallel()
	h, amy, _ := desk(t)
	l := h.connected(amy)
	amy.Close()
	h.do(l.Info().CallID, func(k *call.Talk) error { return k.Gone(amy.Seat.Agent) })
	again := calltest.NewBrowser(t, h.engine, amy.Seat.Agent)
	again.Phone.Hum(amyTone)
	h.do(l.Info().CallID, func(k *call.Talk) error { return k.Reseat(again.Seat) })
	h.tunes("the caller", l.Phone, amyTone)
	h.tunes("the agent", again.Phone, callerTone)
	l.HangUp()
	if d := h.expect(l, "q", call.ResultAnswered); len(d.Legs) != 3 {
		t.Errorf("%d legs", len(d.Legs))
	}
}

func TestTransferToAQueue(t *testing.T) {
	t.Parallel()
	h, amy, ben := desk(t)
	l := h.connected(amy)
	h.do(l.Info().CallID, func(k *call.Talk) error {
		return k.Transfer(amy.Seat.Agent, call.Destination{Kind: call.ToQueue, Value: "billing"})
	})
	h.hears(l, h.prompt("queue-enter", "en"), patience)
	h.state(amy, acd.WrapUp)
	h.ready(ben)
	if o := h.answers(ben); o.Queue != "billing" || o.CallID != l.Info().CallID {
		t.Errorf("%+v", o)
	}
	h.tunes("the caller", l.Phone, benTone)
	l.HangUp()
	if d := h.expect(l, "q", call.ResultAnswered); d.Queue != "billing" {
		t.Errorf("queue %q", d.Queue)
	}
}

// TestTransferToAnAgent: who answers has the call; who does not leaves the caller at the head of the queue.
func TestTransferToAnAgent(t *testing.T) {
	t.Parallel()
	for _, declined := range []bool{false, true} {
		h, amy, ben := desk(t)
		h.ready(ben)
		l := h.ring("support", "+8613800138000")
		l.Phone.Hum(callerTone)
		first := h.ringsAny(amy, ben)
		from, to := amy, ben
		if first.Agent == ben.Seat.Agent {
			from, to = ben, amy
		}
		if err := h.agents.Answer(t.Context(), first.ID, from.Seat); err != nil {
			t.Fatal(err)
		}
		h.talks(l.Info().CallID, from)
		h.do(l.Info().CallID, func(k *call.Talk) error {
			return k.Transfer(from.Seat.Agent, call.Destination{Kind: call.ToAgent, Value: to.Seat.Agent})
		})
		h.hears(l, h.prompt("transferring", "en"), patience)
		o := h.rings(to)
		if o.Kind != acd.KindDirect || o.From != from.Seat.Agent || o.CallID != l.Info().CallID {
			t.Errorf("%+v", o)
		}
		if declined {
			if err := h.agents.Decline(t.Context(), o.ID, to.Seat.Agent, "busy"); err != nil {
				t.Fatal(err)
			}
			h.hears(l, h.prompt("agent-busy", "en"), patience)
			l.HangUp()
			h.expect(l, "q", call.ResultAbandoned)
			continue
		}
		if err := h.agents.Answer(t.Context(), o.ID, to.Seat); err != nil {
			t.Fatal(err)
		}
		h.talks(l.Info().CallID, to)
		h.tunes("the agent", to.Phone, callerTone)
		l.HangUp()
		h.expect(l, "q", call.ResultAnswered)
		h.state(to, acd.WrapUp)
		h.state(from, acd.WrapUp)
		h.neverSilent(l)
	}
}

// ringsAny waits until one of two agents is rung.
func (h *house) ringsAny(a, b *calltest.Browser) acd.Offer {
	h.t.Helper()
	select {
	case o := <-h.staff.shown:
		return o
	case <-time.After(patience):
		h.t.Fatal("nobody is rung")
		return acd.Offer{}
	}
}

// TestTransferToANumber: connected with it, or back at the head of the queue.
func TestTransferToANumber(t *testing.T) {
	t.Parallel()
	h, amy, ben := desk(t)
	l := h.connected(amy)
	h.do(l.Info().CallID, func(k *call.Talk) error {
		return k.Transfer(amy.Seat.Agent, call.Destination{Kind: call.ToNumber, Value: "+8610000"})
	})
	h.hears(l, h.prompt("transfer-back", "en"), patience)
	h.ready(ben)
	h.answers(ben)
	h.talks(l.Info().CallID, ben)
	h.do(l.Info().CallID, func(k *call.Talk) error {
		return k.Transfer(ben.Seat.Agent, call.Destination{Kind: call.ToNumber, Value: "+861012345678"})
	})
	number := <-h.staff.rung
	number.Phone.Hum(thirdTone)
	if err := number.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.tunes("the caller", l.Phone, thirdTone)
	h.tunes("the number", number.Phone, callerTone)
	number.HangUp()
	h.expect(l, "q", call.ResultTransferred)
}

// TestConsultedColleagueTakesOver: the colleague is rung, asked, and left with the caller; both agents have their after-call work.
func TestConsultedColleagueTakesOver(t *testing.T) {
	t.Parallel()
	h, amy, ben := desk(t)
	l := h.connected(amy)
	id := l.Info().CallID
	h.ready(ben)
	h.do(id, func(k *call.Talk) error {
		return k.Consult(amy.Seat.Agent, call.Destination{Kind: call.ToAgent, Value: ben.Seat.Agent})
	})
	done := make(chan error, 1)
	go func() {
		_, err := h.exchange.cfg.Line.OfferTo(t.Context(), id, ben.Seat.Agent, acd.KindConsult, "support", amy.Seat.Agent)
		done <- err
	}()
	h.answers(ben)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.do(id, func(k *call.Talk) error { return k.ConsultSeat(amy.Seat.Agent, ben.Seat) })
	h.tunes("the colleague", ben.Phone, amyTone, callerTone)
	h.do(id, func(k *call.Talk) error { return k.Complete(amy.Seat.Agent) })
	h.tunes("the caller", l.Phone, benTone, amyTone)
	h.state(amy, acd.WrapUp)
	h.state(ben, acd.Talking)
	l.HangUp()
	h.state(ben, acd.WrapUp)
	h.expect(l, "q", call.ResultAnswered)
}

// TestClickToDial: the agent is in the call while it rings, talks, and has after-call work.
func TestClickToDial(t *testing.T) {
	t.Parallel()
	h, amy, _ := desk(t)
	id, err := h.exchange.Dial(t.Context(), OutboundCall{Seat: amy.Seat, Phone: "+8613800138000", Queue: "support"})
	if err != nil {
		t.Fatal(err)
	}
	h.state(amy, acd.Talking)
	customer := <-h.staff.rung
	customer.Phone.Hum(callerTone)
	if !amy.Phone.HearsTone(450, patience) {
		t.Error("the agent does not hear it ring")
	}
	if _, err := h.exchange.Dial(t.Context(), OutboundCall{Seat: amy.Seat, Phone: "+8613800138001"}); err == nil {
		t.Error("an agent calls two at a time")
	}
	if err := customer.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.talks(id, amy)
	h.tunes("the customer", customer.Phone, amyTone)
	h.tunes("the agent", amy.Phone, callerTone)
	h.spoken(customer, time.Second)
	customer.HangUp()
	d := h.ended(customer)
	if d.Direction != call.Outbound || d.Result != call.ResultAnswered || d.Caller != "+8613800138000" || d.Ticket == nil {
		t.Errorf("%+v", d.Row)
	}
	h.state(amy, acd.WrapUp)
	if in, out := h.sides(id); !tuned(in, callerTone) || !tuned(out, amyTone) {
		t.Errorf("the call is not recorded from the answer on: of %d samples, customer %v, agent %v", len(in), tuned(in, callerTone), tuned(out, amyTone))
	}
	if _, err := h.agents.Ready(t.Context(), amy.Seat.Agent); err != nil {
		t.Fatal(err)
	}
	if _, err := h.exchange.Dial(t.Context(), OutboundCall{Seat: amy.Seat, Phone: "+8610000"}); err == nil {
		t.Error("a number is called that nobody may call")
	}
	if a, _ := h.agents.Get(amy.Seat.Agent); a.State == acd.Talking {
		t.Errorf("the agent of a call that was never made is %s", a.State)
	}
}

// TestCallBack: a caller asks for it, an agent accepts, the customer is called, and how it went is known.
func TestCallBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("waiting", waitingFlow)
	amy := h.hire("amy", amyTone, "support")
	l := h.reaches("waiting", "+8613800138000", "Please hold.")
	l.Phone.Press("1")
	h.hears(l, h.prompt("callback-yours", "en"), patience)
	l.Phone.Press("1")
	h.hears(l, h.prompt("callback-noted", "en"), patience)
	l.HangUp()
	h.ended(l)
	h.ready(amy)
	o := h.answers(amy)
	if o.Kind != acd.KindCallback || o.Phone != "+8613800138000" {
		t.Errorf("%+v", o)
	}
	customer := <-h.staff.rung
	customer.Phone.Hum(callerTone)
	if err := customer.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.tunes("the customer", customer.Phone, amyTone)
	customer.HangUp()
	if d := h.ended(customer); d.Result != call.ResultAnswered {
		t.Errorf("%+v", d.Row)
	}
	var state, result string
	err := h.pool.QueryRow(t.Context(), `select state, last_result from callback where id = $1`, l.Info().CallID).Scan(&state, &result)
	if err != nil || state != "done" || result != "answered" {
		t.Errorf("the call-back is %q, %q: %v", state, result, err)
	}
	h.state(amy, acd.WrapUp)
}
