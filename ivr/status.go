package ivr

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"hotline"
	"hotline/call"
	"hotline/ivr/flow"
	"hotline/ivr/spoken"
	"hotline/media"
)

const askDesk = 3 * time.Second // then the caller is told that it cannot be found out now

// ticketStatus tells how a ticket stands. The caller's number alone opens nothing, since it is easily forged: the caller types the
// ticket's number, and it must be a ticket of the caller's number; or, with check ticket_and_phone, types the last four digits of
// the number on the ticket as well and may call from anywhere. What does not match and what does not exist sound the same.
func (r *run) ticketStatus(ctx context.Context, n *flow.Node, s *flow.TicketStatus) (passed, error) {
	out := passed{next: s.None.Node}
	var sorry []*media.Prompt
	for range s.Tries {
		if !r.x.attempts.allow(r.flow.Name+"/"+n.ID, r.call.Info.Caller.Number) {
			return out, r.call.Play(ctx, r.phrases("locked")...)
		}
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
		last4 := ""
		if s.Check == flow.CheckTicketAndPhone {
			if last4, err = r.lastFour(ctx); err != nil {
				return out, err
			}
		}
		state, ok := r.standing(ctx, got.Digits, last4, s.Check)
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		if ok {
			out.next = s.Next.Node
			return out, r.call.Say(ctx, r.tell(state)...)
		}
		sorry = r.phrases("status-no-match")
	}
	return out, r.call.Play(ctx, sorry...)
}

func (r *run) lastFour(ctx context.Context) (string, error) {
	got, err := r.call.Collect(ctx, call.Collect{
		Prompts: r.phrases("status-ask-phone"), Min: 4, Max: 4, Terminator: "#", First: 10 * time.Second, InterDigit: 4 * time.Second, Secret: true,
	})
	return got.Digits, err
}

// standing finds the ticket, if the caller has shown to know enough of it.
func (r *run) standing(ctx context.Context, typed, last4, check string) (TicketStanding, bool) {
	number, err := strconv.ParseInt(typed, 10, 64)
	if err != nil || r.x.cfg.Tickets == nil {
		return TicketStanding{}, false
	}
	ask, cancel := context.WithTimeout(ctx, askDesk)
	defer cancel()
	stop := r.call.Music(holdMusic())
	t, err := r.x.cfg.Tickets.Standing(ask, number)
	stop()
	if err != nil {
		if hotline.KindOf(err) != hotline.NotFound {
			r.call.Log.Warn("the state of a ticket could not be found out", "error", err)
		}
		return t, false
	}
	return t, proven(t, r.call.Info.Caller.Number, last4, check)
}

// proven says whether what the caller showed belongs to the ticket.
func proven(t TicketStanding, caller, last4, check string) bool {
	if check == flow.CheckTicketAndPhone {
		return len(last4) == 4 && slices.ContainsFunc(t.Phones, func(p string) bool { return len(p) > 4 && strings.HasSuffix(p, last4) })
	}
	return caller != "" && slices.Contains(t.Phones, caller)
}

// tell speaks the state and nothing else: no subject, no name.
func (r *run) tell(t TicketStanding) []*media.Prompt {
	v := r.voice()
	out := v.around("status-ticket", v.digits(strconv.FormatInt(t.Number, 10)), "status-"+t.State)
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
