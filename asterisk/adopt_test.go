package asterisk

import (
	"context"
	"testing"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
	"hotline/call"
	"hotline/media"
	"hotline/sip/caller"
)

// later is a piece of dialplan from which a channel comes back after a while, as from that which keeps callers company.
const later = "\n[later]\nexten => s,1,Wait(2)\n same => n,Stasis(hotline,again)\n same => n,Hangup()\n"

// connects dials the telephone outside for a call, and returns both ends.
func (r *rig) connects(phone *caller.Client, callID string) (call.Leg, *caller.Call) {
	r.t.Helper()
	up := make(chan *caller.Call, 1)
	go func() {
		c, err := phone.Take(context.Background(), caller.Taking{})
		if err != nil {
			r.t.Errorf("take: %v", err)
		}
		up <- c
	}()
	box := call.NewMailbox()
	l, err := r.dialer.Dial(context.Background(), call.Dial{CallID: callID, LegID: hotline.NewID(), To: "+4930123456", TrunkID: r.trunk.ID, Mailbox: box})
	if err != nil {
		r.t.Fatal(err)
	}
	c := <-up
	for e := (call.Event{}); e.Kind != call.Answered; {
		if e, err = box.Next(r.t.Context()); err != nil || e.Kind == call.Ended {
			r.t.Fatal(e, err)
		}
	}
	if c == nil {
		r.t.FailNow()
	}
	return l, c
}

// A call with a number, and one that we have made, are taken over whole: the number is waited for while it is on its way back, and found
// under the id of the trunk that was tried last.
func TestAdoptTogether(t *testing.T) {
	at := freePort(t)
	p := newDirectory(t, at)
	p.a = asterisktest.Start(t, asterisktest.Options{Trunks: p.dir.Snapshot().Trunks(), Extra: map[string]string{"extensions.conf": later}})
	w := newWire(t, p.a.URL)
	r := p.newRig(t, func(c *Config) { c.Nodes[0].URL = w.url() })
	outside := newCaller(t, caller.Config{Wait: true, Port: at.Port()})
	kept, c1 := r.talking(newCaller(t, caller.Config{}))
	number, c2 := r.connects(outside, kept.Info().CallID)
	own, c3 := r.connects(outside, hotline.NewID())
	w.break_(true) // as good as a kill -9
	r.stop()
	ask, err := ari.NewRequester(p.node())
	if err != nil {
		t.Fatal(err)
	}
	defer ask.Close()
	if err := ask.Continue(t.Context(), number.Info().ForeignID, "later", "s", 1); err != nil {
		t.Fatal(err)
	}
	left := &call.Left{Info: kept.Info(), Phase: call.PhaseTalking, Others: []*call.LeftLeg{
		{LegID: number.Info().LegID, Edge: Name, ForeignID: number.Info().ForeignID, TrunkID: p.trunk.ID, Number: "+4930123456", Mailbox: call.NewMailbox()},
		{LegID: hotline.NewID(), Edge: Name, ForeignID: prefix + hotline.NewID(), Number: "+4930", Mailbox: call.NewMailbox()}, // has gone
	}}
	out := &call.Left{Info: own.Info(), Phase: call.PhaseTalking}
	r2 := p.newRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := r2.edge.Adopt(ctx, []*call.Left{left, out}); err != nil {
		t.Fatal(err)
	}
	legs := map[string]*caught{}
	for range 2 {
		l := r2.leg()
		legs[l.Info().CallID] = l
	}
	if left.Others[0].Leg == nil || left.Others[1].Leg != nil || legs[out.Info.CallID] == nil || legs[left.Info.CallID] == nil {
		t.Fatalf("the number %+v, gone %+v, legs %v", left.Others[0].Leg, left.Others[1].Leg, legs)
	}
	for leg, c := range map[call.Leg]*caller.Call{legs[left.Info.CallID]: c1, left.Others[0].Leg: c2, legs[out.Info.CallID]: c3} {
		leg.Audio().Play(media.Tone(440, 20*time.Second, 0.5), media.PlayOptions{})
		r2.hears(c.Stream(), 440)
		c.Stream().Play(media.Tone(700, 20*time.Second, 0.5), media.PlayOptions{})
		r2.hears(leg.Audio(), 700)
		c.Hangup(t.Context())
	}
	r2.gone()
}

// A number that another trunk has reached is found by the id that it was dialled with first.
func TestNamed(t *testing.T) {
	l := &listing{channels: map[string]ari.Channel{}}
	for id, state := range map[string]string{"hl-a": "Ring", "hl-a.1": "Up", "hl-b": "Ringing", "hl-m-a": "Up", "1700.1": "Up", "1700.2": "Up"} {
		l.channels[id] = ari.Channel{ID: id, State: state}
	}
	for id, want := range map[string]string{"hl-a": "hl-a.1", "hl-a.1": "hl-a.1", "hl-a.2": "hl-a.1", "hl-b": "hl-b", "hl-c": "", "1700.1": "1700.1", "1700.3": "", "1700": ""} {
		got := ""
		if list := l.named(id); len(list) > 0 {
			got = list[0].ID
		}
		if got != want {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
}
