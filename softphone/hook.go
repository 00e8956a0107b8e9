package softphone

import (
	"context"
	"encoding/json"
	"time"
)

const (
	hookWorkers  = 4
	hooksWaiting = 256
	hookWithin   = 5 * time.Second
)

// hook is what a foreign system is told when a call rings for somebody.
type hook struct {
	Event string     `json:"event"` // offer
	Agent Person     `json:"agent"`
	Offer *OfferView `json:"offer"`
}

// post queues a hook. A foreign system that does not keep up misses some: calls never wait for it.
func (g *Gateway) post(h hook) {
	if g.cfg.Hook == nil || g.cfg.PopHook == "" {
		return
	}
	select {
	case g.hooks <- h:
	default:
		g.log.Warn("the foreign system does not take pops fast enough: one is left out", "call", h.Offer.CallID)
	}
}

// runHooks posts hooks until ctx is done.
func (g *Gateway) runHooks(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case h := <-g.hooks:
			g.postNow(ctx, h)
		}
	}
}

func (g *Gateway) postNow(ctx context.Context, h hook) {
	body, err := json.Marshal(h)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, hookWithin)
		defer cancel()
		err = g.cfg.Hook(ctx, g.cfg.PopHook, body)
	}
	if err != nil {
		g.log.Warn("the foreign system was not told of a call", "call", h.Offer.CallID, "error", err)
	}
}
