package softphone

import (
	"context"
	"time"

	"hotline"
	"hotline/acd"
	"hotline/call"
	"hotline/media"
	"hotline/tickets"
)

// supervision is a call of somebody else's that a supervisor listens to.
type supervision struct {
	callID string
	mode   call.SuperviseMode
}

type superviseData struct {
	CallID string `json:"call_id"`
	Mode   string `json:"mode"`
}

type modeData struct {
	Mode string `json:"mode"`
}

// superviseStart seats a supervisor in a call of a queue that is theirs. It happens only when it is in the audit.
func superviseStart(r request, d superviseData) (any, error) {
	mode, err := superviseModeOf(d.Mode)
	if err != nil {
		return nil, err
	}
	if d.CallID == "" || len(d.CallID) > 64 {
		return nil, field("call_id", "value.empty", "call_id is missing")
	}
	view, err := r.supervisable(d.CallID)
	if err != nil {
		return nil, err
	}
	w := &supervision{callID: d.CallID, mode: mode}
	r.st.mu.Lock()
	stream, err := r.st.mayWatch()
	if err == nil {
		r.st.stopSupervising("replaced")
		r.st.watching = w
	}
	name := r.st.who.Name
	r.st.mu.Unlock()
	if err != nil {
		return nil, err
	}
	err = r.auditSupervision(mode, view)
	if err == nil {
		err = r.g.do(r.ctx, d.CallID, func(t *call.Talk) error {
			return t.Supervise(call.SuperviseSeat{ID: r.st.account, Name: name, Stream: stream, Mode: mode})
		})
	}
	return r.supervising(w, err)
}

// supervising shows that a supervisor sits in a call, unless the browser went away while it sat down.
func (r request) supervising(w *supervision, err error) (any, error) {
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	switch {
	case err != nil && r.st.watching == w:
		r.st.watching = nil
		return nil, err
	case err != nil:
		return nil, err
	case r.st.watching != w:
		r.st.rise(w.callID)
		return nil, hotline.Errorf(hotline.Conflict, "supervise.over", "you are not in that call any more")
	}
	v := SuperviseView{CallID: w.callID, Mode: string(w.mode)}
	r.st.emit(eventSupervise, v)
	return v, nil
}

// supervisable returns the conversation if its queue is the supervisor's. Whether they still are one is asked anew.
func (r request) supervisable(callID string) (call.TalkView, error) {
	view, ok := r.g.conversation(callID)
	switch {
	case !r.g.valid(r.sock):
		r.sock.close(closeLoggedOut, "logged out")
		return view, hotline.Errorf(hotline.Denied, "socket.denied", "you are logged out")
	case ok && !r.sock.sees(view.Queue):
		return view, hotline.Errorf(hotline.Denied, "supervise.denied", "you supervise no queue that this call belongs to")
	case !ok && !r.sock.see.Load().All:
		// Whether there is such a call is nobody's business who could not listen to it.
		return view, hotline.Errorf(hotline.Denied, "supervise.denied", "you supervise no queue that this call belongs to")
	case !ok:
		return view, hotline.Errorf(hotline.NotFound, "supervise.no_talk", "nobody talks in this call now")
	}
	return view, nil
}

// mayWatch returns the audio of a supervisor who is free for it. The mutex is held.
func (st *station) mayWatch() (s *media.Stream, err error) {
	s = st.stream()
	switch {
	case s == nil:
		return nil, errNoAudio
	case st.call != nil:
		return nil, errBusy
	case st.agent != nil && busyState(acd.State(st.agent.State)):
		return nil, hotline.Errorf(hotline.Conflict, "supervise.ready", "calls may ring for you now: pause first")
	}
	return s, nil
}

func busyState(s acd.State) bool {
	return s == acd.Ready || s == acd.Reserved || s == acd.Ringing || s == acd.Talking
}

// superviseMode changes who hears the supervisor.
func superviseMode(r request, d modeData) (any, error) {
	mode, err := superviseModeOf(d.Mode)
	if err != nil {
		return nil, err
	}
	r.st.mu.Lock()
	was, stream, name := r.st.watching, r.st.stream(), r.st.who.Name
	r.st.mu.Unlock()
	if was == nil {
		return nil, hotline.Errorf(hotline.Conflict, "supervise.none", "you listen to no call now")
	}
	if stream == nil {
		return nil, errNoAudio
	}
	view, err := r.supervisable(was.callID)
	if err == nil {
		err = r.auditSupervision(mode, view)
	}
	if err == nil {
		err = r.g.do(r.ctx, was.callID, func(t *call.Talk) error {
			return t.Supervise(call.SuperviseSeat{ID: r.st.account, Name: name, Stream: stream, Mode: mode})
		})
	}
	if err != nil {
		return nil, err
	}
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	if r.st.watching != was {
		r.st.rise(was.callID)
		return nil, hotline.Errorf(hotline.Conflict, "supervise.over", "you are not in that call any more")
	}
	r.st.watching = &supervision{callID: was.callID, mode: mode}
	v := SuperviseView{CallID: was.callID, Mode: string(mode)}
	r.st.emit(eventSupervise, v)
	return v, nil
}

func superviseStop(r request, _ none) (any, error) {
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	r.st.stopSupervising("stopped")
	return nil, nil
}

func superviseModeOf(s string) (call.SuperviseMode, error) {
	m := call.SuperviseMode(s)
	if m != call.SuperviseListen && m != call.SuperviseWhisper && m != call.SuperviseBarge {
		return "", field("mode", "supervise.mode", "mode is listen, whisper or barge")
	}
	return m, nil
}

func (r request) auditSupervision(mode call.SuperviseMode, v call.TalkView) error {
	return r.g.cfg.Desk.Audit(r.ctx, r.who().actor(), tickets.NewAudit{Action: "call." + string(mode), Subject: "call:" + v.CallID,
		Data: map[string]string{"queue": v.Queue, "agent": v.Agent}})
}

// stopSupervising lets the supervisor go from the call that is listened to, if there is one. The mutex is held; it does not wait.
func (st *station) stopSupervising(why string) {
	w := st.watching
	if w == nil {
		return
	}
	st.watching = nil
	st.rise(w.callID)
	st.emit(eventSupervise, SuperviseView{CallID: w.callID, Why: why})
}

// rise takes the supervisor out of the room.
func (st *station) rise(callID string) {
	st.g.tasks.start(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(st.g.ctx), 5*time.Second)
		defer cancel()
		err := st.g.do(ctx, callID, func(t *call.Talk) error { t.Unsupervise(st.account); return nil })
		if err != nil {
			st.g.log.Debug("the call was over before the supervisor left", "call", callID, "error", err)
		}
	})
}

// unsupervised says that the conversation has let the supervisor go.
func (st *station) unsupervised(callID, why string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if w := st.watching; w != nil && w.callID == callID {
		st.watching = nil
		st.emit(eventSupervise, SuperviseView{CallID: callID, Why: why})
	}
}
