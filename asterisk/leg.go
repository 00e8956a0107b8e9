package asterisk

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/call/tasks"
	"hotline/media"
	"hotline/trunks"
)

// patience is how long Asterisk may take over one request.
const patience = 8 * time.Second

// Leg is one channel of Asterisk and its audio. All of its state belongs to one goroutine, which runs its tasks in order.
type Leg struct {
	n       *node
	info    call.Info
	shown   atomic.Pointer[call.Info] // nil: info
	trunk   *trunks.Trunk             // nil: a line that is not known any more
	log     *slog.Logger
	stream  *media.Stream
	tasks   *tasks.Queue
	orders  orders
	mailbox atomic.Pointer[call.Mailbox]
	ending
	unwatch []func()

	channel  string // in Asterisk
	exists   bool   // the channel may exist: it is hung up in the end
	entered  bool   // it is in our application
	answered bool
	last     *ari.Event // ChannelHangupRequest: why it ends
	sound    sound
	in       *inbound
	out      *outbound
	refer    referral
}

// ending is what is over of a leg: nothing is delivered after Ended.
type ending struct {
	posting sync.Mutex
	over    bool          // with posting
	done    chan struct{} // closed when Ended has been delivered
	gone    chan struct{} // closed when nothing is left of it
}

var (
	_ call.Leg         = (*Leg)(nil)
	_ call.Transferrer = (*Leg)(nil)
)

func (n *node) newLeg(info call.Info, t *trunks.Trunk) *Leg {
	l := &Leg{
		n: n, info: info, trunk: t, tasks: tasks.New(), ending: ending{done: make(chan struct{}), gone: make(chan struct{})},
		log: n.log.With("call", info.CallID, "leg", info.LegID),
	}
	l.orders.run = n.e.work.Go
	return l
}

// open takes a place on a shared socket: where the audio comes from is known when Asterisk has answered; or the stream that it is lent.
func (l *Leg) open(lent *media.Stream) error {
	if l.sound.lent = lent != nil; l.sound.lent {
		l.stream = lent
		lent.Listen(l.heard)
		return nil
	}
	s, err := l.n.e.cfg.Engine.Open(media.OpenOptions{ID: l.info.LegID, OnEvent: l.heard, Shared: true, Awaits: true})
	if err != nil {
		return err
	}
	l.stream = s
	return nil
}

// run starts the leg's goroutine. Edge.Run waits for it.
func (l *Leg) run() { l.n.e.work.Go(l.tasks.Run) }

// Info describes the leg. Only the channel of an outbound leg may change, until somebody answers.
func (l *Leg) Info() call.Info {
	if seen := l.shown.Load(); seen != nil {
		return *seen
	}
	return l.info
}

// Audio is the leg's stream.
func (l *Leg) Audio() *media.Stream { return l.stream }

// heard takes events of the stream. It runs on the media plane.
func (l *Leg) heard(ev media.StreamEvent) {
	switch ev.Kind {
	case media.DigitDown:
		l.post(call.Event{Kind: call.DigitPressed, Digit: ev.Digit, At: ev.At})
	case media.MediaLost:
		l.post(call.Event{Kind: call.MediaLost, At: ev.At})
		l.tasks.Do(l.silent)
	case media.MediaBack:
		l.post(call.Event{Kind: call.MediaBack, At: ev.At})
	}
}

// silent is told that no audio comes. When Asterisk is not connected either, it is dead.
func (l *Leg) silent() {
	if !l.n.isUp() && !l.over && !l.sound.held {
		l.lost("its Asterisk is not connected, and no audio comes from it")
	}
}

// post delivers an event, unless the leg has ended.
func (l *Leg) post(ev call.Event) {
	l.posting.Lock()
	defer l.posting.Unlock()
	if !l.over {
		l.deliver(ev)
	}
}

