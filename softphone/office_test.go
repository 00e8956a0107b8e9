package softphone_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"hotline"
	"hotline/acd"
	"hotline/acd/board"
	"hotline/acd/roster"
	"hotline/call"
	"hotline/call/calltest"
	"hotline/call/rows"
	"hotline/media"
	"hotline/media/peer"
	"hotline/postgres/pgtest"
	"hotline/softphone"
	"hotline/softphone/softphonetest"
	"hotline/tickets"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// Tones: each voice is one.
const (
	callerTone = 440.0
	annaTone   = 700.0
	benTone    = 1000.0
	chefTone   = 1330.0
	holdTone   = 1700.0
)

// office is a hotline without its SIP, IVR and console: real calls, agents, tickets and database, and real sockets and audio.
type office struct {
	t       *testing.T
	pool    *pgxpool.Pool
	engine  *media.Engine
	hub     *peer.Hub
	journal *call.Journal
	board   *call.Switchboard
	agents  *acd.Agents
	line    *acd.Line
	queues  *acd.Queues
	desk    *tickets.Desk
	g       *softphone.Gateway
	web     *httptest.Server
	log     *slog.Logger

	mu      sync.Mutex
	who     map[string]softphone.Identity // by account
	revoked map[string]bool
	away    time.Duration
	numbers numbers
	tabs    []*softphonetest.Tab
	hooked  chan string
}

// late lets acd pop through a gateway that is made after it.
type late struct{ g *softphone.Gateway }

func (l *late) Expect(o acd.Offer) { l.g.Expect(o) }

func (l *late) Offer(ctx context.Context, o acd.Offer) error { return l.g.Offer(ctx, o) }
func (l *late) Withdraw(offerID, agent string, why acd.Gone) { l.g.Withdraw(offerID, agent, why) }

// numbers allows what it holds.
type numbers map[string]bool

func (n numbers) MayDial(role string) bool { return role == "agent" || role == "supervisor" }
func (n numbers) Check(number string) error {
	if !n[number] {
		return hotline.Errorf(hotline.Denied, "dial.not_allowed", "no route leads to %s", number)
	}
	return nil
}

type options struct {
	alone  bool // no other test beside this one: what is left over can be counted
	limits softphone.Limits
	away   time.Duration
	popURL string
	hook   string
}

func newOffice(t *testing.T, also ...func(*options)) *office {
	t.Helper()
	var opt options
	for _, f := range also {
		f(&opt)
	}
	if !opt.alone {
		t.Parallel() // tests wait for audio most of the time
	}
	pool := pgtest.New(t)
	if opt.alone {
		leaks := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	}
	o := &office{t: t, pool: pool, engine: calltest.NewEngine(t), who: map[string]softphone.Identity{}, revoked: map[string]bool{},
		away: opt.away, numbers: numbers{"+8613800000001": true}, hooked: make(chan string, 10), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	o.open(opt)
	o.web = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(func() {
		for _, tab := range o.tabs {
			tab.Close()
		}
		o.web.Close()
	})
	return o
}

// open makes all parts and runs them until the test ends.
func (o *office) open(opt options) {
	t := o.t
	ctx := context.Background()
	var err error
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	o.hub, err = peer.NewHub(peer.Config{Engine: o.engine, UDPAddr: "127.0.0.1:0", Log: o.log})
	check(err)
	o.journal, err = rows.OpenJournal(call.JournalConfig{Dir: t.TempDir(), Pool: o.pool, Log: o.log})
	check(err)
	o.desk = tickets.New(o.pool, tickets.Config{Log: o.log})
	o.desk.Register(o.journal)
	o.board = call.NewSwitchboard(call.Config{Journal: o.journal, Node: "test", Route: o.route, Log: o.log})
	o.queues, err = acd.OpenQueues(ctx, o.pool, o.log)
	check(err)
	popper := &late{}
	o.agents, err = acd.OpenAgents(ctx, acd.AgentsConfig{Pool: o.pool, Queues: o.queues, Journal: o.journal, Node: "test", Popper: popper, Log: o.log,
		Live: func(id string) bool { _, ok := o.board.Call(id); return ok }})
	check(err)
	o.line = acd.NewLine(acd.LineConfig{Queues: o.queues, Agents: o.agents, Pool: o.pool, Log: o.log})
	figures := board.New(board.Config{Pool: o.pool, Queues: o.queues, Line: o.line, Agents: o.agents, Log: o.log})
	o.g, err = softphone.New(softphone.Config{
		Agents: o.agents, Line: o.line, Queues: o.queues, Calls: o.board, Hub: o.hub, Desk: o.desk, Pops: o.desk, Board: figures,
		Numbers: o.numbers, Dialler: o, PopURL: opt.popURL, PopHook: opt.hook, Limits: opt.limits, Log: o.log,
		Hook: func(_ context.Context, _ string, body []byte) error { o.hooked <- string(body); return nil },
	})
	check(err)
	popper.g = o.g
	// In the order in which they are stopped, the last first.
	o.run("journal", o.journal.Run)
	o.run("queues", o.queues.Run)
	o.run("agents", o.agents.Run)
	o.run("line", o.line.Run)
	o.run("figures", figures.Run)
	o.run("hub", o.hub.Run)
	o.run("softphone", o.g.Run)
	o.run("switchboard", func(ctx context.Context) error { return o.board.Run(ctx) })
}

func (o *office) run(name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	o.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			o.t.Errorf("%s: %v", name, err)
		}
	})
}

