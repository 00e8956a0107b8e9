// Package staff is the part of the HTTP API about those who take calls: agents, their teams and skills, the queues they serve, why
// they pause and how they close calls.
//
// It decodes, asks package roster, and encodes; which agents and queues somebody may change follows from their scope. Start reading
// at [Register].
package staff

import (
	"context"
	"net/http"
	"slices"

	"hotline"
	"hotline/acd"
	"hotline/acd/roster"
	"hotline/web/api"
	"hotline/web/login"
)

// Desk is what the routes work with.
type Desk struct {
	Agents *acd.Agents
	Queues *acd.Queues
	Names  func(ctx context.Context) (map[string]string, error)              // of all accounts, by id
	Audit  func(ctx context.Context, action, subject string, data any) error // what was changed
}

// Register adds the routes.
func Register(a *api.API, d *Desk) {
	const conflict = http.StatusConflict
	see, change := login.ReadAgents, login.WriteAgents
	api.Register(a, api.Route{May: see, ID: "list-agents", Method: "GET", Path: "/api/v1/agents", Summary: "List who takes calls"}, d.listAgents)
	api.Register(a, api.Route{May: see, ID: "show-agent", Method: "GET", Path: "/api/v1/agents/{id}", Summary: "Show an agent"}, d.showAgent)
	api.Register(a, api.Route{May: change, ID: "put-agent", Method: "PUT", Path: "/api/v1/agents/{id}", Summary: "Make an account an agent, or change team, queues and skills", Errors: []int{conflict}}, d.putAgent)
	api.Register(a, api.Route{May: change, ID: "delete-agent", Method: "DELETE", Path: "/api/v1/agents/{id}", Summary: "Let an account be no agent any more", Errors: []int{conflict}}, d.deleteAgent)
	api.Register(a, api.Route{May: login.ReadTickets, ID: "list-colleagues", Method: "GET", Path: "/api/v1/colleagues", Summary: "List whom one may name in notes and transfer to"}, d.listColleagues)
	api.Register(a, api.Route{May: login.ReadQueues, ID: "list-members", Method: "GET", Path: "/api/v1/queues/{name}/members", Summary: "List the agents of a queue"}, d.listMembers)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "put-members", Method: "PUT", Path: "/api/v1/queues/{name}/members", Summary: "Replace the agents of a queue", Errors: []int{conflict}}, d.putMembers)
	api.Register(a, api.Route{May: login.ReadQueues, ID: "list-teams", Method: "GET", Path: "/api/v1/teams", Summary: "List teams"}, d.listTeams)
	api.Register(a, api.Route{May: change, ID: "put-team", Method: "PUT", Path: "/api/v1/teams/{name}", Summary: "Create or replace a team and who watches over it", Errors: []int{conflict}}, d.putTeam)
	api.Register(a, api.Route{May: change, ID: "delete-team", Method: "DELETE", Path: "/api/v1/teams/{name}", Summary: "Delete a team", Errors: []int{conflict}}, d.deleteTeam)
	api.Register(a, api.Route{May: login.ReadQueues, ID: "list-skills", Method: "GET", Path: "/api/v1/skills", Summary: "List skills"}, d.listSkills)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "put-skill", Method: "PUT", Path: "/api/v1/skills/{name}", Summary: "Create or replace a skill", Errors: []int{conflict}}, d.putSkill)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "delete-skill", Method: "DELETE", Path: "/api/v1/skills/{name}", Summary: "Delete a skill, also from its agents", Errors: []int{conflict}}, d.deleteSkill)
	api.Register(a, api.Route{May: login.ReadQueues, ID: "list-pause-reasons", Method: "GET", Path: "/api/v1/pause-reasons", Summary: "List why agents pause"}, d.listReasons)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "put-pause-reason", Method: "PUT", Path: "/api/v1/pause-reasons/{name}", Summary: "Create or replace a reason of pauses", Errors: []int{conflict}}, d.putReason)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "delete-pause-reason", Method: "DELETE", Path: "/api/v1/pause-reasons/{name}", Summary: "Delete a reason of pauses", Errors: []int{conflict}}, d.deleteReason)
	api.Register(a, api.Route{May: login.ReadQueues, ID: "list-wrap-codes", Method: "GET", Path: "/api/v1/wrap-codes", Summary: "List how calls are closed"}, d.listCodes)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "put-wrap-code", Method: "PUT", Path: "/api/v1/wrap-codes/{name}", Summary: "Create or replace a wrap-up code", Errors: []int{conflict}}, d.putCode)
	api.Register(a, api.Route{May: login.WriteQueues, ID: "delete-wrap-code", Method: "DELETE", Path: "/api/v1/wrap-codes/{name}", Summary: "Delete a wrap-up code", Errors: []int{conflict}}, d.deleteCode)
}

func (d *Desk) roster() *roster.Roster { return d.Agents.Roster() }

// Person is somebody of ours.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Name names something of the set-up in the path.
type Name struct {
	Name string `path:"name" pattern:"^[a-z0-9][a-z0-9-]{0,62}$" patternDescription:"a name of a-z, 0-9 and -"`
}

// deletion is the input of what deletes something of the set-up.
type deletion struct {
	Name
	Version int64 `query:"version" required:"true" doc:"the version that was read; another one is a conflict"`
}

// everywhere refuses whoever governs only some queues to change what holds for all.
func everywhere(ctx context.Context) error {
	if who := api.Of(ctx).Who; !who.GovernsAll() {
		return hotline.Errorf(hotline.Denied, "scope.all", "this holds for all queues: only somebody who sees all of them may change it")
	}
	return nil
}

// filled is a title that is never null.
func filled(t roster.Title) map[string]string {
	if t == nil {
		return map[string]string{}
	}
	return t
}

// people names accounts; those that are gone are left out.
func people(ids []string, names map[string]string) []Person {
	list := []Person{}
	for _, id := range ids {
		if name, ok := names[id]; ok {
			list = append(list, Person{ID: id, Name: name})
		}
	}
	slices.SortFunc(list, func(a, b Person) int { return compare(a.Name, b.Name, a.ID, b.ID) })
	return list
}

func compare(pairs ...string) int {
	for i := 0; i+1 < len(pairs); i += 2 {
		switch {
		case pairs[i] < pairs[i+1]:
			return -1
		case pairs[i] > pairs[i+1]:
			return 1
		}
	}
	return 0
}
