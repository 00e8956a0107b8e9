package sip

import (
	"net/netip"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/call"
	"hotline/sip/cause"
	"hotline/trunks/routes"
)

// carrier is one trunk that a call may go out through.
type carrier struct {
	trunk *Trunk
	user  string // of the Request-URI
	from  call.Party
}

// journey is what an outbound leg knows of the trunks before and after the one that it tries.
type journey struct {
	next  []carrier
	lease *routes.Lease // nil: the trunk was named
	hops  int
	past  map[*sipmsg.Request]*attempt // transactions that were given up
	last  bool                         // the leg waits for them only
}

// attempt is an INVITE that was given up for another trunk. Its answer may still come.
type attempt struct {
	dlg       dialog
	cancelled bool
	done      bool // nothing is expected any more but copies of the answer
}

// carriers returns the trunks for a call: the one that is named, or those of the outbound routes, with the right to use them.
func (e *Edge) carriers(d call.Dial) ([]carrier, *routes.Lease, error) {
	if d.TrunkID != "" {
		t, err := e.cfg.Directory.Outbound(d.TrunkID)
		if err != nil {
			return nil, nil, err
		}
		if t.Settings.OnAsterisk() {
			return nil, nil, hotline.Errorf(hotline.Unavailable, "dial.other_edge", "trunk %s is carried by Asterisk, and no Asterisk is configured", t.Name)
		}
		user, err := t.DialString(d.To)
		return []carrier{{trunk: t, user: user, from: d.From}}, nil, err
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
		if err != nil || t.Settings.OnAsterisk() {
			continue // switched off, or the other edge's: the next
		}
		c := carrier{trunk: t, user: a.Number, from: d.From}
		if !a.Rewritten {
			if c.user, err = t.DialString(a.Number); err != nil {
				continue
			}
		}
		if c.from.Number == "" && !c.from.Withheld {
			c.from.Number = a.CallerID
		}
		if e.keeper.Doubtful(t.ID) {
			doubtful = append(doubtful, c)
		} else {
			good = append(good, c)
		}
	}
	if len(good)+len(doubtful) == 0 {
		lease.End()
		return nil, nil, hotline.Errorf(hotline.Unavailable, "dial.no_trunk", "the trunks of the outbound route are switched off or not reachable from here")
	}
	return append(good, doubtful...), lease, nil
}

// seize takes a line of the first carrier that has one free and whose address is known, and leaves those behind it.
func (e *Edge) seize(all []carrier) (c carrier, targets []netip.AddrPort, transport string, rest []carrier, err error) {
	for i, c := range all {
		targets, transport, err = e.keeper.Addr(c.trunk.ID)
		if err != nil {
			continue
		}
		if e.keeper.Begin(c.trunk, e.cfg.MaxCalls) {
			return c, targets, strings.ToUpper(transport), all[i+1:], nil
		}
		err = hotline.Errorf(hotline.Unavailable, "dial.trunk_full", "trunk %s has no line free", c.trunk.Name)
	}
	return carrier{}, nil, "", nil, err
}

// retriable says whether another trunk may do better: this one is overloaded, broken, or has not reached anybody. What the called
// said is final.
func retriable(code int) bool { return code == 408 || code >= 500 && code < 600 }

// otherCarrier tries the next trunk, unless somebody rings already: he would ring twice.
func (l *Leg) otherCarrier(why string) bool {
	o := l.out
	if l.over || o.answered || o.rang || o.wants != nil || len(o.way.next) == 0 {
		return false
	}
	c, targets, transport, rest, err := l.e.seize(o.way.next)
	o.way.next = rest
	if err != nil {
		return false
	}
	l.log.Warn("a call goes out through another trunk", "event", "alarm", "from", l.trunk.Name, "to", c.trunk.Name, "why", why)
	l.abandon()
	l.e.keeper.End(l.trunk.ID)
	l.trunk = c.trunk
	l.neg = negotiation{}
	l.aim(c, targets, transport)
	seen := l.info
	seen.TrunkID, seen.TrunkName, seen.Remote = c.trunk.ID, c.trunk.Name, targets[0].String()
	l.shown.Store(&seen)
	o.targets, o.authed, o.longer, o.rseq = targets[1:], false, false, map[string]uint32{}
	l.invite(l.firstInvite(c.from))
	return true
}

