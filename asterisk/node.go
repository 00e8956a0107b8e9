package asterisk

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hotline/asterisk/ari"
	"hotline/call"
)

// The ids of what we make in Asterisk begin with these.
const (
	prefix       = "hl-"
	mediaPrefix  = "hl-m-"
	bridgePrefix = "hl-b-"
)

const lookEvery = 10 * time.Second // at endpoints, and for what is left over

// lostAfter is how long the legs of a node are kept without a connection. Shorter in tests.
var lostAfter = 30 * time.Second

// node is one Asterisk: the connection to it and its legs.
type node struct {
	e      *Edge
	name   string
	app    string
	client *ari.Client
	log    *slog.Logger
	faces  netip.Addr // our address that this Asterisk sends audio to
	counts counters

	mu        sync.Mutex
	legs      map[*Leg]bool
	owns      map[string]*Leg // by the ids of channels and bridges
	drained   *Drained        // nil: it takes calls
	up        bool            // connected, and reconciled since
	downAt    time.Time
	making    making          // legs whose audio is not connected yet
	suspects  map[string]bool // ids in our name that nobody owned at the last look
	endpoints map[string]endpoint
}

type endpoint struct {
	state string
	since time.Time
}

// counters are the sums behind [NodeState].
type counters struct {
	accepted, refused, rejected, dialled, lost, adopted, swept atomic.Uint64
}

func newNode(e *Edge, cfg ari.Config) (*node, error) {
	if cfg.App == "" {
		cfg.App = "hotline"
	}
	n := &node{
		e: e, name: cfg.Name, app: cfg.App, log: e.log.With("node", cfg.Name), legs: map[*Leg]bool{}, owns: map[string]*Leg{}, making: newMaking(),
		suspects: map[string]bool{}, endpoints: map[string]endpoint{},
	}
	if cfg.Log == nil {
		cfg.Log = n.log
	}
	var err error
	n.client, err = ari.New(cfg, n)
	n.faces = e.facing(cfg.URL)
	return n, err
}

// facing returns the address of ours that an Asterisk sends audio to.
func (e *Edge) facing(raw string) netip.Addr {
	if e.cfg.MediaAddr.IsValid() {
		return e.cfg.MediaAddr
	}
	if bound := e.cfg.Engine.BindIP(); !bound.IsUnspecified() {
		return bound
	}
	if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
		if c, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), "9")); err == nil { // sends nothing: asks the routing table
			defer c.Close()
			return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// add makes l the owner of its ids, before the commands that use them go out.
func (n *node) add(l *Leg, ids ...string) {
	n.mu.Lock()
	n.legs[l] = true
	for _, id := range ids {
		n.owns[id] = l
	}
	n.mu.Unlock()
	l.unwatch = append(l.unwatch, n.client.WatchAll(ids, l.told))
}

func (n *node) remove(l *Leg) {
	for _, stop := range l.unwatch {
		stop()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.legs, l)
	for id, owner := range n.owns {
		if owner == l {
			delete(n.owns, id)
		}
	}
}

func (n *node) owner(id string) *Leg {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.owns[id]
}

func (n *node) all() []*Leg {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]*Leg, 0, len(n.legs))
	for l := range n.legs {
		out = append(out, l)
	}
	return out
}

func (n *node) isUp() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.up
}

// healthy says whether new calls may go out by this node.
func (n *node) healthy() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.up && n.drained == nil
}

// Event takes what belongs to no leg. It implements [ari.Handler].
func (n *node) Event(ev ari.Event) {
	if ev.Type == "StasisStart" && ev.Channel != nil {
		n.arrived(arrival{channel: *ev.Channel, args: ev.Args, at: time.Now()})
	}
}

// Down implements [ari.Handler].
func (n *node) Down(err error) {
	n.mu.Lock()
	n.up, n.downAt = false, time.Now()
	n.mu.Unlock()
	if n.e.stopping.Load() {
		return
	}
	n.log.Error("Asterisk is not connected; its calls are kept for a while", "event", "alarm", "err", err, "calls", len(n.all()))
}

// keep looks after the node until ctx ends.
func (n *node) keep(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var looked time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			n.mu.Lock()
			up, away := n.up, !n.up && !n.downAt.IsZero() && now.Sub(n.downAt) > lostAfter
			n.mu.Unlock()
			switch {
			case away:
				n.giveUp()
			case up && now.Sub(looked) >= lookEvery:
				looked = now
				n.look(ctx)
				n.sweep(ctx)
			}
		}
	}
}

// giveUp ends the legs of an Asterisk that stays away.
func (n *node) giveUp() {
	for _, l := range n.all() {
		l.tasks.Do(func() { l.lost("its Asterisk stays away") })
	}
}

// look asks how the endpoints are.
func (n *node) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	list, err := n.client.Endpoints(ctx)
	if err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	next := make(map[string]endpoint, len(list))
	for _, ep := range list {
		if !strings.EqualFold(ep.Technology, "PJSIP") {
			continue
		}
		seen := n.endpoints[ep.Resource]
		if seen.state != ep.State {
			seen = endpoint{state: ep.State, since: time.Now()}
		}
		next[ep.Resource] = seen
	}
	n.endpoints = next
}

// endpoint says how an endpoint was at the last look; ok is false when the node is away or does not know it.
func (n *node) endpoint(name string) (state string, since time.Time, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ep, ok := n.endpoints[name]
	return ep.state, ep.since, ok && n.up
}

// discard hangs up a channel that has no leg.
func (n *node) discard(channel string, why call.Cause) {
	n.e.work.Go(func() {
		ctx, cancel := context.WithTimeout(n.e.ctx, patience)
		defer cancel()
		if err := n.client.Hangup(ctx, channel, reason(why, false)); err != nil && !ari.Gone(err) {
			n.log.Warn("a channel without a leg could not be hung up", "channel", channel, "err", err)
		}
	})
}
