package asterisk

import (
	"hotline"
	"hotline/call"
)

// reason is the cause that Asterisk is told to hang up with. Before the answer it chooses the SIP response by it, so the cause is chosen by
// the response that is wanted (the reverse of Asterisk's own table); afterwards it is the Q.850 cause itself.
func reason(why call.Cause, answered bool) int {
	if !answered {
		if q := map[int]int{
			403: 21, 404: 1, 408: 18, 410: 22, 480: 19, 484: 28, 486: 17, 488: 58, 500: 38, 501: 29, 502: 27, 503: 42, 600: 17, 603: 21,
		}[why.SIP]; q != 0 {
			return q
		}
		switch {
		case why.Q850 == 41: // has no response of its own: 603 would be sent, and nobody would try elsewhere
			return 38
		case why.Q850 == 16 || why.Q850 == 0:
			return 31 // 480
		}
	}
	if why.Q850 < 1 || why.Q850 > 127 {
		return 16
	}
	return why.Q850
}

// causeOf is why Asterisk says that a channel is gone.
func causeOf(q850, sip int, answered bool) call.Cause {
	c := call.Cause{Q850: q850, SIP: sip, Text: texts[q850], By: "peer"}
	if c.Q850 <= 0 || c.Q850 > 127 {
		c.Q850 = 16
	}
	if c.Text == "" {
		c.Text = "hung up by peer"
	}
	switch {
	case answered:
		c.SIP = 0
	case c.SIP == 0:
		c.SIP = map[int]int{1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 27: 502, 28: 484, 34: 503, 38: 500, 42: 503, 58: 488}[c.Q850]
	}
	return c
}

var texts = map[int]string{
	1: "unassigned number", 3: "no route", 16: "hung up by peer", 17: "busy", 18: "no response", 19: "no answer", 20: "not registered", 21: "rejected",
	22: "number changed", 27: "destination out of order", 28: "incomplete number", 31: "unspecified", 34: "all circuits busy", 38: "network out of order",
	41: "temporary failure", 42: "congestion", 44: "channel not available", 58: "capability not available", 88: "incompatible destination",
	102: "time-out", 127: "interworking",
}

// refusal is what a call is refused with that the acceptor does not take. Here an error's kind becomes a cause, once.
func refusal(err error) call.Cause {
	switch hotline.KindOf(err) {
	case hotline.NotFound:
		return call.CauseUnassigned
	case hotline.Denied:
		return call.CauseRejected
	case hotline.Invalid:
		return call.Cause{Q850: 28, SIP: 484, Text: "invalid", By: "hotline"}
	case hotline.Conflict:
		return call.CauseBusy
	case hotline.Unavailable:
		return call.CauseCongestion
	}
	return call.CauseFailure
}
