package staff

import (
	"context"
	"maps"
	"slices"

	"hotline"
	"hotline/acd"
	"hotline/acd/roster"
	"hotline/web/api"
)

// Agent is somebody who takes calls.
type Agent struct {
	ID       string             `json:"id" doc:"of the account"`
	Login    string             `json:"login"`
	Name     string             `json:"name"`
	Role     string             `json:"role"`
	Team     string             `json:"team" doc:"empty: in none"`
	Queues   []string           `json:"queues"`
	Skills   map[string]int     `json:"skills" doc:"levels from 1 to 5"`
	Capacity int                `json:"capacity"`
	State    acd.State          `json:"state" enum:"offline,ready,not_ready,reserved,ringing,talking,wrap_up,not_responding"`
	Reason   string             `json:"reason" doc:"of a pause"`
	Since    api.Null[api.Time] `json:"since"`
	Queue    string             `json:"queue" doc:"of the call that they are busy with"`
	CallID   api.Null[string]   `json:"call_id"`
	Disabled bool               `json:"disabled"`
	Version  int64              `json:"version"`
}

func (d *Desk) view(a roster.Agent) Agent {
	v := Agent{ID: a.ID, Login: a.Login, Name: a.Name, Role: a.Role, Team: a.Team, Queues: api.Views(a.Queues, same), Skills: map[string]int{}, Capacity: a.Capacity,
		State: acd.Offline, Disabled: a.Disabled, Version: a.Version}
	maps.Copy(v.Skills, a.Skills)
	if now, ok := d.Agents.Get(a.ID); ok {
		v.State, v.Reason, v.Since, v.Queue, v.CallID = now.State, now.Reason, api.When(now.Since), now.Lease.Queue, api.Text(now.Lease.Call)
	}
	return v
}

func same[T any](v T) T { return v }

// watched says whether an agent is in somebody's sight: of their teams, or of a queue that they govern.
func watched(who api.Principal, a roster.Agent) bool {
	return who.GovernsAll() || a.ID == who.ID || slices.Contains(who.See.People, a.ID) || slices.ContainsFunc(a.Queues, who.Governs)
}

type agentsInput struct {
	Team  string `query:"team" maxLength:"63"`
	Queue string `query:"queue" maxLength:"63"`
}

func (d *Desk) listAgents(ctx context.Context, in *agentsInput) (*api.Reply[api.Page[Agent]], error) {
	who := api.Of(ctx).Who
	list := slices.DeleteFunc(slices.Clone(d.roster().Agents()), func(a roster.Agent) bool {
		return !watched(who, a) || in.Team != "" && a.Team != in.Team || in.Queue != "" && !slices.Contains(a.Queues, in.Queue)
	})
	return api.Answer(api.PageOf(list, "", d.view), nil)
}

// Path names the agent in the path.
type Path struct {
	ID string `path:"id" format:"uuid"`
}

// find returns an agent in sight.
func (d *Desk) find(ctx context.Context, id string) (roster.Agent, error) {
	a, ok := d.roster().Agent(id)
	if !ok || !watched(api.Of(ctx).Who, a) {
		return a, hotline.Errorf(hotline.NotFound, "agent.unknown", "there is no such agent")
	}
	return a, nil
}

func (d *Desk) showAgent(ctx context.Context, in *Path) (*api.Reply[Agent], error) {
	a, err := d.find(ctx, in.ID)
	return api.Answer(d.view(a), err)
}

type putAgentInput struct {
	Path
	Body struct {
		Team     *string        `json:"team,omitempty" doc:"left out: as it is; empty: in none"`
		Queues   []string       `json:"queues" maxItems:"1000"`
		Skills   map[string]int `json:"skills"`
		Capacity int            `json:"capacity,omitempty" minimum:"0" maximum:"10"`
		Version  int64          `json:"version,omitempty" doc:"0 or left out: whatever it is"`
	}
}

func (d *Desk) putAgent(ctx context.Context, in *putAgentInput) (*api.Reply[Agent], error) {
	was, known := d.roster().Agent(in.ID)
	is := roster.Agent{ID: in.ID, Team: was.Team, Queues: in.Body.Queues, Skills: in.Body.Skills, Capacity: max(1, in.Body.Capacity), Version: in.Body.Version}
	if in.Body.Team != nil {
		is.Team = *in.Body.Team
	}
	if err := mayAppoint(api.Of(ctx).Who, was, is, known); err != nil {
		return nil, err
	}
	if names, err := d.Names(ctx); err != nil {
		return nil, err
	} else if _, there := names[in.ID]; !there {
		return nil, hotline.Errorf(hotline.NotFound, "account.unknown", "there is no such account")
	}
	put, err := d.roster().PutAgent(ctx, is)
	if err != nil {
		return nil, err
	}
	err = d.Audit(ctx, "agent.put", "agent:"+in.ID, map[string]any{"team": put.Team, "queues": put.Queues, "skills": put.Skills, "capacity": put.Capacity})
	return api.Answer(d.view(put), err)
}

