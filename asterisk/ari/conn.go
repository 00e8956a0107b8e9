package ari

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// conn is one websocket with Asterisk: one reader, and writers that take turns.
type conn struct {
	ws      *websocket.Conn
	queue   *queue
	every   time.Duration
	ctx     context.Context // ends with the connection; its cause says why
	fail    context.CancelCauseFunc
	took    atomic.Int64 // round trip, ns
	events  atomic.Uint64
	serial  atomic.Uint64
	writing sync.Mutex

	mu      sync.Mutex
	pending map[string]chan reply // requests over this websocket, by id
	closed  bool
}

// Reasons why a connection is given up.
var (
	errDead     = errors.New("no sign of life")
	errReplaced = errors.New("another program has taken the application")
	errBacklog  = errors.New("events are not taken")
	errSilent   = errors.New("requests are not answered")
	errSuperior = errors.New("Asterisk has connected anew")
	errDown     = errors.New("not connected")
)

// messageSize bounds one message: a list of all channels may come in one.
const messageSize = 64 << 20

// writeTime bounds a write: a peer that takes nothing for so long is dead.
const writeTime = 5 * time.Second

func newConn(ctx context.Context, ws *websocket.Conn, every time.Duration) *conn {
	c := &conn{ws: ws, queue: newQueue(), every: every, pending: map[string]chan reply{}}
	c.ctx, c.fail = context.WithCancelCause(ctx)
	ws.SetReadLimit(messageSize)
	ws.SetPongHandler(func(sent string) error {
		if ns, err := strconv.ParseInt(sent, 10, 64); err == nil {
			c.took.Store(time.Now().UnixNano() - ns)
		}
		return c.alive()
	})
	ws.SetPingHandler(func(data string) error {
		if err := ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeTime)); err != nil {
			c.fail(err)
		}
		return c.alive()
	})
	return c
}

// alive sets the time by which the next sign of life has to come.
func (c *conn) alive() error { return c.ws.SetReadDeadline(time.Now().Add(3 * c.every)) }

// read takes messages until the connection ends. It never waits for anybody.
func (c *conn) read() {
	defer c.end()
	c.alive()
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			c.fail(reason(err))
			return
		}
		c.alive()
		w, err := decode(data)
		switch {
		case err != nil:
			continue // Asterisk complains about a request by a message without a type: no event
		case w.Type == "RESTResponse":
			c.answer(w.RequestID, reply{w.Status, []byte(w.Body)})
			continue
		case w.Type == "ApplicationReplaced":
			c.fail(errReplaced)
			return
		}
		if _, asked := events[w.Type]; !asked {
			continue // told before the filter was set
		}
		c.events.Add(1)
		if !c.queue.push(queued{w.event(""), data}) {
			c.fail(errBacklog)
			return
		}
	}
}

// reason names what ends a connection.
func reason(err error) error {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errDead
	}
	return err
}

// ping asks for signs of life until the connection ends, and closes it then: the reader wakes by that.
func (c *conn) ping() {
	ticker := time.NewTicker(c.every)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
			c.ws.Close()
			return
		case <-ticker.C:
		}
		now := strconv.FormatInt(time.Now().UnixNano(), 10)
		if err := c.ws.WriteControl(websocket.PingMessage, []byte(now), time.Now().Add(writeTime)); err != nil {
			c.fail(reason(err))
		}
	}
}

// end tells those who wait for an answer that none will come.
func (c *conn) end() {
	c.mu.Lock()
	c.closed = true
	for id, waits := range c.pending {
		close(waits)
		delete(c.pending, id)
	}
	c.mu.Unlock()
	c.queue.close()
}

func (c *conn) answer(id string, a reply) {
	c.mu.Lock()
	waits := c.pending[id]
	delete(c.pending, id)
	c.mu.Unlock()
	if waits != nil {
		waits <- a
	}
}

// restRequest is a request over the websocket.
type restRequest struct {
	Type        string `json:"type"`
	Transaction string `json:"transaction_id"`
	ID          string `json:"request_id"`
	Method      string `json:"method"`
	URI         string `json:"uri"`
	ContentType string `json:"content_type,omitempty"`
	Body        string `json:"message_body,omitempty"`
}

// carry sends a request over the websocket and waits for its answer.
func (c *conn) carry(ctx context.Context, q request) (reply, error) {
	id := strconv.FormatUint(c.serial.Add(1), 36)
	r := restRequest{Type: "RESTRequest", Transaction: id, ID: id, Method: q.op.method, URI: q.uri()[1:]}
	if q.body != nil {
		r.ContentType, r.Body = "application/json", string(q.body)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return reply{}, err
	}
	waits := make(chan reply, 1)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return reply{}, errDown
	}
	c.pending[id] = waits
	c.mu.Unlock()
	if err := c.write(data); err != nil {
		c.forget(id)
		c.fail(reason(err))
		return reply{}, err
	}
	select {
	case a, ok := <-waits:
		if !ok {
			return reply{}, context.Cause(c.ctx)
		}
		return a, nil
	case <-ctx.Done():
		c.forget(id)
		return reply{}, ctx.Err()
	}
}

func (c *conn) forget(id string) {
	c.mu.Lock()
	delete(c.pending, id)
	c.mu.Unlock()
}

func (c *conn) write(data []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.ws.SetWriteDeadline(time.Now().Add(writeTime))
	return c.ws.WriteMessage(websocket.TextMessage, data)
}
