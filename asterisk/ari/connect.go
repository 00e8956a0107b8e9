package ari

import (
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"hotline"
)

// patience is how long Asterisk is waited for before we connect to it.
const patience = 10 * time.Second

// connect opens the websocket, or waits until Asterisk has opened one.
func (c *Client) connect(ctx context.Context) (*websocket.Conn, error) {
	if c.cfg.Transport == Dialled {
		if ws, err := c.await(ctx); ws != nil || err != nil {
			return ws, err
		}
	}
	q, err := opEvents.request(with("app", c.cfg.App))
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{
		NetDialContext: c.http.dialer.DialContext, HandshakeTimeout: dialTime, Subprotocols: []string{"ari"},
		ReadBufferSize: 32 << 10, WriteBufferSize: 8 << 10,
	}
	ws, res, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(c.http.base, "http")+q.uri(), http.Header{"Authorization": {c.http.auth}})
	if err == nil {
		return ws, nil
	}
	if res == nil {
		return nil, fmt.Errorf("%s: %w", c.cfg.URL, err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<12))
	if res.StatusCode == http.StatusNotFound {
		return nil, hotline.Errorf(hotline.Unavailable, "ari.absent", "Asterisk %s: there is no ARI at %s; set enabled = yes in ari.conf and http.conf, and load res_ari_events",
			c.cfg.Name, c.cfg.URL)
	}
	return nil, c.refused(q, reply{res.StatusCode, body})
}

// await waits until Asterisk has opened the websocket. When it does not, and there is a URL, it returns nothing: it is for us to open it.
// Asterisk 22.10 does not dial again when it was a write that failed.
func (c *Client) await(ctx context.Context) (*websocket.Conn, error) {
	patience := time.NewTimer(c.patience)
	defer patience.Stop()
	for {
		select {
		case ws := <-c.arrivals:
			return ws, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-patience.C:
		}
		if c.cfg.URL != "" {
			return nil, nil
		}
		c.note(hotline.Errorf(hotline.Unavailable, "ari.not_dialled", "Asterisk %s has not opened its websocket to us; look at websocket_client.conf and ari.conf "+
			"(outbound_websocket), or restart it; with its URL given we would connect to it instead", c.cfg.Name))
	}
}

// Serve takes the connection that Asterisk opens to us (transport Dialled), after it has shown user and password. A newer one takes
// the place of one that is there: Asterisk opens it when it has lost the older.
func (c *Client) Serve(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	right := subtle.ConstantTimeCompare([]byte(user), []byte(c.cfg.User)) & subtle.ConstantTimeCompare([]byte(password), []byte(c.cfg.Password))
	switch {
	case c.cfg.Transport != Dialled:
		http.NotFound(w, r)
		return
	case !ok || right != 1:
		c.cfg.Log.Warn("a connection as Asterisk was refused: wrong user or password", "remote", r.RemoteAddr)
		w.Header().Set("WWW-Authenticate", `Basic realm="hotline"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	case !c.ready():
		http.Error(w, "not running", http.StatusServiceUnavailable)
		return
	}
	upgrader := websocket.Upgrader{
		HandshakeTimeout: dialTime, ReadBufferSize: 32 << 10, WriteBufferSize: 8 << 10, Subprotocols: []string{"ari"},
		CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "" }, // a browser sends one, Asterisk does not
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c.drop(errSuperior)
	ctx, cancel := context.WithTimeout(r.Context(), dialTime)
	defer cancel()
	select {
	case c.arrivals <- ws:
	case <-ctx.Done():
		ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseTryAgainLater, ""), time.Now().Add(time.Second))
		ws.Close()
	}
}

func (c *Client) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs
}
