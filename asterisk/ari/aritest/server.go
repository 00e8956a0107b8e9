package aritest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// Server is the stand-in. Its methods may be called from any goroutine.
type Server struct {
	URL      string // http://127.0.0.1:port
	User     string
	Password string
	App      string

	web   *httptest.Server
	sink  net.PacketConn // where external media is sent; nobody reads it
	tasks sync.WaitGroup

	mu       sync.Mutex
	state    *state
	links    []*link // websockets, the last is the application's
	rules    []*rule
	requests []Request
	changed  chan struct{} // closed and made anew when a request is seen or a websocket comes or goes
	told     telling
	started  time.Time
	version  string
	closed   bool
}

// Request is what was asked.
type Request struct {
	Method string
	Path   string // below /ari
	Args   map[string]string
	Body   string
	Status int // 0 while there is no answer
}

// New starts a stand-in until the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	sink, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("aritest: %v", err)
	}
	s := &Server{
		User: "hotline", Password: secret(), App: "hotline", sink: sink, changed: make(chan struct{}),
		started: time.Now().Add(-time.Minute), version: "22.10.1",
	}
	s.state = newState(s)
	s.web = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.web.URL
	t.Cleanup(s.close)
	return s
}

func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	links := s.links
	for _, r := range s.rules {
		r.release()
	}
	s.mu.Unlock()
	for _, l := range links {
		l.cut()
	}
	s.web.CloseClientConnections()
	s.web.Close()
	s.tasks.Wait()
	_ = s.sink.Close()
}

// poke tells those who wait that something has changed. The caller holds mu.
func (s *Server) poke() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait waits until ok, which is called with mu held.
func (s *Server) wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		done, changed, seen := ok(), s.changed, s.requests
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("aritest: waited in vain for %s; last requests: %+v", what, seen[max(0, len(seen)-12):])
		}
	}
}

// serve answers HTTP.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != s.User || password != s.Password {
		http.Error(w, `{"message":"Authentication required"}`, http.StatusUnauthorized)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/ari")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if path == "/events" {
		s.listen(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	q := Request{Method: r.Method, Path: path, Args: map[string]string{}, Body: string(body)}
	for name, values := range r.URL.Query() {
		q.Args[name] = values[0]
	}
	status, answer, cut := s.answer(q)
	if cut {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

// listen opens the application's websocket.
func (s *Server) listen(w http.ResponseWriter, r *http.Request) {
	if status := s.refuses(Request{Method: r.Method, Path: "/events"}); status != 0 {
		http.Error(w, `{"message":"refused by the test"}`, status)
		return
	}
	up := websocket.Upgrader{Subprotocols: []string{"ari"}}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s.adopt(ws)
}

// Dial opens the websocket from here, as Asterisk's outbound websockets do. It returns the status that the other side refused with.
func (s *Server) Dial(ctx context.Context, url, user, password string) (int, error) {
	head := http.Header{}
	r := &http.Request{Header: head}
	r.SetBasicAuth(user, password)
	dialer := websocket.Dialer{Subprotocols: []string{"ari"}}
	ws, res, err := dialer.DialContext(ctx, url, head)
	if err != nil {
		if res != nil {
			return res.StatusCode, err
		}
		return 0, err
	}
	s.adopt(ws)
	s.Emit(map[string]any{"type": "ApplicationRegistered"})
	return res.StatusCode, nil
}

func (s *Server) adopt(ws *websocket.Conn) {
	l := newLink(s, ws)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.cut()
		return
	}
	if n := len(s.links); n > 0 {
		s.links[n-1].say(s.stamp(map[string]any{"type": "ApplicationReplaced"}))
	}
	s.links = append(s.links, l)
	s.tasks.Go(l.read)
	s.tasks.Go(l.write)
	s.tasks.Go(l.work)
	s.poke()
	s.mu.Unlock()
}

// answer does what a request asks, as the rules let it.
func (s *Server) answer(q Request) (status int, body []byte, cut bool) {
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, q)
	rule := s.match(q)
	s.poke()
	s.mu.Unlock()
	if !rule.pass(rule.Before) {
		return 0, nil, true
	}
	var out any
	if rule.Status != 0 {
		status, out = rule.Status, map[string]any{"message": rule.Message}
	} else {
		s.mu.Lock()
		status, out = s.state.do(q)
		s.mu.Unlock()
	}
	if rule.Then != nil {
		rule.Then()
	}
	if !rule.pass(rule.After) || rule.Cut {
		return 0, nil, true
	}
	s.mu.Lock()
	s.requests[n].Status = status
	s.poke()
	s.mu.Unlock()
	if out != nil {
		body, _ = json.Marshal(out)
	}
	return status, body, false
}
