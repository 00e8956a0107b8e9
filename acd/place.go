package acd

import (
	"context"
	"time"
)

// Place is a waiter's place in a line. Its methods may be called from any goroutine.
type Place struct {
	line     *Line
	waiter   Waiter
	settings Settings
	seq      uint64
	entered  time.Time // when this call came
	stop     func() bool
	changed  chan struct{}    // capacity 1
	offers   chan Reservation // capacity 1

	// The line's lock is over these.
	joinedAt  time.Time // since when the place is held, over several calls maybe
	rank      time.Time // joinedAt less priority
	resumed   bool
	callback  bool
	reserving bool   // somebody waits in Reserve
	agent     string // is reserved
	left      Reason
	said      Announcement // the best that was announced
}

// Resumed says that the place was kept from an earlier call.
func (p *Place) Resumed() bool {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return p.resumed
}

// JoinedAt is since when the place is held.
func (p *Place) JoinedAt() time.Time {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return p.joinedAt
}

// Waited is for how long the place is held.
func (p *Place) Waited() time.Duration { return time.Since(p.JoinedAt()) }

// Changed is signalled when the position has changed. One signal may stand for many changes.
func (p *Place) Changed() <-chan struct{} { return p.changed }

func (p *Place) signal() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Position in the line, from 1; 0 after Leave.
func (p *Place) Position() int {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return p.position()
}

func (p *Place) position() int {
	for i, o := range p.line.waiting[p.waiter.Queue] {
		if o == p {
			return i + 1
		}
	}
	return 0
}

// Expected returns how long the wait will probably be, and false when that is not known: nobody works. It is the work ahead of this
// caller, and the agents' present calls of which half is done on average, shared by those who work.
func (p *Place) Expected() (time.Duration, bool) {
	staff := p.line.cfg.Staff
	if staff == nil {
		return 0, false
	}
	working, handling := staff.Working(p.waiter.Queue), staff.Handling(p.waiter.Queue)
	if handling <= 0 {
		handling = seconds(p.settings.HandlingTimeS)
	}
	position := p.Position()
	if working <= 0 || position == 0 {
		return 0, false
	}
	ahead := float64(position-1) + 0.5*float64(working)
	return time.Duration(ahead / float64(working) * float64(handling)), true
}

// Announcement is what to tell a waiting caller. Position 0 and Wait 0 are not said.
type Announcement struct {
	Position int
	Wait     time.Duration // rounded up to a minute
}

// Announce returns what may be said now: only what the queue's settings allow and what is better than what was said before. It
// counts as said.
func (p *Place) Announce() (Announcement, bool) {
	wait, known := p.Expected()
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	position := p.position()
	var a Announcement
	if position > 0 && p.settings.AnnouncePosition && (p.said.Position == 0 || position < p.said.Position) {
		a.Position, p.said.Position = position, position
	}
	if wait = max(wait+time.Minute-1, time.Minute).Truncate(time.Minute); position > 0 && known && p.settings.AnnounceWait && (p.said.Wait == 0 || wait < p.said.Wait) {
		a.Wait, p.said.Wait = wait, wait
	}
	return a, a != Announcement{}
}

// Leave gives the place up, with the reason. Only the first counts; it returns the reason that counts. The place of a caller who
// abandoned or was cut off is kept for a minute.
func (p *Place) Leave(why Reason) Reason {
	now := time.Now()
	l := p.line
	l.mu.Lock()
	if p.left != "" {
		why = p.left
		l.mu.Unlock()
		return why
	}
	agent := p.leave(why)
	if !p.callback {
		l.remove(p)
	}
	if why == LeftAbandoned || why == LeftCut {
		l.keep(p, now)
	}
	l.mu.Unlock()
	if agent != "" && why != LeftAnswered {
		l.cfg.Staff.Release(agent, p.waiter.CallID)
	}
	l.wake()
	return why
}

// leave notes the one reason and returns the agent who was reserved. The line's lock is held.
func (p *Place) leave(why Reason) (agent string) {
	p.left = why
	p.line.stats.Left[why]++
	agent, p.agent = p.agent, ""
	p.stop()
	return agent
}

// KeepForCallback is [Place.Leave] with [LeftCallback] that holds the place with nobody on the line, until [Line.CallbackDone] or the
// end of the process.
func (p *Place) KeepForCallback() {
	l := p.line
	l.mu.Lock()
	if p.left != "" {
		l.mu.Unlock()
		return
	}
	p.callback = true
	agent := p.leave(LeftCallback)
	l.mu.Unlock()
	if agent != "" {
		l.cfg.Staff.Release(agent, p.waiter.CallID)
	}
	l.wake()
}

// CallbackDone gives up the place that is held for the call-back of a call: it was made, or is not wanted any more.
func (l *Line) CallbackDone(callID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.waiting {
		for _, p := range list {
			if p.callback && p.waiter.CallID == callID {
				l.remove(p)
				return
			}
		}
	}
}

// Reserve waits until an agent is set aside for this place. The caller stays in the line, offered, until [Place.Leave] with
// [LeftAnswered] or [Reservation.Release]. Without staff it waits until ctx is done.
func (p *Place) Reserve(ctx context.Context) (Reservation, error) {
	l := p.line
	l.mu.Lock()
	p.reserving = p.left == ""
	l.mu.Unlock()
	l.wake()
	select {
	case r := <-p.offers:
		return r, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	p.reserving = false
	l.mu.Unlock()
	select {
	case r := <-p.offers: // it crossed the end of ctx
		r.Release()
	default:
	}
	return Reservation{}, context.Cause(ctx)
}

// Reservation is an agent set aside for a caller.
type Reservation struct {
	Agent string
	place *Place
}

// Release gives the agent back: no answer, declined, or the caller is gone. The caller goes on waiting. Releasing what is released is
// no error.
func (r Reservation) Release() {
	p := r.place
	l := p.line
	l.mu.Lock()
	held := p.agent == r.Agent && r.Agent != ""
	if held {
		p.agent = ""
	}
	l.mu.Unlock()
	if held {
		l.cfg.Staff.Release(r.Agent, p.waiter.CallID)
		l.wake()
	}
}

// Answered is closed when an agent has answered: [Place.Take] then has the seat. The caller stays in the line until [Place.Leave].
func (p *Place) Answered() <-chan struct{} { return nil }

// Take returns the agent who has answered, once.
func (p *Place) Take() (Taken, bool) { return Taken{}, false }
