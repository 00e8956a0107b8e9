package call

import (
	"cmp"
	"context"
	"errors"
	"time"

	"hotline"
)

// Originate says how an outbound call begins.
type Originate struct {
	ID       string // of the call; "" makes one
	Dialer   Dialer
	Dial     Dial   // CallID, LegID and Mailbox are filled in
	Queue    string // for which it is made; "" if for none
	Ticket   int64  // to which it belongs; 0: its own
	Agent    string // for whom it is made
	Name     string // of who is called, if it is known
	Language string
}

// Originate makes an outbound call: its own leg is the one that is dialled. The script runs at once: [Call.Talk] lets an agent hear it
// ring, [Call.Connected] waits for the answer.
func (s *Switchboard) Originate(ctx context.Context, o Originate, script Script) (callID string, err error) {
	d := o.Dial
	d.Timeout = cmp.Or(d.Timeout, time.Minute)
	d.CallID, d.LegID, d.From.Agent = cmp.Or(o.ID, newID()), newID(), o.Agent
	c := expectCall(s.cfg, Info{
		LegID: d.LegID, CallID: d.CallID, Direction: Outbound, TrunkID: d.TrunkID, Caller: Party{Number: d.To, Display: o.Name}, Dialled: d.From.Number,
		Queue: o.Queue, Language: o.Language, ReceivedAt: time.Now(), Ticket: o.Ticket, Agent: o.Agent,
	})
	c.ringsUntil, d.Mailbox = time.Now().Add(d.Timeout), c.mailbox
	s.mu.Lock()
	if err := s.admit(c.ID); err != nil {
		s.mu.Unlock()
		return "", err
	}
	s.enter(c)
	s.mu.Unlock()
	leg, err := o.Dialer.Dial(ctx, d)
	if err != nil {
		s.leave(c)
		return "", dialFailed(d.To, err)
	}
	c.take(leg, streamSound{leg.Audio()})
	c.carriedBy(leg.Info())
	go s.run(c, script)
	return c.ID, nil
}

// carriedBy notes by what a call out goes.
func (c *Call) carriedBy(i Info) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Info.Edge, c.Info.ForeignID, c.Info.Remote, c.Info.TrunkID, c.Info.TrunkName, c.Info.Outlives = i.Edge, i.ForeignID, i.Remote, i.TrunkID, i.TrunkName, i.Outlives
	c.view.Info = c.Info
}

// Connected waits until the outbound call is taken. The error is of kind Unavailable when it was not, and the call is over then.
func (c *Call) Connected(ctx context.Context) error {
	ctx, cancel := context.WithDeadlineCause(ctx, c.ringsUntil, errNobody)
	defer cancel()
	for c.listen(); !c.answered(); c.listen() {
		if _, err := c.wait(ctx, nil, nil); errors.Is(err, ErrHangup) || errors.Is(err, errNobody) {
			return hotline.Errorf(hotline.Unavailable, "call.not_taken", "nobody took the call to %s: %s", c.Info.Caller.Number, c.Cause().Text)
		} else if err != nil {
			return err
		}
	}
	if c.Phase() == PhaseRinging {
		c.enter(PhaseMenu, "", reasonAnswered)
	}
	c.quiet.Start()
	return nil
}

// Cause is why the caller's leg ended, once it has.
func (c *Call) Cause() Cause {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Call returns a call that goes on.
func (s *Switchboard) Call(id string) (*Call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.calls[id]
	return c, ok
}
