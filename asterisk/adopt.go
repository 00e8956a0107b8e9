package asterisk

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/trunks"
)

// adoption keeps the channels of the process before until it is known which calls they belong to.
type adoption struct {
	mu      sync.Mutex
	known   bool             // Adopt was called
	over    bool             // and has returned
	wanted  map[string]bool  // channels that calls were left with
	waiting map[string]found // came back, or were found in our application
}

type found struct {
	n *node
	arrival
}

func (a *adoption) init() { a.wanted, a.waiting = map[string]bool{}, map[string]found{} }

// returned takes a channel that comes back from the dialplan. False: it belongs to no call.
func (a *adoption) returned(n *node, ar arrival) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over || a.known && !a.wanted[dialledAs(ar.channel.ID)] {
		return false
	}
	a.waiting[ar.channel.ID] = found{n, ar}
	return true
}

// found takes a channel that is in our application or in our name without a leg.
func (a *adoption) found(n *node, ar arrival) {
	if !a.returned(n, ar) {
		n.unclaimed(ar)
	}
}

func (a *adoption) holds(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, held := a.waiting[id]
	return held || !a.over && (!a.known || a.wanted[dialledAs(id)])
}

// dialledAs is the id under which a number was dialled first: who is reached by another trunk has one with something behind it.
func dialledAs(id string) string {
	if strings.HasPrefix(id, prefix) {
		id, _, _ = strings.Cut(id, ".")
	}
	return id
}

// unclaimed goes on with a channel that no call was left with: a caller is a new call, what we have made ourselves is hung up.
func (n *node) unclaimed(ar arrival) {
	if strings.HasPrefix(ar.channel.ID, prefix) || ar.arg(0) != "again" {
		n.counts.swept.Add(1)
		n.discard(ar.channel.ID, call.CauseNormal)
		return
	}
	n.arrived(ar)
}

const (
	adoptEvery = 200 * time.Millisecond
	together   = 5 * time.Second // a number that is on its way back from the dialplan is waited for so long: it tries each second
)

// Adopt takes over the calls that the process before has left: see [call.Adopter]. A caller's channel may be in our application still, or
// on its way back from the dialplan that has kept it company.
func (e *Edge) Adopt(ctx context.Context, left []*call.Left) error {
	e.adoption.begin(left)
	defer e.settle()
	open, met := slices.Clone(left), map[string]time.Time{}
	tick := time.NewTicker(adoptEvery)
	defer tick.Stop()
	for {
		lists, complete := e.lists(ctx)
		open = slices.DeleteFunc(open, func(l *call.Left) bool { return l.Claimed() || e.decide(ctx, l, lists, complete, met) })
		if len(open) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *adoption) begin(left []*call.Left) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = true
	for _, l := range left {
		a.wanted[dialledAs(l.Info.ForeignID)] = true
		for _, o := range l.Others {
			a.wanted[dialledAs(o.ForeignID)] = true
		}
	}
}

// settle gives up what was held back and nobody wanted.
func (e *Edge) settle() {
	a := &e.adoption
	a.mu.Lock()
	a.over = true
	rest := a.waiting
	a.waiting = map[string]found{}
	a.mu.Unlock()
	for id, f := range rest {
		if f.n.owner(id) == nil {
			f.n.unclaimed(f.arrival)
		}
	}
}

// lists asks all Asterisks what they have. complete says that all have answered.
func (e *Edge) lists(ctx context.Context) (lists map[*node]*listing, complete bool) {
	lists = map[*node]*listing{}
	for _, n := range e.nodes {
		if !n.isUp() {
			continue
		}
		if l, err := n.list(ctx); err == nil {
			lists[n] = l
		}
	}
	return lists, len(lists) == len(e.nodes)
}

// locate finds the channel of a leg that is ours to take; gone says that no Asterisk has it.
func (e *Edge) locate(id string, lists map[*node]*listing, complete bool) (f found, ok, gone bool) {
	gone = complete
	for n, l := range lists {
		for _, c := range l.named(id) {
			if l.ours[c.ID] {
				args := strings.Split(c.Dialplan.AppData, ",")[1:] // behind the application's name
				return found{n, arrival{channel: c, args: args, at: time.Now()}}, true, false
			}
			gone = false // in the dialplan: it comes back, or is hung up
		}
	}
	return found{}, false, gone
}

