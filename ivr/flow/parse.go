package flow

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a file. They are far above what a person would write.
const (
	MaxSource = 256 << 10
	maxNodes  = 500
	maxDepth  = 20
)

var (
	idPattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`) // as the database holds it
)

// Parse reads a flow. The flow is never nil: of a file with problems it holds what could be understood, for the outline. A file
// without problems is still to be held against the rest of the configuration: [Check].
func Parse(source string) (*Flow, []Problem) {
	f := &Flow{byID: map[string]*Node{}}
	p := &problems{}
	root := document(source, p)
	if root == nil {
		return f, p.sorted()
	}
	top := newFields(p, "", root)
	if top == nil {
		return f, p.sorted()
	}
	f.Name = top.text("flow", 63)
	if f.Name == "" {
		top.missing("flow", "the name of this flow")
	} else if !namePattern.MatchString(f.Name) {
		p.add(top.lineOf("flow"), "flow", "flow.bad_name", "%q is not a name: use a-z, 0-9 and -", f.Name)
	}
	f.Title = top.titles("title")
	f.Languages = top.languages()
	f.Language = top.oneOf("language", "", f.Languages...)
	f.Record = Record(top.oneOf("record", string(RecordNever), string(RecordNever), string(RecordQueue), string(RecordAlways)))
	f.MaxSteps = top.number("max_steps", 200, 10, 10000)
	f.Start = top.needTarget("start", "the node where a call begins")
	f.Fallback = top.needTarget("fallback", "the queue or voicemail node for a caller who could not be helped otherwise")
	parseNodes(top, f)
	top.done()
	checkGraph(f, p)
	return f, p.sorted()
}

// document parses YAML and refuses what has no place in a flow: aliases (a file of ten lines could mean a billion), several
// documents, depth.
func document(source string, p *problems) *yaml.Node {
	if len(source) > MaxSource {
		p.add(1, "", "flow.too_big", "the file has %d bytes; at most %d are allowed", len(source), MaxSource)
		return nil
	}
	if !utf8.ValidString(source) {
		p.add(1, "", "flow.not_utf8", "the file is not UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader([]byte(source)))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			p.add(1, "", "flow.empty", "the file is empty")
			return nil
		}
		line, text := yamlError(err)
		p.add(line, "", "flow.not_yaml", "this is not YAML: %s", text)
		return nil
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		p.add(max(more.Line, 1), "", "flow.many_documents", "a file holds one flow; remove what follows the line with ---")
		return nil
	}
	if len(doc.Content) != 1 {
		p.add(1, "", "flow.empty", "the file is empty")
		return nil
	}
	if !plain(doc.Content[0], 0, p) {
		return nil
	}
	return doc.Content[0]
}

func plain(n *yaml.Node, depth int, p *problems) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.add(n.Line, "", "flow.alias", "anchors and aliases (& and *) are not allowed; quote the value if it is meant as text")
		return false
	case depth > maxDepth:
		p.add(n.Line, "", "flow.too_deep", "nested deeper than %d levels", maxDepth)
		return false
	}
	for _, c := range n.Content {
		if !plain(c, depth+1, p) {
			return false
		}
	}
	return true
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

func yamlError(err error) (int, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n > 0 {
			return n, m[2]
		}
	}
	return 1, text
}

// titles reads text by language; plain text stands for every language.
func (f *fields) titles(key string) map[string]string {
	v := f.take(key)
	if v == nil {
		return nil
	}
	out := map[string]string{}
	if v.Kind == yaml.ScalarNode {
		for _, l := range Languages {
			out[l] = v.Value
		}
		return out
	}
	sub := newFields(f.p, f.at(key), v)
	if sub == nil {
		return nil
	}
	for _, l := range Languages {
		if s, ok := sub.scalar(l); ok && s != "" {
			out[l] = s
		}
	}
	sub.done()
	return out
}

func (f *fields) languages() []string {
	given := f.list("languages")
	if len(given) == 0 {
		return Languages
	}
	for i, l := range given {
		if !slices.Contains(Languages, l) {
			f.p.add(f.lineOf("languages"), f.at("languages"), "flow.bad_choice", "%q is not one of %s", l, strings.Join(Languages, ", "))
			return Languages
		}
		if slices.Contains(given[:i], l) {
			f.p.add(f.lineOf("languages"), f.at("languages"), "flow.duplicate_key", "%q is given twice", l)
		}
	}
	return given
}

func parseNodes(top *fields, f *Flow) {
	v := top.take("nodes")
	if v == nil {
		top.missing("nodes", "the steps of the flow")
		return
	}
	all := newFields(top.p, "nodes", v)
	if all == nil {
		return
	}
	if len(all.keys) > maxNodes {
		top.p.add(v.Line, "nodes", "flow.too_many_nodes", "%d nodes; at most %d are allowed", len(all.keys), maxNodes)
		return
	}
	for _, k := range all.keys {
		if !idPattern.MatchString(k.Value) {
			top.p.add(k.Line, all.at(k.Value), "flow.bad_name", "%q is not a name of a node: use a-z, 0-9, - and _", k.Value)
		}
		n := parseNode(top.p, k, all.take(k.Value))
		if n == nil {
			continue
		}
		f.Nodes = append(f.Nodes, n)
		f.byID[n.ID] = n
	}
}

func parseNode(p *problems, key, value *yaml.Node) *Node {
	path := "nodes." + key.Value
	if value == nil {
		p.add(key.Line, path, "flow.missing", "the node is empty: give it a kind")
		return nil
	}
	d := newFields(p, path, value)
	if d == nil {
		return nil
	}
	d.line = key.Line
	n := &Node{ID: key.Value, Line: key.Line, Title: d.text("title", 200)}
	kind, ok := d.scalar("kind")
	if !ok {
		d.missing("kind", "one of "+kindList())
		return n
	}
	n.Kind = Kind(kind)
	parse := parsers[n.Kind]
	if parse == nil {
		p.add(d.lineOf("kind"), d.at("kind"), "flow.unknown_kind", "%q is not a kind of node; kinds are %s", kind, kindList())
		return n
	}
	n.Spec = parse(d)
	d.done()
	return n
}
