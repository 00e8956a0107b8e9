// Package callout makes calls out, whatever edge carries them: it is the one [call.Dialer] of the product.
//
// A call through a trunk that is named goes to the edge that has the trunk. A call by the outbound routes tries their trunks one after
// the other, on the edge that each is on, until somebody rings or says a final word. The leg that it returns is one for the whole way
// ([Dialer.Dial], then leg.go): its ids, its audio and its mailbox stay, while the legs of the edges below it change. It knows neither
// SIP nor Asterisk.
package callout

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"hotline"
	"hotline/call"
	"hotline/media"
	"hotline/trunks"
	"hotline/trunks/routes"
)

// Edge dials through the trunk that is named.
type Edge interface {
	call.Dialer
	// Doubtful says whether calls to a trunk would probably fail right now: others come first.
	Doubtful(t *trunks.Trunk) bool
}

// Config of a [Dialer].
type Config struct {
	Directory  *trunks.Directory
	Routes     *routes.Book
	Engine     *media.Engine
	SIP        Edge
	Asterisk   Edge          // nil: none is configured
	RingWithin time.Duration // how long a trunk may take until somebody rings, before the next is tried; 0: 15 s (calls abroad take up to ten)
	Log        *slog.Logger
}

// Dialer dials by every edge.
type Dialer struct {
	cfg Config
	log *slog.Logger
}

// New checks the configuration.
func New(cfg Config) (*Dialer, error) {
	if cfg.Directory == nil || cfg.Routes == nil || cfg.Engine == nil || cfg.SIP == nil && cfg.Asterisk == nil {
		return nil, errors.New("callout: Directory, Routes, Engine and an edge are needed")
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.RingWithin = cmp.Or(cfg.RingWithin, 15*time.Second)
	return &Dialer{cfg: cfg, log: cfg.Log.With("part", "callout")}, nil
}

// Dial calls through the trunk that is named, or without a name through those of the outbound routes (see [routes.Book.Begin]).
func (d *Dialer) Dial(ctx context.Context, o call.Dial) (call.Leg, error) {
	if o.TrunkID != "" {
		_, edge, err := d.trunk(o.TrunkID)
		if err != nil {
			return nil, err
		}
		return edge.Dial(ctx, o)
	}
	lease, err := d.cfg.Routes.Begin(o.To, o.From.Agent)
	if err != nil {
		return nil, err
	}
	l, err := d.setOut(ctx, o, lease)
	if err != nil {
		lease.End()
		return nil, err
	}
	return l, nil
}

// trunk returns a trunk to call through, and the edge that carries it.
func (d *Dialer) trunk(id string) (*trunks.Trunk, Edge, error) {
	t, err := d.cfg.Directory.Outbound(id)
	if err != nil {
		return nil, nil, err
	}
	edge, where := d.cfg.SIP, "by SIP"
	if t.Settings.OnAsterisk() {
		edge, where = d.cfg.Asterisk, "by Asterisk"
	}
	if edge == nil {
		return nil, nil, hotline.Errorf(hotline.Unavailable, "dial.other_edge", "trunk %s is carried %s, and none is configured", t.Name, where)
	}
	return t, edge, nil
}

// carrier is one trunk that a call may go out through.
type carrier struct {
	trunk *trunks.Trunk
	edge  Edge
	to    routes.Attempt
}

// carriers returns those of a lease in the order in which they are tried.
func (d *Dialer) carriers(lease *routes.Lease) ([]carrier, error) {
	var good, doubtful []carrier
	for _, a := range lease.Attempts {
		switch t, edge, err := d.trunk(a.TrunkID); {
		case err != nil: // switched off: the next
		case edge.Doubtful(t):
			doubtful = append(doubtful, carrier{t, edge, a})
		default:
			good = append(good, carrier{t, edge, a})
		}
	}
	if len(good)+len(doubtful) == 0 {
		return nil, hotline.Errorf(hotline.Unavailable, "dial.no_trunk", "the trunks of the outbound route are switched off or not reachable from here")
	}
	return append(good, doubtful...), nil
}

// retriable says whether another trunk may do better: this one is overloaded, broken, or has not reached anybody. What the called said
// is final, and so is what we have wanted ourselves.
func retriable(c call.Cause) bool {
	switch {
	case c == call.CauseShutdown:
		return false
	case c.SIP != 0:
		return c.SIP == 408 || c.SIP >= 500 && c.SIP < 600
	}
	switch c.Q850 {
	case 18, 20, 27, 34, 38, 41, 42, 44, 47, 102, 127:
		return true
	}
	return false
}
