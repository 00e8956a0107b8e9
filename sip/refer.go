package sip

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/call"
	"hotline/sip/cause"
	"hotline/sip/wire"
	"hotline/trunks/header"
)

const referLimit = time.Minute // for the outcome of a transfer

// referrals are the implicit subscriptions of REFER (RFC 3515), one each way at a time.
type referrals struct {
	reply  func(error) // of Refer, until the outcome is known
	cancel func()
	id     string // CSeq of the REFER that the peer sent and that has no outcome yet
	giveUp func()
}

func (r *referrals) drop() {
	if r.cancel != nil {
		r.cancel()
	}
	if r.giveUp != nil {
		r.giveUp()
	}
	if r.reply != nil {
		r.reply(call.ErrGone)
		r.reply = nil
	}
}

// Refer asks the peer to call target and waits for what it reports.
func (l *Leg) Refer(ctx context.Context, target string) error {
	uri := sipmsg.Uri{}
	if a, err := wire.ParseAddress("<" + target + ">"); err != nil || sipmsg.ParseUri(a.URI, &uri) != nil || header.Clean(target) != target {
		return hotline.Errorf(hotline.Invalid, "transfer.bad_target", "%.80q is no SIP URI", header.Clean(target))
	}
	return l.command(ctx, func(reply func(error)) {
		switch {
		case l.in != nil && !l.in.answered || l.out != nil && !l.out.answered:
			reply(hotline.Errorf(hotline.Conflict, "transfer.not_answered", "a call can be transferred after it is answered"))
			return
		case l.refer.reply != nil:
			reply(hotline.Errorf(hotline.Conflict, "transfer.busy", "a transfer of this call is under way"))
			return
		}
		req := l.e.request(&l.dlg, sipmsg.REFER)
		add(req, "Refer-To", "<"+target+">")
		by := l.e.Contact(l.dlg.transport, l.dlg.peer.Addr())
		add(req, "Referred-By", "<"+by.Address.String()+">")
		l.refer.reply = reply
		l.refer.cancel = l.after(referLimit, func() { l.transferred(408, "no outcome reported") })
		l.send(req, func(res *sipmsg.Response, err error) {
			switch {
			case res == nil:
				l.transferred(408, err.Error())
			case !res.IsSuccess():
				l.transferred(res.StatusCode, res.Reason)
			}
		})
	})
}

// transferred tells Refer the outcome.
func (l *Leg) transferred(code int, text string) {
	reply := l.refer.reply
	if reply == nil {
		return
	}
	l.refer.reply = nil
	l.refer.cancel()
	if code/100 == 2 {
		reply(nil)
		return
	}
	reply(hotline.Errorf(hotline.Unavailable, "transfer.failed", "the transfer failed: %d %s", code, header.Cut(header.Clean(text), 100)))
}

// notified takes the peer's report on our REFER.
func (l *Leg) notified(q *request) {
	if l.refer.reply == nil {
		l.refuse(q, 481, "Subscription Does Not Exist")
		return
	}
	if event, _, _ := strings.Cut(valueOf(q.req, "Event"), ";"); !strings.EqualFold(strings.TrimSpace(event), "refer") {
		l.refuse(q, 489, "Bad Event", "Allow-Events", "refer")
		return
	}
	l.ok(q, nil)
	line, _, _ := strings.Cut(string(q.req.Body()), "\r\n")
	f := strings.SplitN(strings.TrimSpace(line), " ", 3)
	if len(f) < 2 || !strings.HasPrefix(f[0], "SIP/") {
		return
	}
	text := ""
	if len(f) == 3 {
		text = f[2]
	}
	code, err := strconv.Atoi(f[1])
	if err == nil && code >= 200 {
		l.transferred(code, text)
		return
	}
	if state, _, _ := strings.Cut(valueOf(q.req, "Subscription-State"), ";"); strings.EqualFold(strings.TrimSpace(state), "terminated") {
		l.transferred(408, "the peer stopped reporting")
	}
}

