package sip

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/call"
)

// Session intervals (RFC 4028). Every established leg has one: where the peer does not know timers we ask it for signs of life
// ourselves, so that no leg outlives its peer for ever.
const (
	usualInterval = 1800
	leastInterval = 90
)

// second is shorter in tests.
var second = time.Second

// session is the timer of an established dialog.
type session struct {
	interval int // seconds
	refresh  bool
	cancel   []func()
	inviting bool // a re-INVITE of ours is under way
}

func (s *session) stop() {
	for _, f := range s.cancel {
		f()
	}
	s.cancel = nil
}

// interval reads Session-Expires or Min-SE: seconds, and who refreshes.
func interval(m sipmsg.Message, name string) (seconds int, refresher string) {
	value, params, _ := strings.Cut(valueOf(m, name), ";")
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	if err != nil {
		return 0, ""
	}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(k, "refresher") {
			refresher = strings.ToLower(v)
		}
	}
	return int(n), refresher
}

// tooBrief refuses an interval under the least (section 9). ok is true when there is none or it is long enough.
func tooBrief(req *sipmsg.Request) (least string, ok bool) {
	n, _ := interval(req, "Session-Expires")
	return strconv.Itoa(leastInterval), n == 0 || n >= leastInterval
}

// wanted is the interval that we ask for; 0 for none.
func (l *Leg) wanted() int {
	switch {
	case l.trunk == nil || l.trunk.Settings.SessionTimerS == 0:
		return usualInterval
	case l.trunk.Settings.SessionTimerS < 0:
		return 0
	}
	return max(l.trunk.Settings.SessionTimerS, leastInterval)
}

// agreeTimer answers the peer's request for a timer in our 2xx and starts it (section 9).
func (l *Leg) agreeTimer(req *sipmsg.Request, res *sipmsg.Response) {
	seconds, refresher := interval(req, "Session-Expires")
	knows := hasToken(req, "Supported", "timer")
	if seconds == 0 {
		if seconds = l.wanted(); seconds == 0 {
			return
		}
		if least, _ := interval(req, "Min-SE"); seconds < least {
			seconds = least
		}
	}
	switch {
	case !knows:
		refresher = "uas"
	case refresher == "":
		refresher = "uac"
	}
	add(res, "Session-Expires", strconv.Itoa(seconds)+";refresher="+refresher)
	if refresher == "uac" {
		add(res, "Require", "timer")
	}
	l.startTimer(seconds, refresher == "uas")
}

// takeTimer reads the timer out of the 2xx to a request of ours (section 7.2).
func (l *Leg) takeTimer(res *sipmsg.Response) {
	seconds, refresher := interval(res, "Session-Expires")
	if seconds == 0 {
		if seconds = l.wanted(); seconds == 0 {
			return
		}
		refresher = "uac"
	}
	l.startTimer(max(seconds, leastInterval), refresher != "uas")
}

func (l *Leg) startTimer(seconds int, refresh bool) {
	l.ses.stop()
	l.ses.interval, l.ses.refresh = seconds, refresh
	d := time.Duration(seconds) * second
	if refresh {
		l.ses.cancel = append(l.ses.cancel, l.after(d/2, l.refreshSession))
	}
	l.ses.cancel = append(l.ses.cancel, l.after(d-min(32*second, d/3), func() { // section 10
		if !l.over {
			l.sendBye(call.CauseExpired)
			l.end(call.CauseExpired)
		}
	}))
}

// refreshSession asks the peer whether it is still there: UPDATE if it knows that, else the same offer again.
func (l *Leg) refreshSession() {
	if l.over || l.ses.inviting || l.neg.pending || l.acks != nil {
		if !l.over {
			l.ses.cancel = append(l.ses.cancel, l.after(5*time.Second, l.refreshSession))
		}
		return
	}
	method := sipmsg.INVITE
	if slices.Contains(l.dlg.allow, "UPDATE") {
		method = sipmsg.UPDATE
	}
	req := l.e.request(&l.dlg, method)
	l.e.capabilities(req)
	add(req, "Session-Expires", strconv.Itoa(l.ses.interval)+";refresher=uac")
	add(req, "Min-SE", strconv.Itoa(leastInterval))
	if method == sipmsg.INVITE {
		add(req, "Content-Type", "application/sdp")
		req.SetBody(l.neg.again(l))
		l.ses.inviting = true
	}
	l.send(req, func(res *sipmsg.Response, err error) { l.refreshed(req, res, err) })
}

// again is our description as an offer; the same version, because nothing changes (RFC 3264, section 8).
func (n *negotiation) again(l *Leg) []byte {
	ours := l.ours()
	ours.SRTP = n.result.SRTP
	return ours.Offer(n.result.Ours)
}

// refreshed takes what came of a refresh.
func (l *Leg) refreshed(req *sipmsg.Request, res *sipmsg.Response, err error) {
	invite := req.Method == sipmsg.INVITE
	if res != nil && res.IsProvisional() {
		return
	}
	if res != nil && res.IsSuccess() && invite {
		l.e.ack(&l.dlg, req, nil)
	}
	l.ses.inviting = false
	if l.over {
		return
	}
	switch {
	case res == nil, res.StatusCode == 408, res.StatusCode == 481: // the peer has lost the dialog (RFC 5057, section 5.1)
		l.log.Info("the peer does not know the dialog any more", "err", err)
		l.sendBye(call.CauseExpired)
		l.end(call.CauseExpired)
	case res.IsSuccess():
		l.dlg.learn(res)
		if invite && len(res.Body()) > 0 {
			if err := l.takeAnswer(res.Body()); err != nil {
				l.log.Info("the answer to our refresh is of no use; what was agreed stands", "err", err)
			}
		}
		l.takeTimer(res)
	case res.StatusCode == 422:
		least, _ := interval(res, "Min-SE")
		l.ses.interval = max(least, l.ses.interval)
		l.refreshSession()
	default: // 491 and what else may pass: between 2.1 and 4 s in steps of 10 ms (section 14.1); the expiry stands
		wait := 21*second/10 + time.Duration(rand.IntN(190))*second/100
		l.ses.cancel = append(l.ses.cancel, l.after(wait, l.refreshSession))
	}
}
