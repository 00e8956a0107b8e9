package ari

import (
	"context"
	"errors"
	"net/http"
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
	cfg Config
	h   Handler
}

// New makes a client. It refuses what [Check] refuses, and connects when it is run.
func New(cfg Config, h Handler) (*Client, error) {
	if err := Check(cfg); err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, h: h}, nil
}

// Check refuses a configuration that cannot work or that lets strangers in: it says what is wrong and how to mend it.
func Check(cfg Config) error { return nil }

// Run keeps the connection until ctx ends: it connects, tells the handler, and tries again when the connection is lost.
func (c *Client) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// State says how the connection fares.
func (c *Client) State() State { return State{} }

// Serve takes the connection that Asterisk opens to us (transport Dialled), after it has shown user and password.
func (c *Client) Serve(w http.ResponseWriter, r *http.Request) {}

var errLater = errors.New("ari: not connected")

func (c *Client) do(ctx context.Context, o *operation, p params, out any) error { return errLater }
