package softphone

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"hotline"
	"hotline/acd/board"
	"hotline/call"
)

// pushEvery is how often a row is pushed at most: a board is looked at, and nobody sees more than two changes a second.
const pushEvery = 500 * time.Millisecond

// BoardView is the whole board: queues and agents as acd has them, and the calls in progress.
type BoardView struct {
	At     time.Time     `json:"at"`
	Queues []board.Queue `json:"queues"`
	Agents []board.Agent `json:"agents"`
	Calls  []BoardCall   `json:"calls"`
}

// BoardCall is a call in progress as a supervisor sees it.
type BoardCall struct {
	ID          string            `json:"id"`
	Queue       string            `json:"queue"`
	Direction   string            `json:"direction"`
	Caller      BoardCaller       `json:"caller"`
	Agent       *Person           `json:"agent"`
	Phase       string            `json:"phase"` // ringing, menu, queued, voicemail, transfer; of a conversation as in CallView
	StartedAt   time.Time         `json:"started_at"`
	Since       time.Time         `json:"since"` // of the phase
	Supervisors []BoardSupervisor `json:"supervisors"`
}

// BoardCaller is who calls or is called.
type BoardCaller struct {
	Number string `json:"number"`
	Name   string `json:"name"`
}

// BoardSupervisor is who listens.
type BoardSupervisor struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Mode string `json:"mode"`
}

type boardGone struct {
	Kind string `json:"kind"` // queue, agent, call
	ID   string `json:"id"`
}

// row is a row of the board, encoded once for all who may see it.
type row struct {
	event  string
	kind   string
	id     string
	data   []byte
	queues []string // whoever sees one of these sees the row
	people []string // and whoever sees what these do
}

func (r row) key() string { return r.kind + ":" + r.id }

func (r row) seenBy(see hotline.Scope) bool {
	return see.All || slices.ContainsFunc(r.queues, see.Sees) ||
		slices.ContainsFunc(r.people, func(p string) bool { return p == see.Account || slices.Contains(see.People, p) })
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
	return v.narrow(see), nil
}

func (g *Gateway) wholeBoard(ctx context.Context) (BoardView, error) {
	if g.cfg.Board == nil {
		return BoardView{}, hotline.Errorf(hotline.Unavailable, "board.none", "there is no board here")
	}
	s, err := g.cfg.Board.Snapshot(ctx)
	return BoardView{At: s.At, Queues: s.Queues, Agents: s.Agents, Calls: g.boardCalls()}, err
}

// narrow leaves out what is not in scope.
func (v BoardView) narrow(see hotline.Scope) BoardView {
	n := BoardView{At: v.At, Queues: []board.Queue{}, Agents: []board.Agent{}, Calls: []BoardCall{}}
	for _, q := range v.Queues {
		if (row{queues: []string{q.Name}}).seenBy(see) {
			n.Queues = append(n.Queues, q)
		}
	}
	for _, a := range v.Agents {
		if (row{queues: a.Queues, people: []string{a.ID}}).seenBy(see) {
			n.Agents = append(n.Agents, a)
		}
	}
	for _, c := range v.Calls {
		if callRow(c).seenBy(see) {
			n.Calls = append(n.Calls, c)
		}
	}
	return n
}

// boardCalls are the calls in progress, the oldest first.
func (g *Gateway) boardCalls() []BoardCall {
	live := g.cfg.Calls.Calls()
	calls := make([]BoardCall, 0, len(live))
	for _, l := range live {
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
	for _, s := range v.Supervisors {
		c.Supervisors = append(c.Supervisors, BoardSupervisor{ID: s.ID, Name: s.Name, Mode: string(s.Mode)})
	}
}

func callRow(c BoardCall) row {
	r := row{event: eventBoardCall, kind: "call", id: c.ID, queues: []string{c.Queue}}
	if c.Agent != nil {
		r.people = []string{c.Agent.ID}
	}
	return r
}

// rows are all rows of a board, encoded.
func (v BoardView) rows() []row {
	rows := make([]row, 0, len(v.Queues)+len(v.Agents)+len(v.Calls))
	add := func(r row, data any) {
		r.data, _ = json.Marshal(data)
		rows = append(rows, r)
	}
	for _, q := range v.Queues {
		add(row{event: eventBoardQueue, kind: "queue", id: q.Name, queues: []string{q.Name}}, q)
	}
	for _, a := range v.Agents {
		add(row{event: eventBoardAgent, kind: "agent", id: a.ID, queues: a.Queues, people: []string{a.ID}}, a)
	}
	for _, c := range v.Calls {
		add(callRow(c), c)
	}
	return rows
}

// pushBoard sends the board to those who watch: whole at first, then the rows that changed, each at most twice a second however often
// it changes. It is made once for all of them, and not at all when nobody watches.
func (g *Gateway) pushBoard(ctx context.Context) error {
	if g.cfg.Board == nil {
		<-ctx.Done()
		return nil
	}
	changes := g.cfg.Board.Watch()
	defer changes.Close()
	tick := time.NewTicker(pushEvery)
	defer tick.Stop()
	sent := map[string]row{}
	for {
		fresh := false
		select {
		case <-ctx.Done():
			return nil
		case <-g.board.signal():
			fresh = true
		case <-tick.C:
		}
		changes.Take() // whatever changed is compared anyway, once for many changes
		watchers := g.watchers()
		if len(watchers) == 0 {
			clear(sent)
			continue
		}
		v, err := g.wholeBoard(ctx)
		if err != nil {
			g.log.Warn("the board cannot be made", "error", err)
			continue
		}
		if fresh {
			g.pushWhole(v, watchers)
			if len(sent) == 0 {
				_, _, sent = compare(nil, v.rows())
			}
			continue
		}
		var changed []row
		var gone map[string]row
		changed, gone, sent = compare(sent, v.rows())
		g.pushRows(watchers, changed, gone, sent)
	}
}

// compare finds the rows that are new or another than before, and those that some who saw them may see no more.
func compare(before map[string]row, rows []row) (changed []row, gone, now map[string]row) {
	gone, now = maps.Clone(before), make(map[string]row, len(rows))
	for _, r := range rows {
		was, known := before[r.key()]
		if !known || !bytes.Equal(was.data, r.data) {
			changed = append(changed, r)
		}
		if known && slices.Equal(was.queues, r.queues) && slices.Equal(was.people, r.people) {
			delete(gone, r.key())
		}
		now[r.key()] = r
	}
	return changed, gone, now
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
			w.s.tell(eventBoard, encode(v.narrow(*w.s.socket.see.Load())))
		}
		w.st.mu.Unlock()
	}
}

// pushRows sends what changed to those who may see it, and takes away what is gone or has moved out of their sight.
func (g *Gateway) pushRows(watchers []watcher, changed []row, gone, now map[string]row) {
	if len(changed)+len(gone) == 0 {
		return
	}
	for _, w := range watchers {
		w.st.mu.Lock()
		if w.s.watches && !w.s.stale && !w.s.away() {
			see := *w.s.socket.see.Load()
			for key, was := range gone {
				is, still := now[key]
				if was.seenBy(see) && (!still || !is.seenBy(see)) {
					w.s.tell(eventBoardGone, encode(boardGone{Kind: was.kind, ID: was.id}))
				}
			}
			for _, r := range changed {
				if r.seenBy(see) {
					w.s.tell(r.event, r.data)
				}
			}
		}
		w.st.mu.Unlock()
	}
}
