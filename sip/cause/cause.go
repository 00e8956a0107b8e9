// Package cause translates why a call ends between SIP and Q.850: the Reason header field (RFC 3326), final responses (RFC 3398) and
// the errors of whoever takes calls.
//
// It owns these tables and nothing else: it keeps no state, sends nothing and decides nothing about a call. Start at [Of], which reads
// what a peer said, and [Status], which chooses what we say.
package cause

import (
	"fmt"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/call"
	"hotline/sip/wire"
	"hotline/trunks/header"
)

// Reason renders a cause as the Reason header field (RFC 3326).
func Reason(c call.Cause) string {
	if c.Q850 == 0 {
		return ""
	}
	return fmt.Sprintf("Q.850;cause=%d;text=%s", c.Q850, wire.Quote(header.Clean(c.Text)))
}

// Of reads why the peer ended a leg: Reason if it says, else what the code stands for.
func Of(m sipmsg.Message, code int, text string) call.Cause {
	c := call.Cause{Q850: q850(code), SIP: code, Text: header.Cut(header.Clean(text), 100), By: "peer"}
	if code == 0 {
		c = call.CausePeerHangup
	}
	for _, r := range reasons(m) {
		protocol, params, _ := strings.Cut(r, ";")
		for p := range strings.SplitSeq(params, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if strings.EqualFold(strings.TrimSpace(name), "cause") && err == nil && n > 0 && n < 128 && strings.EqualFold(strings.TrimSpace(protocol), "Q.850") {
				c.Q850 = n
			}
		}
	}
	return c
}

func reasons(m sipmsg.Message) []string {
	var out []string
	for _, h := range m.GetHeaders("Reason") {
		out = append(out, wire.Split(h.Value(), ',')...)
	}
	return out
}

// q850 maps a final response to a cause (RFC 3398, section 8.2.6.1).
func q850(code int) int {
	switch code {
	case 0, 200:
		return 16
	case 400, 481, 500:
		return 41
	case 401, 402, 403, 407, 603:
		return 21
	case 404, 485, 604:
		return 1
	case 405:
		return 63
	case 406, 415, 416, 417, 505:
		return 79
	case 408, 504:
		return 102
	case 410:
		return 22
	case 413, 414, 420, 421, 423, 513:
		return 127
	case 480:
		return 18
	case 482, 483:
		return 25
	case 484:
		return 28
	case 486, 600:
		return 17
	case 487:
		return 16
	case 488, 606:
		return 88
	case 501:
		return 79
	case 502:
		return 38
	case 503:
		return 42
	}
	return 31
}

// Status is the final response with which a call that rings is ended.
func Status(c call.Cause) (code int, text string) {
	code = c.SIP
	if code < 400 || code > 699 {
		code = map[int]int{1: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 603, 28: 484, 34: 503, 38: 503, 41: 503, 42: 503}[c.Q850]
	}
	if code == 0 {
		code = 480
	}
	return code, Phrases[code]
}

// Phrases are the reason phrases of the codes that are given here.
var Phrases = map[int]string{
	400: "Bad Request", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 480: "Temporarily Unavailable", 484: "Address Incomplete",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 500: "Server Internal Error", 503: "Service Unavailable",
	504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline",
}

// Refusal is the response to an INVITE that the acceptor does not take. Here an error's kind becomes a SIP code, once.
func Refusal(err error) (code int, text string) {
	switch hotline.KindOf(err) {
	case hotline.NotFound:
		code = 404
	case hotline.Denied:
		code = 403
	case hotline.Invalid:
		code = 400
	case hotline.Conflict:
		code = 486
	case hotline.Unavailable:
		code = 503
	default:
		code = 500
	}
	return code, Phrases[code]
}
