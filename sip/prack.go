package sip

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/call"
	"hotline/sip/cause"
)

// reliable is the state of provisional responses that are acknowledged (RFC 3262), which is done when the peer requires it.
type reliable struct {
	needed bool
	seq    uint32 // RSeq of the last one
	out    *sipmsg.Response
	sdp    bool // out carries a description
	since  time.Time
	cancel func()
	queue  []queued
	then   []func() // what waits for the PRACK
}

type queued struct {
	res *sipmsg.Response
	sdp bool
}

func (r *reliable) stop() {
	if r.cancel != nil {
		r.cancel()
	}
}

// busy reports whether a 200 must wait.
func (r *reliable) busy() bool { return r.out != nil && r.sdp }

// reliably sends a provisional response until it is acknowledged; one at a time.
func (l *Leg) reliably(res *sipmsg.Response, sdp bool) {
	r := &l.in.rel
	if r.out != nil {
		r.queue = append(r.queue, queued{res, sdp})
		return
	}
	if r.seq == 0 {
		r.seq = rand.Uint32N(1<<30) + 1
	} else {
		r.seq++
	}
	res.AppendHeader(sipmsg.NewHeader("Require", "100rel"))
	res.AppendHeader(sipmsg.NewHeader("RSeq", strconv.FormatUint(uint64(r.seq), 10)))
	r.out, r.sdp, r.since = res, sdp, time.Now()
	l.in.tx.Respond(res)
	l.resend(t1)
}

func (l *Leg) resend(wait time.Duration) {
	r := &l.in.rel
	r.cancel = l.after(wait, func() {
		if l.over || l.in.answered || r.out == nil {
			return
		}
		if time.Since(r.since)+wait >= 2*ackLimit {
			l.reject(call.Cause{Q850: 102, SIP: 504, Text: "no PRACK", By: "hotline"})
			return
		}
		l.in.tx.Respond(r.out)
		l.resend(2 * wait)
	})
}

// pracked takes a PRACK.
func (l *Leg) pracked(q *request) {
	if l.in == nil || l.in.rel.out == nil {
		l.refuse(q, 481, "Call/Transaction Does Not Exist")
		return
	}
	r := &l.in.rel
	f := strings.Fields(valueOf(q.req, "RAck"))
	if len(f) != 3 || f[0] != strconv.FormatUint(uint64(r.seq), 10) || f[1] != strconv.FormatUint(uint64(l.in.req.CSeq().SeqNo), 10) || f[2] != "INVITE" {
		l.refuse(q, 481, "Call/Transaction Does Not Exist")
		return
	}
	r.stop()
	r.out = nil
	var body []byte
	if isSDP(q.req) && len(q.req.Body()) > 0 {
		var err error
		if l.neg.pending {
			err = l.takeAnswer(q.req.Body())
		} else {
			body, err = l.takeOffer(q.req.Body())
		}
		if err != nil {
			l.refuse(q, 488, cause.Phrases[488])
			return
		}
	}
	q.tx.Respond(l.e.reply(q.req, 200, "OK", l.dlg.localTag, body))
	if len(r.queue) > 0 {
		next := r.queue[0]
		r.queue = r.queue[1:]
		l.reliably(next.res, next.sdp)
		return
	}
	then := r.then
	r.then = nil
	for _, f := range then {
		f()
	}
}

// prack acknowledges a reliable provisional response to our INVITE.
func (l *Leg) prack(res *sipmsg.Response, d *dialog) {
	rseq := valueOf(res, "RSeq")
	n, err := strconv.ParseUint(rseq, 10, 32)
	if err != nil || !hasToken(res, "Require", "100rel") {
		return
	}
	if last, ok := l.out.rseq[d.remoteTag]; ok && uint32(n) != last+1 { // again, or out of order: section 4
		return
	}
	l.out.rseq[d.remoteTag] = uint32(n)
	req := l.e.request(d, sipmsg.PRACK)
	add(req, "RAck", rseq+" "+strconv.FormatUint(uint64(res.CSeq().SeqNo), 10)+" INVITE")
	l.send(req, func(*sipmsg.Response, error) {})
}
