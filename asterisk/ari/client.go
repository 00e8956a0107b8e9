package ari

import (
	"context"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Handler is told what happens. One goroutine calls it, so nothing comes twice at a time; it must not block but in Up.
type Handler interface {
	// Up follows each connect, before the events of that connection: those that come meanwhile are kept in order and handed on
	// when it returns. Requests may be made, and ids watched. ctx ends with the connection. An error drops the connection and
	// tries again later.
	Up(ctx context.Context, info Info) error
	// Down follows each Up when its connection is lost, after the last event of that connection.
	Down(err error)
	// Event is given what no owner watches.
	Event(e Event)
}

// Client is the connection to one Asterisk.
type Client struct {
	*Requester
	h        Handler
	watchers watchers
	sieve    *sieve
	arrivals chan *websocket.Conn // Dialled: what Asterisk has opened

	replacedPause, patience time.Duration
	said                    string // what Run wrote down last of a connection that is not there, and when
	saidAt                  time.Time

	mu    sync.Mutex
	conn  *conn // nil while there is none
	runs  bool
	state State
}

// New makes a client. It refuses what [Check] refuses, and connects when it is run.
func New(cfg Config, h Handler) (*Client, error) {
	if err := Check(cfg); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Client{
		Requester: newRequester(cfg), h: h, watchers: watchers{byID: map[string][]*owner{}}, sieve: newSieve(),
		arrivals: make(chan *websocket.Conn), replacedPause: replacedTime, patience: patience,
		state: State{Node: cfg.Name, Transport: cfg.Transport, Since: time.Now()},
	}
	c.via = c.courier
	c.onSilent = func() { c.drop(errSilent) }
	return c, nil
}

// courier returns the way that requests go now.
func (c *Client) courier() (courier, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.conn == nil:
		return nil, errDown
	case c.cfg.Transport == HTTP:
		return c.http, nil
	}
	return c.conn, nil
}

// drop gives the connection up.
func (c *Client) drop(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.fail(why)
	}
}

// State says how the connection fares.
func (c *Client) State() State {
	c.mu.Lock()
	s := c.state
	if c.conn != nil {
		s.Events += c.conn.events.Load()
		s.RoundTrip = time.Duration(c.conn.took.Load())
	}
	c.mu.Unlock()
	s.Requests, s.Failed = c.requests.Load(), c.failed.Load()
	c.Requester.mu.Lock()
	last := c.last
	c.Requester.mu.Unlock()
	if s.Connected && last != nil {
		s.Err, s.Code = last.Error(), code(last)
	}
	return s
}