// serve is what web does: it knows who asks, and hands the connection over.
func (o *office) serve(w http.ResponseWriter, r *http.Request) {
	account := r.Header.Get("X-Account")
	o.mu.Lock()
	who, ok := o.who[account]
	o.mu.Unlock()
	if !ok {
		http.Error(w, "log in", http.StatusUnauthorized)
		return
	}
	o.g.Serve(w, r, who)
}

// account adds somebody with a role; an agent if there are queues.
func (o *office) account(name, role string, queues ...string) string {
	o.t.Helper()
	id := hotline.NewID()
	o.exec(`insert into account (id, login, name, password_hash, role) values ($1, $2, $3, '', $4)`, id, strings.ToLower(name), name, role)
	who := softphone.Identity{Account: id, Name: name, Role: role, Locale: "en", Remote: "127.0.0.1",
		See: hotline.Scope{Account: id, Queues: queues}, May: mayOf(role)}
	who.Check = func(context.Context) (hotline.Scope, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.revoked[id] {
			return hotline.Scope{}, hotline.Errorf(hotline.Denied, "login.required", "log in")
		}
		return o.who[id].See, nil
	}
	o.mu.Lock()
	o.who[id] = who
	o.mu.Unlock()
	if role == "agent" {
		_, err := o.agents.Roster().PutAgent(o.t.Context(), roster.Agent{ID: id, Queues: queues, Capacity: 1})
		o.check(err)
	}
	return id
}

func mayOf(role string) func(softphone.Right) bool {
	return func(r softphone.Right) bool {
		switch r {
		case softphone.MayTakeCalls:
			return role != "engineer"
		case softphone.MayDialOut:
			return role == "agent" || role == "supervisor"
		default:
			return role == "supervisor"
		}
	}
}

func (o *office) exec(sql string, args ...any) {
	o.t.Helper()
	_, err := o.pool.Exec(o.t.Context(), sql, args...)
	o.check(err)
}

