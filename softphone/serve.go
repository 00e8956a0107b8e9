package softphone

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"hotline"
)

const (
	helloWithin   = 10 * time.Second
	checkEvery    = 30 * time.Second
	commandWithin = 20 * time.Second
)

// Buffers are small and shared: a thousand desks are a thousand sockets that say nothing most of the time.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: 5 * time.Second,
	ReadBufferSize:   1024,
	WriteBufferSize:  1024,
	WriteBufferPool:  &sync.Pool{},
	Subprotocols:     []string{Protocol},
	CheckOrigin:      func(*http.Request) bool { return true }, // admit has looked
}

// Serve takes over the connection of a request of somebody who is known, until it is closed.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, who Identity) {
	if p := g.admit(r); p != nil {
		refuse(w, p)
		return
	}
	release, p := g.room(who.Account)
	if p != nil {
		refuse(w, p)
		return
	}
	defer release()
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	sock := newSocket(conn, who)
	if !g.enter(sock, who.Account) {
		sock.close(closeGoingAway, "the hotline shuts down")
	}
	defer g.leave(sock)
	var writer sync.WaitGroup
	writer.Go(sock.write)
	defer writer.Wait()
	defer sock.close(websocket.CloseNormalClosure, "")
	sock.listen()
	g.converse(sock)
}

// admit refuses what no page of ours asks. A page of somebody else could use the cookies of whoever looks at it: so the origin must be
// there and be ours. What stands in an address stands in logs too: so nothing may.
func (g *Gateway) admit(r *http.Request) *Problem {
	switch {
	case r.URL.RawQuery != "":
		return newProblem(http.StatusBadRequest, "socket.query", "the socket takes nothing in its address: log in, and the cookie or the header goes with the request")
	case !websocket.IsWebSocketUpgrade(r):
		return newProblem(http.StatusUpgradeRequired, "socket.upgrade", "this address is a websocket")
	case !slices.Contains(websocket.Subprotocols(r), Protocol):
		return newProblem(http.StatusBadRequest, "socket.protocol", "ask for the subprotocol "+Protocol)
	case !g.ours(r):
		return newProblem(http.StatusForbidden, "socket.origin", "the page that opens this socket must come from the hotline itself; further addresses can be allowed in its configuration")
	}
	return nil
}

// ours says whether the page that asks comes from this very host, or from one that is allowed.
func (g *Gateway) ours(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) != 1 {
		return false
	}
	u, err := url.Parse(origins[0])
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || slices.ContainsFunc(g.cfg.Origins, func(o string) bool {
		return strings.EqualFold(strings.TrimSuffix(o, "/"), origins[0])
	})
}

// room counts a socket that is about to be, within the caps.
func (g *Gateway) room(account string) (release func(), p *Problem) {
	g.mu.Lock()
	defer g.mu.Unlock()
	total := 0
	for _, n := range g.accounts {
		total += n
	}
	switch {
	case g.closed:
		return nil, newProblem(http.StatusServiceUnavailable, "socket.closing", "the hotline shuts down")
	case g.accounts[account] >= g.cfg.Limits.Account:
		return nil, newProblem(http.StatusTooManyRequests, "socket.many", "too many tabs of yours are open: close some")
	case total >= g.cfg.Limits.Sockets:
		return nil, newProblem(http.StatusServiceUnavailable, "socket.full", "too many are connected: try again later")
	}
	g.accounts[account]++
	g.served.Add(1)
	return func() {
		defer g.served.Done()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.accounts[account]--; g.accounts[account] == 0 {
			delete(g.accounts, account)
		}
	}, nil
}

func (g *Gateway) enter(s *socket, account string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sockets[s] = account
	return !g.closed
}

func (g *Gateway) leave(s *socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sockets, s)
}

func refuse(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUpgradeRequired:
		w.Header().Set("Upgrade", "websocket")
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// converse reads commands and has them done one after the other, while the socket goes on being read: a browser that goes away is
// noticed at once, whatever its last command waits for.
func (g *Gateway) converse(sock *socket) {
	late := time.AfterFunc(helloWithin, func() { sock.close(closeNoHello, "no hello") })
	first, ok := sock.read()
	late.Stop()
	if !ok {
		return
	}
	st, s, ok := g.hello(sock, first)
	if !ok {
		return
	}
	defer g.detach(st, s, sock)
	queue := make(chan command, inWaiting)
	var worker sync.WaitGroup
	worker.Go(func() { g.work(st, s, sock, queue) })
	defer worker.Wait()
	defer close(queue)
	defer sock.close(websocket.CloseNormalClosure, "")
	for {
		c, ok := sock.read()
		if !ok {
			// The caller must hear music now, not when the last command is done.
			g.detach(st, s, sock)
			return
		}
		if !sock.limit.Allow() {
			sock.reply(reply{Reply: c.ID, Problem: newProblem(http.StatusTooManyRequests, "socket.rate", "too many commands: slow down")})
			continue
		}
		select {
		case queue <- c:
		default:
			sock.reply(reply{Reply: c.ID, Problem: newProblem(http.StatusTooManyRequests, "socket.busy", "the commands before this one are not done yet")})
		}
	}
}

// work does commands in their order, and asks now and then whether whoever gives them is still somebody.
func (g *Gateway) work(st *station, s *session, sock *socket, queue <-chan command) {
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		select {
		case c, ok := <-queue:
			if !ok {
				return
			}
			g.obey(st, s, sock, c)
		case <-check.C:
			if !g.valid(sock) {
				sock.close(closeLoggedOut, "logged out")
			}
		}
	}
}

// valid says whether the identity still holds, and keeps its scope fresh. When that cannot be found out (the database is away), it
// does: talks go on.
func (g *Gateway) valid(sock *socket) bool {
	if sock.who.Check == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(g.ctx, 5*time.Second)
	defer cancel()
	see, err := sock.who.Check(ctx)
	if err == nil {
		sock.see.Store(&see)
	}
	return hotline.KindOf(err) != hotline.Denied
}
