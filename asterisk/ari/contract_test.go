package ari_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
)

// since16 are fields of models that Asterisk 16 does not have, with the version that brought them. Operations and events carry theirs
// in the client's tables.
var since16 = map[string]string{
	"ReferTo":             "22.3",
	"ReferredBy":          "22.3",
	"RequiredDestination": "22.3",
	"AdditionalParam":     "22.3",
	"RESTResponse":        "22.4",
	"RESTRequest":         "22.4",
	"outbound websockets": "22.5", // transport dialled: not in the description; TestTransports connects by it
}

// description is what a running Asterisk says of its API (Swagger 1.1).
type description struct {
	ops    map[string]described      // "POST /channels/{channelId}/answer"
	models map[string]map[string]any // fields by name
}

type described struct {
	Answer     string `json:"responseClass"`
	Method     string `json:"httpMethod"`
	Parameters []struct {
		Name string `json:"name"`
		Kind string `json:"paramType"`
	} `json:"parameters"`
}

func (d described) has(kind, name string) bool {
	for _, p := range d.Parameters {
		if p.Kind == kind && p.Name == name {
			return true
		}
	}
	return false
}

func describe(t *testing.T, a *asterisktest.Asterisk) description {
	t.Helper()
	d := description{ops: map[string]described{}, models: map[string]map[string]any{}}
	for _, name := range []string{"asterisk", "applications", "bridges", "channels", "endpoints", "events", "recordings"} {
		var file struct {
			APIs []struct {
				Path       string      `json:"path"`
				Operations []described `json:"operations"`
			} `json:"apis"`
			Models map[string]struct {
				Properties map[string]any `json:"properties"`
			} `json:"models"`
		}
		if err := json.Unmarshal(get(t, a, "/ari/api-docs/"+name+".json"), &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, api := range file.APIs {
			for _, op := range api.Operations {
				d.ops[op.Method+" "+api.Path] = op
			}
		}
		for name, model := range file.Models {
			d.models[name] = model.Properties
		}
	}
	if len(d.ops) < 60 || len(d.models) < 40 {
		t.Fatalf("only %d operations and %d models were read", len(d.ops), len(d.models))
	}
	return d
}

func get(t *testing.T, a *asterisktest.Asterisk, path string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(a.User, a.Password)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v", path, res.Status, err)
	}
	return body
}

// TestContract compares all that the client asks for and reads with what the running Asterisk says of itself. What 16 lacks must be
// declared, and what is declared as lacking must lack.
func TestContract(t *testing.T) {
	for _, version := range []string{"22", "16"} {
		t.Run(version, func(t *testing.T) {
			d := describe(t, asterisktest.Start(t, asterisktest.Options{Version: version}))
			old := version == "16"
			for _, o := range ari.Operations() {
				checkOperation(t, d, o, old)
			}
			checkEvents(t, d, old)
			checkModels(t, d, old)
		})
	}
}

var hole = regexp.MustCompile(`\{(\w+)\}`)

func checkOperation(t *testing.T, d description, o ari.Operation, old bool) {
	key := o.Method + " " + o.Path
	op, found := d.ops[key]
	if missing := old && o.Since != ""; missing || !found {
		if missing == found {
			t.Errorf("%s: found %v, since %q", key, found, o.Since)
		}
		return
	}
	for _, m := range hole.FindAllStringSubmatch(o.Path, -1) {
		if !op.has("path", m[1]) {
			t.Errorf("%s: no path parameter %s", key, m[1])
		}
	}
	since := o.QuerySince()
	for _, name := range o.Query {
		if has, lacks := op.has("query", name), old && since[name] != ""; has == lacks {
			t.Errorf("%s: query parameter %s: found %v, since %q", key, name, has, since[name])
		}
	}
	for _, name := range o.Body {
		if has, lacks := op.has("body", name), old && since[name] != ""; has == lacks {
			t.Errorf("%s: body parameter %s: found %v, since %q", key, name, has, since[name])
		}
	}
	if o.Whole != "" && !op.has("body", o.Whole) {
		t.Errorf("%s: no body parameter %s", key, o.Whole)
	}
	if op.Answer != o.Answer {
		t.Errorf("%s answers %s, not %s", key, op.Answer, o.Answer)
	}
}

func checkEvents(t *testing.T, d description, old bool) {
	fields, since := ari.EventFields()
	used := map[string]bool{}
	for event, names := range fields {
		model, found := d.models[event]
		for _, name := range names {
			used[name] = true
		}
		if lacks := old && since[event] != ""; lacks || !found {
			if lacks == found {
				t.Errorf("event %s: found %v, since %q", event, found, since[event])
			}
			continue
		}
		for _, name := range names {
			_, has := model[name]
			if lacks := old && since[event+"."+name] != ""; has == lacks {
				t.Errorf("event %s: field %s: found %v, since %q", event, name, has, since[event+"."+name])
			}
		}
	}
	read := ari.WireFields()
	slices.Sort(read)
	if told := slices.Sorted(maps.Keys(used)); !slices.Equal(read, told) {
		t.Errorf("the decoder reads\n%v, the table of events has\n%v", read, told)
	}
}

func checkModels(t *testing.T, d description, old bool) {
	for name, fields := range ari.Models() {
		model, found := d.models[name]
		if lacks := old && since16[name] != ""; lacks || !found {
			if lacks == found {
				t.Errorf("model %s: found %v, since %q", name, found, since16[name])
			}
			continue
		}
		for _, field := range fields {
			_, has := model[field]
			if lacks := old && since16[name+"."+field] != ""; has == lacks {
				t.Errorf("model %s: field %s: found %v, since %q", name, field, has, since16[name+"."+field])
			}
		}
	}
}
