package aritest

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// link is one websocket.
type link struct {
	s   *Server
	ws  *websocket.Conn
	ctx context.Context
	end context.CancelFunc

	mu     sync.Mutex
	out    [][]byte
	asked  []wireRequest
	frozen bool
	wake   chan struct{} // for write, capacity 1
	ask    chan struct{} // for work, capacity 1
}

type wireRequest struct {
	Type        string `json:"type"`
	Transaction string `json:"transaction_id"`
	ID          string `json:"request_id"`
	Method      string `json:"method"`
	URI         string `json:"uri"`
	Body        string `json:"message_body"`
}

func newLink(s *Server, ws *websocket.Conn) *link {
	l := &link{s: s, ws: ws, wake: make(chan struct{}, 1), ask: make(chan struct{}, 1)}
	l.ctx, l.end = context.WithCancel(context.Background())
	ws.SetPingHandler(func(data string) error {
		l.mu.Lock()
		frozen := l.frozen
		l.mu.Unlock()
		if !frozen {
			_ = ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		}
		return nil
	})
	return l
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// say sends a message; it never waits.
func (l *link) say(data []byte) {
	l.mu.Lock()
	l.out = append(l.out, data)
	l.mu.Unlock()
	poke(l.wake)
}

// write sends what is said, one after the other.
func (l *link) write() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.wake:
		}
		l.mu.Lock()
		out := l.out
		if l.frozen {
			out = nil
		} else {
			l.out = nil
		}
		l.mu.Unlock()
		for _, data := range out {
			if l.ws.WriteMessage(websocket.TextMessage, data) != nil {
				l.end()
				return
			}
		}
	}
}

// read takes pings and requests.
func (l *link) read() {
	defer l.gone()
	for {
		_, data, err := l.ws.ReadMessage()
		if err != nil {
			return
		}
		var q wireRequest
		if json.Unmarshal(data, &q) != nil || q.Type != "RESTRequest" {
			continue
		}
		l.mu.Lock()
		l.asked = append(l.asked, q)
		l.mu.Unlock()
		poke(l.ask)
	}
}

// work answers requests, one after the other as Asterisk does.
func (l *link) work() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.ask:
		}
		for {
			l.mu.Lock()
			if len(l.asked) == 0 {
				l.mu.Unlock()
				break
			}
			q := l.asked[0]
			l.asked = l.asked[1:]
			l.mu.Unlock()
			l.answer(q)
		}
	}
}

func (l *link) answer(w wireRequest) {
	u, err := url.Parse("/" + strings.TrimPrefix(w.URI, "/"))
	if err != nil {
		return
	}
	q := Request{Method: w.Method, Path: u.Path, Args: map[string]string{}, Body: w.Body}
	for name, values := range u.Query() {
		q.Args[name] = values[0]
	}
	status, body, cut := l.s.answer(q)
	if cut {
		l.cut()
		return
	}
	data, _ := json.Marshal(map[string]any{"type": "RESTResponse", "transaction_id": w.Transaction, "request_id": w.ID, "status_code": status,
		"reason_phrase": "", "uri": w.URI, "message_body": string(body), "application": l.s.App, "timestamp": stamp(time.Now())})
	l.say(data)
}

// cut ends the connection without a word.
func (l *link) cut() {
	l.end()
	_ = l.ws.UnderlyingConn().Close()
}

func (l *link) freeze() {
	l.mu.Lock()
	l.frozen = true
	l.mu.Unlock()
}

func (l *link) gone() {
	l.end()
	_ = l.ws.Close()
	l.s.mu.Lock()
	for i, other := range l.s.links {
		if other == l {
			l.s.links = append(l.s.links[:i:i], l.s.links[i+1:]...)
			break
		}
	}
	l.s.poke()
	l.s.mu.Unlock()
}
