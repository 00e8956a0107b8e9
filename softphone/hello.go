package softphone

import (
	"encoding/json"
	"net/http"
	"time"

	"hotline"
)

// helloData is the first command of a socket.
type helloData struct {
	Session string  `json:"session"` // of the tab: it keeps it through a reload
	Resume  *resume `json:"resume"`  // null: the tab knows nothing
}

type resume struct {
	Stream string `json:"stream"`
	Seq    uint64 `json:"seq"` // of the last event that it has seen
}

type helloReply struct {
	Stream     string    `json:"stream"`
	Seq        uint64    `json:"seq"`
	Snapshot   *Snapshot `json:"snapshot"` // null: the events since resume.seq follow
	ServerTime time.Time `json:"server_time"`
}

// hello gives a socket to the session that it names. The tab is told everything as it stands, or what it has missed.
func (g *Gateway) hello(sock *socket, c command) (*station, *session, bool) {
	var d helloData
	err := decode(c.Data, &d)
	switch {
	case c.Cmd != "hello":
		err = hotline.Errorf(hotline.Invalid, "socket.hello", "the first command is hello")
	case err == nil && !sessionID(d.Session):
		err = hotline.Errorf(hotline.Invalid, "socket.session", "session is 8 to 64 letters, digits and hyphens, chosen by the tab")
	}
	if err != nil {
		sock.reply(reply{Reply: c.ID, Problem: problemOf(err)})
		sock.close(closeNoHello, "no hello")
		return nil, nil, false
	}
	if !g.valid(sock) {
		sock.close(closeLoggedOut, "logged out")
		return nil, nil, false
	}
	config := g.configView()
	st, s, old := g.attach(sock, c.ID, d, config)
	if st == nil {
		sock.reply(reply{Reply: c.ID, Problem: newProblem(http.StatusTooManyRequests, "socket.many", "too many tabs of yours are open: close some")})
		sock.close(closeNoHello, "too many tabs")
		return nil, nil, false
	}
	if old != nil {
		old.close(closeReplaced, "replaced")
	}
	return st, s, true
}

// attach puts the socket in the place of the one that the session had, and answers hello before any event can come.
func (g *Gateway) attach(sock *socket, id string, d helloData, config ConfigView) (*station, *session, *socket) {
	account := sock.who.Account
	agent, wrap := g.agentNow(sock.who)
	g.mu.Lock()
	st := g.stations[account]
	first := st == nil
	if first {
		st = &station{g: g, account: account, sessions: map[string]*session{}, who: sock.who}
		g.stations[account] = st
	}
	st.mu.Lock()
	if first {
		g.rejoin(st)
	}
	g.mu.Unlock()
	defer st.mu.Unlock()
	s := st.sessions[d.Session]
	if s == nil {
		if len(st.sessions) >= 2*g.cfg.Limits.Account {
			return nil, nil, nil
		}
		s = newSession(d.Session)
		st.sessions[d.Session] = s
	}
	old := s.socket
	s.socket, s.gone = sock, time.Time{}
	st.who, st.agent, st.wrap = sock.who, agent, wrap
	st.welcome(s, id, d, config)
	st.settleSeat()
	st.settlePresence()
	return st, s, old
}

// welcome answers hello. The mutex is held.
func (st *station) welcome(s *session, id string, d helloData, config ConfigView) {
	r := helloReply{ServerTime: time.Now().UTC()}
	var missed [][]byte
	resumed := false
	if d.Resume != nil {
		missed, resumed = s.missed(d.Resume.Stream, d.Resume.Seq)
	}
	if !resumed {
		s.begin()
		s.watches = false
		r.Snapshot = st.snapshot(s, config)
		if st.call != nil {
			st.whose(st.call.ID)
		}
	}
	r.Stream, r.Seq = s.stream, s.seq-uint64(len(missed))
	s.socket.send(reply{Reply: id, OK: true, Data: r}.frame())
	for _, frame := range missed {
		s.socket.send(frame)
	}
	if !resumed {
		return
	}
	// What a tab may have missed while it was told nothing: how its audio is, and the board, which is not kept.
	st.tellPhone(s)
	if s.watches {
		s.stale = true
		st.g.board.wake()
	}
}

// detach takes the socket from its session. If that was the phone, the caller hears music from now on. Doing so twice is nothing.
func (g *Gateway) detach(st *station, s *session, sock *socket) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if s.socket != sock {
		return
	}
	s.socket, s.gone = nil, time.Now()
	if st.phone == s {
		st.stopSupervising("away")
		st.settleSeat()
		st.settlePresence()
	}
}

func sessionID(s string) bool {
	if len(s) < 8 || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' {
			return false
		}
	}
	return true
}

// encode is for data that is ours alone and cannot fail.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("softphone: " + err.Error())
	}
	return b
}
