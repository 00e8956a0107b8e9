package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"hotline"
	"hotline/acd"
	"hotline/ivr"
	"hotline/ivr/flow"
	"hotline/trunks"
)

// kind is one sort of things that are configured.
type kind struct {
	name   string
	read   func(fs.FS) (items []item, found bool, err error)
	have   func(context.Context) ([]item, error)
	check  func(context.Context, item, map[string][]item) error // may be nil
	put    func(ctx context.Context, it item, old *item) error
	remove func(context.Context, item) error
}

// kinds lists them in the order in which they can be made.
func (h House) kinds() []*kind {
	return []*kind{h.queues(), h.hours(), h.prompts(), h.flows(), h.trunks(), h.numbers()}
}

type queueDoc struct {
	Name     string            `json:"name"`
	Title    map[string]string `json:"title"`
	Settings acd.Settings      `json:"settings"`
}

func (h House) queues() *kind {
	return &kind{
		name: "queue",
		read: func(f fs.FS) ([]item, bool, error) {
			return readList(f, "queues", func(d queueDoc) string { return d.Name })
		},
		have: func(ctx context.Context) ([]item, error) {
			list, err := h.Queues.List(ctx)
			return itemsOf(list, func(q acd.Queue) item {
				return item{name: q.Name, version: q.Version, doc: queueDoc{q.Name, q.Title, q.Settings}}
			}), err
		},
		put: func(ctx context.Context, it item, old *item) error {
			d := it.doc.(queueDoc)
			q := acd.Queue{Name: d.Name, Title: d.Title, Settings: d.Settings}
			if old == nil {
				_, err := h.Queues.Create(ctx, q)
				return err
			}
			q.Version = old.version
			_, err := h.Queues.Update(ctx, q)
			return err
		},
		remove: func(ctx context.Context, it item) error { return h.Queues.Delete(ctx, it.name, it.version) },
	}
}

type hoursDoc struct {
	Name     string            `json:"name"`
	Title    map[string]string `json:"title"`
	Timezone string            `json:"timezone"`
	Schedule ivr.Schedule      `json:"schedule"`
}

func (d hoursDoc) row() ivr.HoursRow {
	return ivr.HoursRow{Name: d.Name, Title: d.Title, Timezone: d.Timezone, Schedule: d.Schedule}
}

func (h House) hours() *kind {
	return &kind{
		name: "hours",
		read: func(f fs.FS) ([]item, bool, error) {
			return readList(f, "hours", func(d hoursDoc) string { return d.Name })
		},
		have: func(ctx context.Context) ([]item, error) {
			list, err := h.Store.HourTables(ctx)
			return itemsOf(list, func(r ivr.HoursRow) item {
				return item{name: r.Name, version: r.Version, doc: hoursDoc{r.Name, r.Title, r.Timezone, r.Schedule}}
			}), err
		},
		check: func(_ context.Context, it item, _ map[string][]item) error { return it.doc.(hoursDoc).row().Check() },
		put: func(ctx context.Context, it item, old *item) error {
			row := it.doc.(hoursDoc).row()
			if old != nil {
				row.Version = old.version
			}
			_, err := h.Store.PutHours(ctx, row)
			return err
		},
		remove: func(ctx context.Context, it item) error { return h.Store.DeleteHours(ctx, it.name, it.version) },
	}
}

type promptDoc struct {
	Name     string `json:"name"`
	Language string `json:"language"`
	Text     string `json:"text,omitempty"`
	Audio    string `json:"audio,omitempty"` // file below prompts/
}

func (d promptDoc) key() string { return d.Name + "/" + d.Language }

func (h House) prompts() *kind {
	return &kind{
		name: "prompt",
		read: readPrompts,
		have: h.havePrompts,
		check: func(_ context.Context, it item, _ map[string][]item) error {
			d := it.doc.(promptDoc)
			return ivr.PromptRow{Name: d.Name, Language: d.Language, Text: d.Text}.Check(it.audio)
		},
		put: func(ctx context.Context, it item, old *item) error {
			d := it.doc.(promptDoc)
			row := ivr.PromptRow{Name: d.Name, Language: d.Language, Text: d.Text}
			if old != nil {
				row.Version = old.version
			}
			if d.Audio != "" {
				_, err := h.Store.PutPromptAudio(ctx, h.By, row, it.audio)
				return err
			}
			_, err := h.Store.PutPrompt(ctx, h.By, row)
			return err
		},
		remove: func(ctx context.Context, it item) error {
			d := it.doc.(promptDoc)
			return h.Store.DeletePrompt(ctx, d.Name, d.Language, it.version)
		},
	}
}