// referred takes a REFER of the peer. The call decides what becomes of it; nothing is dialled here.
func (l *Leg) referred(q *request) {
	targets := q.req.GetHeaders("Refer-To")
	switch {
	case len(targets) != 1:
		l.refuse(q, 400, cause.Phrases[400])
		return
	case l.refer.id != "" || l.in != nil && !l.in.answered:
		l.refuse(q, 491, "Request Pending")
		return
	}
	a, err := wire.ParseAddress(targets[0].Value())
	if err != nil || len(a.URI) > 1024 {
		l.refuse(q, 400, cause.Phrases[400])
		return
	}
	res := l.e.reply(q.req, 202, "Accepted", l.dlg.localTag, nil)
	res.AppendHeader(l.e.Contact(l.dlg.transport, l.dlg.peer.Addr()))
	q.tx.Respond(res)
	l.refer.id = strconv.FormatUint(uint64(q.req.CSeq().SeqNo), 10)
	l.notify(100, "Trying")
	l.refer.giveUp = l.after(referLimit, func() { l.report(503, cause.Phrases[503]) })
	asked := call.Event{Kind: call.TransferAsked, Target: a.URI}
	if replaces, ok := replacesOf(a.URI); ok {
		asked.Second = l.second(replaces)
	}
	l.post(asked)
}

// replacesOf returns the Replaces of a Refer-To URI (RFC 3891): Call-ID and tags of a dialog.
func replacesOf(target string) (replaces string, ok bool) {
	_, headers, _ := strings.Cut(target, "?")
	for h := range strings.SplitSeq(headers, "&") {
		if name, value, _ := strings.Cut(h, "="); strings.EqualFold(name, "Replaces") {
			replaces, err := url.PathUnescape(value)
			if err != nil {
				replaces = ""
			}
			return replaces, true
		}
	}
	return "", false
}

// second finds the call that an attended transfer names. It must be the same telephone's: whoever has learnt the names of somebody else's
// dialog shall not get that call.
func (l *Leg) second(replaces string) *call.Second {
	callID, rest, _ := strings.Cut(replaces, ";")
	tags := map[string]string{}
	for param := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(param, "=")
		tags[strings.ToLower(strings.TrimSpace(name))] = value
	}
	other := l.e.legs.dialog(strings.TrimSpace(callID), tags["to-tag"])
	switch {
	case other == nil || other == l:
		return &call.Second{Why: hotline.Errorf(hotline.NotFound, "transfer.no_dialog", "the telephone names no other call that is ours")}
	case other.in == nil: // its tags change while it rings; and we called that telephone too
		return &call.Second{Why: hotline.Errorf(hotline.Unavailable, "transfer.two_callers", "the telephone was called in both of its calls: two callers cannot be joined")}
	case other.info.TrunkID != l.info.TrunkID || other.dlg.remoteTag != tags["from-tag"] || !l.isAt(other.info.Remote):
		l.log.Warn("a telephone wants to transfer into a call that is not its own", "event", "alarm", "telephone", l.dlg.peer, "other", other.info.CallID)
		return &call.Second{Why: hotline.Errorf(hotline.Denied, "transfer.not_its_own", "the telephone names a call that is not its own")}
	}
	return &call.Second{CallID: other.info.CallID, LegID: other.info.LegID}
}

// isAt says whether the peer signals from an address. Over UDP the port is its own; connections have one each.
func (l *Leg) isAt(remote string) bool {
	at := addrPortOf(remote)
	return at.IsValid() && at.Addr() == l.dlg.peer.Addr() && (at.Port() == l.dlg.peer.Port() || !strings.EqualFold(l.dlg.transport, "UDP"))
}

// ReportTransfer tells the peer what became of the transfer that it asked for: 200, or the code of the failure.
func (l *Leg) ReportTransfer(ctx context.Context, code int, text string) error {
	return l.command(ctx, func(reply func(error)) {
		l.report(code, text)
		reply(nil)
	})
}

func (l *Leg) report(code int, text string) {
	if l.refer.id == "" || l.over {
		return
	}
	l.notify(code, text)
	l.refer.giveUp()
	l.refer.id = ""
}

func (l *Leg) notify(code int, text string) {
	req := l.e.request(&l.dlg, sipmsg.NOTIFY)
	add(req, "Event", "refer;id="+l.refer.id)
	state := "active;expires=60"
	if code >= 200 {
		state = "terminated;reason=noresource"
	}
	add(req, "Subscription-State", state)
	add(req, "Content-Type", "message/sipfrag;version=2.0")
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", code, header.Clean(text)))
	l.send(req, func(*sipmsg.Response, error) {})
}
