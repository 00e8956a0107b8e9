// Package asterisk is the Asterisk edge: it takes and makes calls by one or several Asterisks, over ARI, and gives them to the engine
// as the same [call.Leg] that the native edge gives.
//
// A leg is a channel of Asterisk, an external-media channel that carries its audio to a port of ours and a bridge of the two, all
// with ids of ours. One goroutine owns a leg's state (package call/tasks); its requests go out in order, so that what takes a leg
// away never overtakes what makes it. After a reconnect the set of legs is what Asterisk lists (reconcile.go). It knows no flow and
// no agent; of SIP it knows response codes. Start at [New], then [Edge.Run] and [Leg].
package asterisk

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/media"
	"hotline/trunks"
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
	Pool      *pgxpool.Pool // remembers which nodes are drained; nil: nobody does
	Log       *slog.Logger
	MaxCalls  int // legs at a time, of all nodes; 0: 1,000
}

// Edge takes and makes calls by Asterisk.
type Edge struct {
	cfg      Config
	log      *slog.Logger
	nodes    []*node
	lines    lines
	adoption adoption
	turn     atomic.Uint32  // of the nodes, for calls out
	work     sync.WaitGroup // goroutines of legs, and requests without one
	stopping atomic.Bool
	ctx      context.Context
	stop     context.CancelFunc
}

var (
	_ call.Dialer  = (*Edge)(nil)
	_ call.Adopter = (*Edge)(nil)
)

// New checks the configuration. Nothing is connected before [Edge.Run].
func New(cfg Config) (*Edge, error) {
	if cfg.Engine == nil || cfg.Acceptor == nil || cfg.Directory == nil {
		return nil, errors.New("asterisk: Engine, Acceptor and Directory are needed")
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.MaxCalls = cmp.Or(cfg.MaxCalls, 1000)
	e := &Edge{cfg: cfg, log: cfg.Log.With("part", "asterisk")}
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.adoption.init()
	for _, nc := range cfg.Nodes {
		if e.node(nc.Name) != nil {
			return nil, hotline.Errorf(hotline.Invalid, "asterisk.node_twice", "two Asterisks are called %q: give each a name of its own", nc.Name)
		}
		n, err := newNode(e, nc)
		if err != nil {
			return nil, err
		}
		e.nodes = append(e.nodes, n)
	}
	return e, nil
}

// Open is [New], and remembers which nodes are drained.
func Open(ctx context.Context, cfg Config) (*Edge, error) {
	e, err := New(cfg)
	if err == nil {
		err = e.recall(ctx)
	}
	return e, err
}

// Run keeps the connections and serves until ctx ends. Then the legs that are left are hung up, and it returns when nothing of the
// edge is left.
func (e *Edge) Run(ctx context.Context) error {
	connected, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	g, run := errgroup.WithContext(ctx)
	var clients errgroup.Group
	for _, n := range e.nodes {
		failed := make(chan error, 1)
		clients.Go(func() error {
			err := n.client.Run(connected)
			failed <- err
			return err
		})
		g.Go(func() error {
			select {
			case err := <-failed:
				return err
			case <-run.Done():
				return nil
			}
		})
		g.Go(func() error { return n.keep(run) })
	}
	<-run.Done()
	err := g.Wait()
	e.hangupAll()
	e.stop()
	e.work.Wait()
	e.stopping.Store(true)
	disconnect()
	return cmp.Or(err, clients.Wait())
}

// hangupAll ends what is left when the process stops; calls were drained before, if there was time.
func (e *Edge) hangupAll() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, n := range e.nodes {
		for _, l := range n.all() {
			_ = l.Hangup(ctx, call.CauseShutdown) // what cannot be hung up is hung up by Asterisk or swept at the next start
		}
	}
	for _, n := range e.nodes {
		for _, l := range n.all() {
			select {
			case <-l.gone:
			case <-ctx.Done():
				l.tasks.Do(l.finish)
			}
		}
	}
}

func (e *Edge) node(name string) *node {
	for _, n := range e.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// Serve takes the connection that an Asterisk opens to us (transport Dialled), at a path that names the node.
func (e *Edge) Serve(name string, w http.ResponseWriter, r *http.Request) {
	if n := e.node(name); n != nil {
		n.client.Serve(w, r)
		return
	}
	http.NotFound(w, r)
}

// Asks returns, by the names of the nodes, what requests are made with, for those who look after callers beside their legs.
func (e *Edge) Asks() map[string]*ari.Requester {
	out := make(map[string]*ari.Requester, len(e.nodes))
	for _, n := range e.nodes {
		out[n.name] = n.client.Requester
	}
	return out
}