// named returns the channels of a leg, one that is up first: there are several only while another trunk is tried.
func (l *listing) named(id string) []ari.Channel {
	c, ok := l.channels[id]
	switch dialled := strings.HasPrefix(id, prefix); {
	case ok && (!dialled || c.State == "Up"):
		return []ari.Channel{c}
	case !dialled:
		return nil
	}
	var list []ari.Channel
	for at, c := range l.channels {
		if dialledAs(at) == dialledAs(id) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b ari.Channel) int { return cmp.Or(-cmp.Compare(up(a), up(b)), cmp.Compare(a.ID, b.ID)) })
	return list
}

func up(c ari.Channel) int {
	if c.State == "Up" {
		return 1
	}
	return 0
}

// decide adopts a call if its channel is there, and says whether its fate is known. met is when the caller of each was found.
func (e *Edge) decide(ctx context.Context, left *call.Left, lists map[*node]*listing, complete bool, met map[string]time.Time) bool {
	f, ok, gone := e.locate(left.Info.ForeignID, lists, complete)
	if !ok {
		return gone
	}
	if met[left.Info.CallID].IsZero() {
		met[left.Info.CallID] = time.Now()
	}
	if !e.complete(left, lists, complete) && time.Since(met[left.Info.CallID]) < together {
		return false
	}
	for _, o := range left.Others {
		e.adoptOther(left, o, lists)
	}
	info := left.Info
	info.Resume, info.Outlives = left, true
	l := f.n.adopted(info, f)
	if l.give() != nil {
		f.n.e.lines.end(l.trunk)
		f.n.discard(f.channel.ID, call.CauseFailure)
		for _, o := range left.Others {
			if o.Leg != nil {
				_ = o.Leg.Hangup(ctx, call.CauseNormal)
			}
		}
		return true
	}
	f.n.counts.adopted.Add(1)
	e.adoption.took(f.channel.ID)
	return true
}

func (a *adoption) took(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, id)
	delete(a.wanted, dialledAs(id))
}

// complete says that each number of a call is ours to take, or gone.
func (e *Edge) complete(left *call.Left, lists map[*node]*listing, all bool) bool {
	for _, o := range left.Others {
		if _, ok, gone := e.locate(o.ForeignID, lists, all); !ok && !gone {
			return false
		}
	}
	return true
}

// adoptOther takes over a number that the call was connected with, if it still talks; else it is hung up.
func (e *Edge) adoptOther(left *call.Left, o *call.LeftLeg, lists map[*node]*listing) {
	f, ok, _ := e.locate(o.ForeignID, lists, true)
	if !ok {
		return
	}
	e.adoption.took(f.channel.ID)
	if f.channel.State != "Up" {
		f.n.discard(f.channel.ID, call.CauseNormal)
		return
	}
	l := f.n.adopted(call.Info{
		LegID: o.LegID, CallID: left.Info.CallID, Direction: call.Outbound, Edge: Name, ForeignID: f.channel.ID, TrunkID: o.TrunkID,
		Caller: call.Party{Number: o.Number}, ReceivedAt: o.StartedAt, Outlives: true,
	}, f)
	if err := l.open(nil); err != nil {
		e.lines.end(l.trunk)
		f.n.discard(f.channel.ID, call.CauseNormal)
		return
	}
	l.mailbox.Store(o.Mailbox)
	f.n.add(l, l.channel, l.sound.media, l.sound.bridge)
	l.tasks.Do(l.connect)
	l.run()
	o.Leg = l
	f.n.counts.adopted.Add(1)
}

// adopted makes the leg of a channel that is there already. Its audio is made anew, under ids that the process before did not use.
func (n *node) adopted(info call.Info, f found) *Leg {
	var t *trunks.Trunk
	var codecs []string
	if t = n.e.cfg.Directory.Trunk(info.TrunkID); t != nil {
		n.e.lines.take(t)
		codecs = t.Settings.Codecs
	}
	l := n.newLeg(info, t)
	l.channel, l.exists, l.entered = f.channel.ID, true, true
	anew := info.LegID + "-" + hotline.NewID()
	l.sound = sound{media: mediaPrefix + anew, bridge: bridgePrefix + anew, codec: codecOf(f.arg(7), codecs), hush: true}
	up := f.channel.State == "Up"
	if info.Direction == call.Outbound {
		l.out = &outbound{timeout: ringOut, dialled: true, rang: true, created: true}
		l.answered = up
	} else {
		l.in = &inbound{}
		l.was(f.channel.State)
	}
	return l
}
