package softphone

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hotline"
	"hotline/call"
	"hotline/softphone/live"
)

// pushEvery is how often a row is pushed at most: a board is looked at, and nobody sees more than two changes a second.
const pushEvery = 500 * time.Millisecond

// The board, as its package has it.
type (
	BoardView       = live.Board
	BoardCall       = live.Call
	BoardCaller     = live.Caller
	BoardSupervisor = live.Supervisor
)

var rowEvents = map[live.Kind]string{live.KindQueue: eventBoardQueue, live.KindAgent: eventBoardAgent, live.KindCall: eventBoardCall}

type boardGone struct {
	Kind live.Kind `json:"kind"`
	ID   string    `json:"id"`
}

// boardWatch wakes whoever pushes the board.
type boardWatch struct {
	once sync.Once
	c    chan struct{}
}

func (b *boardWatch) signal() chan struct{} {
	b.once.Do(func() { b.c = make(chan struct{}, 1) })
	return b.c
}

// wake lets new watchers be served. It does not block.
func (b *boardWatch) wake() {
	select {
	case b.signal() <- struct{}{}:
	default:
	}
}

func boardWatchStart(r request, _ none) (any, error) {
	if r.g.cfg.Board == nil {
		return nil, hotline.Errorf(hotline.Unavailable, "board.none", "there is no board here")
	}
	if !r.g.valid(r.sock) {
		r.sock.close(closeLoggedOut, "logged out")
		return nil, hotline.Errorf(hotline.Denied, "socket.denied", "you are logged out")
	}
	r.st.mu.Lock()
	r.s.watches, r.s.stale = true, true
	r.st.mu.Unlock()
	r.g.board.wake()
	return nil, nil
}

func boardWatchStop(r request, _ none) (any, error) {
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	r.s.watches, r.s.stale = false, false
	return nil, nil
}

// Board is the board as somebody sees it.
func (g *Gateway) Board(ctx context.Context, see hotline.Scope) (BoardView, error) {
	v, err := g.wholeBoard(ctx)
	if err != nil {
		return BoardView{}, err
	}
	return v.Narrow(see), nil
}

func (g *Gateway) wholeBoard(ctx context.Context) (BoardView, error) {
	if g.cfg.Board == nil {
		return BoardView{}, hotline.Errorf(hotline.Unavailable, "board.none", "there is no board here")
	}
	s, err := g.cfg.Board.Snapshot(ctx)
	return BoardView{At: s.At, Queues: s.Queues, Agents: s.Agents, Calls: g.boardCalls()}, err
}

// boardCalls are the calls in progress, the oldest first.
func (g *Gateway) boardCalls() []BoardCall {
	going := g.cfg.Calls.Calls()
	calls := make([]BoardCall, 0, len(going))
	for _, l := range going {
		c := BoardCall{ID: l.ID, Queue: l.Queue, Direction: string(l.Info.Direction), Phase: string(l.Phase), StartedAt: l.StartedAt, Since: l.PhaseAt,
			Caller: BoardCaller{Number: l.Info.Caller.Number, Name: l.Info.Caller.Display}, Supervisors: []BoardSupervisor{}}
		if v, ok := g.conversation(l.ID); ok {
			g.inTalk(&c, v)
		}
		calls = append(calls, c)
	}
	slices.SortFunc(calls, func(a, b BoardCall) int {
		if d := a.StartedAt.Compare(b.StartedAt); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return calls
}

func (g *Gateway) inTalk(c *BoardCall, v call.TalkView) {
	c.Phase = string(v.Phase)
	if v.Queue != "" {
		c.Queue = v.Queue
	}
	if v.Agent != "" {
		c.Agent = &Person{ID: v.Agent, Name: g.nameOf(v.Agent)}
	}
	for _, p := range v.Parties {
		if p.Kind == "number" {
			c.Number = p.Number
		}
	}
	for _, s := range v.Supervisors {
		c.Supervisors = append(c.Supervisors, BoardSupervisor{ID: s.ID, Name: s.Name, Mode: string(s.Mode)})
	}
}

// pushBoard sends the board to those who watch: whole at first, then the rows that changed, each at most twice a second however often
// it changes. It is made once for all of them, and not at all when nobody watches.
func (g *Gateway) pushBoard(ctx context.Context) error {
	if g.cfg.Board == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(pushEvery)
	defer tick.Stop()
	welcome := rate.NewLimiter(10, 1) // a second: new watchers are served at once, but not as often as they please
	var sent live.Changes
	for {
		due := false
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			due = true
		case <-g.board.signal():
			if !welcome.Allow() {
				continue // the next tick is soon enough
			}
		}
		watchers := g.watchers()
		if len(watchers) == 0 {
			sent = live.Changes{}
			continue
		}
		v, err := g.wholeBoard(ctx)
		if err != nil {
			g.log.Warn("the board cannot be made", "error", err)
			continue
		}
		if due || sent.Never() {
			sent = live.Compare(sent, v.Rows())
			g.pushRows(watchers, sent)
		}
		g.pushWhole(v, watchers)
	}
}

// watcher is a tab that shows the board.
type watcher struct {
	st *station
	s  *session
}

func (g *Gateway) watchers() []watcher {
	var all []watcher
	for _, st := range g.everybody() {
		st.mu.Lock()
		for _, s := range st.sessions {
			if s.watches && !s.away() {
				all = append(all, watcher{st, s})
			}
		}
		st.mu.Unlock()
	}
	return all
}

// pushWhole sends the whole board to those who have it not, or have missed some of it.
func (g *Gateway) pushWhole(v BoardView, watchers []watcher) {
	for _, w := range watchers {
		w.st.mu.Lock()
		if w.s.stale && w.s.watches && !w.s.away() {
			w.s.stale = false
			w.s.tell(eventBoard, encode(v.Narrow(*w.s.socket.see.Load())))
		}
		w.st.mu.Unlock()
	}
}

// pushRows sends what changed to those who may see it, and takes away what is gone or has moved out of their sight.
func (g *Gateway) pushRows(watchers []watcher, c live.Changes) {
	if c.Empty() {
		return
	}
	for _, w := range watchers {
		w.st.mu.Lock()
		if w.s.watches && !w.s.stale && !w.s.away() {
			see := *w.s.socket.see.Load()
			for _, r := range c.Gone(see) {
				w.s.tell(eventBoardGone, encode(boardGone{Kind: r.Kind, ID: r.ID}))
			}
			for _, r := range c.Changed {
				if r.SeenBy(see) {
					w.s.tell(rowEvents[r.Kind], r.Data)
				}
			}
		}
		w.st.mu.Unlock()
	}
}
