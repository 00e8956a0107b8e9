package away

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hotline"
	"hotline/asterisk/ari"
)

// Prefixes of the ids that Hotline gives at an Asterisk.
const (
	ours        = "hl-"
	ourMedia    = "hl-m-"
	ourBridge   = "hl-b-"
	persistence = time.Minute            // the guardian tries an Asterisk that cannot be reached for so long
	hasty       = 5 * time.Second        // who waits for [Rescue] to start Hotline again has no more time
	retry       = 500 * time.Millisecond // pause between tries
	atOnce      = 8                      // requests to one Asterisk
)

// Node is one Asterisk, as the guardian reaches it: by HTTP, whatever way Hotline itself takes.
type Node struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// order is what the guardian is told by the process that starts it: one line of JSON on its standard input. A second line means that the
// process ends in peace; an end without it, that it died.
type order struct {
	App   string `json:"app"`
	Nodes []Node `json:"nodes"`
	Owner string `json:"owner"` // what the file Mark holds while that process is the last one that was started
	Mark  string `json:"mark"`
}

// peace is the second line.
const peace = "done"

// ErrSuperseded says that Hotline was started again meanwhile: callers are its own to adopt.
var ErrSuperseded = errors.New("hotline runs again")

// Guard is the life of the guardian: it reads its order from in, waits for the end of the process that writes there, and when that was no
// peaceful one it gives the callers to the dialplan, see [Rescue]. The caller ignores the signals that are meant for the whole group.
func Guard(ctx context.Context, in io.Reader, log *slog.Logger) error {
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return nil // the process died before it had anything to guard
	}
	var o order
	if err := json.Unmarshal(first, &o); err != nil {
		return hotline.Errorf(hotline.Invalid, "away.order", "the guardian is started by hotline serve, which tells it what to do on its standard input; use hotline guard --now to give callers to the dialplan by hand")
	}
	if last, _ := lines.ReadString('\n'); strings.TrimSpace(last) == peace {
		return nil
	}
	log.Warn("hotline is gone; its callers are given to the dialplan")
	err = rescue(ctx, o, persistence, log)
	if errors.Is(err, ErrSuperseded) {
		log.Info("hotline runs again and adopts its callers itself")
		return nil
	}
	return err
}

// Rescue gives the channels that a dead Hotline has left in its application to the dialplan, on all nodes at once: callers hear music and try
// to get back, numbers that it had dialled as well; what only carried audio goes. There is nothing to do after a peaceful end. An Asterisk that
// cannot be reached is not waited for long: there the lease ends.
func Rescue(ctx context.Context, app string, nodes []Node, log *slog.Logger) error {
	return rescue(ctx, order{App: app, Nodes: nodes}, hasty, log)
}

func rescue(ctx context.Context, o order, limit time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	errs := make([]error, len(o.Nodes))
	var g errgroup.Group
	for i, n := range o.Nodes {
		g.Go(func() error {
			errs[i] = o.node(ctx, n, log.With("node", n.Name))
			return nil
		})
	}
	g.Wait()
	return errors.Join(errs...)
}

// node rescues the channels of one Asterisk, trying until it can be reached.
func (o *order) node(ctx context.Context, n Node, log *slog.Logger) error {
	r, err := n.requester(o.App)
	if err != nil {
		return err
	}
	defer r.Close()
	for said := false; ; {
		err := o.sweep(ctx, r, log)
		if err == nil || errors.Is(err, ErrSuperseded) {
			return err
		}
		if !said {
			log.Warn("callers cannot be given to the dialplan yet", "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("asterisk %s: callers were left where they are: %w", n.Name, err)
		case <-time.After(retry):
		}
	}
}

func (n Node) requester(app string) (*ari.Requester, error) {
	return ari.NewRequester(ari.Config{Name: n.Name, URL: n.URL, User: n.User, Password: n.Password, App: app, Timeout: 4 * time.Second})
}

// sweep looks once and gives away what it finds: people first.
func (o *order) sweep(ctx context.Context, r *ari.Requester, log *slog.Logger) error {
	app, err := r.Application(ctx)
	if ari.Gone(err) {
		return nil // Asterisk was started anew: nothing is left
	} else if err != nil {
		return err
	}
	channels, err := r.Channels(ctx)
	if err != nil {
		return err
	}
	bridges, err := r.Bridges(ctx)
	if err != nil {
		return err
	}
	up := map[string]bool{}
	for _, c := range channels {
		up[c.ID] = c.State == "Up"
	}
	people, media := split(app.Channels)
	if err := o.each(ctx, people, func(ctx context.Context, id string) error { return giveAway(ctx, r, id, up[id]) }); err != nil {
		return err
	}
	if err := o.each(ctx, media, func(ctx context.Context, id string) error { return r.Hangup(ctx, id, 16) }); err != nil {
		return err
	}
	var left []string
	for _, b := range bridges {
		if strings.HasPrefix(b.ID, ourBridge) && slices.ContainsFunc(b.Channels, func(id string) bool { return slices.Contains(app.Channels, id) }) {
			left = append(left, b.ID)
		}
	}
	if err := o.each(ctx, left, r.DestroyBridge); err != nil {
		return err
	}
	if len(app.Channels) > 0 {
		log.Info("callers were given to the dialplan", "channels", len(people), "media", len(media), "bridges", len(left))
	}
	return nil
}

func split(ids []string) (people, media []string) {
	for _, id := range ids {
		if strings.HasPrefix(id, ourMedia) {
			media = append(media, id)
		} else {
			people = append(people, id)
		}
	}
	// Who called before whom we called.
	slices.SortStableFunc(people, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return people, media
}

func rank(id string) int {
	if strings.HasPrefix(id, ours) {
		return 1
	}
	return 0
}

// giveAway sends one channel to the dialplan. A number that only rings is not kept ringing for nobody.
func giveAway(ctx context.Context, r *ari.Requester, id string, up bool) error {
	switch {
	case !strings.HasPrefix(id, ours):
		return r.Continue(ctx, id, Context, Callers, 1)
	case up:
		return r.Continue(ctx, id, Context, Dialled, 1)
	}
	return r.Hangup(ctx, id, 16)
}

// each does something to each of ids, a few at a time, as long as no other Hotline has begun. What is gone or not in the application any more
// needs nothing.
func (o *order) each(ctx context.Context, ids []string, do func(context.Context, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, id := range ids {
		g.Go(func() error {
			if o.superseded() {
				return ErrSuperseded
			}
			if err := do(ctx, id); err != nil && !ari.Gone(err) && !ari.Conflict(err) && !ari.Precondition(err) {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// superseded says whether another Hotline was started on the same data after the one that is guarded.
func (o *order) superseded() bool {
	if o.Mark == "" {
		return false
	}
	now, err := os.ReadFile(o.Mark)
	return err == nil && string(now) != o.Owner
}
