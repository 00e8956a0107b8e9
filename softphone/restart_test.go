package softphone_test

import (
	"context"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

// TestABrowserFindsItsCallInTheNextProcess: the process before held a conversation, and this one goes on with it. Whether the agent's page
// connects before the call is there or after, it is shown the call and takes its seat.
func TestABrowserFindsItsCallInTheNextProcess(t *testing.T) {
	for name, first := range map[string]bool{"the page is first": true, "the call is first": false} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.queue("support")
			anna := o.account("Anna", "agent", "support")
			left := &call.Left{Phase: call.PhaseTalking, Queue: "support", Since: time.Now().Add(-time.Minute), Alive: time.Now().Add(-time.Second), Stage: call.Stage{Agent: anna}}
			left.AnsweredAt = &left.Since
			left.Info = call.Info{CallID: hotline.NewID(), LegID: hotline.NewID(), Direction: call.Inbound, Edge: "kept", Outlives: true,
				Caller: call.Party{Number: "+8613800138000"}, Queue: "support", Language: "en", ReceivedAt: left.Since}
			o.exec(`update agent set state = 'talking', lease_call = $2, lease_kind = 'queue', lease_queue = 'support', node = 'test', since = now(), deadline = now() + interval '4 hours' where account_id = $1`, anna, left.Info.CallID)
			info := left.Info
			info.Resume = left
			leg := calltest.NewLeg(t, o.engine, info)
			leg.Phone.Hum(callerTone)
			t.Cleanup(leg.HangUp)
			c := &caller{leg, o}
			comes := func() *tab {
				b := o.tab(anna)
				b.phone(annaTone)
				return b
			}
			var b *tab
			if first {
				b = comes()
			}
			o.check(leg.Ring(t.Context(), o.board))
			if !first {
				c.hears(holdTone)
				b = comes()
			}
			await(b, "call", func(v struct{ ID, Phase string }) bool { return v.ID == left.Info.CallID && v.Phase == "talking" })
			c.hears(annaTone)
			b.do("call.hangup", nil)
			<-leg.Ended()
		})
	}
}

// goOn is the journey of a caller whom the process before left with an agent.
func (o *office) goOn(ctx context.Context, c *call.Call) error {
	l := c.Left()
	_, err := c.TalkAgain(ctx, call.TalkConfig{Engine: o.engine, Hold: media.NewMusic(media.Tone(holdTone, time.Second, 0.15)), Away: o.away, Observe: o.observe},
		[]call.AgentSeat{{Agent: l.Stage.Agent}})
	return err
}