// aim points the dialog at a carrier. Its identity stays.
func (l *Leg) aim(c carrier, targets []netip.AddrPort, transport string) {
	next := l.e.outboundDialog(c, targets, transport)
	next.callID, next.localTag, next.localSeq = l.dlg.callID, l.dlg.localTag, l.dlg.localSeq
	l.dlg = next
}

// abandon gives up the INVITE that is under way. It may be cancelled once something came of it, and answered any time until then.
func (l *Leg) abandon() {
	o := l.out
	if o.req == nil || o.final {
		return
	}
	a := &attempt{dlg: l.dlg}
	if o.way.past == nil {
		o.way.past = map[*sipmsg.Request]*attempt{}
	}
	o.way.past[o.req] = a
	if o.heard {
		l.cancelAttempt(o.req, a)
	}
}

func (l *Leg) cancelAttempt(req *sipmsg.Request, a *attempt) {
	if a.cancelled {
		return
	}
	a.cancelled = true
	l.send(l.cancelOf(req, call.CauseNoAnswer), func(*sipmsg.Response, error) {})
	l.after(ackLimit, func() { l.settled(a) }) // 64 × T1, section 9.1
}

// lateAnswer takes what comes of an INVITE that was given up: it is cancelled as soon as it may be, and an answer is hung up.
func (l *Leg) lateAnswer(req *sipmsg.Request, a *attempt, res *sipmsg.Response) {
	switch {
	case res != nil && res.IsProvisional():
		l.cancelAttempt(req, a)
	case res == nil || !res.IsSuccess():
		l.settled(a)
	default:
		again := a.dlg.remoteTag != ""
		a.dlg.remoteTag = toTag(res)
		a.dlg.learn(res)
		a.dlg.route(res)
		l.e.ack(&a.dlg, req, nil)
		if !again {
			l.send(l.e.request(&a.dlg, sipmsg.BYE), func(*sipmsg.Response, error) { l.settled(a) })
		}
	}
}

// settled ends a leg that had only to wait for what it had given up.
func (l *Leg) settled(a *attempt) {
	a.done = true
	if l.out.way.last && !l.out.way.open() {
		l.finish()
	}
}

// open says whether something may still come of what was given up.
func (j *journey) open() bool {
	for _, a := range j.past {
		if !a.done {
			return true
		}
	}
	return false
}

// lingers says whether the leg must stay for INVITEs that were given up. When the edge stops it does not.
func (l *Leg) lingers() bool {
	if l.out == nil || !l.out.way.open() || !l.e.serving.Load() {
		return false
	}
	l.out.way.last = true
	return true
}

// cancelOf makes the CANCEL of an INVITE (section 9.1).
func (l *Leg) cancelOf(invite *sipmsg.Request, why call.Cause) *sipmsg.Request {
	req := sipmsg.NewRequest(sipmsg.CANCEL, *invite.Recipient.Clone())
	req.AppendHeader(invite.Via().Clone())
	for _, name := range []string{"Route", "From", "To", "Call-ID"} {
		sipmsg.CopyHeaders(name, invite, req)
	}
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sipmsg.CANCEL})
	hops := sipmsg.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	if r := cause.Reason(why); r != "" {
		add(req, "Reason", r)
	}
	req.SetBody(nil)
	req.SetTransport(invite.Transport())
	req.SetDestination(invite.Destination())
	req.Laddr = invite.Laddr
	return req
}

// metered starts the clock of a call that a lease was needed for: it uses minutes, and has a longest duration.
func (l *Leg) metered() {
	lease := l.out.way.lease
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
