// Package refer is what becomes of a transfer that a telephone asks for: REFER (RFC 3515), or what an Asterisk makes of it.
//
// It reads whom the telephone names and tells it the outcome. Whether the number may be called is for the outbound routes to say, and
// the call itself decides who is connected; the edge finds the second call that an attended transfer names. Start at [Take].
package refer

import (
	"context"
	"strings"
	"time"

	"hotline"
)

// Take returns the number that the peer of a leg asks for in its place, and tells the peer that it will be called. "": it was declined,
// as it has not got the caller to itself (alone), or names none.
func Take(leg any, target string, alone bool) string {
	to, ok := number(target)
	if !ok || !alone {
		report(leg, 603, "Decline")
		return ""
	}
	report(leg, 200, "OK")
	return to
}

// Tell tells the peer of a leg what became of an attended transfer: that the two are connected, or why it keeps both of its calls.
func Tell(leg any, err error) {
	switch hotline.KindOf(err) {
	case "":
		report(leg, 200, "OK")
	case hotline.Denied, hotline.Invalid:
		report(leg, 603, "Decline")
	case hotline.NotFound:
		report(leg, 481, "Call/Transaction Does Not Exist")
	case hotline.Conflict:
		report(leg, 486, "Busy Here")
	default:
		report(leg, 480, "Temporarily Unavailable")
	}
}

// number returns the number that a Refer-To URI, or a bare number, stands for. None: an attended transfer (RFC 3891), or nothing that can
// be dialled. The host is not heeded: calls go out by the routes alone.
func number(target string) (to string, ok bool) {
	if strings.Contains(strings.ToLower(target), "replaces=") {
		return "", false
	}
	for _, scheme := range []string{"sips:", "sip:", "tel:"} {
		if len(target) > len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			target = target[len(scheme):]
			break
		}
	}
	to, _, _ = strings.Cut(target, "@")
	to, _, _ = strings.Cut(to, ";")
	to, _, _ = strings.Cut(to, "?")
	return to, to != "" && len(to) <= 64
}

// reporter is a leg whose peer can be told the outcome.
type reporter interface {
	ReportTransfer(ctx context.Context, code int, text string) error
}

// report tells the peer of a leg what becomes of its wish: a SIP status. It does nothing for a leg that cannot.
func report(leg any, code int, text string) {
	r, ok := leg.(reporter)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r.ReportTransfer(ctx, code, text) // a peer that is gone need not be told
}
