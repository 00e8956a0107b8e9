package softphone

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"hotline"
	"hotline/acd"
	"hotline/acd/board"
	"hotline/call"
	"hotline/media/peer"
	"hotline/softphone/hook"
	"hotline/tickets"
)

// Config configures a [Gateway].
type Config struct {
	Agents *acd.Agents
	Line   *acd.Line
	Queues *acd.Queues
	Calls  *call.Switchboard
	Hub    *peer.Hub

	Desk    Desk                                                     // audit and notes: tickets.Desk
	Pops    PopSource                                                // what is known of a caller; nil: nothing but the number
	Board   *board.Board                                             // nil: there is none
	Dialler Dialler                                                  // click-to-dial; nil: there is none
	Numbers Numbers                                                  // who may call where; nil: nobody anywhere
	Hook    func(ctx context.Context, url string, body []byte) error // posts a pop to a foreign system; nil: none is told

	PopURL  string // "https://crm.example.com/?phone={e164}&ticket={number}", for queues without one of their own
	PopHook string // address that each pop is posted to; "" for none

	Limits  Limits
	Origins []string // of pages, besides the address that is asked: "https://desk.example.com"
	Log     *slog.Logger
}

// Limits bound what browsers may take. Zero fields have defaults.
type Limits struct {
	Away    time.Duration // a tab that is gone for longer is forgotten; 30 s, more than a conversation waits for its agent
	Sockets int           // in all; 4096
	Account int           // of one account; 8
}

// Desk is what the gateway needs of the tickets.
type Desk interface {
	Audit(ctx context.Context, by tickets.Actor, a tickets.NewAudit) error
	AddNote(ctx context.Context, by tickets.Actor, number int64, n tickets.NewNote) (tickets.Entry, error)
}

// Gateway is where browsers are connected. It meets acd.Popper.
type Gateway struct {
	cfg    Config
	log    *slog.Logger
	ctx    context.Context // ends with Run
	cancel context.CancelFunc
	tasks  tasks
	served sync.WaitGroup // connections

	mu       sync.Mutex
	closed   bool
	sockets  map[*socket]string  // the account of each
	accounts map[string]int      // how many sockets each has
	stations map[string]*station // by account
	talks    map[string]talk     // by call

	queues atomic.Pointer[[]acd.Queue] // as they were read last
	board  boardWatch
	hooks  *hook.Poster
}

// New returns a gateway without browsers.
func New(cfg Config) (*Gateway, error) {
	if cfg.Agents == nil || cfg.Calls == nil || cfg.Hub == nil || cfg.Desk == nil || cfg.Queues == nil || cfg.Line == nil {
		return nil, hotline.Errorf(hotline.Invalid, "softphone.config", "the softphone needs agents, a line, queues, calls, a hub for audio and a desk")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Limits.Away == 0 {
		cfg.Limits.Away = 30 * time.Second
	}
	if cfg.Limits.Sockets == 0 {
		cfg.Limits.Sockets = 4096
	}
	if cfg.Limits.Account == 0 {
		cfg.Limits.Account = 8
	}
	g := &Gateway{cfg: cfg, log: cfg.Log, hooks: hook.New(cfg.PopHook, cfg.Hook, cfg.Log),
		sockets: map[*socket]string{}, accounts: map[string]int{}, stations: map[string]*station{}, talks: map[string]talk{}}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g, nil
}

// Run keeps tabs, boards and figures going until ctx is done, then closes all sockets, tells acd that everybody has left, and waits
// for what it has begun.
func (g *Gateway) Run(ctx context.Context) error {
	var all errgroup.Group
	all.Go(func() error { return g.sweep(ctx) })
	all.Go(func() error { return g.follow(ctx) })
	all.Go(func() error { return g.measure(ctx) })
	all.Go(func() error { return g.pushBoard(ctx) })
	for range g.hooks.Workers() {
		all.Go(func() error { return g.hooks.Run(ctx) })
	}
	err := all.Wait()
	g.shut()
	return err
}

// sweep forgets tabs that do not come back, and tries again what the database did not take.
func (g *Gateway) sweep(ctx context.Context) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			for _, st := range g.everybody() {
				g.forget(st, now, g.cfg.Limits.Away)
			}
		}
	}
}

// forget drops the tabs of a station that are gone for longer than after, and the station itself when nothing hangs on it.
func (g *Gateway) forget(st *station, now time.Time, after time.Duration) {
	g.mu.Lock()
	st.mu.Lock()
	gone := st.expire(now, after)
	st.settlePresence()
	if len(st.sessions) == 0 && st.call == nil && !st.presence.busy() {
		delete(g.stations, st.account)
	}
	st.mu.Unlock()
	g.mu.Unlock()
	for _, s := range gone {
		if s.peer != nil {
			s.peer.Close()
		}
	}
}

// shut ends everything that browsers hold.
func (g *Gateway) shut() {
	g.mu.Lock()
	g.closed = true
	sockets := make([]*socket, 0, len(g.sockets))
	for s := range g.sockets {
		sockets = append(sockets, s)
	}
	g.mu.Unlock()
	for _, s := range sockets {
		s.close(closeGoingAway, "the hotline shuts down")
	}
	g.cancel()
	g.served.Wait()
	g.tasks.wait()
	for _, st := range g.everybody() {
		g.forget(st, time.Now(), -1)
		st.depart()
	}
}

func (g *Gateway) everybody() []*station {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*station, 0, len(g.stations))
	for _, st := range g.stations {
		all = append(all, st)
	}
	return all
}

// station returns that of an account, nil when no tab of it is open.
func (g *Gateway) station(account string) *station {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stations[account]
}

// tell sends an event to all tabs of an account, if there are any.
func (g *Gateway) tell(account, event string, data any) {
	if st := g.station(account); st != nil {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.emit(event, data)
	}
}

// Mention tells an account, if it is there, that it was named in a note.
func (g *Gateway) Mention(account string, m Mention) { g.tell(account, eventMention, m) }

// Notify shows a notice to an account, if it is there.
func (g *Gateway) Notify(account string, n Notice) { g.tell(account, eventNotice, n) }

// Stats are how much browsers hold at present.
type Stats struct {
	Sockets  int `json:"sockets"`
	Stations int `json:"stations"`
	Talks    int `json:"talks"`
}

// Stats returns how much browsers hold at present.
func (g *Gateway) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Sockets: len(g.sockets), Stations: len(g.stations), Talks: len(g.talks)}
}
