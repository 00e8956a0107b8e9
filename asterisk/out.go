package asterisk

import (
	"cmp"
	"context"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/asterisk/config"
	"hotline/call"
	"hotline/trunks"
	"hotline/trunks/header"
)

const ringOut = time.Minute // when Dial says nothing

// lostWord is how long events are waited for that tell whether something was done.
const lostWord = 2 * time.Second

// outbound is the state of a call of ours until it is answered.
type outbound struct {
	endpoint string // what Asterisk dials
	from     call.Party
	joins    string // a channel whose party it takes over; "": it dials
	timeout  time.Duration
	created  bool       // Asterisk has said so
	early    *ari.Event // the end of the channel was told before that
	again    bool       // it was tried once more
	began    bool       // Asterisk has begun to dial
	rang     bool       // Ringing was told
	dialled  bool       // the channel was
	stopRing func()
}

func (o *outbound) stop() {
	if o.stopRing != nil {
		o.stopRing()
	}
}

// Dial calls through the trunk that is named.
func (e *Edge) Dial(_ context.Context, d call.Dial) (call.Leg, error) {
	l, err := e.setOut(d)
	if err != nil {
		return nil, err
	}
	l.setOff()
	return l, nil
}

// setOff starts an outbound leg.
func (l *Leg) setOff() {
	l.tasks.Do(func() {
		l.out.stopRing = l.after(l.out.timeout, func() {
			if !l.answered && !l.over {
				l.hangup(call.CauseNoAnswer)
			}
		})
		l.attempt()
	})
	l.run()
}

// Doubtful says whether no Asterisk reaches a trunk.
func (e *Edge) Doubtful(t *trunks.Trunk) bool { return e.trunkState(t).Status == trunks.StatusDown }

// pick returns the Asterisk for a call out: the one that has the rest of the call, else the healthy ones take turns.
func (e *Edge) pick(callID string) (*node, error) {
	for _, n := range e.nodes {
		for _, l := range n.all() {
			if l.info.CallID == callID && n.healthy() {
				return n, nil
			}
		}
	}
	first := int(e.turn.Add(1))
	for i := range e.nodes {
		if n := e.nodes[(first+i)%len(e.nodes)]; n.healthy() {
			return n, nil
		}
	}
	return nil, hotline.Errorf(hotline.Unavailable, "dial.no_node", "no Asterisk is connected that takes calls")
}

// setOut makes the leg of a call.
func (e *Edge) setOut(d call.Dial) (*Leg, error) {
	t, err := e.cfg.Directory.Outbound(d.TrunkID)
	if err != nil {
		return nil, err
	}
	dial := t.AsteriskDial
	if d.Exact {
		dial = t.AsteriskDialUser
	}
	endpoint, err := dial(d.To)
	if err != nil {
		return nil, err
	}
	n, err := e.pick(d.CallID)
	if err != nil {
		return nil, err
	}
	return n.outbound(d, t, endpoint)
}

// outbound makes the leg of a call to what Asterisk calls endpoint.
func (n *node) outbound(d call.Dial, t *trunks.Trunk, endpoint string) (*Leg, error) {
	e := n.e
	if e.legs() >= e.cfg.MaxCalls || e.ctx.Err() != nil {
		return nil, hotline.Errorf(hotline.Unavailable, "dial.full", "no more than %d calls at a time", e.cfg.MaxCalls)
	}
	if !e.lines.begin(t) {
		return nil, hotline.Errorf(hotline.Unavailable, "dial.trunk_full", "trunk %s has no line free", t.Name)
	}
	legID := cmp.Or(d.LegID, hotline.NewID())
	l := n.newLeg(call.Info{
		LegID: legID, CallID: d.CallID, Direction: call.Outbound, Edge: Name, ForeignID: prefix + legID, TrunkID: t.ID, TrunkName: t.Name,
		Caller: d.From, Dialled: d.To, Remote: endpoint, ReceivedAt: time.Now(), Outlives: true,
	}, t)
	l.out = &outbound{endpoint: endpoint, from: d.From, timeout: cmp.Or(max(d.Timeout, 0), ringOut)}
	l.sound = sound{media: mediaPrefix + legID, bridge: bridgePrefix + legID, codec: codecOf("", t.Settings.Codecs)}
	if err := l.open(d.Audio); err != nil {
		e.lines.end(t)
		return nil, err
	}
	l.mailbox.Store(d.Mailbox)
	l.channel = l.info.ForeignID
	n.add(l, l.channel, l.sound.media, l.sound.bridge)
	n.counts.dialled.Add(1)
	return l, nil
}

