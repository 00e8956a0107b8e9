package sip

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/call"
	"hotline/sip/cause"
	"hotline/sip/keeper"
	"hotline/trunks/header"
	"hotline/trunks/routes"
)

const (
	ringOut = time.Minute     // when Dial says nothing
	silence = 4 * time.Second // without any response the next address is tried; the last one has the whole of timer B
)

// outbound is the state of an INVITE of ours until it is answered.
type outbound struct {
	req      *sipmsg.Request
	tx       *sipmsg.ClientTx
	targets  []netip.AddrPort // not yet tried
	heard    bool             // some response came
	rang     bool             // Ringing was told
	answered bool
	wants    *call.Cause       // hung up before anything could be done about it
	sent     bool              // CANCEL went out
	authed   bool              // a challenge was answered
	longer   bool              // 422 was followed
	rseq     map[string]uint32 // of reliable responses, by the peer's tag
	final    bool              // the transaction has ended
	way      journey
	stopRing func()
	stopNext func() // nothing was heard
	stopSlow func() // nobody rang
}

func (o *outbound) stop() {
	for _, f := range []func(){o.stopRing, o.stopNext, o.stopSlow} {
		if f != nil {
			f()
		}
	}
}

// Dial sends an INVITE through the trunk that is named, or without a name through those of the outbound routes, one after the other
// until one gets through (see [routes.Book.Begin]).
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
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = ringOut
	}
	l.tasks.Do(func() {
		l.out.stopRing = l.after(timeout, func() {
			if !l.out.answered && !l.over {
				l.cancel(call.CauseNoAnswer)
			}
		})
		l.invite(l.firstInvite(all[len(all)-len(l.out.way.next)-1].from))
	})
	l.run()
	return l, nil
}

// setOut makes the leg of a call to the first carrier that has a line free.
func (e *Edge) setOut(d call.Dial, all []carrier, lease *routes.Lease) (*Leg, error) {
	hops := e.hopsLeft(d.CallID)
	if hops <= 0 {
		return nil, hotline.Errorf(hotline.Unavailable, "dial.too_many_hops", "the call has been passed on too often")
	}
	if legs, _ := e.legs.count(); legs >= e.cfg.MaxCalls || e.ctx.Err() != nil {
		return nil, hotline.Errorf(hotline.Unavailable, "dial.full", "no more than %d calls at a time", e.cfg.MaxCalls)
	}
	c, targets, transport, rest, err := e.seize(all)
	if err != nil {
		return nil, err
	}
	l := e.outboundLeg(d, c, targets, transport)
	l.out.way = journey{next: rest, lease: lease, hops: hops}
	if err := l.open(netip.AddrPort{}); err != nil {
		e.keeper.End(c.trunk.ID)
		return nil, err
	}
	l.mailbox.Store(d.Mailbox)
	e.legs.add(l)
	e.counts.dialled.Add(1)
	return l, nil
}

// hopsLeft is what Max-Forwards of an INVITE may be that goes out because another came in: one less, so that loops end.
func (e *Edge) hopsLeft(callID string) int {
	hops := 70
	for _, l := range e.legs.all() {
		if l.info.CallID == callID && l.in != nil {
			hops = min(hops, l.in.hops-1)
		}
	}
	return hops
}

func (e *Edge) outboundLeg(d call.Dial, c carrier, targets []netip.AddrPort, transport string) *Leg {
	legID := d.LegID
	if legID == "" {
		legID = hotline.NewID()
	}
	dlg := e.outboundDialog(c, targets, transport)
	l := e.newLeg(call.Info{
		LegID: legID, CallID: d.CallID, Direction: call.Outbound, Edge: "sip", ForeignID: dlg.callID, TrunkID: c.trunk.ID, TrunkName: c.trunk.Name,
		Caller: d.From, Dialled: d.To, Remote: targets[0].String(), ReceivedAt: time.Now(),
	}, c.trunk, dlg)
	l.out = &outbound{targets: targets[1:], rseq: map[string]uint32{}}
	return l
}

// outboundDialog is the dialog that an INVITE to a carrier begins.
func (e *Edge) outboundDialog(c carrier, targets []netip.AddrPort, transport string) dialog {
	host, port, _ := c.trunk.Target()
	uri := sipmsg.Uri{Scheme: "sip", User: c.user, Host: host, Port: port}
	at := e.localAddr(transport, targets[0].Addr())
	dlg := dialog{
		callID: newTag(), localTag: newTag(), remote: uri, target: uri, transport: transport, peer: targets[0],
		local: sipmsg.Uri{Scheme: "sip", User: header.User(c.from.Number), Host: hostOf(at.Addr())}, localName: header.Display(c.from.Display),
	}
	if c.from.Withheld || c.from.Number == "" { // RFC 3323, section 4.1.1.3
		dlg.local, dlg.localName = sipmsg.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}, "Anonymous"
	}
	dlg.localName = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(dlg.localName)
	for _, r := range e.keeper.Routes(c.trunk.ID) {
		u := sipmsg.Uri{}
		if sipmsg.ParseUri(strings.Trim(r, "<> "), &u) == nil {
			dlg.routes = append(dlg.routes, u)
		}
	}
	return dlg
}

