package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"hotline"
)

const maxFile = 4 << 20

// place is where something stands in a file.
type place struct{ node *yaml.Node }

// line returns the line of a path below the place ("schedule.weekly[2].from"), as deep as the file goes.
func (p *place) line(path string) int {
	if p == nil || p.node == nil {
		return 1
	}
	at := p.node
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		next := child(at, step)
		if next == nil {
			break
		}
		at = next
	}
	return at.Line
}

func child(n *yaml.Node, step string) *yaml.Node {
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
		return nil
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == step {
			return n.Content[i+1]
		}
	}
	return nil
}

// readList reads NAME.yaml, a mapping with one list. found is false when there is no such file.
func readList[T any](files fs.FS, list string, name func(T) string) (items []item, found bool, err error) {
	file := list + ".yaml"
	raw, err := fs.ReadFile(files, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	top, err := listNode(file, list, raw)
	if err != nil {
		return nil, true, err
	}
	seen := map[string]bool{}
	var errs []error
	for _, n := range top.Content {
		it := item{file: file, place: &place{n}}
		var doc T
		if err := decode(n, &doc); err != nil {
			errs = append(errs, it.blame(err))
			continue
		}
		it.name, it.doc = name(doc), doc
		if seen[it.name] {
			errs = append(errs, it.blame(wrong("", "bundle.twice", "%q is given twice", it.name)))
		}
		seen[it.name] = true
		items = append(items, it)
	}
	return items, true, errors.Join(errs...)
}

func listNode(file, list string, raw []byte) (*yaml.Node, error) {
	whole := item{file: file, place: &place{}}
	if len(raw) > maxFile {
		return nil, whole.blame(wrong("", "bundle.too_big", "the file has %d bytes; at most %d are allowed", len(raw), maxFile))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		line, text := 1, strings.TrimPrefix(err.Error(), "yaml: ")
		if n, err := fmt.Sscanf(text, "line %d:", &line); n == 1 && err == nil {
			_, text, _ = strings.Cut(text, ": ")
		}
		return nil, &hotline.Error{Kind: hotline.Invalid, Code: "bundle.not_yaml", Line: line, Message: fmt.Sprintf("%s:%d: this is not YAML: %s", file, line, text)}
	}
	if len(doc.Content) == 0 {
		return nil, whole.blame(wrong("", "bundle.empty", "the file is empty; write %s: []", list))
	}
	top := doc.Content[0]
	whole.place.node = top
	found := child(top, list)
	if found == nil || len(top.Content) != 2 || found.Kind != yaml.SequenceNode {
		return nil, whole.blame(wrong("", "bundle.no_list", "the file must be a mapping with the list %q and nothing else", list))
	}
	return found, nil
}

// decode reads a node strictly: by way of JSON, whose names are those of the API.
func decode(n *yaml.Node, into any) error {
	v, err := plain(n, 0)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mismatch):
		hint := ""
		if mismatch.Type.Kind().String() == "string" {
			hint = "; write it in quotes"
		}
		return wrong(mismatch.Field, "bundle.type", "is a %s where a %s is expected%s", mismatch.Value, mismatch.Type, hint)
	}
	if _, key, ok := strings.Cut(err.Error(), "unknown field "); ok {
		key = strings.Trim(key, `"`)
		return &hotline.Error{Kind: hotline.Invalid, Code: "bundle.unknown_key", Field: pathTo(n, key), Message: fmt.Sprintf("%q is not known here", key)}
	}
	return wrong("", "bundle.bad_value", "%v", err)
}

// pathTo finds the first key of that name.
func pathTo(n *yaml.Node, key string) string {
	for i, c := range n.Content {
		step := "[" + strconv.Itoa(i) + "]"
		if n.Kind == yaml.MappingNode {
			if i%2 == 0 {
				if c.Value == key {
					return key
				}
				continue
			}
			step = n.Content[i-1].Value
		}
		if rest := pathTo(c, key); rest != "" {
			return step + "." + rest
		}
	}
	return ""
}

// plain makes of a node what encoding/json can write. Times and the like stay text.
func plain(n *yaml.Node, depth int) (any, error) {
	switch {
	case depth > 20:
		return nil, wrong("", "bundle.too_deep", "line %d: nested too deep", n.Line)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return nil, wrong("", "bundle.alias", "line %d: anchors and aliases (& and *) are not allowed", n.Line)
	case n.Kind == yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := out[key]; twice {
				return nil, wrong(key, "bundle.twice", "line %d: %q is given twice", n.Content[i].Line, key)
			}
			v, err := plain(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
		return out, nil
	case n.Kind == yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, c := range n.Content {
			v, err := plain(c, depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	switch n.Tag {
	case "!!int", "!!float", "!!bool", "!!null":
		var v any
		err := n.Decode(&v)
		return v, err
	}
	return n.Value, nil
}

func wrong(field, code, format string, args ...any) *hotline.Error {
	return &hotline.Error{Kind: hotline.Invalid, Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// yamlOf writes JSON as YAML for people: in blocks, in the order of the JSON, without empty values below settings.
func yamlOf(raw []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil { // JSON is YAML
		return nil, err
	}
	tidy(&doc, false)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func tidy(n *yaml.Node, settings bool) {
	n.Style = 0
	if n.Kind == yaml.MappingNode && settings {
		kept := n.Content[:0]
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !empty(n.Content[i+1]) {
				kept = append(kept, n.Content[i], n.Content[i+1])
			}
		}
		n.Content = kept
	}
	for i, c := range n.Content {
		below := settings
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			key := n.Content[i-1].Value
			below = settings || key == "settings" || key == "schedule"
		}
		tidy(c, below)
	}
}

func empty(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		return len(n.Content) == 0
	}
	return n.Tag == "!!null" || n.Value == "" || n.Tag == "!!bool" && n.Value == "false" || n.Tag == "!!int" && n.Value == "0"
}
