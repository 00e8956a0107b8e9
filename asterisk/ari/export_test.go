package ari

import (
	"reflect"
	"slices"
	"time"
)

// Operation is an entry of the table, for the contract test.
type Operation struct {
	Name, Method, Path, Answer, Whole, Since string
	Query, Body                              []string
}

// Operations lists the table.
func Operations() []Operation {
	var out []Operation
	for _, o := range operations {
		out = append(out, Operation{o.name, o.method, o.path, o.answer, o.whole, o.since, o.query, o.body})
	}
	return out
}

// EventFields returns the table of events and what of it 16 does not have.
func EventFields() (fields map[string][]string, since map[string]string) { return events, eventsSince }

// WireFields are the names that the decoder reads of events, beside those of the envelope and of answers.
func WireFields() []string {
	names := append(jsonNames(reflect.TypeFor[wire]()), jsonNames(reflect.TypeFor[transferWire]())...)
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains([]string{"type", "timestamp", "application"}, n) })
}

// Models are the types that are read, with the names of their fields.
func Models() map[string][]string {
	return map[string][]string{
		"Channel":             jsonNames(reflect.TypeFor[Channel]()),
		"CallerID":            jsonNames(reflect.TypeFor[CallerID]()),
		"DialplanCEP":         jsonNames(reflect.TypeFor[Dialplan]()),
		"Bridge":              jsonNames(reflect.TypeFor[Bridge]()),
		"Endpoint":            jsonNames(reflect.TypeFor[Endpoint]()),
		"Application":         jsonNames(reflect.TypeFor[Application]()),
		"StoredRecording":     jsonNames(reflect.TypeFor[Stored]()),
		"ReferTo":             jsonNames(reflect.TypeFor[referTo]()),
		"ReferredBy":          jsonNames(reflect.TypeFor[referredBy]()),
		"RequiredDestination": jsonNames(reflect.TypeFor[requested]()),
		"AdditionalParam":     jsonNames(reflect.TypeFor[Param]()),
		"RESTResponse":        jsonNames(reflect.TypeFor[answerWire]()),
		"RESTRequest":         jsonNames(reflect.TypeFor[restRequest]()),
	}
}

func jsonNames(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("json")
		if tag == "" {
			continue
		}
		for j, r := range tag {
			if r == ',' {
				tag = tag[:j]
				break
			}
		}
		out = append(out, tag)
	}
	return out
}

// Decode is the decoder, for fuzzing.
func Decode(data []byte) (Event, error) {
	w, err := decode(data)
	return w.event("fuzz"), err
}

// Hurry sets the pause after another program has taken the application, and how long Asterisk's own connection is waited for.
func (c *Client) Hurry(d time.Duration) { c.replacedPause, c.patience = d, d }

// TooOld refuses a version.
func TooOld(version string, cfg Config) error { return tooOld(version, cfg) }

// QuerySince says which parameters Asterisk 16 does not have.
func (o Operation) QuerySince() map[string]string { return parametersSince[o.Method+" "+o.Path] }

// PrivateOnly is the judgement of an address that is about to be connected.
func PrivateOnly(address string) error { return privateOnly("tcp", address, nil) }
