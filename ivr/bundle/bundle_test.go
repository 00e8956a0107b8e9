package bundle

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"hotline"
	"hotline/acd"
	"hotline/ivr"
	"hotline/ivr/demo"
	"hotline/media"
	"hotline/postgres/pgtest"
	"hotline/trunks"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func newHouse(t *testing.T) House {
	t.Helper()
	pool := pgtest.New(t)
	log := slog.New(slog.DiscardHandler)
	queues, err := acd.OpenQueues(t.Context(), pool, log)
	if err != nil {
		t.Fatal(err)
	}
	d, err := trunks.Open(t.Context(), pool, log)
	if err != nil {
		t.Fatal(err)
	}
	return House{Store: ivr.NewStore(pool, ivr.Rules{}, nil), Queues: queues, Directory: d, By: "test"}
}

func names(changes []Change) string {
	var out []string
	for _, c := range changes {
		out = append(out, c.String())
	}
	return strings.Join(out, "\n")
}

// TestRoundTrip: the demo's files make a hotline, which exported and applied elsewhere is the same hotline.
func TestRoundTrip(t *testing.T) {
	h := newHouse(t)
	done, err := Apply(t.Context(), h, demo.Files(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(done) != 2+3+8+2+1+2 {
		t.Errorf("done:\n%s", names(done))
	}
	if again, err := Plan(t.Context(), h, demo.Files(), Options{Prune: true}); err != nil || len(again) > 0 {
		t.Errorf("a second time: %v\n%s", err, names(again))
	}
	var wav strings.Builder
	if err := media.WriteWAV(&wav, media.WAV{Rate: 16000, Channels: 2, PCM: make([]int16, 32000)}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Store.PutPromptAudio(t.Context(), "test", ivr.PromptRow{Name: "jingle", Language: "en", Text: "Jingle"}, []byte(wav.String())); err != nil {
		t.Fatal(err)
	}
	secret := trunks.TrunkSettings{Register: &trunks.Register{Registrar: "sip.example.com", Username: "u", Password: "hunter2secret"}}
	if _, err := h.Directory.CreateTrunk(t.Context(), trunks.Trunk{Name: "provider", Enabled: true, Settings: secret}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for range 2 {
		if err := Export(t.Context(), h, dir); err != nil {
			t.Fatal(err)
		}
	}
	noPasswords(t, dir)
	if left, err := Plan(t.Context(), h, os.DirFS(dir), Options{Prune: true}); err != nil || len(left) > 0 {
		t.Errorf("what was exported differs: %v\n%s", err, names(left))
	}
	other := newHouse(t)
	if _, err := Apply(t.Context(), other, os.DirFS(dir), Options{}); err != nil {
		// A trunk that registers cannot be made without its password: the error says which, and what came before stays.
		if !strings.Contains(err.Error(), "trunks.yaml:") {
			t.Fatal(err)
		}
	}
	back := t.TempDir()
	if err := Export(t.Context(), other, back); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"queues.yaml", "hours.yaml", "prompts.yaml", "flows/demo.yaml", "prompts/jingle.en.wav"} {
		a, _ := os.ReadFile(filepath.Join(dir, file))
		b, _ := os.ReadFile(filepath.Join(back, file))
		if len(a) == 0 || string(a) != string(b) {
			t.Errorf("%s differs:\n%s", file, diff(string(a), string(b)))
		}
	}
}

func noPasswords(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(file)
		if strings.Contains(string(raw), "hunter2secret") || strings.Contains(string(raw), "password") {
			t.Errorf("%s holds a password", file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUpdateAndPrune: a changed line is an update with its diff; what is not mentioned goes only when asked.
func TestUpdateAndPrune(t *testing.T) {
	h := newHouse(t)
	if _, err := Apply(t.Context(), h, demo.Files(), Options{}); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{"hours.yaml": {Data: []byte(`hours:
  - name: demo-hours
    title: {en: Changed}
    timezone: Asia/Shanghai
    schedule: {weekly: [{day: mon, from: "09:00", to: "17:00"}]}
  - name: demo-never
    title: {en: Always closed, zh-CN: 始终休息}
    timezone: Asia/Shanghai
    schedule: {weekly: []}
`)}}
	plan, err := Plan(t.Context(), h, files, Options{})
	if err != nil || names(plan) != "update hours demo-hours" || !strings.Contains(plan[0].Diff, "+   en: Changed") || plan[0].Line != 2 {
		t.Errorf("%v\n%s\n%+v", err, names(plan), plan)
	}
	plan, err = Apply(t.Context(), h, files, Options{Prune: true})
	if err != nil || names(plan) != "update hours demo-hours\ndelete hours office" {
		t.Errorf("%v\n%s", err, names(plan))
	}
	if _, err := h.Store.HourTable(t.Context(), "office"); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("office hours: %v", err)
	}
}

// TestWrongFiles: each is refused with file, line and reason, and nothing is written.
func TestWrongFiles(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ file, content, want string }{
		{"hours.yaml", "hours:\n  - name: x\n    timezone: Mars/Olympus\n    schedule:\n      weekly:\n        - {day: mon, from: \"09:00\", to: \"18:00\"}\n        - day: someday\n          from: \"09:00\"\n          to: \"9\"\n",
			"hours.yaml:3: timezone: |hours.yaml:7: schedule.weekly[1].day: |hours.yaml:9: schedule.weekly[1].to: "},
		{"hours.yaml", "hours:\n  - name: x\n    timezone: UTC\n    schedule:\n      weekly: []\n      holydays: []\n", `hours.yaml:6: schedule.holydays: "holydays" is not known here`},
		{"queues.yaml", "queues:\n  - name: x\n    settings:\n      max_wait_s: long\n", "queues.yaml:"},
		{"queues.yaml", "queues:\n  - {name: x}\n  - {name: x}\n", "queues.yaml:3: \"x\" is given twice"},
		{"queues.yaml", "queues: &a\n  - *a\n", "queues.yaml:2: line 2: anchors and aliases"},
		{"queues.yaml", "queues: [\n", "queues.yaml:"},
		{"queues.yaml", "lines: []\n", "queues.yaml:1: the file must be a mapping with the list \"queues\""},
		{"numbers.yaml", "numbers:\n  - number: 4000\n    flow: x\n", "numbers.yaml:2: number: is a number where a string is expected; write it in quotes"},
		{"numbers.yaml", "numbers:\n  - number: \"4000\"\n    flow: nobody\n    queue: none\n    trunk: air\n", `numbers.yaml:3: flow: there is no flow "nobody"|numbers.yaml:4: queue: |numbers.yaml:5: trunk: `},
		{"prompts.yaml", "prompts:\n  - {name: x, language: fr, text: y}\n", "prompts.yaml:2: language: "},
		{"prompts.yaml", "prompts:\n  - {name: x, language: en, audio: ../../etc/passwd}\n", "prompts.yaml:2: audio: must be the name of a file"},
		{"prompts.yaml", "prompts:\n  - {name: x, language: en, audio: none.wav}\n", "prompts.yaml:2: audio: prompts/none.wav cannot be read"},
		{"flows/x.yaml", "flow: x\nstart: a\nfallback: b\nnodes:\n  a: {kind: play, say: nothing, next: c}\n  b: {kind: voicemail, queue: q}\n", `flows/x.yaml:5: nodes.a.next: there is no node "c"|flows/x.yaml:5: nodes.a.say: there is no prompt "nothing" in zh-CN|flows/x.yaml:6: nodes.b.queue: there is no queue "q"`},
		{"flows/x.yaml", "flow: y\n", "flows/x.yaml:1: the file is named x, but says flow: y"},
	} {
		_, err := Apply(t.Context(), h, fstest.MapFS{c.file: {Data: []byte(c.content)}}, Options{})
		if err == nil {
			t.Errorf("%q was applied", c.content)
			continue
		}
		for _, want := range strings.Split(c.want, "|") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q:\ngot  %v\nwant %s", c.content, err, want)
			}
		}
		var e *hotline.Error
		if !errors.As(err, &e) || e.Kind != hotline.Invalid || e.Line < 1 {
			t.Errorf("%q: %+v", c.content, e)
		}
	}
	if dir := t.TempDir(); Export(t.Context(), h, dir) == nil {
		raw, err := os.ReadFile(filepath.Join(dir, "queues.yaml"))
		if err != nil || string(raw) != "queues: []\n" {
			t.Errorf("something was written: %s %v", raw, err)
		}
	}
}