// attempt makes the channel that dials. It is dialled when the audio is connected, so that the called is heard while it
// rings.
func (l *Leg) attempt() {
	o := l.out
	l.exists, l.entered, o.dialled, o.began, o.created, o.early = true, false, false, false, false, nil
	channel := l.channel
	l.ask(func(ctx context.Context) error {
		_, err := l.n.client.Create(ctx, ari.CreateChannel{ID: channel, Endpoint: o.endpoint, Args: []string{"out"}, Variables: o.variables()})
		return err
	}, func(err error) {
		switch {
		case l.over || channel != l.channel:
			return
		case err == nil:
			o.created = true
			if o.early != nil {
				l.left(*o.early)
			}
			return
		}
		l.exists = ari.Unavailable(err)
		if l.exists && !o.again && l.n.isUp() { // its word was lost: once more, under another id
			l.attemptAgain()
			return
		}
		l.hangup(cannotDial(err))
	})
	l.connect()
	l.join()
}

// attemptAgain makes another channel when it is not known whether the first is there.
func (l *Leg) attemptAgain() {
	given := l.channel
	l.ask(func(ctx context.Context) error {
		return l.n.client.Hangup(ctx, given, reason(call.CauseNoAnswer, false))
	}, nil)
	l.out.again = true
	l.channel += ".0" // an id is never used twice
	l.n.add(l, l.channel)
	seen := l.info
	seen.ForeignID = l.channel
	l.shown.Store(&seen)
	l.last, l.sound.ready = nil, false // the bridge lacks the new channel
	l.attempt()
}

func cannotDial(err error) call.Cause {
	return call.Cause{Q850: 38, SIP: 500, Text: header.Cut("Asterisk cannot dial: "+err.Error(), 100), By: "backend"}
}

// variables are what the channel is made with.
func (o *outbound) variables() map[string]string {
	if o.joins != "" {
		return map[string]string{config.JoinVariable: o.joins}
	}
	return shows(o.from)
}

// shows are the variables that let the called see who calls (RFC 3323 when nobody is to be seen). On a channel that we dial we are the
// connected line.
func shows(from call.Party) map[string]string {
	v := map[string]string{"CONNECTEDLINE(pres,i)": "allowed"}
	if from.Number != "" {
		v["CONNECTEDLINE(num,i)"] = header.User(from.Number)
		v["CONNECTEDLINE(name,i)"] = header.Display(from.Display)
	}
	if from.Withheld || from.Number == "" {
		v["CONNECTEDLINE(pres,i)"] = "prohib"
	}
	return v
}

// dial dials the channel.
func (l *Leg) dial() {
	o := l.out
	if o.dialled || l.answered {
		return
	}
	o.dialled = true
	channel := l.channel
	desk := l.trunk.Settings.Dial != "" && o.joins == ""
	l.ask(func(ctx context.Context) error {
		if desk { // a phone of that Asterisk asks us when it transfers; before 22.3 there is no such function, and it is told that it may not
			l.n.client.SetVariable(ctx, channel, "PJSIP_TRANSFER_HANDLING()", "ari-only")
		}
		return l.n.client.Dial(ctx, channel, o.timeout+10*time.Second) // Asterisk's own limit, should we be gone by then
	}, func(err error) {
		why := func() {
			if channel == l.channel && !l.over && !l.answered && !o.began {
				l.hangup(cannotDial(err))
			}
		}
		switch {
		case err == nil || ari.Gone(err):
		case ari.Unavailable(err): // if it was done, events tell
			l.after(lostWord, why)
		default:
			why()
		}
	})
}

// progressed takes how the dialling goes. Failures are told by the channel's end as well, with their cause.
func (l *Leg) progressed(status string) {
	if l.out != nil {
		l.out.began = true
	}
	switch status {
	case "RINGING", "PROGRESS":
		if l.out != nil {
			l.rings()
		}
	case "ANSWER":
		l.taken()
	}
}

func (l *Leg) rings() {
	if !l.out.rang && !l.answered {
		l.out.rang = true
		l.post(call.Event{Kind: call.Ringing})
	}
}
