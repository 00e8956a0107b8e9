package flow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// fields reads the mapping of one node of the file, key by key, and reports what is wrong with line and path. What was not asked for
// by the time of done is an unknown key.
type fields struct {
	p    *problems
	path string
	line int
	keys []*yaml.Node
	vals map[string]*yaml.Node
	used map[string]bool
}

// newFields returns nil if n is no mapping; that is reported.
func newFields(p *problems, path string, n *yaml.Node) *fields {
	if n.Kind != yaml.MappingNode {
		p.add(n.Line, path, "flow.not_a_mapping", "must be a mapping (key: value), not %s", kindName(n))
		return nil
	}
	f := &fields{p: p, path: path, line: n.Line, vals: map[string]*yaml.Node{}, used: map[string]bool{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			p.add(k.Line, path, "flow.bad_key", "a key must be plain text")
			continue
		}
		if _, twice := f.vals[k.Value]; twice {
			p.add(k.Line, f.at(k.Value), "flow.duplicate_key", "%q is given twice", k.Value)
			continue
		}
		f.keys = append(f.keys, k)
		f.vals[k.Value] = v
	}
	return f
}

func (f *fields) at(key string) string {
	if f.path == "" {
		return key
	}
	return f.path + "." + key
}

// take returns the value of key, nil when it is absent or null.
func (f *fields) take(key string) *yaml.Node {
	f.used[key] = true
	v := f.vals[key]
	if v != nil && v.Kind == yaml.ScalarNode && v.Tag == "!!null" {
		return nil
	}
	return v
}

func (f *fields) lineOf(key string) int {
	if v := f.vals[key]; v != nil {
		return v.Line
	}
	return f.line
}

func (f *fields) missing(key, what string) {
	f.p.add(f.line, f.at(key), "flow.missing", "%q is missing: %s", key, what)
}

// done reports keys that nobody asked for.
func (f *fields) done() {
	for _, k := range f.keys {
		if f.used[k.Value] {
			continue
		}
		known := make([]string, 0, len(f.used))
		for name := range f.used {
			known = append(known, name)
		}
		slices.Sort(known)
		f.p.add(k.Line, f.at(k.Value), "flow.unknown_key", "%q is not known here; known are: %s", k.Value, strings.Join(known, ", "))
	}
}

func (f *fields) scalar(key string) (string, bool) {
	v := f.take(key)
	if v == nil {
		return "", false
	}
	if v.Kind != yaml.ScalarNode {
		f.p.add(v.Line, f.at(key), "flow.not_a_scalar", "must be a single value, not %s", kindName(v))
		return "", false
	}
	return v.Value, true
}

func (f *fields) text(key string, limit int) string {
	s, _ := f.scalar(key)
	if len(s) > limit {
		f.p.add(f.lineOf(key), f.at(key), "flow.too_long", "is %d bytes long; at most %d are allowed", len(s), limit)
		return ""
	}
	return s
}

func (f *fields) oneOf(key, fallback string, allowed ...string) string {
	s, ok := f.scalar(key)
	if !ok {
		return fallback
	}
	if !slices.Contains(allowed, s) {
		f.p.add(f.lineOf(key), f.at(key), "flow.bad_choice", "%q is not one of %s", s, strings.Join(allowed, ", "))
		return fallback
	}
	return s
}

func (f *fields) number(key string, fallback, low, high int) int {
	s, ok := f.scalar(key)
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		f.p.add(f.lineOf(key), f.at(key), "flow.not_a_number", "%q is not a whole number", s)
		return fallback
	}
	if n < low || n > high {
		f.p.add(f.lineOf(key), f.at(key), "flow.out_of_range", "%d is outside %d to %d", n, low, high)
		return fallback
	}
	return n
}

func (f *fields) duration(key string, fallback, low, high time.Duration) time.Duration {
	s, ok := f.scalar(key)
	if !ok {
		return fallback
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		f.p.add(f.lineOf(key), f.at(key), "flow.not_a_duration", "%q is not a duration; write 5s, 500ms or 2m", s)
		return fallback
	}
	if d < low || d > high {
		f.p.add(f.lineOf(key), f.at(key), "flow.out_of_range", "%s is outside %s to %s", d, low, high)
		return fallback
	}
	return d
}

func (f *fields) flag(key string, fallback bool) bool {
	s, ok := f.scalar(key)
	if !ok {
		return fallback
	}
	switch s {
	case "true":
		return true
	case "false":
		return false
	}
	f.p.add(f.lineOf(key), f.at(key), "flow.not_a_flag", "%q is neither true nor false", s)
	return fallback
}

func (f *fields) target(key string) Target {
	s, ok := f.scalar(key)
	if !ok {
		return Target{}
	}
	return Target{Node: s, Line: f.lineOf(key)}
}

func (f *fields) needTarget(key, what string) Target {
	t := f.target(key)
	if !t.Given() && f.take(key) == nil {
		f.missing(key, what)
	}
	return t
}

func (f *fields) name(key string) Name {
	s, _ := f.scalar(key)
	return Name{Value: s, Line: f.lineOf(key)}
}

func (f *fields) needName(key, what string) Name {
	n := f.name(key)
	if n.Value == "" && f.take(key) == nil {
		f.missing(key, what)
	}
	return n
}

// digit reads a single key of the telephone.
func (f *fields) digit(key string) byte {
	s, ok := f.scalar(key)
	if !ok {
		return 0
	}
	return f.asDigit(s, f.lineOf(key), f.at(key))
}

func (f *fields) asDigit(s string, line int, path string) byte {
	if len(s) != 1 || !strings.Contains("0123456789*#", s) {
		f.p.add(line, path, "flow.not_a_key", "%q is not a key of a telephone; write 0-9, \"*\" or \"#\"", s)
		return 0
	}
	return s[0]
}

// list returns the entries of a sequence; a single scalar counts as a sequence of one.
func (f *fields) list(key string) []string {
	v := f.take(key)
	if v == nil {
		return nil
	}
	items := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		items = v.Content
	}
	var out []string
	for i, item := range items {
		if item.Kind != yaml.ScalarNode {
			f.p.add(item.Line, fmt.Sprintf("%s[%d]", f.at(key), i), "flow.not_a_scalar", "must be a single value, not %s", kindName(item))
			continue
		}
		out = append(out, item.Value)
	}
	return out
}

func (f *fields) pairs(key string) []Pair {
	v := f.take(key)
	if v == nil {
		return nil
	}
	sub := newFields(f.p, f.at(key), v)
	if sub == nil {
		return nil
	}
	var out []Pair
	for _, k := range sub.keys {
		s, _ := sub.scalar(k.Value)
		out = append(out, Pair{Name: k.Value, Value: s, Line: k.Line})
	}
	return out
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	return "a single value"
}
