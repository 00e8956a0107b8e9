package ari

import (
	"context"
	"maps"
	"strconv"
	"time"
)

// made is what came of a request that makes something.
type made struct {
	a   reply
	err error
}

// make carries a request that makes something. When nobody waits for it any more, or when its outcome is unknown, what it may have
// made is taken back: the request itself is never cut short, because Asterisk would go on with it after a DELETE that came too soon.
func (r *Requester) make(ctx context.Context, q request) (reply, error) {
	done := make(chan made, 1)
	life, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Timeout)
	r.wg.Go(func() {
		defer cancel()
		a, err := r.ask(life, q)
		done <- made{a, err}
	})
	select {
	case m := <-done:
		if m.err != nil && Unavailable(m.err) {
			r.wg.Go(func() { r.takeBack(q.op.undo, q.id, true) })
		}
		return m.a, m.err
	case <-ctx.Done():
	}
	r.wg.Go(func() {
		m := <-done
		unknown := m.err != nil && Unavailable(m.err)
		if m.err == nil || unknown {
			r.takeBack(q.op.undo, q.id, unknown)
		}
	})
	return reply{}, r.lost(q, ctx.Err())
}

// takeBack deletes something that nobody wants. When it is unknown whether it was made, a 404 may come too early: it asks again.
// What cannot be asked for now is asked for after the next connect.
func (r *Requester) takeBack(o *operation, id string, unknown bool) {
	r.mu.Lock()
	r.undone[id] = o
	r.mu.Unlock()
	for _, pause := range []time.Duration{0, time.Second, 3 * time.Second} {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.quit:
			timer.Stop()
		}
		err := r.remove(o, id)
		if err == nil || Gone(err) && !unknown {
			r.forget(id)
			return
		}
		if Unavailable(err) {
			return
		}
	}
	r.forget(id)
}

func (r *Requester) remove(o *operation, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Timeout)
	defer cancel()
	p := with("bridgeId", id)
	if o == opHangup {
		p = with("channelId", id, "reason_code", strconv.Itoa(16))
	}
	q, err := o.request(p)
	if err == nil {
		_, err = r.ask(ctx, q)
	}
	return err
}

func (r *Requester) forget(id string) {
	r.mu.Lock()
	delete(r.undone, id)
	r.mu.Unlock()
}

// takeBackLeft deletes what could not be taken back before. It is called after each connect.
func (r *Requester) takeBackLeft() {
	r.mu.Lock()
	left := maps.Clone(r.undone)
	r.mu.Unlock()
	for id, o := range left {
		if err := r.remove(o, id); err == nil || Gone(err) {
			r.forget(id)
		}
	}
}
