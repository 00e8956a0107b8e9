package callout

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/mailbox"
	"hotline/call/tasks"
	"hotline/media"
	"hotline/trunks/routes"
)

// patience is how long an edge may take to say that a leg of it is hung up.
const patience = 5 * time.Second

// leg is a call by the outbound routes. Its state belongs to one goroutine, which runs its tasks in order.
type leg struct {
	d      *Dialer
	dial   call.Dial
	log    *slog.Logger
	lease  *routes.Lease
	stream *media.Stream // lent to the legs below
	tasks  *tasks.Queue
	done   chan struct{} // closed when Ended has been delivered
	now    atomic.Pointer[attempt]

	next     []carrier // not yet tried
	tries    int
	until    time.Time // somebody must have answered
	rang     bool
	answered bool
	unwanted bool // it was hung up
	over     bool
	stopSlow func() // nobody rang
}

// attempt is the leg of one trunk.
type attempt struct {
	leg  call.Leg
	name string // of the trunk
	box  *call.Mailbox
}

var _ call.Transferrer = (*leg)(nil)

// setOut dials the first trunk that takes the call.
func (d *Dialer) setOut(ctx context.Context, o call.Dial, lease *routes.Lease) (*leg, error) {
	all, err := d.carriers(lease)
	if err != nil {
		return nil, err
	}
	o.LegID = cmp.Or(o.LegID, hotline.NewID())
	l := &leg{
		d: d, dial: o, lease: lease, next: all, tasks: tasks.New(), done: make(chan struct{}), log: d.log.With("call", o.CallID, "leg", o.LegID),
		until: time.Now().Add(cmp.Or(max(o.Timeout, 0), time.Minute)), stopSlow: func() {},
	}
	asterisk := !slices.ContainsFunc(all, func(c carrier) bool { return !c.trunk.Settings.OnAsterisk() })
	l.stream, err = d.cfg.Engine.Open(media.OpenOptions{ID: o.LegID, Shared: asterisk, Awaits: asterisk}) // SIP needs a port of its own
	if err != nil {
		return nil, err
	}
	if err := l.advance(ctx); err != nil {
		l.stream.Close()
		return nil, err
	}
	go l.tasks.Run()
	return l, nil
}

// advance dials the next trunk that takes the call.
func (l *leg) advance(ctx context.Context) error {
	for len(l.next) > 0 {
		c := l.next[0]
		l.next = l.next[1:]
		err := l.attempt(ctx, c)
		if err == nil || hotline.KindOf(err) == hotline.Denied || len(l.next) == 0 {
			return err
		}
	}
	return errLast
}

var errLast = errors.New("there is no other trunk")

// attempt dials by one trunk.
func (l *leg) attempt(ctx context.Context, c carrier) error {
	a := &attempt{name: c.trunk.Name}
	a.box = mailbox.New(func(call.Event) { l.tasks.Do(func() { l.heard(a) }) })
	d := l.dial
	d.TrunkID, d.To, d.Exact, d.Hurry = c.trunk.ID, c.to.Number, c.to.Rewritten, len(l.next) > 0
	d.Mailbox, d.Audio, d.Timeout = a.box, l.stream, max(time.Until(l.until), time.Second)
	if d.From.Number == "" && !d.From.Withheld {
		d.From.Number = c.to.CallerID
	}
	if l.tries > 0 {
		d.LegID += "." + strconv.Itoa(l.tries) // an id is never used twice
	}
	l.tries++
	var err error
	if a.leg, err = c.edge.Dial(ctx, d); err != nil {
		return err
	}
	l.now.Store(a)
	l.stopSlow()
	l.stopSlow = l.tasks.After(l.d.cfg.RingWithin, func() {
		if a == l.now.Load() {
			l.elsewhere("nobody rings")
		}
	})
	return nil
}