// mayAppoint refuses a change that reaches beyond the scope of whoever makes it: they change agents of their teams, and queues that
// they govern.
func mayAppoint(who api.Principal, was, is roster.Agent, known bool) error {
	if who.GovernsAll() {
		return nil
	}
	if !known || !watched(who, was) {
		return hotline.Errorf(hotline.NotFound, "agent.unknown", "there is no such agent")
	}
	if !slices.Contains(who.See.People, was.ID) {
		return hotline.Errorf(hotline.Denied, "agent.team", "this agent is of a team that you do not watch over")
	}
	if is.Team != was.Team {
		return hotline.Errorf(hotline.Denied, "agent.team", "only somebody who sees all teams may move an agent to another")
	}
	for _, q := range append(without(is.Queues, was.Queues), without(was.Queues, is.Queues)...) {
		if !who.Governs(q) {
			return hotline.Errorf(hotline.Denied, "scope.queue", "the queue %s is not yours to change", q)
		}
	}
	return nil
}

// without returns what of list is not in taken.
func without(list, taken []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(taken, s) })
}

func (d *Desk) deleteAgent(ctx context.Context, in *Path) (*api.Empty, error) {
	a, err := d.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := mayAppoint(api.Of(ctx).Who, a, roster.Agent{ID: a.ID, Team: a.Team}, true); err != nil {
		return nil, err
	}
	if err := d.roster().DeleteAgent(ctx, in.ID); err != nil {
		return nil, err
	}
	return nil, d.Audit(ctx, "agent.delete", "agent:"+in.ID, nil)
}

// Colleague is somebody of ours, as everybody may know them.
type Colleague struct {
	Person
	State string `json:"state" doc:"empty: takes no calls"`
}

func (d *Desk) listColleagues(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Colleague]], error) {
	names, err := d.Names(ctx)
	if err != nil {
		return nil, err
	}
	all := people(slices.Collect(maps.Keys(names)), names)
	return api.Answer(api.PageOf(all, "", func(p Person) Colleague {
		c := Colleague{Person: p}
		if a, ok := d.Agents.Get(p.ID); ok {
			c.State = string(a.State)
		}
		return c
	}), nil)
}

// Members are who serves a queue, and who watches over them.
type Members struct {
	Items       []Member `json:"items"`
	Supervisors []Person `json:"supervisors" doc:"of the teams whose agents serve the queue"`
}

// Member is an agent of a queue.
type Member struct {
	Person
	Team string `json:"team"`
}

func (d *Desk) listMembers(ctx context.Context, in *Name) (*api.Reply[Members], error) {
	if !d.queueInSight(ctx, in.Name) {
		return nil, hotline.Errorf(hotline.NotFound, "queue.unknown", "there is no queue %q", in.Name)
	}
	v, err := d.members(ctx, in.Name)
	return api.Answer(v, err)
}

func (d *Desk) queueInSight(ctx context.Context, queue string) bool {
	_, there := d.Queues.Lookup(queue)
	return there && api.Of(ctx).Who.Governs(queue)
}

func (d *Desk) members(ctx context.Context, queue string) (Members, error) {
	names, err := d.Names(ctx)
	if err != nil {
		return Members{}, err
	}
	v := Members{Items: []Member{}}
	var supervisors []string
	for _, a := range d.roster().Members(queue) {
		v.Items = append(v.Items, Member{Person: Person{ID: a.ID, Name: a.Name}, Team: a.Team})
		for _, t := range d.roster().Teams() {
			if t.Name == a.Team {
				supervisors = append(supervisors, t.Supervisors...)
			}
		}
	}
	slices.Sort(supervisors)
	v.Supervisors = people(slices.Compact(supervisors), names)
	return v, nil
}

type putMembersInput struct {
	Name
	Body struct {
		Members []string `json:"members" maxItems:"5000" doc:"accounts of agents"`
	}
}

func (d *Desk) putMembers(ctx context.Context, in *putMembersInput) (*api.Reply[Members], error) {
	who, queue := api.Of(ctx).Who, in.Name.Name
	if !d.queueInSight(ctx, queue) {
		return nil, hotline.Errorf(hotline.NotFound, "queue.unknown", "there is no queue %q", queue)
	}
	var was []string
	for _, a := range d.roster().Members(queue) {
		was = append(was, a.ID)
	}
	for _, id := range append(without(in.Body.Members, was), without(was, in.Body.Members)...) {
		if !who.GovernsAll() && !slices.Contains(who.See.People, id) {
			return nil, hotline.Errorf(hotline.Denied, "agent.team", "an agent is of a team that you do not watch over")
		}
	}
	if err := d.roster().SetMembers(ctx, queue, in.Body.Members); err != nil {
		return nil, err
	}
	if err := d.Audit(ctx, "queue.members", "queue:"+queue, map[string]any{"members": in.Body.Members}); err != nil {
		return nil, err
	}
	v, err := d.members(ctx, queue)
	return api.Answer(v, err)
}
