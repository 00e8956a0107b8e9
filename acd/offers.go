package acd

import (
	"context"
	"time"

	"hotline"
	"hotline/call"
)

// Popper shows an offer to an agent.
type Popper interface {
	// Offer pops and rings. An error means that it could not be shown: the next agent is tried.
	Offer(ctx context.Context, o Offer) error
	// Withdraw takes an offer away that was shown. It does not block.
	Withdraw(offerID, agent string, why Gone)
}

// Answer takes an offer. Exactly one wins: the error is of kind Conflict when the offer is gone, and NotFound when it is not this
// agent's. From then on the agent talks.
func (a *Agents) Answer(ctx context.Context, offerID string, seat call.AgentSeat) error { return nil }

// Decline refuses an offer. The caller is offered to somebody else.
func (a *Agents) Decline(ctx context.Context, offerID, agent, reason string) error { return nil }

// Offers returns the live offers of an agent: what a browser that comes back is shown.
func (a *Agents) Offers(agent string) []Offer { return nil }

// Talking says that an agent is in a call that no offer led to: it dials, or got it by an attended transfer. The error is of kind
// Conflict when the agent is in another.
func (a *Agents) Talking(ctx context.Context, agent string, l Lease) error { return nil }

// Ended says that an agent's part of a call is over; after-call work begins. With the database away it is settled later. The agent ""
// means all who are in the call.
func (a *Agents) Ended(ctx context.Context, agent, callID string) error { return nil }

// Seated says who sits in a call now. Those who sat there and do not any more have ended their part. It does not block.
func (a *Agents) Seated(callID string, agents []string) {}

// Wrap returns the after-call work that an agent has to do.
func (a *Agents) Wrap(agent string) (Wrap, bool) { return Wrap{}, false }

// WrapUp files the code and note of a call and ends its after-call work; during the call, they are kept until it ends.
func (a *Agents) WrapUp(ctx context.Context, agent, callID, code, note string) error { return nil }

// Extend puts the end of after-call work off by d; 0 is half a minute. It is refused beyond ten minutes.
func (a *Agents) Extend(ctx context.Context, agent string, d time.Duration) (Wrap, error) {
	return Wrap{}, nil
}

// OfferTo rings one agent for a call that waits in no line: a transfer to them, or a colleague's question. It blocks until the agent
// has answered. The error is of kind Unavailable, with the code agent.no_answer, agent.declined, agent.busy or agent.away, when the
// agent does not; and NotFound when there is no such agent.
func (l *Line) OfferTo(ctx context.Context, callID, agent string, kind Kind, queue, from string) (Taken, error) {
	return Taken{}, hotline.Errorf(hotline.Unavailable, "agent.away", "the agent %q takes no calls now", agent)
}

// OfferToQueue rings the agents of a queue, one after the other, for a call that waits in no line: a question to whoever is free.
func (l *Line) OfferToQueue(ctx context.Context, callID, queue string, kind Kind, from string) (Taken, error) {
	return Taken{}, hotline.Errorf(hotline.Unavailable, "agent.away", "nobody of the queue %q is free", queue)
}