func readPrompts(f fs.FS) ([]item, bool, error) {
	items, found, err := readList(f, "prompts", promptDoc.key)
	if err != nil {
		return nil, found, err
	}
	for i := range items {
		d := items[i].doc.(promptDoc)
		if d.Audio == "" {
			continue
		}
		if d.Audio != path.Base(d.Audio) || !fs.ValidPath("prompts/"+d.Audio) {
			return nil, found, items[i].blame(&hotline.Error{Kind: hotline.Invalid, Code: "bundle.audio", Field: "audio", Message: "must be the name of a file in the folder prompts"})
		}
		if items[i].audio, err = fs.ReadFile(f, "prompts/"+d.Audio); err != nil {
			return nil, found, items[i].blame(&hotline.Error{Kind: hotline.Invalid, Code: "bundle.audio", Field: "audio", Message: fmt.Sprintf("prompts/%s cannot be read: %v", d.Audio, err), Err: err})
		}
	}
	return items, found, nil
}

func (h House) havePrompts(ctx context.Context) ([]item, error) {
	rows, err := h.Store.Prompts(ctx)
	if err != nil {
		return nil, err
	}
	var out []item
	for _, r := range rows {
		if r.BuiltIn {
			continue
		}
		it := item{name: r.Name + "/" + r.Language, version: r.Version}
		d := promptDoc{Name: r.Name, Language: r.Language, Text: r.Text}
		if r.Kind == "audio" {
			d.Audio = r.Name + "." + r.Language + ".wav"
			if it.audio, err = h.Store.PromptUpload(ctx, r.Name, r.Language); err != nil {
				return nil, err
			}
		}
		it.doc = d
		out = append(out, it)
	}
	return out, nil
}

type flowDoc struct{ Name, Source string }

func (h House) flows() *kind {
	return &kind{
		name: "flow",
		read: readFlows,
		have: func(ctx context.Context) ([]item, error) {
			rows, err := h.Store.Flows(ctx)
			if err != nil {
				return nil, err
			}
			var out []item
			for _, r := range rows {
				if r.PublishedVersion == nil {
					continue // drafts are nobody's configuration yet
				}
				v, err := h.Store.Version(ctx, r.Name, *r.PublishedVersion)
				if err != nil {
					return nil, err
				}
				out = append(out, item{name: r.Name, version: v.Version, doc: flowDoc{r.Name, v.Source}})
			}
			return out, nil
		},
		check: func(ctx context.Context, it item, want map[string][]item) error {
			problems, err := h.Store.ValidateWith(ctx, it.doc.(flowDoc).Source, namesOf(want["prompt"]), namesOf(want["hours"]), namesOf(want["queue"]))
			if err != nil || len(problems) == 0 {
				return err
			}
			return &ivr.PublishError{Problems: problems}
		},
		put: func(ctx context.Context, it item, old *item) error {
			d := it.doc.(flowDoc)
			var base *int64
			if old != nil {
				base = &old.version
			}
			if _, err := h.Store.SaveDraft(ctx, h.By, d.Name, d.Source, base); err != nil {
				return err
			}
			_, err := h.Store.Publish(ctx, h.By, d.Name, "Applied from "+it.file)
			return err
		},
		remove: func(ctx context.Context, it item) error { return h.Store.DeleteFlow(ctx, it.name) },
	}
}

func readFlows(f fs.FS) ([]item, bool, error) {
	files, err := fs.Glob(f, "flows/*.yaml")
	if err != nil {
		return nil, false, err
	}
	var out []item
	for _, file := range files {
		source, err := fs.ReadFile(f, file)
		if err != nil {
			return nil, true, err
		}
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		it := item{name: name, file: file, doc: flowDoc{name, string(source)}, place: &place{}}
		if parsed, _ := flow.Parse(string(source)); parsed.Name != "" && parsed.Name != name {
			return nil, true, it.blame(&hotline.Error{Kind: hotline.Invalid, Code: "flow.other_name", Message: fmt.Sprintf("the file is named %s, but says flow: %s", name, parsed.Name)})
		}
		out = append(out, it)
	}
	return out, len(files) > 0, nil
}

type trunkDoc struct {
	Name     string               `json:"name"`
	Enabled  bool                 `json:"enabled"`
	Settings trunks.TrunkSettings `json:"settings"`
}

