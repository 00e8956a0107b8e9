// Package hook tells a foreign system of each call that rings for somebody. It never keeps a call waiting: a system that does not keep up
// misses some. Start at [New].
package hook

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

const (
	workers = 4
	waiting = 256
	within  = 5 * time.Second
)

// Send posts a body to an address.
type Send func(ctx context.Context, url string, body []byte) error

// Poster posts to one address.
type Poster struct {
	address string
	send    Send
	log     *slog.Logger
	queue   chan told
}

// told is what is said of a call.
type told struct {
	call string
	what any
}

// New returns a poster; one without an address, or a way to send, posts nothing.
func New(address string, send Send, log *slog.Logger) *Poster {
	return &Poster{address: address, send: send, log: log, queue: make(chan told, waiting)}
}

// Post queues what is to be told of a call; it is encoded later and may not change. It does not block.
func (p *Poster) Post(callID string, what any) {
	if p.send == nil || p.address == "" {
		return
	}
	select {
	case p.queue <- told{callID, what}:
	default:
		p.log.Warn("the foreign system does not take pops fast enough: one is left out", "call", callID)
	}
}

// Workers is how many [Poster.Run] there should be.
func (p *Poster) Workers() int { return workers }

// Run posts until ctx is done.
func (p *Poster) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case t := <-p.queue:
			p.now(ctx, t)
		}
	}
}

func (p *Poster) now(ctx context.Context, t told) {
	body, err := json.Marshal(t.what)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		err = p.send(ctx, p.address, body)
	}
	if err != nil {
		p.log.Warn("the foreign system was not told of a call", "call", t.call, "error", err)
	}
}
