package flow

import "net/url"

// World is what a flow refers to.
type World interface {
	HasPrompt(name, language string) bool // own or built-in
	HasHours(name string) bool
	HasQueue(name string) bool
	MayDial(number string) bool // on the outbound allow-list
	MayAsk(host string) bool    // host[:port] is on the list of look-ups
}

// Check parses source and holds it against the world. A flow without problems may be published.
func Check(source string, w World) (*Flow, []Problem) {
	f, list := Parse(source)
	p := &problems{list: list}
	for _, n := range f.Nodes {
		n.check(f, w, p)
	}
	return f, p.sorted()
}

func (n *Node) check(f *Flow, w World, p *problems) {
	path := "nodes." + n.ID
	for _, piece := range n.sayings() {
		piece.check(f, w, p, path+".say")
	}
	switch s := n.Spec.(type) {
	case *Hours:
		if s.Name.Value != "" && !w.HasHours(s.Name.Value) {
			p.add(s.Name.Line, path+".hours", "flow.unknown_hours", "there are no opening hours %q", s.Name.Value)
		}
	case *Queue:
		n.checkQueue(s.Queue, w, p)
		if s.Music != "" {
			Piece{Prompt: s.Music, Line: n.Line}.check(f, w, p, path+".music")
		}
	case *Voicemail:
		n.checkQueue(s.Queue, w, p)
	case *Transfer:
		if s.To.Value != "" && !w.MayDial(s.To.Value) {
			p.add(s.To.Line, path+".to", "flow.not_allowed", "%q is not on the list of numbers that may be dialled (dial_out in the configuration of the process)", s.To.Value)
		}
	case *Lookup:
		if u, err := url.Parse(s.URL); err == nil && u.Host != "" && !w.MayAsk(u.Host) {
			p.add(n.Line, path+".url", "flow.not_allowed", "%q is not on the list of hosts that may be asked (lookup_hosts in the configuration of the process)", u.Host)
		}
	case *Language:
		if s.Set != "" && !f.speaks(s.Set) {
			p.add(n.Line, path+".set", "flow.bad_choice", "the flow does not list the language %s", s.Set)
		}
		for _, k := range s.Keys {
			if !f.speaks(k.Language) {
				p.add(n.Line, path+".keys."+string(k.Digit), "flow.bad_choice", "the flow does not list the language %s", k.Language)
			}
		}
	}
}

func (n *Node) checkQueue(q Name, w World, p *problems) {
	if q.Value != "" && !w.HasQueue(q.Value) {
		p.add(q.Line, "nodes."+n.ID+".queue", "flow.unknown_queue", "there is no queue %q", q.Value)
	}
}

func (f *Flow) speaks(language string) bool {
	for _, l := range f.Languages {
		if l == language {
			return true
		}
	}
	return false
}

// check reports a prompt or a text that is missing in a language in which the caller may listen.
func (piece Piece) check(f *Flow, w World, p *problems, path string) {
	languages := f.Languages
	if piece.Language != "" {
		languages = []string{piece.Language}
	}
	for _, l := range languages {
		switch {
		case piece.Prompt != "" && !w.HasPrompt(piece.Prompt, l):
			p.add(piece.Line, path, "flow.unknown_prompt", "there is no prompt %q in %s", piece.Prompt, l)
		case piece.Text != nil && piece.Text[l] == "":
			p.add(piece.Line, path, "flow.no_text", "the text is missing in %s", l)
		}
	}
}
