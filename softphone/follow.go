package softphone

import (
	"context"
	"time"

	"hotline/acd"
)

// follow shows agents what becomes of their rows: at once to themselves, every second to their colleagues.
func (g *Gateway) follow(ctx context.Context) error {
	changes := g.cfg.Agents.Changes()
	defer changes.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	shown := map[string]Person{}
	for _, p := range g.colleagues() {
		shown[p.ID] = p
	}
	stirred := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changes.C():
			stirred = true
			for _, id := range changes.Take() {
				g.followAgent(id)
			}
		case <-tick.C:
			if stirred {
				stirred = false
				g.showColleagues(shown)
			}
		}
	}
}

func (g *Gateway) followAgent(id string) {
	st := g.station(id)
	if st == nil {
		return
	}
	if a, ok := g.cfg.Agents.Get(id); ok {
		st.showAgent(a)
	}
	st.showWrap(g.wrapView(id))
}

// showColleagues tells everybody who changed since it was told last.
func (g *Gateway) showColleagues(shown map[string]Person) {
	var changed []Person
	there := map[string]bool{}
	for _, p := range g.colleagues() {
		there[p.ID] = true
		if shown[p.ID] != p {
			shown[p.ID] = p
			changed = append(changed, p)
		}
	}
	for id, p := range shown {
		if !there[id] {
			delete(shown, id)
			changed = append(changed, Person{ID: id, Name: p.Name, State: "gone"})
		}
	}
	if len(changed) == 0 {
		return
	}
	for _, st := range g.everybody() {
		st.mu.Lock()
		st.emit(eventColleagues, changed)
		st.mu.Unlock()
	}
}

// configView is what there is to choose from.
func (g *Gateway) configView() ConfigView {
	v := ConfigView{Reasons: []Named{}, Codes: []CodeView{}, Queues: []Named{}, Agents: g.colleagues(), ICE: ICEView{Servers: []string{}}}
	r := g.cfg.Agents.Roster()
	for _, p := range r.Reasons() {
		v.Reasons = append(v.Reasons, Named{Name: p.Name, Title: titled(p.Title)})
	}
	for _, c := range r.Codes() {
		v.Codes = append(v.Codes, codeView(c))
	}
	for _, q := range g.allQueues() {
		v.Queues = append(v.Queues, Named{Name: q.Name, Title: titled(q.Title)})
	}
	if g.cfg.PopURL != "" {
		v.PopURL = &g.cfg.PopURL
	}
	return v
}

// allQueues are the queues; those of before when the database is away.
func (g *Gateway) allQueues() []acd.Queue {
	ctx, cancel := context.WithTimeout(g.ctx, time.Second)
	defer cancel()
	list, err := g.cfg.Queues.List(ctx)
	if err == nil {
		g.queues.Store(&list)
		return list
	}
	if before := g.queues.Load(); before != nil {
		return *before
	}
	return nil
}