func (o *office) check(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// queue adds a queue.
func (o *office) queue(name string, also ...func(*acd.Settings)) {
	o.t.Helper()
	s := acd.DefaultSettings()
	s.Wrap.Mode = acd.WrapNone
	for _, f := range also {
		f(&s)
	}
	_, err := o.queues.Create(o.t.Context(), acd.Queue{Name: name, Title: map[string]string{"en": name, "zh-CN": name}, Settings: s})
	o.check(err)
}

func (o *office) url() string { return "ws" + strings.TrimPrefix(o.web.URL, "http") + "/api/v1/socket" }

func (o *office) header(account string) http.Header {
	return http.Header{"Origin": {o.web.URL}, "X-Account": {account}}
}

// ctx is for one step of a test.
func (o *office) ctx() context.Context {
	ctx, cancel := context.WithTimeout(o.t.Context(), 15*time.Second)
	o.t.Cleanup(cancel)
	return ctx
}

// caller is a telephone that calls.
type caller struct {
	*calltest.Leg
	o *office
}

func (o *office) call(queue, number string) *caller {
	o.t.Helper()
	leg := calltest.NewLeg(o.t, o.engine, call.Info{Caller: call.Party{Number: number, Display: "Caller"}, Queue: queue, Language: "en"})
	leg.Phone.Hum(callerTone)
	o.check(leg.Ring(o.t.Context(), o.board))
	o.t.Cleanup(leg.HangUp)
	return &caller{leg, o}
}

func (c *caller) hears(on ...float64) {
	c.o.t.Helper()
	if !c.Phone.Tunes(10*time.Second, on, others(on)) {
		c.o.t.Fatalf("the caller does not hear %v and nothing else", on)
	}
}

// route is the journey of a caller: wait for an agent, talk, and go where one is sent.
func (o *office) route(_ context.Context, i call.Info) (call.Script, error) {
	if i.Resume != nil {
		return o.goOn, nil
	}
	return func(ctx context.Context, c *call.Call) error {
		if err := c.Answer(ctx); err != nil {
			return err
		}
		front := false
		for queue := i.Queue; ; {
			seat, err := o.wait(ctx, c, queue, front)
			if err != nil {
				return err
			}
			end, err := o.talk(ctx, c, queue, seat)
			for err == nil && end.Kind == call.TalkTransfer && end.To.Kind == call.ToAgent {
				var taken acd.Taken
				if taken, err = o.line.OfferTo(ctx, c.ID, end.To.Value, acd.KindDirect, queue, end.By); err == nil {
					end, err = o.talk(ctx, c, queue, taken.Seat)
				}
			}
			switch {
			case err != nil:
				return err
			case end.Kind == call.TalkAgentLost:
				front = true
			case end.Kind == call.TalkTransfer && end.To.Kind == call.ToQueue:
				queue, front = end.To.Value, end.To.Front
			default:
				return nil
			}
		}
	}, nil
}

func (o *office) talk(ctx context.Context, c *call.Call, queue string, seat call.AgentSeat) (call.TalkEnd, error) {
	defer o.agents.Seated(c.ID, nil)
	return c.Talk(ctx, call.TalkConfig{Engine: o.engine, Hold: media.NewMusic(media.Tone(holdTone, time.Second, 0.15)),
		Ringback: media.NewMusic(media.Silence(time.Second)), Away: o.away, Observe: o.observe}, seat)
}

func (o *office) observe(v call.TalkView) {
	var seated []string
	if v.Ended == nil {
		for _, p := range v.Parties {
			if p.Kind == "agent" {
				seated = append(seated, p.ID)
			}
		}
	}
	o.agents.Seated(v.CallID, seated)
	o.g.Observe(v)
}

func (o *office) wait(ctx context.Context, c *call.Call, queue string, front bool) (call.AgentSeat, error) {
	place, err := o.line.Join(ctx, acd.Waiter{CallID: c.ID, Caller: c.Info.Caller.Number, Queue: queue, Front: front})
	if err != nil {
		return call.AgentSeat{}, err
	}
	if err := c.Enter(ctx, call.PhaseQueued, queue); err != nil {
		return call.AgentSeat{}, err
	}
	stop := c.Music(media.NewMusic(media.Tone(holdTone, time.Second, 0.15)))
	defer stop()
	for {
		if _, err := c.Await(ctx, call.AwaitOptions{Signal: place.Answered()}); err != nil {
			place.Leave(acd.LeftAbandoned)
			return call.AgentSeat{}, err
		}
		if taken, ok := place.Take(); ok {
			c.Leaving(string(place.Leave(acd.LeftAnswered)))
			return taken.Seat, nil
		}
	}
}

// Dial is click-to-dial, as ivr does it: the office's telephones are legs of calltest.
func (o *office) Dial(ctx context.Context, c softphone.OutboundCall) (string, error) {
	id := hotline.NewID()
	if err := o.agents.Talking(ctx, c.Seat.Agent, acd.Lease{Call: id, Kind: acd.KindDialled, Queue: c.Queue}); err != nil {
		return "", err
	}
	return o.board.Originate(ctx, call.Originate{ID: id, Dialer: o.dialer(), Dial: call.Dial{To: c.Phone, From: call.Party{Number: "4000"}}, Queue: c.Queue, Ticket: c.Ticket, Agent: c.Seat.Agent},
		func(ctx context.Context, x *call.Call) error {
			_, err := o.talk(ctx, x, c.Queue, c.Seat)
			return err
		})
}

// dialer rings a telephone that answers at once and gives the caller's tone.
func (o *office) dialer() call.Dialer { return dialled{o} }

type dialled struct{ o *office }

func (d dialled) Dial(_ context.Context, x call.Dial) (call.Leg, error) {
	leg := calltest.NewLeg(d.o.t, d.o.engine, call.Info{LegID: x.LegID, CallID: x.CallID, Direction: call.Outbound, Caller: x.From, Dialled: x.To}) // as the edges say it
	leg.Phone.Hum(callerTone)
	leg.Attach(x.Mailbox)
	if err := leg.Answer(context.Background()); err != nil {
		return nil, err
	}
	d.o.t.Cleanup(leg.HangUp)
	return leg, nil
}
