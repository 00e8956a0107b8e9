package sip

import (
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/call"
)

// t1, t2 and ackLimit are the timers of RFC 3261, section 13.3.1.4: variables so that tests need not wait half a minute.
var (
	t1       = 500 * time.Millisecond
	t2       = 4 * time.Second
	ackLimit = 32 * time.Second
)

// accepted is a 2xx to an INVITE. It is sent again at 0.5, 1, 2, 4, 4 … s until the ACK comes; over TCP too (section 13.3.1.4).
type accepted struct {
	l       *Leg
	req     *sipmsg.Request
	tx      *sipmsg.ServerTx
	res     *sipmsg.Response
	first   bool // of the INVITE that made the dialog
	offered bool // it carries an offer: the ACK must bring the answer
	since   time.Time
	cancel  func()
}

// accept sends a 2xx and waits for its ACK.
func (l *Leg) accept(a *accepted) {
	l.acks.stop()
	l.acks = a
	a.since = time.Now()
	a.tx.Respond(a.res)
	a.next(t1)
}

func (a *accepted) next(wait time.Duration) {
	a.cancel = a.l.after(wait, func() {
		if time.Since(a.since)+wait/2 >= ackLimit {
			a.l.unacked(a)
			return
		}
		a.tx.Respond(a.res)
		a.next(min(2*wait, t2, max(ackLimit-time.Since(a.since), time.Millisecond)))
	})
}

func (a *accepted) stop() {
	if a != nil && a.cancel != nil {
		a.cancel()
	}
}

// unacked ends the session when no ACK came (section 13.3.1.4: it SHOULD send BYE; sipgo's own dialog does not).
func (l *Leg) unacked(a *accepted) {
	l.acks = nil
	if l.in != nil && a.first {
		l.in.release(call.ErrGone)
	}
	if l.bye != nil {
		l.flushBye()
		return
	}
	l.sendBye(call.CauseNoACK)
	l.end(call.CauseNoACK)
}

func (l *Leg) flushBye() {
	req := l.bye
	l.bye = nil
	l.send(req, func(*sipmsg.Response, error) { l.finish() })
}

// acked takes an ACK for a 2xx.
func (l *Leg) acked(req *sipmsg.Request) {
	a := l.acks
	if a == nil || req.CSeq().SeqNo != a.req.CSeq().SeqNo || fromTag(req) != l.dlg.remoteTag {
		return
	}
	a.stop()
	l.acks = nil
	a.tx.Terminate() // whoever has acknowledged sends the INVITE no more
	if a.first {
		l.in.tx = nil
	}
	if l.bye != nil {
		l.flushBye()
		return
	}
	if l.over {
		return
	}
	if a.offered {
		if err := l.takeAnswer(req.Body()); err != nil {
			l.log.Info("the ACK brought no usable answer", "err", err)
			why := call.Cause{Q850: 88, Text: "no usable answer in the ACK", By: "hotline"}
			if a.first {
				l.in.release(err)
			}
			l.sendBye(why)
			l.end(why)
			return
		}
	}
	if a.first {
		l.post(call.Event{Kind: call.Answered})
		l.in.release(nil)
	}
	l.replay()
}
