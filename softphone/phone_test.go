package softphone_test

import (
	"testing"
	"time"

	"hotline/softphone"
	"hotline/softphone/softphonetest"
)

// again opens the page of a tab anew, as a reload does: the same session, a new socket, new audio.
func (b *tab) again(tone float64) *tab {
	b.o.t.Helper()
	n := b.o.tab(b.account, func(x *softphonetest.Options) { x.Session = b.Session })
	if n.Hello.Snapshot == nil || n.Hello.Snapshot.Phone.Active != "this" {
		b.o.t.Fatalf("the page that comes back is not the phone: %+v", n.Hello.Snapshot)
	}
	n.phone(tone)
	return n
}

// TestReloadInACall closes the page and opens it again: the caller hears music at once, and the agent is back on the same call.
func TestReloadInACall(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	c.hears(annaTone)
	left := time.Now()
	b.Close()
	c.hears(holdTone)
	toMusic := time.Since(left)
	opened := time.Now()
	n := b.again(annaTone)
	if s := n.Hello.Snapshot; s.Call == nil || s.Call.ID != v.ID || s.Call.Phase != "away" || s.Call.Pop.Caller.Number != "+8613900000001" || s.Agent == nil || s.Agent.State != "talking" {
		t.Errorf("the page that comes back shows %+v, agent %+v", s.Call, s.Agent)
	}
	await(n, "call", func(v softphone.CallView) bool { return v.Phase == "talking" })
	c.hears(annaTone)
	n.hears(callerTone)
	t.Logf("music after %v, both hear each other %v after the page was opened", toMusic.Round(time.Millisecond), time.Since(opened).Round(time.Millisecond))
}

// TestSecondTab keeps one phone an agent: the other tab says so, sees the call, and can take it over.
func TestSecondTab(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	second := o.tab(b.account)
	if s := second.Hello.Snapshot; s.Phone.Active != "other" || s.Call == nil || s.Call.ID != v.ID {
		t.Fatalf("the second tab shows %+v", s)
	}
	audio, err := softphonetest.NewAudio(benTone)
	o.check(err)
	defer audio.Close()
	offer, err := audio.Offer()
	o.check(err)
	second.refused("phone.elsewhere", "phone.offer", map[string]string{"sdp": offer})
	second.refused("phone.elsewhere", "call.hangup", nil)
	second.do("phone.take", nil)
	await(b, "phone", func(p softphone.PhoneView) bool { return p.Active == "other" })
	await(second, "phone", func(p softphone.PhoneView) bool { return p.Active == "this" })
	c.hears(holdTone)
	b.refused("phone.elsewhere", "call.hangup", nil)
	second.phone(benTone)
	c.hears(benTone)
	second.hears(callerTone)
	b.Close() // which is not the phone any more: nothing happens to the call
	second.do("call.hold", nil)
	c.hears(holdTone)
	second.do("call.hangup", nil)
	<-c.Ended()
}

// TestSocketIsCut cuts the socket while the audio goes on, as a proxy does: the tab comes back with what it missed.
func TestSocketIsCut(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	c.hears(annaTone)
	events := b.Events()
	seq := events[len(events)-1].Seq
	b.Cut()
	c.hears(holdTone)
	n := o.tab(b.account, func(x *softphonetest.Options) { x.Session, x.Stream, x.Seq = b.Session, b.Hello.Stream, seq })
	if n.Hello.Snapshot != nil {
		t.Fatal("not resumed")
	}
	await(n, "call", func(v softphone.CallView) bool { return v.Phase == "away" })
	await(n, "phone", func(p softphone.PhoneView) bool { return p.Active == "this" && p.Media == "up" })
	await(n, "call", func(w softphone.CallView) bool { return w.Phase == "talking" && w.ID == v.ID })
	c.hears(annaTone)
	if !b.Audio.Hears(10*time.Second, []float64{callerTone}, nil) {
		t.Error("the agent does not hear the caller")
	}
}

// TestNetworkIsCut lets the audio stop for a while with the socket open, as a network that drops packets does: the caller hears music,
// then the agent again, and nobody did anything.
func TestNetworkIsCut(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	c.hears(annaTone)
	b.Audio.CutMicrophone(true)
	await(b, "phone", func(p softphone.PhoneView) bool { return p.Media == "lost" })
	c.hears(holdTone)
	await(b, "call", func(w softphone.CallView) bool { return w.Phase == "away" })
	b.Audio.CutMicrophone(false)
	await(b, "call", func(w softphone.CallView) bool { return w.Phase == "talking" && w.ID == v.ID })
	c.hears(annaTone)
	b.hears(callerTone)
}

