package flow

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// stage is a world in which little exists.
type stage struct{}

func (stage) HasPrompt(name, language string) bool {
	return name == "greeting" || name == "menu" && language == "en" || strings.HasPrefix(name, "demo-") || name == "closed" ||
		name == "one-moment" || name == "voicemail-greeting"
}
func (stage) HasHours(name string) bool  { return name == "office" || strings.HasPrefix(name, "demo-") }
func (stage) HasQueue(name string) bool  { return name == "support" || name == "sales" }
func (stage) MayDial(number string) bool { return number == "+861012345678" }
func (stage) MayAsk(host string) bool    { return host == "crm.example.com" }

// TestProblems holds each wrong file against the lines and reasons it must be refused with.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			_, problems := Check(string(source), stage{})
			for _, p := range problems {
				b.WriteString(p.String() + "\n")
			}
			if len(problems) == 0 {
				t.Error("a wrong flow has no problem")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got\n%swant\n%s", b.String(), want)
			}
		})
	}
}

func TestGoodFlows(t *testing.T) {
	files, _ := filepath.Glob("testdata/good/*.yaml")
	more, _ := filepath.Glob("../demo/files/flows/*.yaml")
	if len(files) == 0 || len(more) != 2 {
		t.Fatalf("files: %v %v", files, more)
	}
	for _, file := range append(files, more...) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, problems := Check(string(source), stage{})
		for _, p := range problems {
			t.Errorf("%s: %s", file, p)
		}
		if got := len(Outline(string(source))); got != len(f.Nodes) {
			t.Errorf("%s: the outline has %d of %d nodes", file, got, len(f.Nodes))
		}
	}
}

func TestOutline(t *testing.T) {
	source, err := os.ReadFile("../demo/files/flows/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list := Outline(string(source))
	if list[0].ID != "greeting" || list[0].Next[0] != (Way{"next", "language"}) {
		t.Errorf("first: %+v", list[0])
	}
	for _, n := range list {
		if n.ID == "main" {
			if n.Kind != "menu" || n.Title != "Main menu" || n.Line == 0 || len(n.Next) != 5 || n.Next[0] != (Way{"1", "support"}) || n.Summary["en"] != "demo-menu" || n.Summary["zh-CN"] != "demo-menu" {
				t.Errorf("main: %+v", n)
			}
			return
		}
	}
	t.Error("the menu is not in the outline")
}

// Inline texts are shown in the reader's language, and in the other one where the flow says it in that alone.
func TestOutlineSpeaksBothLanguages(t *testing.T) {
	list := Outline(`flow: x
nodes:
  a: {kind: play, say: [welcome, {text: {zh-CN: 您好, en: Hello}}, {text: {en: only so}}], next: b}
  b: {kind: hangup}
`)
	want := map[string]string{"en": "welcome · Hello · only so", "zh-CN": "welcome · 您好 · only so"}
	if len(list) != 2 || !maps.Equal(list[0].Summary, want) {
		t.Errorf("%+v, want the summary %v", list, want)
	}
}

// FuzzParse: whatever is fed, no panic, no time without end, and a flow without problems is safe to walk.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/wrong/*.yaml", "testdata/good/*.yaml", "../demo/files/flows/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(source))
		}
	}
	f.Fuzz(func(t *testing.T, source string) {
		fl, problems := Check(source, stage{})
		Outline(source)
		for _, p := range problems {
			if p.Line < 1 || p.Code == "" || p.Message == "" {
				t.Errorf("a problem without line or reason: %+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		if fl.Node(fl.Start.Node) == nil || fl.Node(fl.Fallback.Node) == nil {
			t.Error("no start or fallback")
		}
		for _, n := range fl.Nodes {
			if n.Spec == nil {
				t.Errorf("node %s does nothing", n.ID)
				continue
			}
			for _, e := range n.Spec.Edges() {
				if fl.Node(e.To.Node) == nil {
					t.Errorf("node %s leads nowhere", n.ID)
				}
			}
		}
		silent(t, fl)
	})
}

// silent walks as a caller does who never presses a key, at each node taking every silent way: no way may be longer than the flow
// has nodes.
func silent(t *testing.T, f *Flow) {
	depth := map[string]int{}
	var walk func(id string, on map[string]bool)
	walk = func(id string, on map[string]bool) {
		if on[id] {
			t.Fatalf("a silent caller comes back to %s", id)
		}
		if depth[id] > 0 {
			return
		}
		depth[id] = 1
		on[id] = true
		for _, to := range f.silentWays(f.Node(id)) {
			walk(to, on)
		}
		delete(on, id)
	}
	walk(f.Start.Node, map[string]bool{})
}
