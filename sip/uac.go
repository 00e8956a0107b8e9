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
	hurry    bool              // another trunk waits
	stopRing func()
	stopNext func() // nothing was heard
}

func (o *outbound) stop() {
	for _, f := range []func(){o.stopRing, o.stopNext} {
		if f != nil {
			f()
		}
	}
}

// carrier is what a call goes out through.
type carrier struct {
	trunk     *Trunk
	user      string // of the Request-URI
	from      call.Party
	targets   []netip.AddrPort
	transport string
	hops      int
}

// Dial sends an INVITE through the trunk that is named.
func (e *Edge) Dial(_ context.Context, d call.Dial) (call.Leg, error) {
	c, err := e.carrier(d)
	if err != nil {
		return nil, err
	}
	if !e.keeper.Begin(c.trunk, e.cfg.MaxCalls) {
		return nil, hotline.Errorf(hotline.Unavailable, "dial.trunk_full", "trunk %s has no line free", c.trunk.Name)
	}
	l := e.outboundLeg(d, c)
	if err := l.open(netip.AddrPort{}, d.Audio); err != nil {
		e.keeper.End(c.trunk.ID)
		return nil, err
	}
	l.mailbox.Store(d.Mailbox)
	e.legs.add(l)
	e.counts.dialled.Add(1)
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
		l.invite(l.firstInvite(c))
	})
	l.run()
	return l, nil
}

// carrier looks whether a call may go out, and how.
func (e *Edge) carrier(d call.Dial) (c carrier, err error) {
	if c.trunk, err = e.cfg.Directory.Outbound(d.TrunkID); err != nil {
		return c, err
	}
	if c.hops = e.hopsLeft(d.CallID); c.hops <= 0 {
		return c, hotline.Errorf(hotline.Denied, "dial.too_many_hops", "the call has been passed on too often")
	}
	if legs, _ := e.legs.count(); legs >= e.cfg.MaxCalls || e.ctx.Err() != nil {
		return c, hotline.Errorf(hotline.Unavailable, "dial.full", "no more than %d calls at a time", e.cfg.MaxCalls)
	}
	c.from, c.user = d.From, d.To
	if !d.Exact {
		if c.user, err = c.trunk.DialString(d.To); err != nil {
			return c, err
		}
	}
	c.targets, c.transport, err = e.keeper.Addr(c.trunk.ID)
	c.transport = strings.ToUpper(c.transport)
	return c, err
}

// Doubtful says whether a trunk is down, or all of its addresses have failed lately.
func (e *Edge) Doubtful(t *Trunk) bool { return e.keeper.Doubtful(t.ID) }

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

func (e *Edge) outboundLeg(d call.Dial, c carrier) *Leg {
	legID := d.LegID
	if legID == "" {
		legID = hotline.NewID()
	}
	dlg := e.outboundDialog(c)
	l := e.newLeg(call.Info{
		LegID: legID, CallID: d.CallID, Direction: call.Outbound, Edge: "sip", ForeignID: dlg.callID, TrunkID: c.trunk.ID, TrunkName: c.trunk.Name,
		Caller: d.From, Dialled: d.To, Remote: c.targets[0].String(), ReceivedAt: time.Now(),
	}, c.trunk, dlg)
	l.out = &outbound{targets: c.targets[1:], hurry: d.Hurry, rseq: map[string]uint32{}}
	return l
}

// outboundDialog is the dialog that an INVITE to a carrier begins.
func (e *Edge) outboundDialog(c carrier) dialog {
	host, port, _ := c.trunk.Target()
	uri := sipmsg.Uri{Scheme: "sip", User: c.user, Host: host, Port: port}
	at := e.localAddr(c.transport, c.targets[0].Addr())
	dlg := dialog{
		callID: newTag(), localTag: newTag(), remote: uri, target: uri, transport: c.transport, peer: c.targets[0],
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

func (l *Leg) firstInvite(c carrier) *sipmsg.Request {
	from := c.from
	req := l.e.request(&l.dlg, sipmsg.INVITE)
	req.RemoveHeader("Max-Forwards")
	left := sipmsg.MaxForwardsHeader(c.hops)
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
	o.req, o.tx, o.heard = req, nil, false
	o.impatient(l, req)
	l.transact(req, func(tx *sipmsg.ClientTx) {
		if o.req == req {
			o.tx = tx
		}
	}, func(res *sipmsg.Response, err error) {
		if res != nil && res.StatusCode != 503 && !l.over { // what comes too late is no sign of health
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

// impatient tries the next address of the trunk when nothing comes of an INVITE in time, or gives up if another trunk waits.
func (o *outbound) impatient(l *Leg, req *sipmsg.Request) {
	if o.stopNext != nil {
		o.stopNext()
		o.stopNext = nil
	}
	if len(o.targets) == 0 && !o.hurry {
		return
	}
	o.stopNext = l.after(silence, func() {
		if l.over || o.answered || o.req != req || o.heard || l.elsewhere(keeper.Unreached(l.dlg.peer, l.dlg.transport, context.DeadlineExceeded)) || !o.hurry {
			return
		}
		l.cancel(noResponse)
	})
}

var noResponse = call.Cause{Q850: 102, SIP: 408, Text: "no response from the trunk", By: "hotline"}

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
	l.end(noResponse)
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
