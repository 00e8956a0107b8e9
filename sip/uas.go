package sip

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/call"
	"hotline/sip/cause"
	"hotline/sip/guard"
	"hotline/trunks"
)

const (
	ringLimit = 3 * time.Minute // a call that nobody answers ends; Expires may make it shorter
	ringAgain = time.Minute     // a provisional response is repeated, or proxies give up (RFC 3261, section 13.3.1.1)
)

// inbound is the state of an INVITE to us until it is answered.
type inbound struct {
	req      *sipmsg.Request
	tx       *sipmsg.ServerTx
	key      string
	hops     int // Max-Forwards that came
	answered bool
	offered  bool // the INVITE brought an offer
	last     *sipmsg.Response
	rel      reliable
	waiting  []func(error) // Answer, until there is media
	stopRing func()
	stopMore func()
}

func (in *inbound) stop() {
	for _, f := range []func(){in.stopRing, in.stopMore, in.rel.stop} {
		if f != nil {
			f()
		}
	}
}

// onRequest takes what sipgo's transactions hand up, each in a goroutine of its own. In-dialog requests go to their leg.
func (e *Edge) onRequest(req *sipmsg.Request, tx *sipmsg.ServerTx) {
	tag := toTag(req)
	if req.Method == sipmsg.ACK {
		if l := e.legs.dialog(req.CallID().Value(), tag); l != nil {
			l.tasks.Do(func() { l.acked(req) })
		}
		tx.Terminate()
		return
	}
	if tag != "" {
		if l := e.legs.dialog(req.CallID().Value(), tag); l != nil && l.tasks.Depth() < 500 && l.tasks.Do(func() { l.arrived(&request{req, tx}) }) {
			return
		}
		e.respond(tx, req, 481, "Call/Transaction Does Not Exist", tag)
		return
	}
	switch req.Method {
	case sipmsg.INVITE:
		e.incoming(req, tx)
	case sipmsg.OPTIONS:
		e.options(req, tx)
	case sipmsg.REFER:
		e.respond(tx, req, 403, "Forbidden", newTag())
	default:
		e.respond(tx, req, 481, "Call/Transaction Does Not Exist", newTag())
	}
}

// respond ends a request that belongs to no leg. For a method that is no INVITE nothing is remembered: the answer would be the same.
func (e *Edge) respond(tx *sipmsg.ServerTx, req *sipmsg.Request, code int, text, tag string, fields ...string) {
	res := e.reply(req, code, text, tag, nil)
	for i := 0; i+1 < len(fields); i += 2 {
		add(res, fields[i], fields[i+1])
	}
	tx.Respond(res)
	if req.Method != sipmsg.INVITE {
		tx.Terminate()
	}
}

func (e *Edge) options(req *sipmsg.Request, tx *sipmsg.ServerTx) {
	res := e.reply(req, 200, "OK", newTag(), nil)
	e.capabilities(res)
	add(res, "Accept", "application/sdp")
	res.AppendHeader(e.Contact(req.Transport(), addrPortOf(req.Source()).Addr()))
	tx.Respond(res)
	tx.Terminate()
}

func (e *Edge) capabilities(m sipmsg.Message) {
	add(m, "Allow", strings.Join(methods, ", "))
	add(m, "Supported", strings.Join(extensions, ", "))
}

