package sip

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/call"
	"hotline/call/tasks"
	"hotline/media"
	"hotline/sip/cause"
)

// Leg is one dialog and its stream. All of its state belongs to one goroutine, which runs its tasks in order.
type Leg struct {
	e       *Edge
	info    call.Info
	trunk   *Trunk
	log     *slog.Logger
	stream  *media.Stream
	lent    bool // stream is somebody's, who closes it
	tasks   *tasks.Queue
	done    chan struct{} // closed when Ended has been delivered
	mailbox atomic.Pointer[call.Mailbox]
	posting sync.Mutex // guards over: nothing comes after Ended
	over    bool

	dlg   dialog
	in    *inbound  // an INVITE to us
	out   *outbound // an INVITE of ours
	neg   negotiation
	ses   session
	acks  *accepted // a 2xx of ours that waits for its ACK
	late  []*request
	refer referrals
	bye   *sipmsg.Request // to be sent when the ACK has come
}

var (
	_ call.Leg         = (*Leg)(nil)
	_ call.Transferrer = (*Leg)(nil)
	_ call.Acceptor    = (*call.Switchboard)(nil)
	_ call.Dialer      = (*Edge)(nil)
)

func (e *Edge) newLeg(info call.Info, t *Trunk, d dialog) *Leg {
	return &Leg{
		e: e, info: info, trunk: t, dlg: d, tasks: tasks.New(), done: make(chan struct{}),
		log: e.log.With("call", info.CallID, "leg", info.LegID),
	}
}

// open takes a port for the leg, or a place on a shared one when it is known where the peer's audio comes from; or the stream that it is
// lent.
func (l *Leg) open(remote netip.AddrPort, lent *media.Stream) error {
	if l.lent = lent != nil; l.lent {
		l.stream = lent
		lent.Listen(l.heard)
		return nil
	}
	s, err := l.e.cfg.Engine.Open(media.OpenOptions{ID: l.info.LegID, OnEvent: l.heard, Remote: remote, Shared: remote.IsValid()})
	if err != nil {
		return err
	}
	l.stream = s
	return nil
}

// run starts the leg's goroutine. Edge.Run waits for it.
func (l *Leg) run() { l.e.work.Go(l.tasks.Run) }

// Info describes the leg.
func (l *Leg) Info() call.Info { return l.info }

// Audio is the leg's stream.
func (l *Leg) Audio() *media.Stream { return l.stream }

// heard takes events of the stream. It runs on the media plane.
func (l *Leg) heard(ev media.StreamEvent) {
	switch ev.Kind {
	case media.DigitDown:
		l.post(call.Event{Kind: call.DigitPressed, Digit: ev.Digit, At: ev.At})
	case media.MediaLost:
		l.post(call.Event{Kind: call.MediaLost, At: ev.At})
	case media.MediaBack:
		l.post(call.Event{Kind: call.MediaBack, At: ev.At})
	}
}