// TestAgentIsGoneForGood gives the caller back to the head of the line; another agent gets it.
func TestAgentIsGoneForGood(t *testing.T) {
	o := newOffice(t, func(o *options) { o.away, o.limits.Away = 2*time.Second, 3*time.Second })
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	ben := o.agent(o.account("Ben", "agent", "sales"), benTone)
	c.hears(annaTone)
	b.Close()
	c.hears(holdTone)
	offer := await(ben, "offer", func(x softphone.OfferView) bool { return x.CallID == v.ID })
	ben.do("offer.answer", map[string]string{"offer": offer.ID})
	c.hears(benTone)
	o.eventually("acd knows that Anna has no phone", func() bool { a, _ := o.agents.Get(b.account); return a.Session == "" && !a.Media })
	if n := o.tab(b.account); n.Hello.Snapshot.Call != nil || n.Hello.Snapshot.Phone.Active != "none" {
		t.Errorf("the page that comes back too late shows %+v", n.Hello.Snapshot)
	}
}

// TestOfferWhileAway does not ring for an agent whose tab is gone, and rings when it is back.
func TestOfferWhileAway(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	b.Close()
	o.eventually("acd knows that the audio is gone", func() bool { a, _ := o.agents.Get(b.account); return !a.Media })
	o.call("sales", "+8613900000001")
	o.eventually("the caller waits", func() bool { return o.line.Count("sales") == 1 })
	n := b.again(annaTone)
	offer := n.rings()
	n.do("offer.answer", map[string]string{"offer": offer.ID})
	n.hears(callerTone)
}

// TestAnswerThenGone loses the browser between the answer and the conversation's first word.
func TestAnswerThenGone(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c := o.call("sales", "+8613900000001")
	offer := b.rings()
	o.check(b.Send(map[string]any{"id": "a", "cmd": "offer.answer", "data": map[string]string{"offer": offer.ID}}))
	b.Close()
	c.hears(holdTone)
	n := b.again(annaTone)
	if s := n.Hello.Snapshot; s.Call == nil {
		// The answer may have been lost with the socket: then the call rings on, or again.
		offer := n.rings()
		n.do("offer.answer", map[string]string{"offer": offer.ID})
	}
	c.hears(annaTone)
	n.hears(callerTone)
}

// TestQuality measures the line, and finds that the caller is not heard.
func TestQuality(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	q := await(b, "quality", func(q softphone.QualityView) bool { return q.Caller.MOS > 0 && q.Agent.MOS > 0 })
	if q.CallID != v.ID || q.OneWay != nil || q.Caller.Loss != 0 {
		t.Errorf("the line: %+v", q)
	}
	c.Phone.Mute(true)
	began := time.Now()
	await(b, "quality", func(q softphone.QualityView) bool { return q.OneWay != nil && *q.OneWay == "caller" })
	t.Logf("found after %v", time.Since(began).Round(time.Millisecond))
	await(b, "notice", func(n softphone.Notice) bool { return n.Code == "call.one_way_caller" })
	c.Phone.Mute(false)
	await(b, "quality", func(q softphone.QualityView) bool { return q.OneWay == nil })
	for i := range 20 { // the browser says that nothing reaches it
		o.check(b.Do(o.ctx(), "stats", map[string]any{"packets_received": 100, "lost": 0, "jitter_ms": 1, "rtt_ms": 20}, nil))
		q := await[softphone.QualityView](b, "quality", nil)
		if q.OneWay != nil {
			if q.Agent.RTTMS != 20 {
				t.Errorf("the line: %+v", q)
			}
			return
		}
		if i == 19 {
			t.Error("a browser that receives nothing was not found")
		}
	}
}

// TestUpIsWhatTheRowSays holds the row of an agent while the browser's audio comes up: the phone is told that it is up when the row knows,
// so that whoever goes ready at once is not refused.
func TestUpIsWhatTheRowSays(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	anna := o.account("Anna", "agent", "sales")
	for !o.heldBack(anna) { // the machine was so slow that the statement was given up
		t.Log("once more")
	}
}

// heldBack gives an agent audio while somebody else holds the row; false: for too long.
func (o *office) heldBack(anna string) bool {
	o.t.Helper()
	b := o.tab(anna)
	defer b.Close()
	b.do("phone.take", nil)
	o.eventually("the row knows of the tab", func() bool { a, _ := o.agents.Get(anna); return a.Session == b.Session })
	tx, err := o.pool.Begin(o.ctx())
	o.check(err)
	defer tx.Rollback(o.ctx())
	var holder int
	o.check(tx.QueryRow(o.ctx(), `select pg_backend_pid() from agent where account_id = $1 for update`, anna).Scan(&holder))
	waits := func() (yes bool) {
		o.check(o.pool.QueryRow(o.ctx(), `select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)) and query like '%set media = true%')`, holder).Scan(&yes))
		return yes
	}
	connected := make(chan error, 1)
	go func() { connected <- b.Phone(o.ctx(), annaTone) }()
	o.eventually("the row is to be told of the audio", waits)
	b.do("ping", nil) // what was sent before has come then
	events := b.Events()
	if !waits() {
		o.check(<-connected)
		return false
	}
	for _, e := range events {
		var p softphone.PhoneView
		if e.Name == "phone" && e.Into(&p).Name != "" && p.Media == "up" {
			o.t.Errorf("the phone is up, and the row does not know: %+v", p)
		}
	}
	o.check(tx.Rollback(o.ctx()))
	o.check(<-connected)
	b.do("agent.ready", nil)
	return true
}
