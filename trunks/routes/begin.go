package routes

import (
	"slices"
	"strings"
	"time"

	"hotline"
	"hotline/trunks/e164"
	"hotline/trunks/header"
)

// MayDial says whether the people of a role may dial numbers themselves: click-to-dial, transfers and consultations to numbers.
func (b *Book) MayDial(role string) bool { return slices.Contains(b.snap.Load().limits.Roles, role) }

// Begin gives the right to call a number on behalf of an agent (account id; "" when no agent asks), and the trunks to try in order.
// What is no number, stands on no enabled route, is denied, or is above a cap is refused.
func (b *Book) Begin(number, agent string) (*Lease, error) {
	snap := b.snap.Load()
	dest, attempts, err := b.route(snap, number)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	if err == nil {
		err = b.within(snap.limits, agent)
	}
	if err == nil {
		if attempts = b.withRoom(snap, attempts); len(attempts) == 0 {
			err = hotline.Errorf(hotline.Unavailable, "dial.route_full", "all lines of the routes to this number are taken; try again in a moment")
		}
	}
	if err != nil {
		b.refused++
		b.log.Warn("a call out was refused", "event", "security", "to", masked(dest), "agent", agent, "err", err)
		return nil, err
	}
	l := &Lease{
		Attempts: attempts, Longest: time.Duration(snap.limits.MaxMinutes) * time.Minute,
		book: b, agent: agent, route: attempts[0].routeID,
	}
	b.live[l] = true
	b.onRoute[l.route]++
	b.spend(agent, 1, 0)
	return l, nil
}

// Ways returns the trunks that a call to number would try, in order, without using anything up. [Book.Begin] gives the right to.
func (b *Book) Ways(number string) []Attempt {
	snap := b.snap.Load()
	_, attempts, _ := b.route(snap, number) // what is refused is said by Begin
	return attempts
}

// Check says whether a number may be called right now, without calling and without using anything up. The caps of one agent are
// asked only when the call is made.
func (b *Book) Check(number string) error {
	snap := b.snap.Load()
	_, _, err := b.route(snap, number)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	return b.within(snap.limits, "")
}

// route finds the trunks for a number. The routes are asked in their order; each gives its trunks.
func (b *Book) route(snap *snapshot, number string) (dest string, attempts []Attempt, err error) {
	read := b.plan.Read(number)
	if strings.ContainsAny(number, ";@:%<>\"") || read.Kind != e164.Global && read.Kind != e164.Local {
		return "", nil, hotline.Errorf(hotline.Invalid, "dial.bad_number", "%.80q is no number that can be called", header.Clean(number))
	}
	dest = read.Value
	if slices.ContainsFunc(snap.limits.Deny, func(p string) bool { return strings.HasPrefix(dest, p) }) {
		return dest, nil, hotline.Errorf(hotline.Denied, "dial.denied", "calls to %s are forbidden here", dest)
	}
	costly, onRoute := e164.Costly(dest), false
	for i := range snap.routes {
		r := &snap.routes[i]
		if !r.has(dest) {
			continue
		}
		onRoute = true
		if costly && !r.Settings.Premium {
			continue
		}
		for _, trunk := range r.Trunks {
			if !slices.ContainsFunc(attempts, func(a Attempt) bool { return a.TrunkID == trunk }) {
				attempts = append(attempts, Attempt{
					Route: r.Name, TrunkID: trunk, Number: r.dial(dest), Rewritten: r.Settings.Strip > 0 || r.Settings.Prepend != "",
					CallerID: r.Settings.CallerID, routeID: r.ID,
				})
			}
		}
	}
	switch {
	case len(attempts) > 0:
		return dest, attempts, nil
	case onRoute:
		return dest, nil, hotline.Errorf(hotline.Denied, "dial.premium", "%s is a premium-rate number; an outbound route must allow them", dest)
	}
	return dest, nil, hotline.Errorf(hotline.Denied, "dial.not_allowed", "no outbound route leads to %s; an engineer can add one", dest)
}

// withRoom leaves out the trunks of routes that hold as many calls as they may; b.mu is held.
func (b *Book) withRoom(snap *snapshot, attempts []Attempt) []Attempt {
	full := map[string]bool{}
	for _, r := range snap.routes {
		full[r.ID] = r.Settings.MaxCalls > 0 && b.onRoute[r.ID] >= r.Settings.MaxCalls
	}
	return slices.DeleteFunc(slices.Clone(attempts), func(a Attempt) bool { return full[a.routeID] })
}

// masked is a number as the log may show it: without its last digits.
func masked(number string) string {
	if len(number) <= 4 {
		return number
	}
	return number[:len(number)-4] + "xxxx"
}
