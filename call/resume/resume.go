// Package resume decides what becomes of the calls that a process left open when it was killed: those whose legs an edge's backend
// has kept are carried on where they were, the others are closed as cut by the system.
//
// Start at [Reconciler.Run].
package resume

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"hotline"
	"hotline/call"
)

// Config configures a [Reconciler].
type Config struct {
	Journal *call.Journal
	Pool    *pgxpool.Pool
	Node    string        // of this process, the same after a restart
	Grace   time.Duration // for so long an edge is waited for; 0 means 30 s
	Log     *slog.Logger
}

// Reconciler closes or carries on what the process before left open.
type Reconciler struct {
	cfg      Config
	adopters map[string]call.Adopter // by edge

	mu   sync.Mutex
	left map[string]*call.Left // nil: it is not known yet
}

// New returns a reconciler that has decided nothing yet.
func New(cfg Config) *Reconciler {
	cfg.Grace, cfg.Log = cmp.Or(cfg.Grace, 30*time.Second), cmp.Or(cfg.Log, slog.Default())
	return &Reconciler{cfg: cfg, adopters: map[string]call.Adopter{}}
}

// Register says who has kept the calls of an edge, before [Reconciler.Run]. Calls of other edges died with the process.
func (r *Reconciler) Register(edge string, a call.Adopter) { r.adopters[edge] = a }

// Undecided says that a call may have been left open and it is not known yet what becomes of it: what is leased for it stays leased.
func (r *Reconciler) Undecided(callID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == nil {
		return len(r.adopters) > 0
	}
	l := r.left[callID]
	return l != nil && !l.Claimed()
}

// Run reads what was left open, lets the edges give back what they have kept, and closes the rest: it ended when the process was last
// seen alive, cut by the system. It flushes the journal first, so it waits for the database.
func (r *Reconciler) Run(ctx context.Context) error {
	if err := r.cfg.Journal.Flush(ctx); err != nil {
		return err
	}
	open, err := r.open(ctx)
	if err != nil {
		return err
	}
	byEdge, known := map[string][]*call.Left{}, map[string]*call.Left{}
	dead := 0
	for _, o := range open {
		if r.adopters[o.Edge] == nil || !o.carried() {
			dead++
			if err := r.cut(o); err != nil {
				return err
			}
			continue
		}
		byEdge[o.Edge] = append(byEdge[o.Edge], o.left)
		known[o.ID] = o.left
	}
	r.mu.Lock()
	r.left = known
	r.mu.Unlock()
	r.adopt(ctx, byEdge)
	if ctx.Err() != nil {
		return context.Cause(ctx) // the next process decides
	}
	for _, o := range open {
		if o.left != nil && o.left.Claim() {
			dead++
			if err := r.cut(o); err != nil {
				return err
			}
		}
	}
	if len(open) > 0 {
		r.cfg.Log.Warn("this node died with calls", "carried_on", len(open)-dead, "cut", dead, "at", r.cfg.Journal.Alive())
	}
	return r.cfg.Journal.Flush(ctx)
}

// adopt asks all edges at a time.
func (r *Reconciler) adopt(ctx context.Context, byEdge map[string][]*call.Left) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.Grace, hotline.Errorf(hotline.Unavailable, "call.not_given_back", "the edge did not come back in time"))
	defer cancel()
	var edges errgroup.Group
	for name, edge := range r.adopters {
		edges.Go(func() error {
			if err := edge.Adopt(ctx, byEdge[name]); err != nil {
				r.cfg.Log.Error("an edge could not give back the calls that it carries", "edge", name, "calls", len(byEdge[name]), "error", err)
			}
			return nil
		})
	}
	_ = edges.Wait()
}