// post delivers an event, unless the leg has ended.
func (l *Leg) post(ev call.Event) {
	l.posting.Lock()
	defer l.posting.Unlock()
	if l.over {
		return
	}
	l.deliver(ev)
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

// end gives the port back and delivers Ended, once. What signalling is left goes on until [Leg.finish].
func (l *Leg) end(why call.Cause) {
	l.posting.Lock()
	if l.over {
		l.posting.Unlock()
		return
	}
	l.over = true
	l.posting.Unlock()
	l.ses.stop()
	if !l.lent {
		l.stream.Close()
	}
	if l.trunk != nil {
		l.e.keeper.End(l.trunk.ID)
	}
	if l.in != nil {
		l.in.stop()
	}
	l.refer.drop()
	l.deliver(call.Event{Kind: call.Ended, Cause: why})
	close(l.done)
	l.log.Debug("leg ended", "q850", why.Q850, "sip", why.SIP, "by", why.By, "text", why.Text)
}

// finish forgets the leg. Its goroutine ends.
func (l *Leg) finish() {
	l.end(call.CauseShutdown) // does nothing unless the process stops in the middle of it
	l.acks.stop()
	if l.in != nil && l.in.tx != nil {
		l.in.tx.TerminateGracefully()
	}
	key := ""
	if l.in != nil {
		key = l.in.key
	}
	l.e.legs.remove(l, key)
	l.tasks.Close()
}

// command runs f on the leg's goroutine and waits for its reply. f may keep reply and call it later, once.
func (l *Leg) command(ctx context.Context, f func(reply func(error))) error {
	return l.tasks.Command(ctx, l.done, func() bool { return l.over }, f)
}

// Progress tells the caller that something happens.
func (l *Leg) Progress(ctx context.Context, early bool) error {
	return l.command(ctx, func(reply func(error)) {
		if l.in == nil {
			reply(nil)
			return
		}
		reply(l.progress(early))
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
	switch {
	case l.in != nil && !l.in.answered:
		l.reject(why)
	case l.out != nil && !l.out.answered:
		l.cancel(why)
	default:
		l.sendBye(why)
		l.end(why)
	}
}

// sendBye ends the dialog. Before our 200 is acknowledged a BYE may not be sent (RFC 3261, section 15): it waits for the ACK or its
// time-out.
func (l *Leg) sendBye(why call.Cause) {
	req := l.e.request(&l.dlg, sipmsg.BYE)
	if r := cause.Reason(why); r != "" {
		add(req, "Reason", r)
	}
	if l.in != nil && l.acks != nil && l.acks.first {
		l.bye = req
		return
	}
	l.send(req, func(*sipmsg.Response, error) { l.finish() })
}

// send sends a request of the dialog that is no INVITE. on gets the final response or why there is none, on the leg's goroutine.
func (l *Leg) send(req *sipmsg.Request, on func(*sipmsg.Response, error)) {
	l.transact(req, nil, on)
}

// transact sends a request and hands what comes of it to the leg. It writes at once when no connection must be made first, so that
// requests keep their order.
func (l *Leg) transact(req *sipmsg.Request, started func(*sipmsg.ClientTx), on func(*sipmsg.Response, error)) {
	to := addrPortOf(req.Destination())
	begin := func() (*sipmsg.ClientTx, error) {
		ctx, cancel := context.WithTimeout(l.e.ctx, 10*time.Second)
		defer cancel()
		return l.e.start(ctx, req, to)
	}
	pump := func(tx *sipmsg.ClientTx, err error) {
		if err != nil {
			l.tasks.Do(func() { on(nil, err) })
			return
		}
		if started != nil {
			l.tasks.Do(func() { started(tx) })
		}
		tx.OnRetransmission(func(res *sipmsg.Response) { l.tasks.Do(func() { on(res, nil) }) })
		l.pump(tx, req.Method == sipmsg.INVITE, on)
	}
	if req.Transport() == "UDP" || l.e.connected(req.Transport(), to) {
		tx, err := begin()
		l.e.work.Go(func() { pump(tx, err) })
		return
	}
	l.e.work.Go(func() { pump(begin()) })
}

func (l *Leg) pump(tx *sipmsg.ClientTx, invite bool, on func(*sipmsg.Response, error)) {
	for {
		select {
		case res := <-tx.Responses():
			if res.IsProvisional() && !invite {
				continue
			}
			l.tasks.Do(func() { on(res, nil) })
			if !res.IsProvisional() {
				return
			}
		case <-tx.Done():
			err := tx.Err()
			l.tasks.Do(func() { on(nil, err) })
			return
		case <-l.e.ctx.Done():
			tx.Terminate()
			return
		}
	}
}

// after runs f on the leg's goroutine later, unless stop is called before.
func (l *Leg) after(d time.Duration, f func()) (stop func()) { return l.tasks.After(d, f) }