func (h House) trunks() *kind {
	return &kind{
		name: "trunk",
		read: func(f fs.FS) ([]item, bool, error) {
			return readList(f, "trunks", func(d trunkDoc) string { return d.Name })
		},
		have: func(ctx context.Context) ([]item, error) {
			list, err := h.Directory.ListTrunks(ctx)
			return itemsOf(list, func(t trunks.Trunk) item {
				return item{name: t.Name, ref: t.ID, version: t.Version, doc: trunkDoc{t.Name, t.Enabled, withoutSecrets(t.Settings)}}
			}), err
		},
		put: func(ctx context.Context, it item, old *item) error {
			d := it.doc.(trunkDoc)
			t := trunks.Trunk{Name: d.Name, Enabled: d.Enabled, Settings: d.Settings}
			if old == nil {
				_, err := h.Directory.CreateTrunk(ctx, t)
				return err
			}
			t.ID, t.Version = old.ref, old.version
			_, err := h.Directory.UpdateTrunk(ctx, t)
			return err
		},
		remove: func(ctx context.Context, it item) error { return h.Directory.DeleteTrunk(ctx, it.ref, it.version) },
	}
}

func withoutSecrets(s trunks.TrunkSettings) trunks.TrunkSettings {
	if s.MatchDigest != nil {
		c := *s.MatchDigest
		c.Password, c.PasswordSet = "", false
		s.MatchDigest = &c
	}
	if s.Register != nil {
		c := *s.Register
		c.Password, c.PasswordSet = "", false
		s.Register = &c
	}
	return s
}

// hasSecret says whether the file gives a password: it cannot be compared with the one that is kept.
func hasSecret(doc any) bool {
	t, ok := doc.(trunkDoc)
	return ok && (t.Settings.MatchDigest != nil && t.Settings.MatchDigest.Password != "" || t.Settings.Register != nil && t.Settings.Register.Password != "")
}

// MarshalJSON keeps a password that a file gives out of what is compared and shown.
func (d trunkDoc) MarshalJSON() ([]byte, error) {
	type plain trunkDoc
	d.Settings = withoutSecrets(d.Settings)
	return json.Marshal(plain(d))
}

type numberDoc struct {
	Number   string `json:"number"`
	Title    string `json:"title,omitempty"`
	Flow     string `json:"flow"`
	Queue    string `json:"queue,omitempty"`
	Trunk    string `json:"trunk,omitempty"` // by name
	Language string `json:"language"`
}

func (h House) numbers() *kind {
	return &kind{
		name: "number",
		read: func(f fs.FS) ([]item, bool, error) {
			return readList(f, "numbers", func(d numberDoc) string { return d.Number })
		},
		have:  h.haveNumbers,
		check: checkNumber,
		put: func(ctx context.Context, it item, old *item) error {
			d := it.doc.(numberDoc)
			n := trunks.Number{Number: d.Number, Title: d.Title, Flow: d.Flow, Queue: d.Queue, Language: d.Language}
			if old != nil {
				n.Version = old.version
			}
			if d.Trunk != "" {
				carriers, err := h.Directory.ListTrunks(ctx)
				if err != nil {
					return err
				}
				i := slices.IndexFunc(carriers, func(t trunks.Trunk) bool { return t.Name == d.Trunk })
				if i < 0 {
					return unknown("trunk", d.Trunk)
				}
				n.TrunkID = carriers[i].ID
			}
			_, err := h.Directory.PutNumber(ctx, n)
			return err
		},
		remove: func(ctx context.Context, it item) error { return h.Directory.DeleteNumber(ctx, it.name, it.version) },
	}
}

func (h House) haveNumbers(ctx context.Context) ([]item, error) {
	carriers, err := h.Directory.ListTrunks(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, t := range carriers {
		names[t.ID] = t.Name
	}
	list, err := h.Directory.ListNumbers(ctx)
	return itemsOf(list, func(n trunks.Number) item {
		return item{name: n.Number, version: n.Version, doc: numberDoc{n.Number, n.Title, n.Flow, n.Queue, names[n.TrunkID], n.Language}}
	}), err
}

func checkNumber(_ context.Context, it item, want map[string][]item) error {
	d := it.doc.(numberDoc)
	var errs []error
	for _, ref := range []struct{ kind, name string }{{"flow", d.Flow}, {"queue", d.Queue}, {"trunk", d.Trunk}} {
		if ref.name == "" && ref.kind != "flow" {
			continue
		}
		if !slices.Contains(namesOf(want[ref.kind]), ref.name) {
			errs = append(errs, unknown(ref.kind, ref.name))
		}
	}
	return errors.Join(errs...)
}

func unknown(kind, name string) error {
	return &hotline.Error{Kind: hotline.Invalid, Code: "bundle.unknown_" + kind, Field: kind, Message: fmt.Sprintf("there is no %s %q", kind, name)}
}

func namesOf(items []item) []string {
	var out []string
	for _, it := range items {
		out = append(out, it.name)
	}
	return out
}

func itemsOf[T any](list []T, f func(T) item) []item {
	out := make([]item, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}
