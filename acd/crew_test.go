package acd

import (
	"context"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
	"hotline/postgres"
)

// crew is agents with wills of their own, and callers, over one process after the other on the same rows. It keeps a book of who is
// idle and who waits that knows nothing of the matcher.
type crew struct {
	*floor
	rnd    *rand.Rand
	events atomic.Int64
	desks  map[string]chan Offer // by agent

	mu      sync.Mutex
	idle    map[string]time.Time       // agents: free as far as they know, since
	waiting map[string]time.Time       // calls: that no one rings for, since
	refused map[string]map[string]bool // call: agents who did not take it
	late    []string                   // a free agent and a waiting caller, for too long
	dead    bool                       // the process was killed
}

// Expect implements Popper.
func (c *crew) Expect(Offer) {}

// Offer implements Popper.
func (c *crew) Offer(_ context.Context, o Offer) error {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return context.Canceled
	}
	delete(c.idle, o.Agent)
	delete(c.waiting, o.CallID)
	broken := c.rnd.IntN(20) == 0
	c.mu.Unlock()
	c.events.Add(1)
	if broken {
		c.over(o, true)
		return context.DeadlineExceeded
	}
	c.desks[o.Agent] <- o
	return nil
}

// Withdraw implements Popper.
func (c *crew) Withdraw(string, string, Gone) { c.events.Add(1) }

// over notes that an agent has not taken a call. The caller waits again, if it has not left.
func (c *crew) over(o Offer, refused bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if refused && c.refused[o.CallID] != nil {
		c.refused[o.CallID][o.Agent] = true
		c.waiting[o.CallID] = now
	}
	c.idle[o.Agent] = now
}

func (c *crew) roll(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rnd.IntN(n)
}

// work is an agent's life until ctx is done: arrive, go ready, take what rings or not, lose the browser now and then.
func (c *crew) work(ctx context.Context, a *Agents, agent string) {
	session := hotline.NewID()
	for ctx.Err() == nil {
		if !c.present(ctx, a, agent, session) {
			continue
		}
		select {
		case o := <-c.desks[agent]:
			c.take(ctx, a, o)
		case <-time.After(time.Duration(c.roll(6000)) * time.Millisecond):
			c.mu.Lock()
			delete(c.idle, agent)
			c.mu.Unlock()
			switch c.roll(3) {
			case 0:
				a.Leave(ctx, agent, session)
				session = hotline.NewID()
			case 1:
				a.Pause(ctx, agent, "")
			case 2:
				a.Media(ctx, agent, session, false)
			}
		case <-ctx.Done():
		}
		c.events.Add(1)
	}
}

// present makes an agent ready, and says whether it is.
func (c *crew) present(ctx context.Context, a *Agents, agent, session string) bool {
	g, _ := a.Get(agent)
	if g.Session != session {
		a.Arrive(ctx, agent, session)
	}
	if !g.Media || g.Session != session {
		a.Media(ctx, agent, session, true)
	}
	switch g, _ = a.Get(agent); {
	case g.State == Ready && g.Media && g.Session == session:
		c.mu.Lock()
		if _, ok := c.idle[agent]; !ok && !c.dead {
			c.idle[agent] = time.Now()
		}
		c.mu.Unlock()
		return true
	case g.rung():
		return true
	}
	a.Ready(ctx, agent)
	return false
}

// take does what an agent does whose browser rings.
func (c *crew) take(ctx context.Context, a *Agents, o Offer) {
	think(ctx, c.roll(10))
	switch n := c.roll(20); {
	case n < 14:
		if a.Answer(ctx, o.ID, seat(o.Agent)) != nil {
			c.over(o, false)
			return
		}
		think(ctx, c.roll(30))
		if c.roll(2) == 0 {
			a.Seated(o.CallID, []string{o.Agent})
			a.Seated(o.CallID, nil)
		} else {
			a.Ended(ctx, o.Agent, o.CallID)
		}
	case n < 19:
		if a.Decline(ctx, o.ID, o.Agent, "no") == nil {
			c.over(o, true)
		} else {
			c.over(o, false)
		}
	default: // let it ring
		g, _ := a.Get(o.Agent)
		for until := time.Now().Add(3 * time.Second); g.rung() && ctx.Err() == nil && time.Now().Before(until); g, _ = a.Get(o.Agent) {
			think(ctx, 10)
		}
		c.over(o, true)
		if g.State == NotResponding {
			c.mu.Lock()
			delete(c.idle, o.Agent)
			c.mu.Unlock()
		}
	}
}

func think(ctx context.Context, ms int) {
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-ctx.Done():
	}
}

// call is one caller: waits, is answered, hangs up.
func (c *crew) call(ctx context.Context, l *Line) {
	id := hotline.NewID()
	ctx, hangup := context.WithCancelCause(ctx)
	defer hangup(call.ErrHangup)
	p, err := l.Join(ctx, Waiter{CallID: id, Queue: "q"})
	if err != nil {
		return
	}
	c.mu.Lock()
	c.waiting[id], c.refused[id] = time.Now(), map[string]bool{}
	c.mu.Unlock()
	c.events.Add(1)
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, id)
		delete(c.refused, id)
		c.events.Add(1)
	}()
	select {
	case <-p.Answered():
		if c.roll(10) > 0 {
			p.Take()
			p.Leave(LeftAnswered)
			return
		}
	case <-time.After(time.Duration(c.roll(5000)) * time.Millisecond):
	case <-ctx.Done():
	}
	p.Leave(LeftAbandoned)
}