// incoming admits an INVITE outside of any dialog, or refuses it.
func (e *Edge) incoming(req *sipmsg.Request, tx *sipmsg.ServerTx) {
	key := inviteKey(req.CallID().Value(), fromTag(req), uint64(req.CSeq().SeqNo))
	came, ok := e.legs.take(key)
	if !ok {
		tx.Terminate()
		return
	}
	refuse := func(code int, text string, fields ...string) {
		e.legs.refuse(key)
		if code == 503 {
			e.counts.refused.Add(1)
			fields = append(fields, "Retry-After", strconv.Itoa(10))
		} else {
			e.counts.rejected.Add(1)
		}
		e.respond(tx, req, code, text, came.tag, fields...)
	}
	source := addrPortOf(req.Source())
	t := e.trunkOf(source.Addr(), req, came.tag, tx)
	if t == nil {
		e.legs.refuse(key)
		return
	}
	if ok, after := e.guard.Admit(source.Addr(), t); !ok {
		refuse(503, cause.Phrases[503], "Retry-After", strconv.Itoa(after))
		return
	}
	if least, ok := tooBrief(req); !ok {
		refuse(422, "Session Interval Too Small", "Min-SE", least)
		return
	}
	number, _, ok := e.cfg.Directory.NumberFor(t, req)
	if !ok {
		e.guard.Refused(guard.ReasonUnassigned)
		refuse(404, cause.Phrases[404])
		return
	}
	l, code := e.inboundLeg(req, tx, t, number, key, came)
	if code != 0 {
		refuse(code, cause.Phrases[code])
		return
	}
	box, err := e.cfg.Acceptor.Incoming(e.ctx, l)
	if err != nil {
		l.stream.Close()
		e.keeper.End(t.ID)
		code, text := cause.Refusal(err)
		refuse(code, text)
		return
	}
	l.mailbox.Store(box)
	e.counts.accepted.Add(1)
	e.record(l.info.CallID, came.src, false, came.at, came.data)
	cancelled := e.legs.adopt(key, l)
	l.tasks.Do(l.begin)
	if cancelled {
		l.tasks.Do(l.cancelled)
	}
	l.run()
}

// trunkOf finds whose call this is. For nil the sender has been answered.
func (e *Edge) trunkOf(source netip.Addr, req *sipmsg.Request, tag string, tx *sipmsg.ServerTx) *Trunk {
	t, mayLogin := e.cfg.Directory.MatchTrunk(source, req)
	if t != nil {
		return t
	}
	stale := false
	if mayLogin {
		if t, stale = e.cfg.Directory.VerifyDigest(source, req); t != nil {
			return t
		}
	}
	e.counts.rejected.Add(1)
	if !mayLogin {
		e.respond(tx, req, 403, cause.Phrases[403], tag)
		return nil
	}
	res := e.reply(req, 401, "Unauthorized", tag, nil)
	for _, h := range e.cfg.Directory.Challenge(source, stale) {
		res.AppendHeader(h)
	}
	tx.Respond(res)
	return nil
}

// inboundLeg makes the leg and takes its port. A code says why it cannot be.
func (e *Edge) inboundLeg(req *sipmsg.Request, tx *sipmsg.ServerTx, t *Trunk, n Number, key string, came arrival) (*Leg, int) {
	if legs, _ := e.legs.count(); legs >= e.cfg.MaxCalls || e.ctx.Err() != nil {
		e.guard.Refused(guard.ReasonFull)
		return nil, 503
	}
	if !e.keeper.Begin(t, e.cfg.MaxCalls) {
		e.guard.Refused(guard.ReasonTrunkFull)
		return nil, 503
	}
	info := call.Info{
		LegID: hotline.NewID(), CallID: hotline.NewID(), Direction: call.Inbound, Edge: "sip", ForeignID: req.CallID().Value(),
		TrunkID: t.ID, TrunkName: t.Name, Caller: callerOf(t, req), Dialled: n.Number, Flow: n.Flow, Queue: n.Queue, Language: n.Language,
		Remote: req.Source(), ReceivedAt: came.at, Diverted: strings.Join(trunks.Diverted(req, t), ","),
	}
	l := e.newLeg(info, t, uasDialog(req, came.tag))
	if err := l.open(l.expected(req), nil); err != nil {
		e.keeper.End(t.ID)
		return nil, 503
	}
	l.in = &inbound{req: req, tx: tx, key: key, hops: 70}
	if h := req.MaxForwards(); h != nil {
		l.in.hops = int(h.Val())
	}
	l.in.rel.needed = hasToken(req, "Require", "100rel")
	if len(req.Body()) > 0 && isSDP(req) {
		l.in.offered = true
		if err := l.firstOffer(req.Body()); err != nil {
			l.stream.Close()
			e.keeper.End(t.ID)
			return nil, 488
		}
	}
	return l, 0
}

