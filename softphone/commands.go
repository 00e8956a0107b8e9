package softphone

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"time"

	"hotline"
	"hotline/tickets"
)

// request is one command of a tab.
type request struct {
	ctx  context.Context
	g    *Gateway
	st   *station
	s    *session
	sock *socket
}

func (r request) who() Identity { return r.sock.who }

// verb is what a command does, and who may give it.
type verb struct {
	run   func(r request, data []byte) (any, error)
	right Right // "": everybody
	phone bool  // only from the tab that is the phone: nobody talks through a browser that they do not look at
	data  reflect.Type
}

// of makes a verb of a function that takes its data.
func of[T any](f func(r request, d T) (any, error), right Right, phone bool) verb {
	return verb{right: right, phone: phone, data: reflect.TypeFor[T](), run: func(r request, data []byte) (any, error) {
		var d T
		if err := decode(data, &d); err != nil {
			return nil, err
		}
		return f(r, d)
	}}
}

// none is the data of commands that have none.
type none struct{}

const (
	anyTab = false
	phone  = true
)

// verbs are the commands after hello. asyncapi.yaml says what is in them; a test holds the two together.
var verbs map[string]verb

func init() { // the verbs use the table themselves
	verbs = map[string]verb{
		"ping":  of(ping, "", anyTab),
		"stats": of(stats, "", anyTab),

		"phone.offer":   of(phoneOffer, "", anyTab),
		"phone.take":    of(phoneTake, "", anyTab),
		"phone.release": of(phoneRelease, "", phone),

		"agent.ready":   of(agentReady, MayTakeCalls, anyTab),
		"agent.pause":   of(agentPause, MayTakeCalls, anyTab),
		"agent.offline": of(agentOffline, MayTakeCalls, anyTab),
		"agent.after":   of(agentAfter, MayTakeCalls, anyTab),

		"offer.answer":  of(answerOffer, MayTakeCalls, phone),
		"offer.decline": of(declineOffer, MayTakeCalls, anyTab),

		"call.hold":           of(callHold, MayTakeCalls, phone),
		"call.resume":         of(callResume, MayTakeCalls, phone),
		"call.mute":           of(callMute, MayTakeCalls, phone),
		"call.digits":         of(callDigits, MayTakeCalls, phone),
		"call.transfer":       of(callTransfer, MayTakeCalls, phone),
		"call.park":           of(callPark, MayTakeCalls, phone),
		"call.consult":        of(callConsult, MayTakeCalls, phone),
		"call.consult.cancel": of(consultCancel, MayTakeCalls, phone),
		"call.swap":           of(callSwap, MayTakeCalls, phone),
		"call.complete":       of(callComplete, MayTakeCalls, phone),
		"call.conference":     of(callConference, MayTakeCalls, phone),
		"call.record":         of(callRecord, MayTakeCalls, phone),
		"call.hangup":         of(callHangup, MayTakeCalls, phone),
		"call.note":           of(callNote, MayTakeCalls, anyTab),
		"call.dial":           of(callDial, MayDialOut, phone),

		"wrap.done":   of(wrapDone, MayTakeCalls, anyTab),
		"wrap.extend": of(wrapExtend, MayTakeCalls, anyTab),

		"supervise.start": of(superviseStart, MaySupervise, phone),
		"supervise.mode":  of(superviseMode, MaySupervise, phone),
		"supervise.stop":  of(superviseStop, MaySupervise, anyTab),
		"supervise.end":   of(superviseEnd, MaySupervise, anyTab),

		"board.watch":   of(boardWatchStart, MayWatch, anyTab),
		"board.unwatch": of(boardWatchStop, "", anyTab),
	}
}

// obey does a command and replies.
func (g *Gateway) obey(st *station, s *session, sock *socket, c command) {
	ctx, cancel := context.WithTimeout(g.ctx, commandWithin)
	defer cancel()
	r := request{ctx: ctx, g: g, st: st, s: s, sock: sock}
	data, err := r.obey(c)
	if err != nil {
		p := problemOf(err)
		if hotline.KindOf(err) == hotline.Denied {
			r.denied(c.Cmd, p.Code)
		}
		if p.Status == http.StatusInternalServerError {
			g.log.Error("a command failed", "cmd", c.Cmd, "account", st.account, "error", err)
		}
		sock.reply(reply{Reply: c.ID, Problem: p})
		return
	}
	sock.reply(reply{Reply: c.ID, OK: true, Data: data})
}

func (r request) obey(c command) (any, error) {
	v, ok := verbs[c.Cmd]
	if !ok {
		return nil, hotline.Errorf(hotline.NotFound, "socket.command", "there is no such command")
	}
	if v.right != "" && !r.who().may(v.right) {
		return nil, hotline.Errorf(hotline.Denied, "socket.denied", "your role may not do this: %s", v.right)
	}
	if v.phone && !r.isPhone() {
		return nil, hotline.Errorf(hotline.Conflict, "phone.elsewhere", "another tab of yours is the phone: take it over here first")
	}
	return v.run(r, c.Data)
}

func (r request) isPhone() bool {
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	return r.st.phone == r.s && r.s.socket == r.sock
}

// denied keeps that somebody asked for what they may not do. Who asks all the time fills the log, not the audit.
func (r request) denied(cmd, code string) {
	r.g.log.Warn("a command was denied", "cmd", cmd, "account", r.st.account, "code", code)
	if !r.sock.denials.Allow() {
		return
	}
	a := tickets.NewAudit{Action: "softphone.denied", Subject: "command:" + cmd, Data: map[string]string{"code": code}}
	if err := r.g.cfg.Desk.Audit(r.ctx, r.who().actor(), a); err != nil {
		r.g.log.Error("a denial could not be audited", "cmd", cmd, "account", r.st.account, "error", err)
	}
}

func field(path, code, format string, args ...any) error {
	e := hotline.Errorf(hotline.Invalid, code, format, args...)
	e.Field = path
	return e
}

// text checks what a person typed.
func text(path, value string, most int) (string, error) {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return "", field(path, "value.empty", "%s is empty", path)
	case len(value) > most:
		return "", field(path, "value.long", "%s has more than %d bytes", path, most)
	case strings.ContainsRune(value, 0):
		return "", field(path, "value.invalid", "%s contains what cannot be kept", path)
	}
	return value, nil
}

func ping(request, none) (any, error) {
	return struct {
		ServerTime time.Time `json:"server_time"`
	}{time.Now().UTC()}, nil
}