func (l *Leg) firstInvite(from call.Party) *sipmsg.Request {
	req := l.e.request(&l.dlg, sipmsg.INVITE)
	req.RemoveHeader("Max-Forwards")
	left := sipmsg.MaxForwardsHeader(l.out.way.hops)
	req.AppendHeader(&left)
	l.e.capabilities(req)
	if s := l.wanted(); s > 0 {
		add(req, "Session-Expires", strconv.Itoa(s))
		add(req, "Min-SE", strconv.Itoa(leastInterval))
	}
	if from.Withheld {
		add(req, "Privacy", "id")
	}
	if from.Number != "" && l.trunk.Settings.TrustedIdentity { // RFC 3325: only inside the trust domain
		host, _, _ := l.trunk.Target()
		add(req, "P-Asserted-Identity", "<sip:"+header.User(from.Number)+"@"+host+">")
	}
	add(req, "Content-Type", "application/sdp")
	req.SetBody(l.offer())
	return req
}

// invite sends the INVITE, the first or one more.
func (l *Leg) invite(req *sipmsg.Request) {
	o := l.out
	o.req, o.tx, o.heard, o.final = req, nil, false, false
	o.impatient(l, req)
	l.transact(req, func(tx *sipmsg.ClientTx) {
		if o.req == req {
			o.tx = tx
		}
	}, func(res *sipmsg.Response, err error) {
		if a := o.way.past[req]; a != nil {
			l.lateAnswer(req, a, res)
			return
		}
		if res != nil && res.StatusCode != 503 {
			l.e.keeper.Heard(l.trunk.ID, addrPortOf(req.Destination()))
		}
		switch {
		case res != nil && res.IsSuccess():
			l.accepted(req, res)
		case o.req != req:
		case res == nil:
			l.unreachable(err)
		default:
			l.responded(res)
		}
	})
}

// impatient tries what is left, addresses of the trunk and then other trunks, when nothing comes of an INVITE in time.
func (o *outbound) impatient(l *Leg, req *sipmsg.Request) {
	for _, stop := range []func(){o.stopNext, o.stopSlow} {
		if stop != nil {
			stop()
		}
	}
	o.stopNext, o.stopSlow = nil, nil
	waiting := func() bool { return !l.over && !o.answered && o.req == req }
	if len(o.targets)+len(o.way.next) > 0 {
		o.stopNext = l.after(silence, func() {
			if waiting() && !o.heard && !l.elsewhere(keeper.Unreached(l.dlg.peer, l.dlg.transport, context.DeadlineExceeded)) {
				l.otherCarrier("no answer to the INVITE")
			}
		})
	}
	if len(o.way.next) > 0 {
		o.stopSlow = l.after(l.e.cfg.RingWithin, func() {
			if waiting() && o.heard && !o.rang {
				l.otherCarrier("nobody rings")
			}
		})
	}
}

// elsewhere tries the next address of the trunk (RFC 3263, section 4.3), as a new transaction of the same request.
func (l *Leg) elsewhere(why error) bool {
	o := l.out
	if o.wants != nil {
		return false
	}
	l.e.keeper.Shun(l.trunk.ID, l.dlg.peer, why)
	l.e.keeper.Trouble(l.trunk.ID, why)
	if len(o.targets) == 0 {
		return false
	}
	if o.tx != nil {
		o.tx.Terminate()
	}
	l.dlg.peer = o.targets[0]
	o.targets = o.targets[1:]
	l.repeat(o.req, nil)
	return true
}

// repeat sends the INVITE again, with a new branch and number.
func (l *Leg) repeat(old *sipmsg.Request, change func(*sipmsg.Request)) {
	req := old.Clone()
	l.dlg.localSeq++
	req.CSeq().SeqNo = l.dlg.localSeq
	req.RemoveHeader("Via")
	l.e.address(req, l.dlg.transport, l.dlg.peer)
	if change != nil {
		change(req)
	}
	l.invite(req)
}

func (l *Leg) unreachable(err error) {
	if l.over {
		l.finish()
		return
	}
	why := keeper.Unreached(l.dlg.peer, l.dlg.transport, err)
	if l.out.answered || !l.out.heard && l.elsewhere(why) {
		return
	}
	l.out.final = true
	if l.otherCarrier(why.Error()) {
		return
	}
	if l.out.wants != nil {
		l.finish()
		return
	}
	l.end(call.Cause{Q850: 102, SIP: 408, Text: "no response from the trunk", By: "hotline"})
	l.finish()
}

