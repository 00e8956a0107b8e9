package asterisk

import (
	"context"
	"strings"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/trunks/header"
)

const referLimit = time.Minute // for the outcome of a transfer

// referral is a transfer, one each way at a time.
type referral struct {
	reply  func(error) // of Refer, until the outcome is known
	sent   bool        // the peer was asked
	cancel func()
	asked  bool // the peer has asked for one that has no outcome yet
	giveUp func()
}

// drop ends what is under way with the leg. Asterisk hangs up when the peer has reported that its new call was answered, and says
// nothing else of it: that end is the outcome.
func (r *referral) drop(why call.Cause) {
	for _, stop := range []func(){r.giveUp, r.cancel} {
		if stop != nil {
			stop()
		}
	}
	if r.reply == nil {
		return
	}
	if r.sent && why.By != "hotline" {
		r.reply(nil)
	} else {
		r.reply(call.ErrGone)
	}
	r.reply = nil
}

// Refer asks the peer to call target.
func (l *Leg) Refer(ctx context.Context, target string) error {
	if target == "" || header.Clean(target) != target || len(target) > 256 {
		return hotline.Errorf(hotline.Invalid, "transfer.bad_target", "%.80q is no SIP URI", header.Clean(target))
	}
	return l.command(ctx, func(reply func(error)) {
		switch {
		case !l.answered:
			reply(hotline.Errorf(hotline.Conflict, "transfer.not_answered", "a call can be transferred after it is answered"))
			return
		case l.refer.reply != nil:
			reply(hotline.Errorf(hotline.Conflict, "transfer.busy", "a transfer of this call is under way"))
			return
		}
		l.refer.reply = reply
		l.ask(func(ctx context.Context) error { return l.n.client.Redirect(ctx, l.channel, "PJSIP/"+target) }, func(err error) {
			l.refer.sent = err == nil
			if err != nil {
				l.transferred(settled(err))
			}
		})
		l.refer.cancel = l.after(referLimit, func() {
			l.transferred(hotline.Errorf(hotline.Unavailable, "transfer.failed", "the transfer failed: the peer has not gone"))
		})
	})
}

// transferred tells Refer the outcome.
func (l *Leg) transferred(err error) {
	if reply := l.refer.reply; reply != nil {
		l.refer.cancel()
		l.refer.reply, l.refer.sent, l.refer.cancel = nil, false, nil
		reply(err)
	}
}

// transferAsked takes a transfer that the peer asks for. The call decides what becomes of it; nothing is dialled here.
func (l *Leg) transferAsked(ev ari.Event) {
	if ev.Refer == nil || ev.Refer.State != "" || l.refer.asked || !l.answered {
		return
	}
	l.refer.asked = true
	l.tellTransfer("channel_progress")
	l.refer.giveUp = l.after(referLimit, func() { l.report(503) })
	asked := call.Event{Kind: call.TransferAsked, Target: header.Cut(ev.Refer.Number, 1024)}
	if ev.Refer.ProtocolID != "" {
		asked.Second = l.second(ev)
	}
	l.post(asked)
}

// second finds the call that an attended transfer names: the one in which the dialog is that is to be replaced (RFC 3891). It must be
// the same telephone's: whoever has learnt the names of somebody else's dialog shall not get that call.
func (l *Leg) second(ev ari.Event) *call.Second {
	to := ev.Refer.Destination
	switch {
	case to == nil || to.ID == l.channel:
		return &call.Second{Why: hotline.Errorf(hotline.NotFound, "transfer.no_dialog", "the telephone names no other call that its Asterisk has")}
	case ev.Channel == nil || endpointOf(to.Name) == "" || endpointOf(ev.Channel.Name) != endpointOf(to.Name):
		l.log.Warn("a telephone wants to transfer into a call that is not its own", "event", "alarm", "telephone", l.info.Dialled, "named", to.Name)
		return &call.Second{Why: hotline.Errorf(hotline.Denied, "transfer.not_its_own", "the telephone names a call that is not its own")}
	}
	if other := l.n.owner(to.ID); other != nil {
		return &call.Second{CallID: other.info.CallID, LegID: other.info.LegID}
	}
	return l.elsewhere(ev.Refer.Other)
}

// endpointOf returns the endpoint of a channel: "PJSIP/601" of PJSIP/601-0000002a; "" when the name is none of PJSIP.
func endpointOf(channel string) string {
	if i := strings.LastIndexByte(channel, '-'); i > 0 && strings.HasPrefix(channel, "PJSIP/") {
		return channel[:i]
	}
	return ""
}

// ReportTransfer tells the peer what became of the transfer that it asked for: 200, or the code of the failure.
func (l *Leg) ReportTransfer(ctx context.Context, code int, _ string) error {
	return l.command(ctx, func(reply func(error)) {
		l.report(code)
		reply(nil)
	})
}

func (l *Leg) report(code int) {
	if !l.refer.asked || l.over {
		return
	}
	l.refer.asked = false
	l.refer.giveUp()
	switch {
	case code < 300:
		l.tellTransfer("channel_answered")
	case code == 603 || code == 486 || code == 600:
		l.tellTransfer("channel_declined")
	default:
		l.tellTransfer("channel_unavailable")
	}
}

func (l *Leg) tellTransfer(state string) {
	channel := l.channel
	l.ask(func(ctx context.Context) error { return l.n.client.TransferProgress(ctx, channel, state) }, func(err error) {
		if err != nil && !ari.Gone(err) {
			l.log.Info("the peer could not be told how its transfer goes", "err", err)
		}
	})
}
