package flow

import (
	"fmt"
	"strings"
)

// NodeOutline is a node as the console's tree shows it.
type NodeOutline struct {
	ID      string            `json:"id"`
	Kind    string            `json:"kind"`
	Title   string            `json:"title"`
	Summary map[string]string `json:"summary" doc:"by language: en, zh-CN"`
	Line    int               `json:"line"`
	Next    []Way             `json:"next"`
}

// Way leads from a node to another.
type Way struct {
	On string `json:"on"`
	To string `json:"to"`
}

// Outline lists the nodes in the order in which a call may meet them, then those that no way leads to.
func Outline(source string) []NodeOutline {
	f, _ := Parse(source)
	out := []NodeOutline{}
	seen := map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		n := f.Node(id)
		if n == nil || seen[id] {
			return
		}
		seen[id] = true
		out = append(out, n.outline())
		for _, e := range n.edges() {
			visit(e.To.Node)
		}
	}
	visit(f.Start.Node)
	visit(f.Fallback.Node)
	for _, n := range f.Nodes {
		visit(n.ID)
	}
	return out
}

func (n *Node) outline() NodeOutline {
	o := NodeOutline{ID: n.ID, Kind: string(n.Kind), Title: n.Title, Summary: n.summaries(), Line: n.Line, Next: []Way{}}
	for _, e := range n.edges() {
		o.Next = append(o.Next, Way{On: e.On, To: e.To.Node})
	}
	return o
}

// summaries says what a node does to readers of each language.
func (n *Node) summaries() map[string]string {
	all := map[string]string{}
	for _, l := range Languages {
		all[l] = n.summary(l)
	}
	return all
}

func (n *Node) summary(language string) string {
	switch s := n.Spec.(type) {
	case *Hours:
		return s.Name.Value
	case *Language:
		return s.Set
	case *Collect:
		return fmt.Sprintf("$%s, %d–%d", s.Into, s.Min, s.Max)
	case *Branch:
		return s.On
	case *Count:
		return fmt.Sprintf("≤ %d", s.Limit)
	case *Lookup:
		return s.Method + " " + s.URL
	case *Queue:
		return s.Queue.Value
	case *Voicemail:
		return s.Queue.Value
	case *Transfer:
		return s.To.Value
	}
	return n.sayings().summary(language)
}

// summary shortens what is said, in one language; what is not said in it is shown in the other.
func (s Saying) summary(language string) string {
	var parts []string
	for _, p := range s {
		switch {
		case p.Prompt != "":
			parts = append(parts, p.Prompt)
		case p.Value != "":
			parts = append(parts, p.Value)
		default:
			for _, l := range append([]string{language}, Languages...) {
				if p.Text[l] != "" {
					parts = append(parts, p.Text[l])
					break
				}
			}
		}
	}
	text := []rune(strings.Join(parts, " · "))
	if len(text) > 80 {
		return string(text[:79]) + "…"
	}
	return string(text)
}
