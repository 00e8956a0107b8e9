package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hotline"
)

// lists are the files of kinds that share one.
var lists = map[string]string{"queue": "queues", "hours": "hours", "prompt": "prompts", "trunk": "trunks", "number": "numbers"}

// Export writes the configuration to dir, which must be empty or new, or hold an export: files of the same names are replaced.
func Export(ctx context.Context, h House, dir string) error {
	for _, sub := range []string{"flows", "prompts"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return hotline.Errorf(hotline.Invalid, "bundle.folder", "the folder cannot be made: %w", err)
		}
	}
	for _, k := range h.kinds() {
		items, err := k.have(ctx)
		if err != nil {
			return err
		}
		if k.name == "flow" {
			err = exportFlows(dir, items)
		} else {
			err = exportList(dir, lists[k.name], items)
		}
		if err != nil {
			return fmt.Errorf("export %s: %w", k.name, err)
		}
	}
	return nil
}

func exportFlows(dir string, items []item) error {
	for _, it := range items {
		d := it.doc.(flowDoc)
		if err := write(filepath.Join(dir, "flows", d.Name+".yaml"), []byte(d.Source)); err != nil {
			return err
		}
	}
	return nil
}

func exportList(dir, list string, items []item) error {
	docs := make([]any, len(items))
	for i, it := range items {
		docs[i] = it.doc
		if d, ok := it.doc.(promptDoc); ok && d.Audio != "" {
			if err := write(filepath.Join(dir, "prompts", d.Audio), it.audio); err != nil {
				return err
			}
		}
	}
	raw, err := json.Marshal(map[string]any{list: docs})
	if err != nil {
		return err
	}
	out, err := yamlOf(raw)
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, list+".yaml"), out)
}

// write replaces a file whole.
func write(file string, content []byte) error {
	next := file + ".new"
	if err := os.WriteFile(next, content, 0o644); err != nil {
		return err
	}
	return os.Rename(next, file)
}

const maxDiff = 600 // lines of each side that are compared one by one

// diff shows what goes ("-") and what comes ("+"), line by line.
func diff(before, after string) string {
	a, b := lines(before), lines(after)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) > maxDiff || len(b) > maxDiff {
		return fmt.Sprintf("- %d lines\n+ %d lines\n", len(a), len(b))
	}
	// The longest common part, by the table of lengths.
	n := make([][]int, len(a)+1)
	for i := range n {
		n[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				n[i][j] = n[i+1][j+1] + 1
			} else {
				n[i][j] = max(n[i+1][j], n[i][j+1])
			}
		}
	}
	var out strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && n[i+1][j] >= n[i][j+1]:
			out.WriteString("- " + a[i] + "\n")
			i++
		default:
			out.WriteString("+ " + b[j] + "\n")
			j++
		}
	}
	return out.String()
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
