package away

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"hotline"
	"hotline/asterisk/ari"
)

// Config of a [Keeper].
type Config struct {
	App     string
	Nodes   []Node
	Command []string                  // what to start as the guardian: the product's own binary, "guard"
	Stderr  *os.File                  // where the guardian writes its log; it outlives this process. nil: ours
	Mark    string                    // a file of ours that names the last process that was started
	Lease   time.Duration             // as in the dialplan; 0 means [Lease]
	Claim   map[string]*ari.Requester `json:"-"` // by which leases are renewed, by name of the node; nil: by HTTP at Nodes
	Log     *slog.Logger
}

// Keeper is Hotline's side: it keeps a guardian, and says to each Asterisk that callers are in good hands.
type Keeper struct {
	cfg   Config
	owner string
}

// Keep makes a keeper. From now on guardians of processes before this one leave callers alone. Make it before the edge is run.
func Keep(cfg Config) (*Keeper, error) {
	if cfg.Lease == 0 {
		cfg.Lease = Lease
	}
	if cfg.Stderr == nil {
		cfg.Stderr = os.Stderr
	}
	k := &Keeper{cfg: cfg, owner: hotline.NewID()}
	return k, k.mark()
}

// mark names this process in one step, so that nobody reads half a name.
func (k *Keeper) mark() error {
	fresh := k.cfg.Mark + ".new"
	if err := os.MkdirAll(filepath.Dir(k.cfg.Mark), 0o700); err != nil {
		return fmt.Errorf("guardian: %w", err)
	}
	if err := os.WriteFile(fresh, []byte(k.owner), 0o600); err != nil {
		return fmt.Errorf("guardian: %w", err)
	}
	if err := os.Rename(fresh, k.cfg.Mark); err != nil {
		return fmt.Errorf("guardian: %w", err)
	}
	return nil
}

// Run keeps a guardian and renews leases until ctx ends, which is when no call is left; then it sends the guardian home.
func (k *Keeper) Run(ctx context.Context) error {
	claim := k.cfg.Claim
	if claim == nil {
		claim = map[string]*ari.Requester{}
		for _, n := range k.cfg.Nodes {
			r, err := n.requester(k.cfg.App)
			if err != nil {
				return err
			}
			defer r.Close()
			claim[n.Name] = r
		}
	}
	var g sync.WaitGroup
	if len(k.cfg.Nodes) > 0 {
		g.Go(func() { k.guard(ctx) })
	}
	for name, r := range claim {
		g.Go(func() { k.renew(ctx, r, k.cfg.Log.With("node", name)) })
	}
	g.Wait()
	return nil
}

// guard keeps one guardian alive.
func (k *Keeper) guard(ctx context.Context) {
	for ctx.Err() == nil {
		if err := k.post(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.Error("the guardian of callers has ended; another one is started", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// post starts a guardian and returns when it has ended: because ctx has, or by itself.
func (k *Keeper) post(ctx context.Context) error {
	said, err := json.Marshal(order{App: k.cfg.App, Nodes: k.cfg.Nodes, Owner: k.owner, Mark: k.cfg.Mark})
	if err != nil {
		return err
	}
	cmd := exec.Command(k.cfg.Command[0], k.cfg.Command[1:]...)
	cmd.Env = []string{} // it needs nothing, and shall know no secret but its order
	cmd.Stderr = k.cfg.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is not for it
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the process, which is waited for below
	_, err = in.Write(append(said, '\n'))
	if err == nil {
		select {
		case err := <-ended:
			return errors.Join(errors.New("it ended by itself"), err)
		case <-ctx.Done():
		}
	}
	io.WriteString(in, peace+"\n")
	in.Close()
	select {
	case e := <-ended:
		return errors.Join(err, e)
	case <-time.After(5 * time.Second):
		return errors.Join(err, cmd.Process.Kill(), <-ended)
	}
}

// renew tells one Asterisk again and again that its callers are ours, four times within a lease.
func (k *Keeper) renew(ctx context.Context, r *ari.Requester, log *slog.Logger) {
	tick := time.NewTicker(k.cfg.Lease / 4)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := k.renewAll(ctx, r)
		if err != nil && ctx.Err() == nil && !failed {
			log.Warn("callers could not be claimed again; if that lasts Asterisk takes them back", "lease", k.cfg.Lease, "error", err)
		}
		failed = err != nil
	}
}

// renewAll renews the leases at one Asterisk. Only callers from the contexts that know what to do at the end of one have it.
func (k *Keeper) renewAll(ctx context.Context, r *ari.Requester) error {
	channels, err := r.Channels(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, c := range channels {
		if !k.leased(c) {
			continue
		}
		g.Go(func() error {
			err := r.SetVariable(ctx, c.ID, "TIMEOUT(absolute)", strconv.Itoa(int(k.cfg.Lease.Seconds())))
			if err != nil && !ari.Gone(err) && !ari.Conflict(err) {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

func (k *Keeper) leased(c ari.Channel) bool {
	return c.Dialplan.App == "Stasis" && strings.HasPrefix(c.Dialplan.AppData, k.cfg.App+",") &&
		strings.HasPrefix(c.Dialplan.Context, contexts)
}
