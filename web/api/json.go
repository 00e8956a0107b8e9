package api

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Time is a time as the API writes it: RFC 3339, UTC, milliseconds.
type Time time.Time

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON writes the time.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + time.Time(t).UTC().Format(timeLayout) + `"`), nil
}

// Schema describes a Time.
func (Time) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

// Null is a value or null, always present.
type Null[T any] struct{ value *T }

// Some is a value that is there.
func Some[T any](v T) Null[T] { return Null[T]{&v} }

// Pointed is null for nil.
func Pointed[T any](v *T) Null[T] { return Null[T]{v} }

// When is null for the zero time.
func When(t time.Time) Null[Time] {
	if t.IsZero() {
		return Null[Time]{}
	}
	return Some(Time(t))
}

// WhenPtr is null for no time.
func WhenPtr(t *time.Time) Null[Time] {
	if t == nil {
		return Null[Time]{}
	}
	return When(*t)
}

// Text is null for the empty text.
func Text(s string) Null[string] {
	if s == "" {
		return Null[string]{}
	}
	return Some(s)
}

// TextPtr is null for no text and for the empty one.
func TextPtr(s *string) Null[string] {
	if s == nil {
		return Null[string]{}
	}
	return Text(*s)
}

// MarshalJSON writes the value or null.
func (n Null[T]) MarshalJSON() ([]byte, error) {
	if n.value == nil {
		return []byte("null"), nil
	}
	return json.Marshal(n.value)
}

// Schema describes a Null.
func (Null[T]) Schema(r huma.Registry) *huma.Schema {
	of := r.Schema(reflect.TypeFor[T](), true, "")
	if of.Ref == "" && of.Type != "" && of.Type != huma.TypeObject {
		of.Nullable = true
		return of
	}
	return &huma.Schema{AnyOf: []*huma.Schema{of, {Type: "null", Enum: []any{nil}}}}
}

// Maybe is an input that may be left out (Set is false), null (Value is nil) or a value.
type Maybe[T any] struct {
	Set   bool
	Value *T
}

// IsZero makes "omitzero" mean what it says.
func (m Maybe[T]) IsZero() bool { return !m.Set }

// UnmarshalJSON reads the value or null; it is not called for what is left out.
func (m *Maybe[T]) UnmarshalJSON(b []byte) error {
	m.Set = true
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	m.Value = new(T)
	return json.Unmarshal(b, m.Value)
}

// Schema describes a Maybe.
func (Maybe[T]) Schema(r huma.Registry) *huma.Schema {
	of := r.Schema(reflect.TypeFor[T](), true, "")
	of.Nullable = true
	return of
}

// Object is JSON of a domain that this package only passes on; never null.
type Object json.RawMessage

// MarshalJSON writes the object.
func (o Object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 || bytes.Equal(o, []byte("null")) {
		return []byte("{}"), nil
	}
	return o, nil
}

// Schema describes an Object.
func (Object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// Page is one page of a list; there is another one when next is not null.
type Page[T any] struct {
	Items []T          `json:"items"`
	Next  Null[string] `json:"next" doc:"the cursor of the next page"`
}

// Reply is an answer with a JSON body.
type Reply[T any] struct{ Body T }

// Empty is an input without anything in it, and an answer without a body.
type Empty struct{}

// Answer makes what a handler returns of what a domain has returned.
func Answer[T any](v T, err error) (*Reply[T], error) {
	if err != nil {
		return nil, err
	}
	return &Reply[T]{Body: v}, nil
}

// PageOf turns a domain's page into the API's.
func PageOf[D, V any](items []D, next string, view func(D) V) Page[V] {
	return Page[V]{Items: Views(items, view), Next: Text(next)}
}

// Views is never nil: an empty list is [], not null.
func Views[D, V any](items []D, view func(D) V) []V {
	out := make([]V, 0, len(items))
	for _, item := range items {
		out = append(out, view(item))
	}
	return out
}

// Cursor is how a list is paged.
type Cursor struct {
	Cursor string `query:"cursor" maxLength:"500" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// Partial is an input of which every field may be left out, however deep; what is left out is zero.
type Partial[T any] struct{ Value T }

// UnmarshalJSON reads the value.
func (p *Partial[T]) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &p.Value) }

// MarshalJSON writes the value.
func (p Partial[T]) MarshalJSON() ([]byte, error) { return json.Marshal(p.Value) }

// Schema describes a Partial.
func (Partial[T]) Schema(r huma.Registry) *huma.Schema {
	return lenient(r, huma.SchemaFromType(r, reflect.TypeFor[T]()))
}

func lenient(r huma.Registry, s *huma.Schema) *huma.Schema {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	out := *s
	out.Required = nil
	out.Items = lenient(r, s.Items)
	if s.Properties != nil {
		out.Properties = map[string]*huma.Schema{}
		for name, p := range s.Properties {
			out.Properties[name] = lenient(r, p)
		}
	}
	out.PrecomputeMessages()
	return &out
}
