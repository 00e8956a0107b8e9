package softphone

import (
	"encoding/json"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"hotline"
)

const (
	maxFrame     = 64 << 10
	pingEvery    = 10 * time.Second
	silentFor    = 25 * time.Second // a browser that answers no ping for so long is gone
	writeWithin  = 5 * time.Second
	outWaiting   = 128 // frames that a reader may be behind
	inWaiting    = 32  // commands that may wait for the one before
	commandRate  = 50  // a second
	commandBurst = 100
)

// Why a socket is closed, as the browser is told (RFC 6455, section 7.4.2: 4000 and up are ours).
const (
	closeBadFrame  = 4400 // not a command
	closeLoggedOut = 4401 // log in again
	closeNoHello   = 4408 // the first command did not come, or was not hello
	closeReplaced  = 4409 // the same tab has a newer socket, or was copied: do not come back by yourself
	closeSlow      = 4413 // did not read what it was sent: come back and go on from the snapshot
	closeGoingAway = websocket.CloseGoingAway
)

// socket is one websocket. Whoever has it may send events and close from any goroutine; neither ever waits.
type socket struct {
	conn    *websocket.Conn
	who     Identity
	out     chan []byte
	limit   *rate.Limiter
	denials *rate.Limiter                 // that are kept in the audit
	see     atomic.Pointer[hotline.Scope] // whose calls they see now

	mu     sync.Mutex
	closed bool
	code   int
	reason string
	done   chan struct{} // closed with closed
}

func newSocket(conn *websocket.Conn, who Identity) *socket {
	s := &socket{conn: conn, who: who, out: make(chan []byte, outWaiting), done: make(chan struct{}),
		limit: rate.NewLimiter(commandRate, commandBurst), denials: rate.NewLimiter(1, 20)}
	s.see.Store(&who.See)
	return s
}

// send queues a frame. A browser that is so far behind that there is no room is dropped: it comes back and starts from a snapshot,
// and nobody else waits for it.
func (s *socket) send(frame []byte) {
	select {
	case <-s.done:
	case s.out <- frame:
	default:
		s.close(closeSlow, "too slow")
	}
}

// reply answers a command. Whoever gives commands faster than it reads the answers waits for itself, so this may block; it is for the
// goroutines of the socket's own commands.
func (s *socket) reply(r reply) {
	select {
	case s.out <- r.frame():
	case <-s.done:
	}
}

// sees says whether a queue is theirs to see.
func (s *socket) sees(queue string) bool { return s.see.Load().Sees(queue) }

// close ends the socket; the first reason counts.
func (s *socket) close(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed, s.code, s.reason = true, code, reason
	close(s.done)
	// The reader wakes up at once; so does a writer whom nobody reads. Any other has yet to say why.
	_ = s.conn.SetReadDeadline(time.Now())
	if code == closeSlow {
		_ = s.conn.NetConn().SetWriteDeadline(time.Now())
	}
}

// write sends what is queued and a ping now and then, until the socket is closed; then it says why and cuts the connection.
func (s *socket) write() {
	defer func() { _ = s.conn.Close() }()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-s.done:
			s.farewell()
			return
		case frame := <-s.out:
			_ = s.conn.SetWriteDeadline(time.Now().Add(writeWithin))
			err = s.conn.WriteMessage(websocket.TextMessage, frame)
		case <-ping.C:
			err = s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWithin))
		}
		if err != nil {
			s.close(closeSlow, "not read")
			return
		}
	}
}

// farewell sends what is still queued, unless that is what went wrong, and the reason.
func (s *socket) farewell() {
	deadline := time.Now().Add(time.Second)
	if s.code != closeSlow {
		_ = s.conn.SetWriteDeadline(deadline)
		for len(s.out) > 0 {
			if s.conn.WriteMessage(websocket.TextMessage, <-s.out) != nil {
				return
			}
		}
	}
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(s.code, s.reason), deadline)
}

// listen prepares for reading: limits, and pongs that count as signs of life.
func (s *socket) listen() {
	s.conn.SetReadLimit(maxFrame)
	s.alive()
	s.conn.SetPongHandler(func(string) error { s.alive(); return nil })
	s.conn.SetPingHandler(func(data string) error {
		s.alive()
		err := s.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWithin))
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			return nil
		}
		return err
	})
}

// alive puts off the time at which the browser is taken for gone, unless the socket is being closed.
func (s *socket) alive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = s.conn.SetReadDeadline(time.Now().Add(silentFor))
	}
}

// read returns the next command. Everything that is not one ends the socket: the browser's side is ours too.
func (s *socket) read() (command, bool) {
	kind, frame, err := s.conn.ReadMessage()
	if err != nil {
		s.close(websocket.CloseNormalClosure, "")
		return command{}, false
	}
	s.alive()
	var c command
	if kind != websocket.TextMessage || json.Unmarshal(frame, &c) != nil || c.Cmd == "" || len(c.ID) > 64 {
		s.close(closeBadFrame, "not a command")
		return command{}, false
	}
	return c, true
}
