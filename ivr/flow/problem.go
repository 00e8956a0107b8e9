package flow

import (
	"cmp"
	"fmt"
	"slices"
)

// Problem is a reason why a flow is refused.
type Problem struct {
	Line    int    `json:"line"`  // 1-based
	Field   string `json:"field"` // "nodes.main.keys.1"
	Code    string `json:"code"`  // "flow.unknown_node"
	Message string `json:"message"`
}

func (p Problem) String() string {
	return fmt.Sprintf("line %d: %s: %s [%s]", p.Line, p.Field, p.Message, p.Code)
}

const maxProblems = 100

type problems struct{ list []Problem }

func (p *problems) add(line int, field, code, format string, args ...any) {
	if len(p.list) > maxProblems {
		return
	}
	if len(p.list) == maxProblems {
		field, code, format, args = "", "flow.too_many_problems", "more than %d problems; the rest is not listed", []any{maxProblems}
	}
	p.list = append(p.list, Problem{line, field, code, fmt.Sprintf(format, args...)})
}

func (p *problems) sorted() []Problem {
	slices.SortStableFunc(p.list, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return p.list
}
