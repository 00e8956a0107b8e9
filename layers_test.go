package hotline_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the order of the house: a package may import what stands in an earlier line, and its own sub-folders. Packages of one
// line are neighbours and never import each other.
var layers = [][]string{
	{"."},
	{"testport"},
	{"media"},
	{"postgres"},
	{"call"},
	{"trunks"},
	{"sip", "asterisk"},
	{"recordings"},
	{"tickets"},
	{"acd"},
	{"ivr", "softphone", "channels"},
	{"web"},
	{"cmd"},
	{"deploy"},
}

// TestImportsPointOneWay reads the files itself: a cached "ok" of the go command would hide a new arrow.
func TestImportsPointOneWay(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "data" || name == "artifacts") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		seen++
		from := folder(path.Dir(filepath.ToSlash(file)))
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if imported != "hotline" && !strings.HasPrefix(imported, "hotline/") {
				continue
			}
			to := folder(strings.TrimPrefix(strings.TrimPrefix(imported, "hotline"), "/"))
			if why := forbidden(from, to); why != "" {
				t.Errorf("%s imports %s: %s", file, imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Fatalf("only %d Go files found: is the test run from the root of the module?", seen)
	}
}

// folder returns the top folder of a package's path inside the module.
func folder(dir string) string {
	if dir == "" || dir == "." {
		return "."
	}
	return strings.SplitN(dir, "/", 2)[0]
}

func forbidden(from, to string) string {
	if from == to {
		return ""
	}
	a, b := layer(from), layer(to)
	switch {
	case a < 0:
		return "folder " + from + " has no place in layers; give it one"
	case b < 0:
		return "folder " + to + " has no place in layers; give it one"
	case a == b:
		return from + " and " + to + " are neighbours"
	case a < b:
		return to + " stands below " + from
	}
	return ""
}

func layer(name string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, name) })
}
