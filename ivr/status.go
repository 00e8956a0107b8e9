package ivr

import (
	"context"
	"slices"
	"strconv"
	"time"

	"hotline"
	"hotline/call"
	"hotline/ivr/flow"
	"hotline/ivr/spoken"
	"hotline/media"
	"hotline/tickets"
)

const askDesk = 3 * time.Second // then the caller is told that it cannot be found out now

// ticketStatus tells how the caller's newest open ticket stands. The caller's number alone opens nothing, since it is easily forged:
// the caller types the ticket's number. What does not match and what does not exist sound the same, and tries are counted over all
// calls.
func (r *run) ticketStatus(ctx context.Context, n *flow.Node, s *flow.TicketStatus) (passed, error) {
	out := passed{next: s.None.Node}
	var sorry []*media.Prompt
	for range s.Tries {
		got, err := r.call.Collect(ctx, call.Collect{
			Prompts: slices.Concat(sorry, r.phrases("status-ask-ticket")), Min: 1, Max: 12, Terminator: "#", First: 10 * time.Second, InterDigit: 4 * time.Second,
		})
		if err != nil {
			return out, err
		}
		if got.Digits == "" {
			sorry = r.phrases("no-input")
			continue
		}
		out.digits = got.Digits
		if !r.x.attempts.allow(r.flow.Name+"/"+n.ID, r.call.Info.Caller.Number) {
			r.call.Forget()
			return out, r.call.Play(ctx, r.phrases("locked")...)
		}
		status, ok := r.standing(ctx, got.Digits)
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		if ok {
			out.next = s.Next.Node
			r.served(call.ResultCompleted)
			return out, r.call.Say(ctx, r.tell(status)...)
		}
		sorry = r.phrases("status-no-match")
	}
	return out, r.call.Play(ctx, sorry...)
}

// standing finds the ticket, if the caller has shown to know its number.
func (r *run) standing(ctx context.Context, typed string) (tickets.Status, bool) {
	if r.x.cfg.Tickets == nil || r.call.Info.Caller.Number == "" {
		return tickets.Status{}, false
	}
	ask, cancel := context.WithTimeout(ctx, askDesk)
	defer cancel()
	stop := r.call.Music(holdMusic())
	t, err := r.x.cfg.Tickets.NewestOpen(ask, r.call.Info.Caller.Number, r.call.ID)
	stop()
	if err != nil {
		if hotline.KindOf(err) != hotline.NotFound {
			r.call.Log.Warn("the state of a ticket could not be found out", "error", err)
		}
		return t, false
	}
	return t, t.Check("ticket", typed)
}

// tell speaks the state and nothing else: no subject, no name.
func (r *run) tell(t tickets.Status) []*media.Prompt {
	v := r.voice()
	out := v.around("status-ticket", v.digits(strconv.FormatInt(t.Number, 10)), "status-"+string(t.State))
	return slices.Concat(out, v.prompt("status-updated"), v.words(spoken.Date(t.UpdatedAt.In(r.zone()), v.language)))
}

// zone is that of the first table of opening hours in the flow: dates are spoken as the organisation's clock shows them.
func (r *run) zone() *time.Location {
	for _, n := range r.flow.Nodes {
		if h, ok := n.Spec.(*flow.Hours); ok {
			if t, ok := r.snap.hours[h.Name.Value]; ok {
				return t.zone
			}
		}
	}
	return time.Local
}
