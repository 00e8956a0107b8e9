package sip

import (
	"slices"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/call"
	"hotline/sip/cause"
)

// request is one that came inside the dialog.
type request struct {
	req *sipmsg.Request
	tx  *sipmsg.ServerTx
}

// patience is how long a request that came too early waits for the one before it. sipgo hands each message up in a goroutine of its
// own, so neighbours may be swapped; so may UDP. CSeq restores the order (RFC 3261, section 12.2.2).
const patience = 20 * time.Millisecond

// arrived takes a request in the dialog.
func (l *Leg) arrived(q *request) {
	if fromTag(q.req) != l.dlg.remoteTag && !(l.out != nil && !l.out.answered) { // both tags: section 12.2.2
		l.refuse(q, 481, "Call/Transaction Does Not Exist")
		return
	}
	seq := q.req.CSeq().SeqNo
	switch last := l.dlg.remoteSeq; {
	case l.early(q) || last != 0 && seq > last+1 && len(l.late) < 256:
		l.late = append(l.late, q)
		l.after(patience, func() { l.overdue(q) })
	case last != 0 && seq <= last:
		l.refuse(q, 500, cause.Phrases[500], "Retry-After", "1")
	default:
		l.handle(q)
		l.replay()
	}
}

// early reports whether a request overtook the ACK, or the 200 that makes the dialog.
func (l *Leg) early(q *request) bool {
	if l.out != nil && !l.out.answered && q.req.Method != sipmsg.UPDATE && q.req.Method != sipmsg.INFO {
		return true
	}
	return l.acks != nil && !l.over && (q.req.Method == sipmsg.INVITE || q.req.Method == sipmsg.UPDATE && len(q.req.Body()) > 0)
}

// replay handles what waited and may go now.
func (l *Leg) replay() {
	for {
		i := slices.IndexFunc(l.late, func(q *request) bool { return q.req.CSeq().SeqNo == l.dlg.remoteSeq+1 && !l.early(q) })
		if i < 0 {
			return
		}
		q := l.late[i]
		l.late = slices.Delete(l.late, i, i+1)
		l.handle(q)
	}
}

// overdue handles a request that has waited long enough, after the earlier ones.
func (l *Leg) overdue(q *request) {
	slices.SortStableFunc(l.late, func(a, b *request) int { return int(a.req.CSeq().SeqNo) - int(b.req.CSeq().SeqNo) })
	for slices.Contains(l.late, q) {
		first := l.late[0]
		l.late = l.late[1:]
		l.handle(first)
	}
	l.replay()
}

func (l *Leg) refuse(q *request, code int, text string, fields ...string) {
	l.e.respond(q.tx, q.req, code, text, l.dlg.localTag, fields...)
}

func (l *Leg) ok(q *request, body []byte) {
	q.tx.Respond(l.e.reply(q.req, 200, "OK", l.dlg.localTag, body))
}

func (l *Leg) handle(q *request) {
	l.dlg.remoteSeq = q.req.CSeq().SeqNo
	if l.over && q.req.Method != sipmsg.BYE {
		l.refuse(q, 481, "Call/Transaction Does Not Exist")
		return
	}
	switch q.req.Method {
	case sipmsg.BYE:
		l.byed(q)
	case sipmsg.INVITE:
		l.reinvited(q)
	case sipmsg.UPDATE:
		l.updated(q)
	case sipmsg.PRACK:
		l.pracked(q)
	case sipmsg.INFO:
		l.informed(q)
	case sipmsg.REFER:
		l.referred(q)
	case sipmsg.NOTIFY:
		l.notified(q)
	case sipmsg.OPTIONS:
		res := l.e.reply(q.req, 200, "OK", l.dlg.localTag, nil)
		l.e.capabilities(res)
		q.tx.Respond(res)
	default:
		l.refuse(q, 405, "Method Not Allowed", "Allow", strings.Join(methods, ", "))
	}
}

// byed ends the leg. An INVITE that rings is ended by it as well (section 15.1.2).
func (l *Leg) byed(q *request) {
	l.ok(q, nil)
	if l.in != nil && !l.in.answered && !l.over {
		l.final(487, "Request Terminated", "")
	}
	if l.out != nil && !l.out.answered && l.out.tx != nil { // its 200 never came; what comes of it now is nobody's
		l.out.tx.Terminate()
	}
	if l.in != nil {
		l.in.release(call.ErrGone)
	}
	l.end(cause.Of(q.req, 0, ""))
	l.finish()
}

// informed takes digits by INFO.
func (l *Leg) informed(q *request) {
	body := q.req.Body()
	if len(body) > 0 {
		digit, d, ok := dtmfInfo(valueOf(q.req, "Content-Type"), body)
		if !ok {
			l.refuse(q, 400, cause.Phrases[400])
			return
		}
		l.stream.InjectDigit(digit, d)
	}
	l.ok(q, nil)
}

// reinvited takes a new offer, or is asked for one.
func (l *Leg) reinvited(q *request) {
	switch {
	case l.in != nil && !l.in.answered: // section 14.2: the first INVITE has no final answer yet
		l.refuse(q, 500, cause.Phrases[500], "Retry-After", strconv.Itoa(1))
		return
	case l.ses.inviting || l.neg.pending || l.acks != nil: // glare: section 14.2, RFC 5407, section 3.1.3
		l.refuse(q, 491, "Request Pending")
		return
	}
	if least, ok := tooBrief(q.req); !ok {
		l.refuse(q, 422, "Session Interval Too Small", "Min-SE", least)
		return
	}
	l.dlg.learn(q.req)
	var body []byte
	offered := len(q.req.Body()) > 0
	if offered {
		var err error
		if body, err = l.takeOffer(q.req.Body()); err != nil {
			l.refuse(q, 488, cause.Phrases[488])
			return
		}
	} else {
		body = l.offer()
	}
	res := l.e.reply(q.req, 200, "OK", l.dlg.localTag, body)
	res.AppendHeader(l.e.Contact(l.dlg.transport, l.dlg.peer.Addr()))
	l.e.capabilities(res)
	l.agreeTimer(q.req, res)
	l.accept(&accepted{l: l, req: q.req, tx: q.tx, res: res, offered: !offered})
}

// updated is the same without a hand-shake (RFC 3311).
func (l *Leg) updated(q *request) {
	if least, ok := tooBrief(q.req); !ok {
		l.refuse(q, 422, "Session Interval Too Small", "Min-SE", least)
		return
	}
	var body []byte
	if len(q.req.Body()) > 0 {
		switch {
		case l.neg.pending || l.ses.inviting: // section 5.2: we have an offer out
			l.refuse(q, 491, "Request Pending")
			return
		case l.in != nil && !l.in.answered && !l.neg.ready: // theirs has no answer yet
			l.refuse(q, 500, cause.Phrases[500], "Retry-After", strconv.Itoa(2))
			return
		}
		var err error
		if body, err = l.takeOffer(q.req.Body()); err != nil {
			l.refuse(q, 488, cause.Phrases[488])
			return
		}
	}
	l.dlg.learn(q.req)
	res := l.e.reply(q.req, 200, "OK", l.dlg.localTag, body)
	res.AppendHeader(l.e.Contact(l.dlg.transport, l.dlg.peer.Addr()))
	if l.in == nil || l.in.answered {
		l.agreeTimer(q.req, res)
	}
	q.tx.Respond(res)
}
