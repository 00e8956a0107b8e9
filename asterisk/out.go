package asterisk

import (
	"context"
	"strconv"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/trunks"
	"hotline/trunks/header"
	"hotline/trunks/routes"
)

const ringOut = time.Minute // when Dial says nothing

// lostWord is how long events are waited for that tell whether something was done.
const lostWord = 2 * time.Second

// carrier is one trunk that a call may go out through.
type carrier struct {
	trunk    *trunks.Trunk
	endpoint string // what Asterisk dials
	from     call.Party
}

// outbound is the state of a call of ours until it is answered.
type outbound struct {
	now      carrier
	next     []carrier     // not yet tried
	lease    *routes.Lease // nil: the trunk was named
	tries    int
	timeout  time.Duration
	created  bool       // Asterisk has said so
	early    *ari.Event // the end of the channel was told before that
	again    bool       // the carrier of now was tried once more
	began    bool       // Asterisk has begun to dial
	rang     bool       // Ringing was told
	dialled  bool       // the trunk of now was
	stopRing func()
	stopSlow func() // nobody rang
}

func (o *outbound) stop() {
	for _, f := range []func(){o.stopRing, o.stopSlow} {
		if f != nil {
			f()
		}
	}
}

// Dial calls through the trunk that is named, or without a name through those of the outbound routes that Asterisk carries, one after
// the other until one gets through (see [routes.Book.Begin]).
func (e *Edge) Dial(_ context.Context, d call.Dial) (call.Leg, error) {
	all, lease, err := e.carriers(d)
	if err != nil {
		return nil, err
	}
	l, err := e.setOut(d, all, lease)
	if err != nil {
		lease.End()
		return nil, err
	}
	l.tasks.Do(func() {
		l.out.stopRing = l.after(l.out.timeout, func() {
			if !l.answered && !l.over {
				l.hangup(call.CauseNoAnswer)
			}
		})
		l.attempt()
	})
	l.run()
	return l, nil
}

// carriers returns the trunks for a call: the one that is named, or those of the outbound routes, with the right to use them.
func (e *Edge) carriers(d call.Dial) ([]carrier, *routes.Lease, error) {
	if d.TrunkID != "" {
		t, err := e.cfg.Directory.Outbound(d.TrunkID)
		if err != nil {
			return nil, nil, err
		}
		endpoint, err := t.AsteriskDial(d.To)
		return []carrier{{trunk: t, endpoint: endpoint, from: d.From}}, nil, err
	}
	if e.cfg.Routes == nil {
		return nil, nil, hotline.Errorf(hotline.Unavailable, "dial.no_routes", "no outbound routes are configured")
	}
	lease, err := e.cfg.Routes.Begin(d.To, d.From.Agent)
	if err != nil {
		return nil, nil, err
	}
	var good, doubtful []carrier
	for _, a := range lease.Attempts {
		t, err := e.cfg.Directory.Outbound(a.TrunkID)
		if err != nil || !t.Settings.OnAsterisk() {
			continue // switched off, or the other edge's
		}
		dial := t.AsteriskDial
		if a.Rewritten {
			dial = t.AsteriskDialUser
		}
		c := carrier{trunk: t, from: d.From}
		if c.endpoint, err = dial(a.Number); err != nil {
			continue
		}
		if c.from.Number == "" && !c.from.Withheld {
			c.from.Number = a.CallerID
		}
		if e.trunkState(t).Status == trunks.StatusDown {
			doubtful = append(doubtful, c)
		} else {
			good = append(good, c)
		}
	}
	if len(good)+len(doubtful) == 0 {
		lease.End()
		return nil, nil, hotline.Errorf(hotline.Unavailable, "dial.no_trunk", "the trunks of the outbound route are switched off, or not Asterisk's")
	}
	return append(good, doubtful...), lease, nil
}

// seize takes a line of the first carrier that has one free, and leaves those behind it.
func (e *Edge) seize(all []carrier) (carrier, []carrier, error) {
	var err error
	for i, c := range all {
		if e.lines.begin(c.trunk) {
			return c, all[i+1:], nil
		}
		err = hotline.Errorf(hotline.Unavailable, "dial.trunk_full", "trunk %s has no line free", c.trunk.Name)
	}
	return carrier{}, nil, err
}

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

