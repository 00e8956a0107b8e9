package flow

import (
	"slices"
	"strings"
)

// checkGraph reports targets that do not exist, nodes that cannot be reached, and loops that a silent caller would walk for ever.
func checkGraph(f *Flow, p *problems) {
	if len(f.Nodes) == 0 {
		return
	}
	for _, t := range []struct {
		key string
		to  Target
	}{{"start", f.Start}, {"fallback", f.Fallback}} {
		if t.to.Given() && f.Node(t.to.Node) == nil {
			p.add(t.to.Line, t.key, "flow.unknown_node", "there is no node %q", t.to.Node)
		}
	}
	if n := f.Node(f.Fallback.Node); n != nil && n.Kind != KindQueue && n.Kind != KindVoicemail && n.Kind != "" {
		p.add(f.Fallback.Line, "fallback", "flow.bad_fallback", "%q is a %s; the fallback must be a queue or a voicemail", n.ID, n.Kind)
	}
	for _, n := range f.Nodes {
		for _, e := range n.edges() {
			if f.Node(e.To.Node) == nil {
				p.add(e.To.Line, "nodes."+n.ID+"."+e.On, "flow.unknown_node", "there is no node %q", e.To.Node)
			}
		}
	}
	checkReach(f, p)
	checkLoops(f, p)
	checkVariables(f, p)
}

func (n *Node) edges() []Edge {
	if n.Spec == nil {
		return nil
	}
	return n.Spec.Edges()
}

func checkReach(f *Flow, p *problems) {
	if f.Node(f.Start.Node) == nil {
		return
	}
	seen := map[string]bool{}
	todo := []string{f.Start.Node, f.Fallback.Node}
	for len(todo) > 0 {
		id := todo[0]
		todo = todo[1:]
		n := f.Node(id)
		if n == nil || seen[id] {
			continue
		}
		seen[id] = true
		for _, e := range n.edges() {
			todo = append(todo, e.To.Node)
		}
	}
	for _, n := range f.Nodes {
		if !seen[n.ID] {
			p.add(n.Line, "nodes."+n.ID, "flow.unreachable", "no way leads to node %q", n.ID)
		}
	}
}

// checkLoops looks for circles of ways that need nothing from the caller. A menu that leads to itself when nobody presses a key is
// such a circle; a key that leads back to the menu is not.
func checkLoops(f *Flow, p *problems) {
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	var path []string
	var visit func(id string)
	visit = func(id string) {
		n := f.Node(id)
		if n == nil || state[id] == done {
			return
		}
		if state[id] == open {
			circle := append(slices.Clone(path[slices.Index(path, id):]), id)
			p.add(n.Line, "nodes."+id, "flow.endless", "a caller who does nothing goes round for ever: %s; let a caller's key or a count node break the circle",
				strings.Join(circle, " → "))
			return
		}
		state[id] = open
		path = append(path, id)
		for _, to := range f.silentWays(n) {
			visit(to)
		}
		path = path[:len(path)-1]
		state[id] = done
	}
	for _, n := range f.Nodes {
		visit(n.ID)
	}
}

// silentWays lists where a call may go from n without the caller doing anything, the fallback included.
func (f *Flow) silentWays(n *Node) []string {
	var out []string
	for _, e := range n.edges() {
		if !e.Input {
			out = append(out, e.To.Node)
		}
	}
	switch s := n.Spec.(type) {
	case *Menu:
		if !s.Otherwise.Given() {
			out = append(out, f.Fallback.Node)
		}
	case *Collect:
		if !s.Otherwise.Given() {
			out = append(out, f.Fallback.Node)
		}
	}
	return out
}

// checkVariables reports variables that nothing sets, and secrets that would be told.
func checkVariables(f *Flow, p *problems) {
	set, secret := map[string]bool{}, map[string]bool{}
	for _, v := range builtinVariables {
		set[v] = true
	}
	for _, n := range f.Nodes {
		switch s := n.Spec.(type) {
		case *Collect:
			set[s.Into] = true
			secret[s.Into] = secret[s.Into] || s.Secret
		case *Lookup:
			for _, pair := range s.Into {
				set[pair.Name] = true
			}
		}
	}
	use := func(line int, path, value string, told bool) {
		name, is := strings.CutPrefix(value, "$")
		switch {
		case !is:
		case !set[name]:
			p.add(line, path, "flow.unknown_variable", "nothing sets the variable $%s", name)
		case told && secret[name]:
			p.add(line, path, "flow.secret_told", "$%s is secret: it may be sent by POST to a lookup and nowhere else", name)
		}
	}
	for _, n := range f.Nodes {
		path := "nodes." + n.ID
		for _, piece := range n.sayings() {
			use(piece.Line, path+".say", piece.Value, true)
		}
		switch s := n.Spec.(type) {
		case *Branch:
			use(n.Line, path+".on", s.On, false)
		case *Lookup:
			for _, pair := range s.Send {
				use(pair.Line, path+".send."+pair.Name, pair.Value, s.Method == "GET")
			}
		}
	}
}

// sayings returns all pieces that a node may speak.
func (n *Node) sayings() Saying {
	switch s := n.Spec.(type) {
	case *Play:
		return s.Say
	case *Menu:
		return slices.Concat(s.Say, s.Invalid, s.Silence)
	case *Language:
		return s.Say
	case *Collect:
		return s.Say
	case *Queue:
		return s.Say
	case *Voicemail:
		return s.Say
	case *Transfer:
		return s.Say
	case *Hangup:
		return s.Say
	}
	return nil
}

// Sayings returns all pieces that the flow may speak.
func (f *Flow) Sayings() Saying {
	var out Saying
	for _, n := range f.Nodes {
		out = append(out, n.sayings()...)
	}
	return out
}
