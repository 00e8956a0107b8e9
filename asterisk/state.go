package asterisk

import (
	"time"

	"hotline/asterisk/ari"
	"hotline/trunks"
)

// NodeState is how one Asterisk fares.
type NodeState struct {
	Name       string        `json:"name"`
	Connected  bool          `json:"connected"`
	Since      time.Time     `json:"since"`
	Drained    *Drained      `json:"drained"` // nil: it takes new calls
	Version    string        `json:"version"`
	Warnings   []ari.Warning `json:"warnings,omitempty"` // what is known to be wrong with this version
	RTTMS      float64       `json:"rtt_ms"`
	Calls      int           `json:"calls"`    // legs
	Accepted   uint64        `json:"accepted"` // calls that came in
	Refused    uint64        `json:"refused"`  // for want of room, or because the node is drained
	Rejected   uint64        `json:"rejected"` // for other reasons: no such number
	Dialled    uint64        `json:"dialled"`
	Lost       uint64        `json:"lost"`    // legs that were gone after a reconnect
	Adopted    uint64        `json:"adopted"` // that were taken over
	Swept      uint64        `json:"swept"`   // channels and bridges in our name that nobody owned
	Reconnects uint64        `json:"reconnects"`
	Err        string        `json:"last_error"`
	ErrCode    string        `json:"last_error_code"`
}

// Stats counts what the edge holds and has done.
type Stats struct {
	Legs     int    `json:"legs"`
	MaxCalls int    `json:"max_calls"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
	Rejected uint64 `json:"rejected"`
	Dialled  uint64 `json:"dialled"`
}

// Nodes returns how the Asterisks fare.
func (e *Edge) Nodes() []NodeState {
	out := make([]NodeState, 0, len(e.nodes))
	for _, n := range e.nodes {
		out = append(out, n.state())
	}
	return out
}

func (n *node) state() NodeState {
	c := n.client.State()
	n.mu.Lock()
	defer n.mu.Unlock()
	s := NodeState{
		Name: n.name, Connected: c.Connected && n.up, Since: c.Since, Drained: n.drained, Version: c.Info.Version, Warnings: c.Info.Warnings,
		RTTMS: float64(c.RoundTrip.Microseconds()) / 1000, Calls: len(n.legs), Accepted: n.counts.accepted.Load(), Refused: n.counts.refused.Load(),
		Rejected: n.counts.rejected.Load(), Dialled: n.counts.dialled.Load(), Lost: n.counts.lost.Load(), Adopted: n.counts.adopted.Load(),
		Swept: n.counts.swept.Load(), Reconnects: c.Reconnects, Err: c.Err, ErrCode: c.Code,
	}
	return s
}

// Ready tells whether every node that is not drained is connected and its calls are known.
func (e *Edge) Ready() bool {
	for _, n := range e.nodes {
		if s := n.state(); !s.Connected && s.Drained == nil {
			return false
		}
	}
	return true
}

// Stats returns the counters of all nodes together.
func (e *Edge) Stats() Stats {
	out := Stats{MaxCalls: e.cfg.MaxCalls}
	for _, s := range e.Nodes() {
		out.Legs += s.Calls
		out.Accepted += s.Accepted
		out.Refused += s.Refused
		out.Rejected += s.Rejected
		out.Dialled += s.Dialled
	}
	return out
}

// legs is how many there are, of all nodes.
func (e *Edge) legs() int {
	sum := 0
	for _, n := range e.nodes {
		n.mu.Lock()
		sum += len(n.legs)
		n.mu.Unlock()
	}
	return sum
}

// TrunkStates returns how the trunks are that Asterisk carries: up when some node reaches the trunk's endpoint.
func (e *Edge) TrunkStates() []trunks.TrunkState {
	var out []trunks.TrunkState
	for _, t := range e.cfg.Directory.Snapshot().Trunks() {
		if t.Settings.OnAsterisk() {
			out = append(out, e.trunkState(&t))
		}
	}
	return out
}

func (e *Edge) trunkState(t *trunks.Trunk) trunks.TrunkState {
	s := trunks.TrunkState{TrunkID: t.ID, Status: trunks.StatusUnknown, Calls: e.lines.count(t.ID)}
	if !t.Enabled {
		s.Status = trunks.StatusDisabled
		return s
	}
	if !t.HasEndpoint() {
		return s // it is somebody's telephone, or dialled in a way of its own
	}
	asked := t.Settings.Register != nil || t.Settings.OptionsIntervalS > 0
	nodes := 0
	for _, n := range e.nodes {
		state, since, ok := n.endpoint(t.Endpoint())
		if !ok {
			continue
		}
		nodes++
		switch {
		case state == "online":
			s.Status, s.Since, s.Registered = trunks.StatusUp, since, t.Settings.Register != nil
			return s
		case state == "offline" && asked:
			s.Status, s.Since = trunks.StatusDown, since
			s.LastErrorCode, s.LastErrorDetail = "trunk.asterisk_offline", n.name
			s.LastError = "Asterisk " + n.name + " does not reach the trunk"
		}
	}
	if nodes == 0 && len(e.nodes) > 0 {
		s.Status, s.LastErrorCode = trunks.StatusDown, "trunk.asterisk_unknown"
		s.LastError = "no Asterisk that is connected knows endpoint " + t.Endpoint() + ": load what `hotline asterisk config` renders"
		s.LastErrorDetail = t.Endpoint()
	}
	return s
}
