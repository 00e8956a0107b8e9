package softphone

import (
	"context"
	"time"

	"hotline"
	"hotline/call"
	"hotline/media"
)

// Two others must know whether the agent is there: the conversation (the caller hears music at once) and acd (nobody is offered a call
// who cannot take it). What they should know follows from the state of the phone; what they do know is kept here. One goroutine at a
// time closes the gap, so however quickly a browser comes and goes, the last word is the right one, and a slow database never keeps
// the music from a caller.

// seatSettler keeps what the conversation has been told.
type seatSettler struct {
	running bool
	callID  string
	stream  *media.Stream // nil: that the agent is away
}

// presenceSettler keeps what acd has been told.
type presenceSettler struct {
	running bool
	told    presence
	again   time.Time // not before, after an error
}

type presence struct {
	session string // of the tab that is the phone; "": none
	media   bool
}

func (p *presenceSettler) busy() bool { return p.running || p.told != presence{} }

// settleSeat tells the conversation if there is something to tell. The mutex is held.
func (st *station) settleSeat() {
	if !st.seat.running && st.seatDue() {
		st.seat.running = st.g.tasks.start(st.runSeat)
	}
}

func (st *station) seatDue() bool {
	return st.call != nil && st.seat.callID == st.call.ID && st.seat.stream != st.stream()
}

func (st *station) runSeat() {
	for {
		st.mu.Lock()
		if !st.seatDue() {
			st.seat.running = false
			st.mu.Unlock()
			return
		}
		id, stream := st.call.ID, st.stream()
		seat := call.AgentSeat{Agent: st.account, Name: st.who.Name, Stream: stream}
		st.mu.Unlock()
		err := st.g.do(st.g.ctx, id, func(t *call.Talk) error {
			if stream == nil {
				return t.Gone(seat.Agent)
			}
			return t.Reseat(seat)
		})
		if err != nil {
			st.g.log.Info("the conversation has not been told of the agent's browser", "call", id, "agent", seat.Agent, "away", stream == nil, "error", err)
		}
		st.mu.Lock()
		if st.seat.callID == id {
			st.seat.stream = stream // also after an error: the conversation has ended, or the agent has left it
		}
		st.mu.Unlock()
	}
}

// settlePresence tells acd if there is something to tell. The mutex is held.
func (st *station) settlePresence() {
	if !st.presence.running && st.presenceDue() && !time.Now().Before(st.presence.again) {
		st.presence.running = st.g.tasks.start(st.runPresence)
	}
}

func (st *station) wantedPresence() presence {
	if st.phone == nil || !st.who.may(MayTakeCalls) {
		return presence{}
	}
	return presence{session: st.phone.id, media: st.live() && !st.phone.mute}
}

func (st *station) presenceDue() bool { return st.presence.told != st.wantedPresence() }

func (st *station) runPresence() {
	for {
		st.mu.Lock()
		want, told := st.wantedPresence(), st.presence.told
		if want == told || time.Now().Before(st.presence.again) {
			st.presence.running = false
			st.mu.Unlock()
			return
		}
		st.mu.Unlock()
		now, err := st.report(st.g.ctx, told, want)
		st.mu.Lock()
		st.presence.told = now
		if now.media && !told.media {
			st.emitPhone()
		}
		if err != nil {
			st.presence.again = time.Now().Add(time.Second)
			st.g.log.Warn("the agent's presence could not be kept; trying again", "agent", st.account, "error", err)
		}
		st.mu.Unlock()
	}
}

// report tells acd what it does not know, and returns what it knows then.
func (st *station) report(ctx context.Context, told, want presence) (presence, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	agents := st.g.cfg.Agents
	if want.session != told.session {
		var err error
		if want.session == "" {
			err = agents.Leave(ctx, st.account, told.session)
		} else {
			_, err = agents.Arrive(ctx, st.account, want.session)
		}
		if hotline.KindOf(err) == hotline.NotFound {
			return want, nil // no agent any more: there is nothing to keep
		}
		if err != nil {
			return told, err
		}
		told = presence{session: want.session}
	}
	if want.media == told.media {
		return told, nil
	}
	if err := agents.Media(ctx, st.account, want.session, want.media); err != nil && hotline.KindOf(err) != hotline.NotFound {
		return told, err
	}
	return want, nil
}

// depart tells acd that the agent has left, as the last thing.
func (st *station) depart() {
	st.mu.Lock()
	told := st.presence.told
	st.presence.told = presence{}
	st.mu.Unlock()
	if told.session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := st.g.cfg.Agents.Leave(ctx, st.account, told.session); err != nil {
		st.g.log.Warn("the agent's leaving could not be kept", "agent", st.account, "error", err)
	}
}

// do runs f in the goroutine of a call.
func (g *Gateway) do(ctx context.Context, callID string, f func(*call.Talk) error) error {
	c, ok := g.cfg.Calls.Call(callID)
	if !ok {
		return hotline.Errorf(hotline.Conflict, "call.over", "the call is over")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c.Do(ctx, f)
}
