package softphone_test

import (
	"testing"

	"hotline/acd"
	"hotline/softphone"
)

// TestWrapUp closes the call with a code before the agent is offered another.
func TestWrapUp(t *testing.T) {
	o := newOffice(t)
	o.queue("sales", func(s *acd.Settings) { s.Wrap.Mode, s.Wrap.Seconds = acd.WrapMandatory, 60 })
	o.code("sold", "sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	c.HangUp()
	await(b, "agent", func(a softphone.AgentView) bool { return a.State == "wrap_up" })
	w := await[softphone.WrapView](b, "wrap", nil)
	if w.CallID != v.ID || w.Mode != "mandatory" || w.Queue != "sales" || len(w.Codes) != 1 || w.Codes[0].Name != "sold" {
		t.Errorf("after-call work: %+v", w)
	}
	if again := o.tab(b.account).Hello.Snapshot; again.Wrap == nil || again.Wrap.CallID != v.ID {
		t.Errorf("another tab shows %+v", again.Wrap)
	}
	err := b.Do(o.ctx(), "wrap.done", map[string]string{"call_id": v.ID, "code": "nonsense"}, nil)
	if err == nil {
		t.Error("closed with a code that there is not")
	}
	b.do("wrap.extend", nil)
	await(b, "wrap", func(x softphone.WrapView) bool {
		return x.Deadline != nil && w.Deadline != nil && x.Deadline.After(*w.Deadline)
	})
	b.do("wrap.done", map[string]string{"call_id": v.ID, "code": "sold", "note": "two boxes"})
	await[softphone.Gone](b, "wrap.gone", nil)
	await(b, "agent", func(a softphone.AgentView) bool { return a.State == "ready" })
}

// TestWrapUpAfterTheCall is of a page that comes when the call is over, as after a crash: it is shown the ticket of the call all the same.
func TestWrapUpAfterTheCall(t *testing.T) {
	o := newOffice(t)
	o.queue("sales", func(s *acd.Settings) { s.Wrap.Mode, s.Wrap.Seconds = acd.WrapMandatory, 600 })
	b, ben := o.agent(o.account("Anna", "agent", "sales"), annaTone), o.account("Ben", "agent", "sales")
	c, v := o.talking(b, "sales", "+8613900000001")
	c.HangUp()
	w := await(b, "wrap", func(w softphone.WrapView) bool { return w.CallID == v.ID && w.Ticket != nil })
	o.exec(`update agent set (state, lease_call, lease_kind, lease_queue, node, since, deadline) =
		(select state, lease_call, lease_kind, lease_queue, node, since, deadline from agent where account_id = $2) where account_id = $1`, ben, b.account)
	late := o.tab(ben)
	if s := late.Hello.Snapshot.Wrap; s != nil && s.Ticket != nil && *s.Ticket == *w.Ticket {
		return
	}
	await(late, "wrap", func(x softphone.WrapView) bool { return x.CallID == v.ID && x.Ticket != nil && *x.Ticket == *w.Ticket })
}
