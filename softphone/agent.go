package softphone

import (
	"reflect"
	"slices"

	"hotline"
	"hotline/acd"
)

type pauseData struct {
	Reason string `json:"reason"`
}

type afterData struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// agentReady lets the agent take calls. Without audio nobody is ready: no caller is ever answered into silence.
func agentReady(r request, _ none) (any, error) {
	r.st.mu.Lock()
	_, err := r.st.voice()
	r.st.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return r.agentIs(r.g.cfg.Agents.Ready(r.ctx, r.st.account))
}

func agentPause(r request, d pauseData) (any, error) {
	return r.agentIs(r.g.cfg.Agents.Pause(r.ctx, r.st.account, d.Reason))
}

func agentOffline(r request, _ none) (any, error) {
	return r.agentIs(r.g.cfg.Agents.Offline(r.ctx, r.st.account))
}

func agentAfter(r request, d afterData) (any, error) {
	return r.agentIs(r.g.cfg.Agents.After(r.ctx, r.st.account, acd.State(d.State), d.Reason))
}

// agentIs shows all tabs what the agent's row says now: the reply must not be older than what the person has just done.
func (r request) agentIs(a acd.Agent, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	r.st.showAgent(a)
	return agentView(a), nil
}

func agentView(a acd.Agent) *AgentView {
	v := &AgentView{ID: a.ID, Name: a.Name, State: string(a.State), Reason: a.Reason, Since: a.Since.UTC(), Deadline: a.Deadline,
		Queue: a.Lease.Queue, CallID: a.Lease.Call, Queues: a.Queues, Skills: a.Skills, version: a.Change}
	if v.Queues == nil {
		v.Queues = []string{}
	}
	if v.Skills == nil {
		v.Skills = map[string]int{}
	}
	if a.After != nil {
		v.After = &AfterView{State: string(a.After.State), Reason: a.After.Reason}
	}
	return v
}

// showAgent tells the tabs of a row that is newer than the one they show, or has become another without the database.
func (st *station) showAgent(a acd.Agent) {
	st.mu.Lock()
	defer st.mu.Unlock()
	v, before := agentView(a), st.agent
	if before != nil && (v.version < before.version || reflect.DeepEqual(v, before)) {
		return
	}
	st.agent = v
	st.emit(eventAgent, st.agent)
	if a.State == acd.NotResponding && (before == nil || before.State != string(acd.NotResponding)) {
		st.emit(eventNotice, Notice{Code: "agent.not_responding", Text: "You did not answer several times in a row, so no more calls are offered to you. Go ready when you are back."})
	}
}

// agentNow is what a tab that says hello is shown of its agent; nil for whoever is none.
func (g *Gateway) agentNow(who Identity) (*AgentView, *WrapView) {
	if !who.may(MayTakeCalls) {
		return nil, nil
	}
	a, ok := g.cfg.Agents.Get(who.Account)
	if !ok {
		return nil, nil
	}
	return agentView(a), g.wrapView(who.Account)
}

// nameOf is what a colleague is called.
func (g *Gateway) nameOf(account string) string {
	a, _ := g.cfg.Agents.Get(account)
	return a.Name
}

// colleagues are those who can be called by name.
func (g *Gateway) colleagues() []Person {
	list := g.cfg.Agents.List()
	people := make([]Person, 0, len(list))
	for _, a := range list {
		if g.mustBeAgent(a.ID) == nil {
			people = append(people, person(a))
		}
	}
	return people
}

func person(a acd.Agent) Person { return Person{ID: a.ID, Name: a.Name, State: string(a.State)} }

// inQueue says whether an agent takes calls of a queue.
func (g *Gateway) inQueue(agent, queue string) bool {
	a, ok := g.cfg.Agents.Get(agent)
	return ok && slices.Contains(a.Queues, queue)
}

func (g *Gateway) mustBeAgent(account string) error {
	if a, ok := g.cfg.Agents.Roster().Agent(account); !ok || a.Disabled {
		return hotline.Errorf(hotline.NotFound, "agent.unknown", "there is no such agent")
	}
	return nil
}
