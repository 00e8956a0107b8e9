package asterisk

import (
	"context"
	"slices"
	"strings"
	"time"

	"hotline/asterisk/ari"
	"hotline/call"
)

// Up brings us and Asterisk to the same view of what goes on, after each connect. It implements [ari.Handler]: events of the new
// connection are held back until it returns, so a leg knows of its channel only what the connection before has told.
func (n *node) Up(ctx context.Context, info ari.Info) error {
	found, err := n.list(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.up = true
	n.suspects = map[string]bool{}
	n.mu.Unlock()
	n.log.Info("Asterisk is connected", "version", info.Version, "channels", len(found.channels), "legs", len(n.all()))
	for _, l := range n.all() {
		l.tasks.Do(func() { l.listed(found) })
	}
	n.strangers(found)
	n.look(ctx)
	return nil
}

// listing is what an Asterisk has.
type listing struct {
	channels map[string]ari.Channel
	bridges  map[string]ari.Bridge
	ours     map[string]bool // channels in our application
}

func (n *node) list(ctx context.Context) (*listing, error) {
	found := &listing{channels: map[string]ari.Channel{}, bridges: map[string]ari.Bridge{}, ours: map[string]bool{}}
	channels, err := n.client.Channels(ctx)
	if err != nil {
		return nil, err
	}
	bridges, err := n.client.Bridges(ctx)
	if err != nil {
		return nil, err
	}
	app, err := n.client.Application(ctx)
	if err != nil && !ari.Gone(err) {
		return nil, err
	}
	for _, c := range channels {
		found.channels[c.ID] = c
		if c.Dialplan.App == "Stasis" && (c.Dialplan.AppData == n.app || strings.HasPrefix(c.Dialplan.AppData, n.app+",")) {
			found.ours[c.ID] = true
		}
	}
	for _, b := range bridges {
		found.bridges[b.ID] = b
	}
	for _, id := range app.Channels {
		if c, ok := found.channels[id]; ok && c.Dialplan.App == "Stasis" {
			found.ours[id] = true
		}
	}
	return found, nil
}

// strangers takes care of what is in our name or our application and has no leg. What a process before may have left is held back
// until it is known (see [Edge.Adopt]).
func (n *node) strangers(found *listing) {
	for id, c := range found.channels {
		switch {
		case n.owner(id) != nil:
		case strings.HasPrefix(id, mediaPrefix):
			n.counts.swept.Add(1)
			n.discard(id, call.CauseNormal)
		case strings.HasPrefix(id, prefix):
			n.e.adoption.found(n, arrival{channel: c, at: time.Now()})
		case found.ours[id]:
			args := strings.Split(c.Dialplan.AppData, ",")[1:]
			if len(args) > 0 && args[0] == "in" {
				args[0] = "again" // it may have a call already
			}
			n.e.adoption.found(n, arrival{channel: c, args: args, at: time.Now()})
		}
	}
	for id := range found.bridges {
		if strings.HasPrefix(id, bridgePrefix) && n.owner(id) == nil {
			n.destroy(id)
		}
	}
}

func (n *node) destroy(bridge string) {
	n.counts.swept.Add(1)
	n.e.work.Go(func() {
		ctx, cancel := context.WithTimeout(n.e.ctx, patience)
		defer cancel()
		if err := n.client.DestroyBridge(ctx, bridge); err != nil && !ari.Gone(err) {
			n.log.Warn("a bridge without a leg could not be taken away", "bridge", bridge, "err", err)
		}
	})
}

// sweep takes away what is in our name and nobody has owned at two looks: requests whose outcome stayed unknown may have made it.
func (n *node) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	found, err := n.list(ctx)
	if err != nil {
		return
	}
	before := n.suspects
	n.suspects = map[string]bool{}
	twice := func(id string) bool {
		if n.owner(id) != nil {
			return false
		}
		n.suspects[id] = true
		return before[id]
	}
	for id, c := range found.channels {
		if (strings.HasPrefix(id, prefix) || found.ours[id]) && twice(id) && !n.e.adoption.holds(id) {
			n.counts.swept.Add(1)
			n.log.Warn("a channel that no leg owns is hung up", "event", "alarm", "channel", c.Name)
			n.discard(id, call.CauseNormal)
		}
	}
	for id := range found.bridges {
		if strings.HasPrefix(id, bridgePrefix) && twice(id) {
			n.destroy(id)
		}
	}
}

// listed compares the leg with what Asterisk has: what is gone ends, and what we were not told is made up for.
func (l *Leg) listed(found *listing) {
	if l.over {
		return
	}
	c, there := found.channels[l.channel]
	switch {
	case !there && l.entered:
		l.exists = false
		l.lost("Asterisk does not have its channel any more")
		return
	case !there:
		return // it is being made
	case !found.ours[l.channel] && l.entered:
		l.exists = false // whoever has it now shall keep it
		l.lost("its channel has left our application")
		return
	}
	l.entered = true
	if l.in == nil || l.in.asked && !l.in.up {
		l.stateIs(c.State)
	}
	s := &l.sound
	bridge, bridged := found.bridges[s.bridge]
	_, talks := found.channels[s.media]
	switch {
	case s.stalled:
		l.renew()
	case s.ready && (!talks || !bridged || !slices.Contains(bridge.Channels, l.channel) || !slices.Contains(bridge.Channels, s.media)):
		l.deaf()
	case talks && s.made && !s.ready:
		s.entered = true
		l.join()
	}
}