// watch looks for a free agent and a waiting caller who could have each other for more than a second. What this process was late
// itself is allowed for.
func (c *crew) watch(ctx context.Context) {
	const every = 20 * time.Millisecond
	last, lag := time.Now(), time.Duration(0)
	for ctx.Err() == nil {
		think(ctx, int(every.Milliseconds()))
		now := time.Now()
		lag = max(now.Sub(last)-every, lag*19/20)
		last = now
		limit := time.Second + 5*lag
		c.mu.Lock()
		for id, since := range c.waiting {
			for agent, free := range c.idle {
				if now.Sub(since) > limit && now.Sub(free) > limit && !c.refused[id][agent] {
					c.late = append(c.late, id+" and "+agent)
				}
			}
		}
		c.mu.Unlock()
	}
}

// TestNobodyIsLeft: thousands of random events with processes that die in between. A free agent and a waiting caller have an offer
// within a second; no agent is ever left reserved, ringing or talking when nobody rings or talks; nothing is left in memory.
func TestNobodyIsLeft(t *testing.T) {
	for _, strategy := range []Strategy{LongestIdle, RingAll} {
		t.Run(string(strategy), func(t *testing.T) {
			c := &crew{floor: newFloor(t, 12, nil), rnd: rand.New(rand.NewPCG(1, 2)), desks: map[string]chan Offer{}, idle: map[string]time.Time{}, waiting: map[string]time.Time{}, refused: map[string]map[string]bool{}}
			c.set("q", func(s *Settings) {
				s.Wrap.Mode = WrapNone
				s.Offering.Strategy, s.Offering.RingS, s.Offering.MaxMisses = strategy, 1, 3
			})
			for range 2 {
				c.shift(3*time.Second, true)
			}
			c.shift(3*time.Second, false)
			if len(c.late) > 0 {
				t.Errorf("%d times a free agent and a waiting caller were left alone, first %s", len(c.late), c.late[0])
			}
			if n := c.events.Load(); n < 500 {
				t.Errorf("only %d events", n)
			}
		})
	}
}

// shift is the life of one process, which is killed or ends in peace.
func (c *crew) shift(d time.Duration, kill bool) {
	t := c.t
	t.Helper()
	pool := c.process()
	defer pool.Close()
	for _, id := range c.ids {
		c.desks[id] = make(chan Offer, 1000)
	}
	c.mu.Lock()
	clear(c.idle)
	clear(c.waiting)
	c.dead = false
	c.mu.Unlock()
	agents, err := OpenAgents(t.Context(), AgentsConfig{Pool: pool, Queues: c.queues, Node: "n1", Popper: c, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	c.nobodyIsBusy("after the start")
	line := NewLine(LineConfig{Queues: c.queues, Agents: agents, Pool: pool, Log: quiet()})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var parts, people sync.WaitGroup
	parts.Go(func() { agents.Run(ctx) })
	parts.Go(func() { line.Run(ctx) })
	life, end := context.WithTimeout(ctx, d)
	defer end()
	people.Go(func() { c.watch(life) })
	for _, id := range c.ids {
		people.Go(func() { c.work(life, agents, id) })
	}
	for n := 1; life.Err() == nil; n++ { // a rush and a lull, in which whoever waits can have somebody
		people.Go(func() { c.call(life, line) })
		if think(life, c.roll(10)); n%60 == 0 {
			think(life, 2000)
		}
	}
	if kill {
		c.mu.Lock()
		c.dead = true
		c.mu.Unlock()
		c.kill()
		stop()
	}
	people.Wait()
	if kill {
		parts.Wait()
		return
	}
	c.nothingIsLeft(agents, line)
	stop()
	parts.Wait()
}

// process returns a pool of its own for a process, so that it can be killed.
func (c *crew) process() *pgxpool.Pool {
	c.t.Helper()
	u, err := url.Parse(c.pool.Config().ConnString())
	if err != nil {
		c.t.Fatal(err)
	}
	q := u.Query()
	q.Set("application_name", "victim")
	u.RawQuery = q.Encode()
	pool, err := postgres.Connect(c.t.Context(), u.String())
	if err != nil {
		c.t.Fatal(err)
	}
	return pool
}

// kill takes the process's connections away, in the middle of whatever it does.
func (c *crew) kill() {
	c.t.Helper()
	if _, err := c.pool.Exec(c.t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim' and datname = current_database()`); err != nil {
		c.t.Error(err)
	}
}

func (c *crew) nobodyIsBusy(when string) {
	c.t.Helper()
	var busy, live int
	err := c.pool.QueryRow(c.t.Context(), `select count(*), (select count(*) from work_offer where state = 'live') from agent where state in ('reserved', 'ringing', 'talking')`).Scan(&busy, &live)
	if err != nil || busy > 0 || live > 0 {
		c.t.Errorf("%s %d agents are busy and %d offers live (%v)", when, busy, live, err)
	}
}

// nothingIsLeft waits until what goes on is over, and looks.
func (c *crew) nothingIsLeft(a *Agents, l *Line) {
	c.t.Helper()
	left := func() (n int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, g := range a.copy {
			if g.State != Ready && g.State != NotReady && g.State != Offline && g.State != NotResponding {
				n++
			}
		}
		return n + len(a.offers) + len(a.held) + len(a.jobs) + len(a.debts) + len(a.seats) + len(l.waiting) + len(l.jobs)
	}
	c.agents = a
	c.until("everything is over", func() bool { return left() == 0 })
	c.nobodyIsBusy("at the end")
}
