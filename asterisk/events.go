package asterisk

import (
	"context"
	"time"

	"hotline/asterisk/ari"
	"hotline/call"
)

// told takes an event of one of the leg's ids. The client's dispatcher calls it: it does not wait.
func (l *Leg) told(ev ari.Event) {
	at := time.Now()
	l.tasks.Do(func() { l.happened(ev, at) })
}

// happened looks whose event it is. What comes after the end, or of a channel that was given up, means nothing.
func (l *Leg) happened(ev ari.Event, at time.Time) {
	if l.over {
		return
	}
	subject := ""
	switch {
	case ev.Type == "Dial" && ev.Peer != nil:
		subject = ev.Peer.ID
	case ev.Channel != nil:
		subject = ev.Channel.ID
	}
	switch {
	case ev.Type == "BridgeDestroyed":
		if ev.Bridge != nil && ev.Bridge.ID == l.sound.bridge {
			l.deaf()
		}
	case subject == l.sound.media:
		l.ofMedia(ev)
	case subject == l.channel:
		l.ofChannel(ev, at)
	}
}

func (l *Leg) ofMedia(ev ari.Event) {
	switch ev.Type {
	case "StasisStart":
		l.sound.entered = true
		l.join()
	case "StasisEnd", "ChannelDestroyed":
		l.deaf()
	}
}

func (l *Leg) ofChannel(ev ari.Event, at time.Time) {
	switch ev.Type {
	case "StasisStart":
		l.entered = true
		l.join()
	case "ChannelStateChange":
		l.stateIs(ev.Channel.State)
	case "Dial":
		l.progressed(ev.DialStatus)
	case "ChannelDtmfReceived":
		if len(ev.Digit) == 1 {
			l.stream.InjectDigit(ev.Digit[0], ev.Duration)
		}
	case "ChannelHold":
		if !l.sound.held {
			l.sound.held = true
			l.post(call.Event{Kind: call.Held, At: at})
		}
	case "ChannelUnhold":
		if l.sound.held {
			l.sound.held = false
			l.post(call.Event{Kind: call.Resumed, At: at})
		}
	case "ChannelTransfer":
		l.transferAsked(ev)
	case "ChannelHangupRequest":
		if l.last == nil || ev.Cause != 0 {
			l.last = &ev
		}
	case "StasisEnd", "ChannelDestroyed":
		l.left(ev)
	}
}

// stateIs takes the state of the leg's channel as Asterisk shows it.
func (l *Leg) stateIs(state string) {
	switch {
	case state == "Up":
		l.taken()
	case state == "Ringing" && l.out != nil:
		l.rings()
	}
}

// taken is told that the channel is up: our answer was sent, or the called has answered.
func (l *Leg) taken() {
	if l.answered {
		return
	}
	l.answered = true
	if l.in != nil {
		l.in.stop()
		l.post(call.Event{Kind: call.Answered})
		if l.sound.ready {
			l.sound.release(nil)
		}
		return
	}
	l.out.stop()
	l.post(call.Event{Kind: call.Answered})
}

// left is told that the channel is no longer ours: it was hung up, or something else in Asterisk has taken it.
func (l *Leg) left(ev ari.Event) {
	switch {
	case l.out != nil && !l.out.created && !l.answered: // what came of making it decides: one whose making is not known is taken away again
		l.out.early = &ev
	case ev.Type == "ChannelDestroyed":
		l.departed(ev.Cause, ev.TechCause)
	case l.last == nil:
		l.searched()
	case l.last.SoftHangup && l.last.Cause == 0: // by Asterisk itself or who administers it
		l.away(call.Cause{Q850: 41, Text: "ended by Asterisk", By: "backend"})
	default:
		l.departed(l.last.Cause, l.last.TechCause)
	}
}

// searched asks what became of a channel that has left our application without a hang-up.
func (l *Leg) searched() {
	channel := l.channel
	l.ask(func(ctx context.Context) error {
		_, err := l.n.client.Channel(ctx, channel)
		return err
	}, func(err error) {
		switch {
		case l.over || channel != l.channel:
		case ari.Gone(err):
			l.departed(16, 0)
		default:
			l.exists = false // whoever has it now shall keep it
			l.away(call.Cause{Q850: 41, Text: "taken away by Asterisk's dialplan", By: "backend"})
		}
	})
}

// departed is told why the channel is gone.
func (l *Leg) departed(q850, sip int) {
	why := causeOf(q850, sip, l.answered)
	if l.in != nil && !l.answered {
		why = call.CauseCancelled
	}
	l.away(why)
}

// away ends a leg whose channel is gone already.
func (l *Leg) away(why call.Cause) {
	l.exists = false
	if l.end(why) {
		l.clear(16)
	}
}
