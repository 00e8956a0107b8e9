package softphone

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"hotline/acd/board"
)

type document struct {
	Channels struct {
		Socket struct {
			Messages map[string]any `yaml:"messages"`
		} `yaml:"socket"`
	} `yaml:"channels"`
	Operations map[string]any `yaml:"operations"`
	Components struct {
		Messages map[string]struct {
			Name    string `yaml:"name"`
			Reply   ref    `yaml:"x-reply"`
			Payload struct {
				Properties struct {
					Data schema `yaml:"data"`
				} `yaml:"properties"`
			} `yaml:"payload"`
		} `yaml:"messages"`
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

type ref struct {
	Ref string `yaml:"$ref"`
}

type schema struct {
	Ref        string            `yaml:"$ref"`
	Type       any               `yaml:"type"`
	Properties map[string]schema `yaml:"properties"`
	Required   []string          `yaml:"required"`
	Items      *schema           `yaml:"items"`
	OneOf      []schema          `yaml:"oneOf"`
}

// TestDocument holds the protocol's document and the code together, both ways: names of commands and events, and every field of what
// is in them.
func TestDocument(t *testing.T) {
	var d document
	if err := yaml.Unmarshal(AsyncAPI(), &d); err != nil {
		t.Fatal(err)
	}
	data := map[string]reflect.Type{"command.hello": reflect.TypeFor[helloData]()}
	for name, v := range verbs {
		data["command."+name] = v.data
	}
	for event, sample := range eventData {
		data["event."+event] = reflect.TypeOf(sample)
	}
	for _, e := range events {
		if data["event."+e] == nil {
			t.Errorf("eventData does not say what is in the event %s", e)
		}
	}
	names := slices.Sorted(maps.Keys(data))
	for where, in := range map[string][]string{
		"components.messages": without(slices.Sorted(maps.Keys(d.Components.Messages)), "reply"),
		"channel's messages":  without(slices.Sorted(maps.Keys(d.Channels.Socket.Messages)), "reply"),
		"operations":          slices.Sorted(maps.Keys(d.Operations)),
	} {
		if !slices.Equal(in, names) {
			t.Errorf("%s are %v\nthe code has %v", where, in, names)
		}
	}
	c := checker{t: t, d: d, seen: map[string]bool{}}
	for name, goType := range data {
		m := d.Components.Messages[name]
		if want := name[strings.Index(name, ".")+1:]; m.Name != want {
			t.Errorf("%s is called %q", name, m.Name)
		}
		c.same(name, m.Payload.Properties.Data, goType)
		if m.Reply.Ref != "" {
			c.seen[m.Reply.Ref[strings.LastIndex(m.Reply.Ref, "/")+1:]] = true
		}
	}
	for name, goType := range map[string]reflect.Type{
		"HelloReply": reflect.TypeFor[helloReply](), "Problem": reflect.TypeFor[Problem](), "SDP": reflect.TypeFor[sdpData](), "DialReply": reflect.TypeFor[dialReply](),
	} {
		c.same(name, schema{Ref: "#/components/schemas/" + name}, goType)
	}
	for name := range d.Components.Schemas {
		if !c.seen[name] {
			t.Errorf("nothing uses the schema %s", name)
		}
	}
}

var eventData = map[string]any{
	eventAgent: AgentView{}, eventPhone: PhoneView{}, eventOffer: OfferView{}, eventOfferGone: Gone{}, eventCall: CallView{},
	eventGone: Gone{}, eventQuality: QualityView{}, eventWrap: WrapView{}, eventWrapGone: Gone{}, eventColleagues: []Person{},
	eventNotice: Notice{}, eventMention: Mention{}, eventSupervise: SuperviseView{}, eventBoard: BoardView{},
	eventBoardQueue: board.Queue{}, eventBoardAgent: board.Agent{}, eventBoardCall: BoardCall{}, eventBoardGone: boardGone{},
}

func without(list []string, name string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == name })
}

type checker struct {
	t    *testing.T
	d    document
	seen map[string]bool
}

// same compares a schema with a Go type, field by field and all the way down.
func (c *checker) same(where string, s schema, goType reflect.Type) {
	c.t.Helper()
	for goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	for _, one := range s.OneOf {
		if one.Ref != "" {
			s = one
		}
	}
	if s.Ref != "" {
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		known, ok := c.d.Components.Schemas[name]
		if !ok {
			c.t.Errorf("%s: there is no schema %s", where, name)
		}
		if c.seen[name+" "+goType.String()] {
			return
		}
		c.seen[name], c.seen[name+" "+goType.String()] = true, true
		s = known
	}
	switch {
	case goType == reflect.TypeFor[time.Time](), goType.Kind() == reflect.Map:
	case goType.Kind() == reflect.Slice:
		if s.Items == nil {
			c.t.Errorf("%s is a list in the code, not in the document", where)
			return
		}
		c.same(where+"[]", *s.Items, goType.Elem())
	case goType.Kind() == reflect.Struct:
		c.fields(where, s, goType)
	default:
		c.kind(where, s, goType)
	}
}

func (c *checker) fields(where string, s schema, goType reflect.Type) {
	c.t.Helper()
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(goType) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" {
			continue
		}
		fields[name] = f.Type
	}
	if in, want := slices.Sorted(maps.Keys(s.Properties)), slices.Sorted(maps.Keys(fields)); !slices.Equal(in, want) {
		c.t.Errorf("%s has %v in the document and %v in the code", where, in, want)
	}
	for _, r := range s.Required {
		if _, ok := s.Properties[r]; !ok {
			c.t.Errorf("%s requires %s, which it does not have", where, r)
		}
	}
	for name, f := range fields {
		c.same(where+"."+name, s.Properties[name], f)
	}
}

// kind compares a plain value by how it is encoded.
func (c *checker) kind(where string, s schema, goType reflect.Type) {
	c.t.Helper()
	encoded, err := json.Marshal(reflect.Zero(goType).Interface())
	if err != nil {
		c.t.Errorf("%s: %v", where, err)
		return
	}
	want := map[byte][]string{'"': {"string"}, 'f': {"boolean"}, '0': {"integer", "number"}}[encoded[0]]
	types, _ := s.Type.([]any)
	if one, ok := s.Type.(string); ok {
		types = []any{one}
	}
	for _, one := range types {
		if slices.Contains(want, one.(string)) {
			return
		}
	}
	c.t.Errorf("%s is %v in the document, and encoded as %s", where, s.Type, encoded)
}