// setOut makes the leg of a call to the first carrier that has a line free.
func (e *Edge) setOut(d call.Dial, all []carrier, lease *routes.Lease) (*Leg, error) {
	if e.legs() >= e.cfg.MaxCalls || e.ctx.Err() != nil {
		return nil, hotline.Errorf(hotline.Unavailable, "dial.full", "no more than %d calls at a time", e.cfg.MaxCalls)
	}
	n, err := e.pick(d.CallID)
	if err != nil {
		return nil, err
	}
	c, rest, err := e.seize(all)
	if err != nil {
		return nil, err
	}
	legID := d.LegID
	if legID == "" {
		legID = hotline.NewID()
	}
	l := n.newLeg(call.Info{
		LegID: legID, CallID: d.CallID, Direction: call.Outbound, Edge: Name, ForeignID: prefix + legID, TrunkID: c.trunk.ID, TrunkName: c.trunk.Name,
		Caller: d.From, Dialled: d.To, Remote: c.endpoint, ReceivedAt: time.Now(), Outlives: true,
	}, c.trunk)
	l.out = &outbound{now: c, next: rest, lease: lease, timeout: d.Timeout}
	if l.out.timeout <= 0 {
		l.out.timeout = ringOut
	}
	l.sound = sound{media: mediaPrefix + legID, bridge: bridgePrefix + legID, codec: codecOf("", c.trunk.Settings.Codecs)}
	if err := l.open(); err != nil {
		e.lines.end(c.trunk)
		return nil, err
	}
	l.mailbox.Store(d.Mailbox)
	l.channel = l.info.ForeignID
	n.add(l, l.channel, l.sound.media, l.sound.bridge)
	n.counts.dialled.Add(1)
	return l, nil
}

// attempt makes the channel that dials the carrier of now. It is dialled when the audio is connected, so that the called is heard while it
// rings.
func (l *Leg) attempt() {
	o := l.out
	l.exists, l.entered, o.dialled, o.began, o.created, o.early = true, false, false, false, false, nil
	channel := l.channel
	l.ask(func(ctx context.Context) error {
		_, err := l.n.client.Create(ctx, ari.CreateChannel{ID: channel, Endpoint: o.now.endpoint, Args: []string{"out"}, Variables: shows(o.now.from)})
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
			o.again = true
			o.next = append([]carrier{o.now}, o.next...)
		}
		l.failed(call.Cause{Q850: 38, SIP: 500, Text: header.Cut("Asterisk cannot dial: "+err.Error(), 100), By: "backend"})
	})
	l.connect()
	l.join()
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

// dial dials the channel of now.
func (l *Leg) dial() {
	o := l.out
	if o.dialled || l.answered {
		return
	}
	o.dialled = true
	channel := l.channel
	if len(o.next) > 0 {
		o.stopSlow = l.after(l.n.e.cfg.RingWithin, func() {
			if !l.over && !l.answered && !o.rang && channel == l.channel {
				l.otherCarrier("nobody rings")
			}
		})
	}
	desk := o.now.trunk.Settings.Dial != ""
	l.ask(func(ctx context.Context) error {
		if desk { // a phone of that Asterisk asks us when it transfers; before 22.3 there is no such function, and it is told that it may not
			l.n.client.SetVariable(ctx, channel, "PJSIP_TRANSFER_HANDLING()", "ari-only")
		}
		return l.n.client.Dial(ctx, channel, o.timeout+10*time.Second) // Asterisk's own limit, should we be gone by then
	}, func(err error) {
		why := func() {
			if channel == l.channel && !l.over && !l.answered && !o.began {
				l.failed(call.Cause{Q850: 38, SIP: 500, Text: header.Cut("Asterisk cannot dial: "+err.Error(), 100), By: "backend"})
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

// failed ends an attempt: the next trunk, or the end.
func (l *Leg) failed(why call.Cause) {
	if !l.otherCarrier(why.Text) {
		l.hangup(why)
	}
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

// otherCarrier tries the next trunk, unless somebody rings already: he would ring twice.
func (l *Leg) otherCarrier(why string) bool {
	o := l.out
	if l.over || l.answered || o.rang || len(o.next) == 0 {
		return false
	}
	c, rest, err := l.n.e.seize(o.next)
	o.next = rest
	if err != nil {
		return false
	}
	l.log.Warn("a call goes out through another trunk", "event", "alarm", "from", l.trunk.Name, "to", c.trunk.Name, "why", why)
	if o.stopSlow != nil {
		o.stopSlow()
		o.stopSlow = nil
	}
	if l.exists {
		given := l.channel
		l.ask(func(ctx context.Context) error {
			return l.n.client.Hangup(ctx, given, reason(call.CauseNoAnswer, false))
		}, nil)
	}
	l.n.e.lines.end(l.trunk)
	l.trunk, o.now, l.last = c.trunk, c, nil
	o.tries++
	l.channel = l.info.ForeignID + "." + strconv.Itoa(o.tries) // an id is never used twice
	l.n.add(l, l.channel)
	seen := l.info
	seen.TrunkID, seen.TrunkName, seen.Remote, seen.ForeignID = c.trunk.ID, c.trunk.Name, c.endpoint, l.channel
	l.shown.Store(&seen)
	l.sound.ready = false // the bridge lacks the new channel
	l.attempt()
	return true
}

// metered starts the clock of a call that a lease was needed for: it uses minutes, and has a longest duration.
func (l *Leg) metered() {
	lease := l.out.lease
	if lease == nil {
		return
	}
	lease.Answered()
	if lease.Longest > 0 {
		l.after(lease.Longest, func() {
			if !l.over {
				l.log.Warn("a call out has lasted as long as the limits allow", "event", "alarm", "minutes", lease.Longest.Minutes())
				l.hangup(call.Cause{Q850: 31, Text: "the longest duration of an outbound call is over", By: "hotline"})
			}
		})
	}
}
