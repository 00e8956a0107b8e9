package asterisk

import (
	"context"
	"strings"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/trunks"
)

const ringLimit = 3 * time.Minute // a call that nobody answers ends

// arrival is a channel that has come into our application.
type arrival struct {
	channel ari.Channel
	args    []string
	at      time.Time
}

// arg is the nth of what the dialplan says (asterisk/config renders it): in or again, trunk, dialled number, presentation of the caller's
// number, SIP Call-ID, address of the peer, numbers it was diverted from, codecs.
func (a *arrival) arg(n int) string {
	if n < len(a.args) {
		return a.args[n]
	}
	return ""
}

// inbound is the state of a call to us.
type inbound struct {
	up       bool // it was answered before it came to us
	asked    bool // Answer is under way
	stopRing func()
}

func (in *inbound) stop() {
	if in.stopRing != nil {
		in.stopRing()
	}
}

// arrived takes a channel that is in our application and has no leg. The client's dispatcher calls it: it does not wait.
func (n *node) arrived(a arrival) {
	id := a.channel.ID
	if n.owner(id) != nil {
		return
	}
	switch {
	case a.arg(0) == "again" && n.e.adoption.returned(n, a):
	case strings.HasPrefix(id, prefix): // made by us once, for a leg that is over
		n.counts.swept.Add(1)
		n.discard(id, call.CauseNormal)
	case a.arg(0) == "in", a.arg(0) == "again":
		n.incoming(a)
	default:
		n.counts.rejected.Add(1)
		n.log.Error("a channel came into our application without the arguments that `hotline asterisk config` renders; it is hung up",
			"event", "alarm", "channel", a.channel.Name, "extension", a.channel.Dialplan.Exten)
		n.discard(id, call.CauseFailure)
	}
}

// incoming admits a call, or refuses it.
func (n *node) incoming(a arrival) {
	refuse := func(why call.Cause) {
		if why.SIP == 503 {
			n.counts.refused.Add(1)
		} else {
			n.counts.rejected.Add(1)
		}
		n.discard(a.channel.ID, why)
	}
	t := n.e.cfg.Directory.Trunk(a.arg(1))
	if t == nil {
		n.log.Error("a call came by a trunk that Hotline does not know; load what `hotline asterisk config` renders", "event", "alarm", "trunk", a.arg(1))
		refuse(call.CauseRejected)
		return
	}
	if a.arg(0) == "in" && !n.admits(t) { // one that comes again is answered, and can go nowhere else
		refuse(call.CauseCongestion)
		return
	}
	number, ok := n.e.cfg.Directory.NumberCalled(t, a.arg(2))
	if !ok {
		refuse(call.CauseUnassigned)
		return
	}
	if !n.e.lines.begin(t) {
		refuse(call.CauseCongestion)
		return
	}
	l := n.inboundLeg(a, t, number)
	if err := l.give(); err != nil {
		n.e.lines.end(t)
		refuse(refusal(err))
		return
	}
	n.counts.accepted.Add(1)
}

// admits says whether one more call may be had of a trunk.
func (n *node) admits(t *trunks.Trunk) bool {
	if n.e.legs() >= n.e.cfg.MaxCalls || n.e.ctx.Err() != nil || !n.e.lines.admit(t) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.drained == nil && n.making.admits()
}

func (n *node) inboundLeg(a arrival, t *trunks.Trunk, number trunks.Number) *Leg {
	pres := strings.ToLower(a.arg(3))
	l := n.newLeg(call.Info{
		LegID: hotline.NewID(), CallID: hotline.NewID(), Direction: call.Inbound, Edge: Name, ForeignID: a.channel.ID, TrunkID: t.ID, TrunkName: t.Name,
		Caller:   t.Caller(a.channel.Caller.Number, a.channel.Caller.Name, strings.HasPrefix(pres, "prohib")),
		Diverted: strings.ReplaceAll(a.arg(6), "&", ","), Dialled: number.Number, Flow: number.Flow, Queue: number.Queue, Language: number.Language,
		Remote: a.arg(5), ReceivedAt: a.at, Outlives: true,
	}, t)
	l.in = &inbound{}
	l.channel, l.exists, l.entered = a.channel.ID, true, true
	l.was(a.channel.State)
	l.sound = sound{media: mediaPrefix + l.info.LegID, bridge: bridgePrefix + l.info.LegID, codec: codecOf(a.arg(7), t.Settings.Codecs), hush: l.in.up}
	return l
}

// was notes the state in which the channel was found: one that came back is up already.
func (l *Leg) was(state string) { l.in.up = state == "Up" }

// give opens the audio, hands the leg to whoever takes calls, and starts it.
func (l *Leg) give() error {
	if err := l.open(nil); err != nil {
		return err
	}
	l.n.add(l, l.channel, l.sound.media, l.sound.bridge)
	l.tasks.Do(l.begin)
	box, err := l.n.e.cfg.Acceptor.Incoming(l.n.e.ctx, l)
	if err != nil {
		l.stream.Close()
		l.n.remove(l)
		return err
	}
	l.mailbox.Store(box)
	l.run()
	return nil
}

// begin is the first task of a leg that is given away.
func (l *Leg) begin() {
	if l.in != nil {
		l.in.stopRing = l.after(ringLimit, func() {
			if !l.answered && !l.over {
				l.hangup(call.CauseNoAnswer)
			}
		})
	}
	l.connect()
}

// progress sends 180, or 183 with our audio so that it can be heard before the call is taken.
func (l *Leg) progress(early bool, reply func(error)) {
	channel := l.channel
	l.ask(func(ctx context.Context) error {
		if early {
			if err := l.n.client.Progress(ctx, channel); err == nil || ari.Gone(err) || ari.Unavailable(err) {
				return err
			}
			l.log.Debug("this Asterisk cannot send early media for us: it rings instead")
		}
		return l.n.client.Ring(ctx, channel)
	}, func(err error) { reply(settled(err)) })
}

// settled turns what came of a request into what a command returns. A channel that has left the application (409) is a caller who has
// just hung up: what tells of it is on its way.
func settled(err error) error {
	if err != nil && (ari.Gone(err) || ari.Conflict(err)) {
		return call.ErrGone
	}
	return err
}

// answer takes the call. The audio is being connected since the leg is there.
func (l *Leg) answer(reply func(error)) {
	if l.answered && l.sound.ready {
		reply(nil)
		return
	}
	l.sound.waiting = append(l.sound.waiting, reply)
	if l.answered {
		return
	}
	switch {
	case l.in.up:
		l.taken()
		return
	case l.in.asked:
		return
	}
	l.in.asked = true
	channel := l.channel
	l.ask(func(ctx context.Context) error { return l.n.pickUp(ctx, channel) }, func(err error) {
		switch {
		case l.over:
		case err == nil:
			l.taken()
		default: // the caller may have hung up in this instant: what tells of it is on its way
			l.in.asked = false
			l.after(joinAgain, func() { l.sound.release(settled(err)) })
		}
	})
}

// pickUp answers a channel. When Asterisk's word on it is lost, its state says whether it was done.
func (n *node) pickUp(ctx context.Context, channel string) error {
	err := n.client.Answer(ctx, channel)
	for range joinTries {
		if !ari.Unavailable(err) || ctx.Err() != nil || !n.isUp() {
			return err
		}
		if c, e := n.client.Channel(ctx, channel); e != nil || c.State == "Up" {
			err = e
			continue
		}
		err = n.client.Answer(ctx, channel)
	}
	return err
}