func (l *Leg) deliver(ev call.Event) {
	ev.LegID = l.info.LegID
	if ev.At.IsZero() {
		ev.At = time.Now()
	}
	if m := l.mailbox.Load(); m != nil {
		m.Post(ev)
	}
}

// end gives the place on the socket back and delivers Ended, once. What is left in Asterisk is taken away by [Leg.clear].
func (l *Leg) end(why call.Cause) bool {
	l.posting.Lock()
	if l.over {
		l.posting.Unlock()
		return false
	}
	l.over = true
	l.posting.Unlock()
	if !l.sound.lent {
		l.stream.Close()
	}
	l.n.e.lines.end(l.trunk)
	l.sound.settled(l.n)
	if l.in != nil {
		l.in.stop()
	}
	if l.out != nil {
		l.out.stop()
	}
	l.refer.drop(why)
	l.deliver(call.Event{Kind: call.Ended, Cause: why})
	close(l.done)
	l.log.Debug("leg ended", "q850", why.Q850, "sip", why.SIP, "by", why.By, "text", why.Text)
	return true
}

// clear takes what the leg has in Asterisk away, after the requests that are under way, and forgets the leg.
func (l *Leg) clear(q850 int) {
	c, channel, exists := l.n.client, l.channel, l.exists
	media, bridge, begun := l.sound.media, l.sound.bridge, l.sound.begun
	l.ask(func(ctx context.Context) error {
		var err error
		if exists {
			err = worse(err, c.Hangup(ctx, channel, q850))
		}
		if begun {
			err = worse(err, c.DestroyBridge(ctx, bridge))
			err = worse(err, c.Hangup(ctx, media, q850))
		}
		return err
	}, func(err error) {
		if err != nil {
			l.log.Info("what is left of a leg in Asterisk is swept later", "err", err)
		}
		l.finish()
	})
}

// worse returns the first error that is one: that something is gone already is none.
func worse(before, now error) error {
	if before != nil || now == nil || ari.Gone(now) {
		return before
	}
	return now
}

// finish forgets the leg. Its goroutine ends.
func (l *Leg) finish() {
	l.end(call.CauseShutdown) // does nothing unless the process stops in the middle of it
	l.n.remove(l)
	l.tasks.Close()
	close(l.gone)
}

// command runs f on the leg's goroutine and waits for its reply. f may keep reply and call it later, once.
func (l *Leg) command(ctx context.Context, f func(reply func(error))) error {
	return l.tasks.Command(ctx, l.done, func() bool { return l.over }, f)
}

// Progress tells the caller that something happens.
func (l *Leg) Progress(ctx context.Context, early bool) error {
	return l.command(ctx, func(reply func(error)) {
		if l.in == nil || l.answered {
			reply(nil)
			return
		}
		l.progress(early, reply)
	})
}

// Answer takes the call.
func (l *Leg) Answer(ctx context.Context) error {
	return l.command(ctx, func(reply func(error)) {
		if l.in == nil {
			reply(nil)
			return
		}
		l.answer(reply)
	})
}

// Hangup ends the leg as its state asks.
func (l *Leg) Hangup(ctx context.Context, why call.Cause) error {
	err := l.command(ctx, func(reply func(error)) {
		l.hangup(why)
		reply(nil)
	})
	if err == call.ErrGone {
		return nil
	}
	return err
}

func (l *Leg) hangup(why call.Cause) {
	if l.end(why) {
		l.clear(reason(why, l.answered))
	}
}

// lost ends a leg that Asterisk does not have any more.
func (l *Leg) lost(why string) {
	if !l.end(call.CauseBackendLost) {
		return
	}
	l.n.counts.lost.Add(1)
	l.log.Warn("a leg is lost", "event", "alarm", "why", why)
	l.clear(reason(call.CauseBackendLost, l.answered))
}

// after runs f on the leg's goroutine later, unless stop is called before.
func (l *Leg) after(d time.Duration, f func()) (stop func()) { return l.tasks.After(d, f) }
