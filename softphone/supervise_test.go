package softphone_test

import (
	"strings"
	"testing"

	"hotline"
	"hotline/softphone"
	"hotline/softphone/softphonetest"
)

// supervisor adds somebody who supervises queues.
func (o *office) supervisor(name string, queues ...string) string {
	o.t.Helper()
	return o.account(name, "supervisor", queues...)
}

// resumed lets a tab go on where it was cut off.
func resumed(b *tab, seq uint64) func(*softphonetest.Options) {
	return func(x *softphonetest.Options) { x.Session, x.Stream, x.Seq = b.Session, b.Hello.Stream, seq }
}

// TestWhisperReachesTheAgentAlone listens, whispers and barges: each reaches the right ears.
func TestWhisperReachesTheAgentAlone(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	chef := o.tab(o.supervisor("Chef", "sales"))
	c, v := o.talking(b, "sales", "+8613900000001")
	c.hears(annaTone)
	start := func(mode string) any { return map[string]string{"call_id": v.ID, "mode": mode} }
	chef.refused("phone.elsewhere", "supervise.start", start("listen"))
	chef.phone(chefTone)
	chef.refused("supervise.mode", "supervise.start", start("shout"))
	chef.do("supervise.start", start("listen"))
	await(chef, "supervise", func(s softphone.SuperviseView) bool { return s.CallID == v.ID && s.Mode == "listen" })
	chef.hears(callerTone, annaTone)
	c.hears(annaTone)
	b.hears(callerTone)
	for _, e := range b.Events() {
		if e.Name == "call" && strings.Contains(string(e.Data), chef.account) {
			t.Errorf("the agent is shown who listens: %s", e.Data)
		}
	}
	chef.do("supervise.mode", map[string]string{"mode": "whisper"})
	b.hears(callerTone, chefTone)
	c.hears(annaTone)
	chef.do("supervise.mode", map[string]string{"mode": "barge"})
	b.hears(callerTone, chefTone)
	c.hears(annaTone, chefTone)
	await(b, "call", func(v softphone.CallView) bool {
		for _, p := range v.Parties {
			if p.Kind == "supervisor" && p.ID == chef.account {
				return true
			}
		}
		return false
	})
	chef.do("supervise.stop", nil)
	await(chef, "supervise", func(s softphone.SuperviseView) bool { return s.Mode == "" && s.Why == "stopped" })
	b.hears(callerTone)
	c.hears(annaTone)
	chef.quiet()
	chef.do("supervise.start", start("whisper"))
	c.HangUp()
	await(chef, "supervise", func(s softphone.SuperviseView) bool { return s.Mode == "" && s.Why == "hung_up" })
	chef.refused("supervise.denied", "supervise.start", start("listen"))
	var n int
	o.check(o.pool.QueryRow(t.Context(), `select count(*) from audit where subject = 'call:' || $1 and action in ('call.listen', 'call.whisper', 'call.barge')`, v.ID).Scan(&n))
	if n != 4 {
		t.Errorf("%d acts are in the audit, want 4", n)
	}
}

// TestSupervisionIsByQueue is abuse case 25 for supervisors: nobody listens to the calls of a queue that is not theirs.
func TestSupervisionIsByQueue(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	o.queue("billing")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	chef := o.tab(o.supervisor("Chef", "billing"))
	chef.phone(chefTone)
	c, v := o.talking(b, "sales", "+8613900000001")
	if p := chef.refused("supervise.denied", "supervise.start", map[string]string{"call_id": v.ID, "mode": "listen"}); p.Status != 403 {
		t.Errorf("status %d, want 403", p.Status)
	}
	chef.refused("supervise.denied", "supervise.start", map[string]string{"call_id": hotline.NewID(), "mode": "listen"})
	o.mu.Lock()
	who := o.who[chef.account]
	who.See.Queues = []string{"billing", "sales"} // somebody gives them the queue
	o.who[chef.account] = who
	o.mu.Unlock()
	chef.do("supervise.start", map[string]string{"call_id": v.ID, "mode": "listen"})
	chef.hears(callerTone, annaTone)
	o.mu.Lock()
	who.See.Queues = []string{"billing"} // and takes it away
	o.who[chef.account] = who
	o.mu.Unlock()
	chef.refused("supervise.denied", "supervise.mode", map[string]string{"mode": "barge"})
	c.hears(annaTone)
	chef.Close() // the tab goes: nobody listens any more
	o.eventually("nobody listens", func() bool {
		board, err := o.g.Board(o.ctx(), hotline.Scope{All: true})
		o.check(err)
		return len(board.Calls) == 1 && len(board.Calls[0].Supervisors) == 0
	})
	c.hears(annaTone)
}

// TestBoardIsPushed watches the board while calls come and go: each is shown what is in scope, and only that.
func TestBoardIsPushed(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	o.queue("billing")
	b := o.agent(o.account("Anna", "agent", "sales"), annaTone)
	sales, billing := o.tab(o.supervisor("Chef", "sales")), o.tab(o.supervisor("Boss", "billing"))
	for _, w := range []*tab{sales, billing} {
		w.do("board.watch", nil)
	}
	whole := await[softphone.BoardView](sales, "board", nil)
	if len(whole.Queues) != 1 || whole.Queues[0].Name != "sales" || len(whole.Agents) != 1 || whole.Agents[0].ID != b.account || len(whole.Calls) != 0 {
		t.Errorf("the board: %+v", whole)
	}
	if other := await[softphone.BoardView](billing, "board", nil); len(other.Agents) != 0 || len(other.Queues) != 1 || other.Queues[0].Name != "billing" {
		t.Errorf("the other board: %+v", other)
	}
	c, v := o.talking(b, "sales", "+8613900000001")
	row := await(sales, "board.call", func(r softphone.BoardCall) bool { return r.Phase == "talking" })
	if row.ID != v.ID || row.Queue != "sales" || row.Agent == nil || row.Agent.Name != "Anna" || row.Caller.Number != "+8613900000001" {
		t.Errorf("the row of the call: %+v", row)
	}
	await(sales, "board.agent", func(a softphone.AgentView) bool { return a.ID == b.account && a.State == "talking" && a.CallID == v.ID })
	c.HangUp()
	type gone struct{ Kind, ID string }
	await(sales, "board.gone", func(g gone) bool { return g.Kind == "call" && g.ID == v.ID })
	sales.do("board.unwatch", nil)
	for _, e := range billing.Events() {
		if strings.Contains(string(e.Data), v.ID) || strings.Contains(string(e.Data), b.account) && e.Name != "colleagues" {
			t.Errorf("told of another's queue: %s %s", e.Name, e.Data)
		}
	}
	seen := map[string]int{}
	for _, e := range sales.Events() {
		seen[e.Name]++
	}
	if seen["board"] != 1 {
		t.Errorf("the whole board was sent %d times", seen["board"])
	}
}

// TestBoardAfterAGap sends the whole board to a tab that was away.
func TestBoardAfterAGap(t *testing.T) {
	o := newOffice(t)
	o.queue("sales")
	chef := o.tab(o.supervisor("Chef", "sales"))
	chef.do("board.watch", nil)
	await[softphone.BoardView](chef, "board", nil)
	events := chef.Events()
	chef.Cut()
	back := o.tab(chef.account, resumed(chef, events[len(events)-1].Seq))
	if back.Hello.Snapshot != nil {
		t.Fatal("not resumed")
	}
	await[softphone.BoardView](back, "board", nil)
}
