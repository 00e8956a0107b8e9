package flow

// Edges of the kinds. Input marks ways that silence cannot take.

// Edges implements [Spec].
func (s *Play) Edges() []Edge { return ways(Edge{On: "next", To: s.Next}) }

// Edges implements [Spec].
func (s *Menu) Edges() []Edge {
	return append(keyEdges(s.Keys), ways(Edge{On: "otherwise", To: s.Otherwise})...)
}

// Edges implements [Spec].
func (s *Hours) Edges() []Edge {
	return ways(Edge{On: "open", To: s.Open}, Edge{On: "closed", To: s.Closed})
}

// Edges implements [Spec].
func (s *Language) Edges() []Edge { return ways(Edge{On: "next", To: s.Next}) }

// Edges implements [Spec].
func (s *Collect) Edges() []Edge {
	return ways(Edge{On: "next", To: s.Next, Input: true}, Edge{On: "otherwise", To: s.Otherwise})
}

// Edges implements [Spec].
func (s *Branch) Edges() []Edge {
	var out []Edge
	for _, c := range s.Cases {
		out = append(out, ways(Edge{On: c.String(), To: c.Next})...)
	}
	return append(out, ways(Edge{On: "otherwise", To: s.Otherwise})...)
}

// Edges implements [Spec].
func (s *Count) Edges() []Edge {
	return ways(Edge{On: "next", To: s.Next, Input: true}, Edge{On: "exceeded", To: s.Exceeded})
}

// Edges implements [Spec].
func (s *Lookup) Edges() []Edge {
	return ways(Edge{On: "next", To: s.Next}, Edge{On: "failed", To: s.Failed})
}

// Edges implements [Spec].
func (s *TicketStatus) Edges() []Edge {
	return ways(Edge{On: "next", To: s.Next, Input: true}, Edge{On: "none", To: s.None})
}

// Edges implements [Spec].
func (s *Queue) Edges() []Edge {
	return append(keyEdges(s.Keys),
		ways(Edge{On: "next", To: s.Next, Input: true}, Edge{On: "timeout", To: s.Timeout})...)
}

// Edges implements [Spec].
func (s *Voicemail) Edges() []Edge { return ways(Edge{On: "next", To: s.Next}) }

// Edges implements [Spec].
func (s *Transfer) Edges() []Edge { return ways(Edge{On: "failed", To: s.Failed}) }

// Edges implements [Spec].
func (s *Hangup) Edges() []Edge { return nil }

func ways(edges ...Edge) []Edge {
	var out []Edge
	for _, e := range edges {
		if e.To.Given() {
			out = append(out, e)
		}
	}
	return out
}

func keyEdges(keys []Key) []Edge {
	var out []Edge
	for _, k := range keys {
		out = append(out, ways(Edge{On: string(k.Digit), To: k.To, Input: true})...)
	}
	return out
}