// begin is the first task of an inbound leg.
func (l *Leg) begin() {
	limit := ringLimit
	if s, err := strconv.Atoi(valueOf(l.in.req, "Expires")); err == nil && s > 0 && time.Duration(s)*time.Second < limit {
		limit = time.Duration(s) * time.Second
	}
	l.in.stopRing = l.after(limit, func() {
		if !l.in.answered {
			l.reject(call.CauseNoAnswer)
		}
	})
}

// cancelled is told that a CANCEL has been answered (section 9.2). After a final response it means nothing.
func (l *Leg) cancelled() {
	if l.over || l.in.answered {
		return
	}
	l.final(487, "Request Terminated", "")
	l.end(call.CauseCancelled)
	l.finish()
}

// reject refuses the call that rings.
func (l *Leg) reject(why call.Cause) {
	code, text := cause.Status(why)
	l.final(code, text, cause.Reason(why))
	l.end(why)
	l.finish()
}

func (l *Leg) final(code int, text, why string) {
	res := l.e.reply(l.in.req, code, text, l.dlg.localTag, nil)
	if why != "" {
		add(res, "Reason", why)
	}
	if code == 503 {
		add(res, "Retry-After", strconv.Itoa(10))
	}
	l.in.tx.Respond(res)
	l.e.legs.settle(l.in.key)
	l.in.tx = nil // it lives on until the ACK has come
}

// progress sends 180, or 183 with our answer so that audio can flow before the call is taken.
func (l *Leg) progress(early bool) error {
	in := l.in
	if in.answered {
		return nil
	}
	code, text, body := 180, "Ringing", []byte(nil)
	if in.rel.needed && !in.offered && !l.neg.offered { // the first reliable response must bring the offer: RFC 3262, section 5
		body = l.offer()
	}
	if early {
		code, text = 183, "Session Progress"
		if in.offered {
			body = l.neg.sdp
			if err := l.configure(); err != nil {
				return err
			}
		}
	}
	res := l.e.reply(in.req, code, text, l.dlg.localTag, body)
	res.AppendHeader(l.e.Contact(l.dlg.transport, l.dlg.peer.Addr()))
	l.e.capabilities(res)
	if in.rel.needed {
		l.reliably(res, body != nil)
		return nil
	}
	in.last = res
	l.again()
	return in.tx.Respond(res)
}

func (l *Leg) again() {
	in := l.in
	if in.stopMore != nil {
		in.stopMore()
	}
	in.stopMore = l.after(ringAgain, func() {
		if !in.answered && !l.over {
			in.tx.Respond(in.last)
			l.again()
		}
	})
}

// answer sends the 200. A reliable provisional response that carries a description must be acknowledged before (RFC 3262, section 3).
func (l *Leg) answer(reply func(error)) {
	in := l.in
	if in.answered {
		if l.neg.ready {
			reply(nil)
			return
		}
		in.waiting = append(in.waiting, reply)
		return
	}
	if in.rel.busy() {
		in.rel.then = append(in.rel.then, func() { l.answer(reply) })
		return
	}
	var body []byte
	switch {
	case in.offered:
		body = l.neg.sdp
	case !l.neg.offered:
		body = l.offer()
	}
	if in.offered {
		if err := l.configure(); err != nil {
			reply(err)
			return
		}
	}
	res := l.e.reply(in.req, 200, "OK", l.dlg.localTag, body)
	res.AppendHeader(l.e.Contact(l.dlg.transport, l.dlg.peer.Addr()))
	l.e.capabilities(res)
	l.agreeTimer(in.req, res)
	in.answered = true
	in.stop()
	l.e.legs.settle(in.key)
	l.accept(&accepted{l: l, req: in.req, tx: in.tx, res: res, first: true, offered: !in.offered && !l.neg.ready})
	if l.neg.ready {
		reply(nil)
		return
	}
	in.waiting = append(in.waiting, reply)
}

// media is there: those who wait in Answer may go on.
func (in *inbound) release(err error) {
	for _, reply := range in.waiting {
		reply(err)
	}
	in.waiting = nil
}
