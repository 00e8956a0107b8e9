package flow

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Manners in which a value can be spoken.
var manners = []string{"number", "digits", "phone", "ticket", "date", "time"}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

func (f *fields) needSaying(key string) Saying {
	if f.take(key) == nil {
		f.missing(key, "what is spoken: the name of a prompt, or text: …")
		return nil
	}
	return f.saying(key)
}

// saying reads what is spoken: a prompt's name, a piece, or a list of both.
func (f *fields) saying(key string) Saying {
	v := f.take(key)
	if v == nil {
		return nil
	}
	if v.Kind != yaml.SequenceNode {
		if piece, ok := f.piece(f.at(key), v); ok {
			return Saying{piece}
		}
		return nil
	}
	if len(v.Content) > 50 {
		f.p.add(v.Line, f.at(key), "flow.too_long", "%d pieces; at most 50 are allowed", len(v.Content))
		return nil
	}
	var out Saying
	for i, item := range v.Content {
		if piece, ok := f.piece(f.at(key)+index(i), item); ok {
			out = append(out, piece)
		}
	}
	if len(out) == 0 && len(v.Content) == 0 {
		f.p.add(v.Line, f.at(key), "flow.missing", "nothing to say: the list is empty")
	}
	return out
}

func (f *fields) piece(path string, v *yaml.Node) (Piece, bool) {
	if v.Kind == yaml.ScalarNode {
		return Piece{Prompt: v.Value, Line: v.Line}, true
	}
	d := newFields(f.p, path, v)
	if d == nil {
		return Piece{}, false
	}
	p := Piece{Line: v.Line, Prompt: d.text("prompt", 63), Language: d.oneOf("language", "", Languages...)}
	given := 0
	if d.take("prompt") != nil {
		given++
	}
	if d.take("text") != nil {
		given++
		p.Text = d.spokenText(p.Language)
	}
	for _, m := range manners {
		if s, ok := d.scalar(m); ok {
			given++
			p.As, p.Value = m, s
		}
	}
	d.done()
	if given != 1 {
		d.p.add(v.Line, path, "flow.contradiction", "a piece needs exactly one of prompt, text, %s", strings.Join(manners, ", "))
		return Piece{}, false
	}
	return p, true
}

// spokenText reads text by language; plain text needs a language beside it.
func (f *fields) spokenText(language string) map[string]string {
	v := f.vals["text"]
	if v.Kind == yaml.ScalarNode {
		if language == "" {
			f.p.add(v.Line, f.at("text"), "flow.no_language", "give the text by language (zh-CN: …, en: …), or say its language beside it")
			return nil
		}
		if strings.TrimSpace(v.Value) == "" {
			f.p.add(v.Line, f.at("text"), "flow.missing", "the text is empty")
		}
		return f.bounded(map[string]string{language: v.Value})
	}
	return f.bounded(f.titles("text"))
}

func (f *fields) bounded(texts map[string]string) map[string]string {
	for _, l := range slices.Sorted(maps.Keys(texts)) {
		if len(texts[l]) > 2000 {
			f.p.add(f.lineOf("text"), f.at("text"), "flow.too_long", "the text in %s has %d bytes; at most 2000 are allowed", l, len(texts[l]))
			delete(texts, l)
		}
	}
	return texts
}
