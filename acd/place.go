package acd

import (
	"context"
	"time"

	"hotline/call"
)

// Place is a waiter's place in a line. Its methods may be called from any goroutine.
type Place struct {
	line     *Line
	waiter   Waiter
	settings Settings
	seq      uint64
	entered  time.Time // when this call came
	stop     func() bool
	changed  chan struct{} // capacity 1
	answered chan struct{} // closed when an agent has answered

	// The line's lock is over these.
	joinedAt time.Time // since when the place is held, over several calls maybe
	rank     time.Time // joinedAt less priority
	resumed  bool
	callback bool      // nobody is on the line
	asked    *Callback // the row of a call-back, once it is known
	left     Reason
	said     Announcement // the best that was announced
	seek     seek
}

// seek is how far a place is with finding an agent.
type seek struct {
	known   bool                 // it was looked up who calls
	looking bool                 // it is being looked up
	pending bool                 // agents are being set aside
	round   *round               // agents are rung
	backOff map[string]time.Time // until when an agent is not asked again
	taken   *Taken               // the agent who has answered
	handed  bool                 // and was taken by the script
}

// Resumed says that the place was kept from an earlier call.
func (p *Place) Resumed() bool {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return p.resumed
}

// Standing is what the place is worth: with it the caller gets it again from a process that comes after this one.
func (p *Place) Standing() call.Standing {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return call.Standing{JoinedAt: p.joinedAt, Rank: p.rank}
}

// Offered says that agents are rung for it, or are being set aside, or that one has answered.
func (p *Place) Offered() bool {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return p.seek.pending || p.seek.round != nil || p.seek.taken != nil
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
	staff := p.line.staff
	if staff == nil {
		return 0, false
	}
	working, handling := staff.working(p.waiter.Queue), staff.handles(p.waiter.Queue)
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
// abandoned or was cut off is kept for a minute. Agents who are rung for it are told; one who has answered and was not taken is free.
func (p *Place) Leave(why Reason) Reason {
	now := time.Now()
	l := p.line
	l.mu.Lock()
	if p.left != "" {
		why = p.left
		l.mu.Unlock()
		return why
	}
	loose := p.leave(why)
	if !p.callback {
		l.remove(p)
	}
	if why == LeftAbandoned || why == LeftCut {
		l.keep(p, now)
	}
	l.mu.Unlock()
	l.letGo(loose)
	l.wake()
	return why
}

// loose is what a place held that is left: agents who ring, an agent who answered and was not taken.
type loose struct {
	round *round
	taken *Taken
}

// leave notes the one reason and returns what the place held. The line's lock is held.
func (p *Place) leave(why Reason) loose {
	p.left = why
	p.line.stats.Left[why]++
	held := loose{round: p.seek.round}
	if !p.seek.handed {
		held.taken = p.seek.taken
	}
	p.seek.round = nil
	p.stop()
	return held
}

// letGo frees agents. It does not block.
func (l *Line) letGo(held loose) {
	a := l.cfg.Agents
	if a == nil {
		return
	}
	if held.round != nil {
		a.cancel(held.round, GoneCaller)
	}
	if t := held.taken; t != nil {
		a.withdraw(&ringing{Offer: t.Offer}, GoneCaller)
		a.do(func(ctx context.Context) { a.undo(ctx, t.Offer) })
	}
}

// KeepForCallback is [Place.Leave] with [LeftCallback] that holds the place with nobody on the line, until the call-back was made,
// [Line.CallbackDone], or the end of the process; the row of the call-back brings it back after that.
func (p *Place) KeepForCallback() {
	l := p.line
	l.mu.Lock()
	if p.left != "" {
		l.mu.Unlock()
		return
	}
	p.callback = true
	held := p.leave(LeftCallback)
	l.changes.Announce(p.waiter.Queue)
	l.mu.Unlock()
	l.letGo(held)
	l.wake()
}

// CallbackDone gives up the place that is held for the call-back of a call: it was made, or is not wanted any more.
func (l *Line) CallbackDone(callID string) {
	l.mu.Lock()
	p := l.held(callID)
	if p == nil {
		l.mu.Unlock()
		return
	}
	l.remove(p)
	held := loose{round: p.seek.round}
	p.seek.round, p.callback = nil, false
	l.mu.Unlock()
	l.letGo(held)
}

// held returns the place that is held for a call-back. l.mu is held.
func (l *Line) held(callID string) *Place {
	for _, list := range l.waiting {
		for _, p := range list {
			if p.callback && p.waiter.CallID == callID {
				return p
			}
		}
	}
	return nil
}

// Answered is closed when an agent has answered: [Place.Take] then has the seat. The caller stays in the line until [Place.Leave].
func (p *Place) Answered() <-chan struct{} { return p.answered }

// Take returns the agent who has answered, once. From then on the agent is the caller's: [Agents.Ended] sets them free.
func (p *Place) Take() (Taken, bool) {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	if p.seek.taken == nil || p.seek.handed || p.left != "" && p.left != LeftAnswered {
		return Taken{}, false
	}
	p.seek.handed = true
	return *p.seek.taken, true
}

// took implements asker.
func (p *Place) took(t Taken) bool {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	p.seek.round = nil
	switch {
	case p.callback && p.asked != nil:
		l.jobs = append(l.jobs, func(ctx context.Context) { l.dial(ctx, p, t) })
		p.asked.State = "dialling"
		l.wake()
		return true
	case p.left != "" || p.seek.taken != nil:
		return false
	}
	p.seek.taken = &t
	close(p.answered)
	l.changes.Announce(p.waiter.Queue)
	return true
}

// refused implements asker.
func (p *Place) refused(o *ringing, why Gone) {
	l := p.line
	l.mu.Lock()
	l.cfg.Agents.told(o) // with the back-off, so that nobody is rung again in between
	if p.seek.backOff == nil {
		p.seek.backOff = map[string]time.Time{}
	}
	wait := seconds(p.settings.Offering.BackOffS)
	if why == GoneFailed {
		wait = failedBackOff // the agent did nothing; the browser may be back soon
	}
	p.seek.backOff[o.Agent] = time.Now().Add(wait)
	l.settle(p)
	l.mu.Unlock()
	l.wake()
}

// settle forgets a round of which nothing rings any more. l.mu is held.
func (l *Line) settle(p *Place) {
	if r := p.seek.round; r != nil && !p.seek.pending && l.cfg.Agents.done(r) {
		p.seek.round = nil
		l.changes.Announce(p.waiter.Queue)
	}
}

const failedBackOff = 3 * time.Second
