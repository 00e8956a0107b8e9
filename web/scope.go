package web

import (
	"context"
	"slices"

	"hotline"
	"hotline/acd/roster"
	"hotline/tickets"
	"hotline/web/api"
	"hotline/web/login"
)

// sight is whose tickets and calls an account sees, as its teams and queues are at this moment.
func (s *Server) sight(a login.Account) hotline.Scope {
	reach, see := a.Reach(), hotline.Scope{Account: a.ID}
	if reach == login.ReachAll {
		return hotline.Scope{All: true, Account: a.ID}
	}
	if reach == login.ReachOwn {
		return see
	}
	all := s.cfg.Agents.Roster()
	me, _ := all.Agent(a.ID)
	see.Loose = true
	see.Queues = slices.Clone(me.Queues)
	if reach == login.ReachTeam {
		watch(&see, all, me)
	}
	slices.Sort(see.Queues)
	see.Queues = slices.Compact(see.Queues)
	return see
}

// watch adds the agents of the teams that somebody watches over, and the queues that those serve; of one who watches over none, the
// people of their own team.
func watch(see *hotline.Scope, all *roster.Roster, me roster.Agent) {
	var teams []string
	for _, t := range all.Teams() {
		if slices.Contains(t.Supervisors, see.Account) {
			teams = append(teams, t.Name)
		}
	}
	if len(teams) == 0 && me.Team != "" {
		teams = []string{me.Team}
	}
	for _, a := range all.Agents() {
		if a.Team != "" && slices.Contains(teams, a.Team) {
			see.People = append(see.People, a.ID)
			see.Queues = append(see.Queues, a.Queues...)
		}
	}
}

// tokenSight is whose tickets and calls a program sees.
func tokenSight(t login.Token) hotline.Scope {
	if t.Queues == nil {
		return hotline.Scope{All: true}
	}
	return hotline.Scope{Queues: t.Queues}
}

// desk is the desk as the asker sees it.
func (s *Server) desk(ctx context.Context) *tickets.Desk {
	return s.cfg.Desk.For(api.Of(ctx).Who.See)
}

// calls is whose calls the asker sees. Who reads traces sees all calls, for faults are found in all; what was said in them is another
// matter.
func callSight(ctx context.Context) *hotline.Scope {
	who := api.Of(ctx).Who
	if who.Role.May(login.ReadTraces) {
		return &hotline.Scope{All: true, Account: who.See.Account}
	}
	return &who.See
}

// names are those of all accounts that are not closed, by id.
func (s *Server) names(ctx context.Context) (map[string]string, error) {
	all, err := login.Accounts(ctx, s.cfg.Pool)
	names := make(map[string]string, len(all))
	for _, a := range all {
		if a.DisabledAt == nil {
			names[a.ID] = a.Name
		}
	}
	return names, err
}
