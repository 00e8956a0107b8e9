// Package asterisk is the Asterisk edge: it takes and makes calls by one or several Asterisks, over ARI, and gives them to the engine
// as the same [call.Leg] that the native edge gives.
//
// A leg is a channel of Asterisk, an external-media channel that carries its audio to a port of ours and a bridge of the two, all
// with ids of ours. One goroutine owns a leg's state (package call/tasks); its requests go out in order, so that what takes a leg
// away never overtakes what makes it. After a reconnect the set of legs is what Asterisk lists (reconcile.go). It knows no flow and
// no agent; of SIP it knows response codes. Start at [New], then [Edge.Run] and [Leg].
package asterisk

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/media"
	"hotline/trunks"
	"hotline/trunks/routes"
)

// Name is what call.Info.Edge says of the legs of this edge.
const Name = "asterisk"

// Config of an [Edge].
type Config struct {
	Nodes     []ari.Config // the Asterisks
	Engine    *media.Engine
	MediaAddr netip.Addr // what Asterisk sends audio to; the zero value: the address of ours that faces it
	Acceptor  call.Acceptor
	Directory *trunks.Directory
	Routes    *routes.Book // where calls may go out that name no trunk; nil: nowhere
	Log       *slog.Logger
	MaxCalls  int // legs at a time, of all nodes; 0: 1,000
}

// NodeState is how one Asterisk fares.
type NodeState struct {
	Name       string        `json:"name"`
	Connected  bool          `json:"connected"`
	Since      time.Time     `json:"since"`
	Draining   bool          `json:"draining"`
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

// Edge takes and makes calls by Asterisk.
type Edge struct {
	cfg  Config
	log  *slog.Logger
	work sync.WaitGroup // goroutines of legs
	ctx  context.Context
	stop context.CancelFunc
}

// New checks the configuration. Nothing is connected before [Edge.Run].
func New(cfg Config) (*Edge, error) {
	if cfg.Engine == nil || cfg.Acceptor == nil || cfg.Directory == nil {
		return nil, errors.New("asterisk: Engine, Acceptor and Directory are needed")
	}
	return &Edge{cfg: cfg}, nil
}

// Run keeps the connections and serves until ctx ends. Then the legs that are left are hung up, and it returns when nothing of the
// edge is left.
func (e *Edge) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Nodes returns how the Asterisks fare.
func (e *Edge) Nodes() []NodeState { return nil }

// Ready tells whether every node that is not drained has been connected and reconciled once.
func (e *Edge) Ready() bool { return true }

// Drain lets a node take no new calls, which are refused with 503 so that who stands in front tries another, while those that are
// there go on; or takes that back.
func (e *Edge) Drain(node string, on bool) error {
	return hotline.Errorf(hotline.NotFound, "asterisk.no_node", "there is no Asterisk %q", node)
}

// TrunkStates returns how the trunks are that Asterisk carries.
func (e *Edge) TrunkStates() []trunks.TrunkState { return nil }

// Stats returns the counters.
func (e *Edge) Stats() Stats { return Stats{} }

// Carries says whether a trunk is this edge's.
func (e *Edge) Carries(trunkID string) bool { return false }

// Dial calls through the trunk that is named, or without a name through those of the outbound routes that Asterisk carries, one after
// the other until one gets through.
func (e *Edge) Dial(ctx context.Context, d call.Dial) (call.Leg, error) {
	return nil, hotline.Errorf(hotline.Unavailable, "dial.no_node", "no Asterisk is connected")
}

// Serve takes the connection that an Asterisk opens to us (transport Dialled), at a path that names the node.
func (e *Edge) Serve(node string, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