// elsewhere tries the next trunk, unless somebody rings already: he would ring twice.
func (l *leg) elsewhere(why string) bool {
	if l.over || l.unwanted || l.answered || l.rang {
		return false
	}
	before := l.now.Load()
	if l.advance(context.Background()) != nil {
		return false
	}
	l.log.Warn("a call goes out through another trunk", "event", "alarm", "from", before.name, "to", l.now.Load().name, "why", why)
	hangup(before.leg, call.CauseNoAnswer)
	return true
}

func hangup(l call.Leg, why call.Cause) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = l.Hangup(ctx, why) // the edge ends it in the end, whatever comes of this
}

// heard takes what has come of an attempt. Of one that was given up nothing is wanted any more.
func (l *leg) heard(a *attempt) {
	for e, ok := a.box.Take(); ok; e, ok = a.box.Take() {
		if l.over || a != l.now.Load() {
			continue
		}
		switch e.Kind {
		case call.Ringing:
			l.rang = true
		case call.Answered:
			l.answered = true
			l.metered()
		case call.Ended:
			if !retriable(e.Cause) || !l.elsewhere(e.Cause.Text) {
				l.end(e)
			}
			continue
		}
		e.LegID = l.dial.LegID
		l.dial.Mailbox.Post(e)
	}
}

// metered starts the clock: the call uses minutes, and has a longest duration.
func (l *leg) metered() {
	l.lease.Answered()
	if l.lease.Longest > 0 {
		l.tasks.After(l.lease.Longest, func() {
			l.log.Warn("a call out has lasted as long as the limits allow", "event", "alarm", "minutes", l.lease.Longest.Minutes())
			l.hangup(call.Cause{Q850: 31, Text: "the longest duration of an outbound call is over", By: "hotline"})
		})
	}
}

// end delivers Ended and gives back what the leg had.
func (l *leg) end(e call.Event) {
	l.over = true
	l.stopSlow()
	l.lease.End()
	l.stream.Close()
	e.LegID = l.dial.LegID
	l.dial.Mailbox.Post(e)
	close(l.done)
	l.tasks.Close()
}

// Info describes the leg. Its trunk, and what goes with that, may change until somebody answers.
func (l *leg) Info() call.Info {
	i := l.now.Load().leg.Info()
	i.LegID, i.Dialled = l.dial.LegID, l.dial.To
	return i
}

// Audio is the leg's stream.
func (l *leg) Audio() *media.Stream { return l.stream }

func (l *leg) command(ctx context.Context, f func()) error {
	return l.tasks.Command(ctx, l.done, func() bool { return l.over }, func(reply func(error)) {
		f()
		reply(nil)
	})
}

// Progress does nothing: it is the other side that rings.
func (l *leg) Progress(ctx context.Context, _ bool) error { return l.command(ctx, func() {}) }

// Answer does nothing: it is the other side that answers.
func (l *leg) Answer(ctx context.Context) error { return l.command(ctx, func() {}) }

// Hangup ends the leg as its state asks.
func (l *leg) Hangup(ctx context.Context, why call.Cause) error {
	err := l.command(ctx, func() { l.hangup(why) })
	if errors.Is(err, call.ErrGone) {
		return nil
	}
	return err
}

func (l *leg) hangup(why call.Cause) {
	l.unwanted = true
	a := l.now.Load()
	hangup(a.leg, why)
	l.heard(a)
}

// Refer sends the called to somebody else.
func (l *leg) Refer(ctx context.Context, target string) error {
	t, ok := l.now.Load().leg.(call.Transferrer)
	if !ok {
		return hotline.Errorf(hotline.Unavailable, "call.no_transfer", "the trunk cannot transfer calls")
	}
	return t.Refer(ctx, target)
}

// ReportTransfer tells the called what became of the transfer that it has asked for.
func (l *leg) ReportTransfer(ctx context.Context, code int, text string) error {
	t, ok := l.now.Load().leg.(interface {
		ReportTransfer(ctx context.Context, code int, text string) error
	})
	if !ok {
		return nil
	}
	return t.ReportTransfer(ctx, code, text)
}