// responded takes a response that is no 2xx.
func (l *Leg) responded(res *sipmsg.Response) {
	o := l.out
	o.heard = true
	if res.IsProvisional() {
		if o.wants != nil {
			l.sendCancel()
			return
		}
		l.provisional(res)
		return
	}
	if l.over {
		l.finish()
		return
	}
	o.final = true
	switch code := res.StatusCode; {
	case (code == 401 || code == 407) && !o.authed && o.wants == nil:
		o.authed = true
		var err error
		next := o.req.Clone()
		if err = l.e.keeper.Authorize(l.trunk, next, res); err == nil {
			l.repeat(next, nil)
			return
		}
		l.log.Warn("challenge not answered", "event", "security", "err", err)
	case code == 422 && !o.longer:
		o.longer = true
		least, _ := interval(res, "Min-SE")
		l.repeat(o.req, func(req *sipmsg.Request) {
			req.RemoveHeader("Session-Expires")
			req.RemoveHeader("Min-SE")
			add(req, "Session-Expires", strconv.Itoa(max(least, usualInterval)))
			add(req, "Min-SE", strconv.Itoa(max(least, leastInterval)))
		})
		return
	case code == 503 && l.elsewhere(keeper.Unavailable(res.Reason)):
		return
	case retriable(code) && l.otherCarrier(strconv.Itoa(code)+" "+res.Reason):
		return
	}
	o.stop()
	l.end(cause.Of(res, res.StatusCode, res.Reason))
	l.finish()
}

// provisional takes 101 to 199.
func (l *Leg) provisional(res *sipmsg.Response) {
	o := l.out
	tag := toTag(res)
	if res.StatusCode == 100 || tag == "" {
		return
	}
	if valueOf(res, "RSeq") != "" {
		early := l.dlg
		early.remoteTag = tag
		early.learn(res)
		early.route(res)
		l.prack(res, &early)
		l.dlg.localSeq = early.localSeq
	}
	if len(res.Body()) > 0 && isSDP(res) && l.neg.pending {
		if err := l.takeAnswer(res.Body()); err != nil {
			l.log.Info("early media of no use", "err", err)
		}
		l.neg.pending = true // each fork may answer; the 200 decides (RFC 3261, section 13.2.2.4)
	}
	if !o.rang && res.StatusCode >= 180 {
		o.rang = true
		l.post(call.Event{Kind: call.Ringing})
	}
}

// accepted takes a 2xx: the first makes the dialog, the same again wants its ACK again, another fork's is acknowledged and hung up.
func (l *Leg) accepted(req *sipmsg.Request, res *sipmsg.Response) {
	o := l.out
	o.heard = true
	tag := toTag(res)
	if o.answered && tag == l.dlg.remoteTag {
		l.e.ack(&l.dlg, req, nil)
		return
	}
	d := l.dlg
	d.remoteTag = tag
	d.learn(res)
	d.route(res)
	if o.answered || o.wants != nil || l.over {
		l.e.ack(&d, req, nil)
		l.send(l.e.request(&d, sipmsg.BYE), func(*sipmsg.Response, error) {
			if !o.answered {
				l.finish()
			}
		})
		return
	}
	l.dlg = d
	o.answered = true
	o.stop()
	l.e.ack(&l.dlg, req, nil)
	if err := l.finalAnswer(res); err != nil {
		why := call.Cause{Q850: 88, Text: "no usable answer in the 200", By: "hotline"}
		l.sendBye(why)
		l.end(why)
		return
	}
	l.takeTimer(res)
	l.metered()
	l.post(call.Event{Kind: call.Answered})
	l.replay()
}

func (l *Leg) finalAnswer(res *sipmsg.Response) error {
	if len(res.Body()) == 0 && l.neg.ready { // it was in a reliable provisional response
		l.neg.pending = false
		return nil
	}
	return l.takeAnswer(res.Body())
}

// cancel gives up a call that is not answered yet. CANCEL may only follow a provisional response (section 9.1).
func (l *Leg) cancel(why call.Cause) {
	o := l.out
	o.wants = &why
	o.stop()
	l.end(why)
	if o.heard {
		l.sendCancel()
	}
}

// sendCancel sends CANCEL and, when no final response follows, gives up after 64 × T1 (section 9.1).
func (l *Leg) sendCancel() {
	o := l.out
	if o.sent || o.answered {
		return
	}
	o.sent = true
	l.send(l.cancelOf(o.req, *o.wants), func(*sipmsg.Response, error) {})
	l.after(ackLimit, func() {
		if !o.answered {
			l.finish()
		}
	})
}

// ack acknowledges a 2xx: a request of its own inside the dialog, with the number of the INVITE (section 13.2.2.4).
func (e *Edge) ack(d *dialog, invite *sipmsg.Request, body []byte) {
	req := e.requestAt(d, sipmsg.ACK, invite.CSeq().SeqNo)
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		sipmsg.CopyHeaders(name, invite, req)
	}
	if body != nil {
		add(req, "Content-Type", "application/sdp")
		req.SetBody(body)
	}
	if err := e.tpl.WriteMsg(req); err != nil {
		e.log.Info("ACK could not be sent", "err", err)
	}
}
