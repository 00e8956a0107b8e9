// Package bundle moves the configuration of a hotline between its database and a folder of YAML files.
//
// The folder holds queues.yaml, hours.yaml, prompts.yaml (with the recorded ones below prompts/), flows/NAME.yaml, trunks.yaml and
// numbers.yaml. A folder may hold some of these only; what it does not mention stays, unless pruning is asked for. Passwords are
// never written to files. Errors name file and line. Start reading at [Plan]; kinds.go tells how each kind is read and written.
package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"hotline"
	"hotline/acd"
	"hotline/ivr"
	"hotline/trunks"
)

// House is what is configured.
type House struct {
	Store     *ivr.Store
	Queues    *acd.Queues
	Directory *trunks.Directory
	By        string // who does it
}

// Options of [Plan] and [Apply].
type Options struct {
	Prune bool // also remove what a file of the folder does not mention; kinds without a file are left alone
}

// Action is what a change does.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Change is one difference between the folder and the database.
type Change struct {
	Action Action `json:"action"`
	Kind   string `json:"kind"` // queue, hours, prompt, flow, trunk, number
	Name   string `json:"name"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Diff   string `json:"diff,omitempty"` // lines with "-" and "+"

	item item
	old  *item
	kind *kind
}

func (c Change) String() string { return fmt.Sprintf("%s %s %s", c.Action, c.Kind, c.Name) }

// item is one thing of a kind, from a file or from the database.
type item struct {
	name    string
	doc     any // what is written to files
	version int64
	file    string
	place   *place // where in the file
	ref     string // the database's own key, where it is not the name
	audio   []byte
}

// Plan compares the folder with the database. Everything that can be judged without writing is: a plan without an error will
// be applied whole, unless somebody else changes things meanwhile.
func Plan(ctx context.Context, h House, files fs.FS, o Options) ([]Change, error) {
	var out []Change
	var errs []error
	want := map[string][]item{}
	kinds := h.kinds()
	for _, k := range kinds {
		items, found, err := k.read(files)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		have, err := k.have(ctx)
		if err != nil {
			return nil, err
		}
		changes, left := k.compare(items, have, found && o.Prune)
		out = append(out, changes...)
		want[k.name] = append(left, items...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for _, k := range kinds {
		if k.check == nil {
			continue
		}
		for _, it := range want[k.name] {
			if it.place == nil {
				continue // it is there already
			}
			if err := k.check(ctx, it, want); err != nil {
				errs = append(errs, it.blame(err))
			}
		}
	}
	return ordered(out, kinds), errors.Join(errs...)
}

// ordered puts deletions last, and first those that others do not need.
func ordered(changes []Change, kinds []*kind) []Change {
	var out []Change
	for _, c := range changes {
		if c.Action != Delete {
			out = append(out, c)
		}
	}
	for i := len(kinds) - 1; i >= 0; i-- {
		for _, c := range changes {
			if c.Action == Delete && c.kind == kinds[i] {
				out = append(out, c)
			}
		}
	}
	return out
}

// Apply makes the database what the folder says, and returns what was done. When a step fails, the steps before it stay done; to
// apply again goes on from there.
func Apply(ctx context.Context, h House, files fs.FS, o Options) ([]Change, error) {
	plan, err := Plan(ctx, h, files, o)
	if err != nil {
		return nil, err
	}
	for i, c := range plan {
		if c.Action == Delete {
			err = c.kind.remove(ctx, *c.old)
		} else {
			err = c.kind.put(ctx, c.item, c.old)
		}
		if err != nil {
			return plan[:i], fmt.Errorf("%s: %w", c, c.item.blame(err))
		}
	}
	return plan, nil
}

func (k *kind) compare(items, have []item, prune bool) (changes []Change, left []item) {
	old := map[string]*item{}
	for i := range have {
		old[have[i].name] = &have[i]
	}
	mentioned := map[string]bool{}
	for _, it := range items {
		mentioned[it.name] = true
		c := Change{Action: Create, Kind: k.name, Name: it.name, File: it.file, Line: it.place.line(""), item: it, old: old[it.name], kind: k}
		before := ""
		if c.old != nil {
			c.Action = Update
			before = text(c.old.doc)
		}
		after := text(it.doc)
		if c.old != nil && before == after && string(c.old.audio) == string(it.audio) && !hasSecret(it.doc) {
			continue
		}
		c.Diff = diff(before, after)
		changes = append(changes, c)
	}
	for _, it := range have {
		if mentioned[it.name] {
			continue
		}
		if prune {
			changes = append(changes, Change{Action: Delete, Kind: k.name, Name: it.name, old: &it, kind: k, Diff: diff(text(it.doc), "")})
		} else {
			left = append(left, it)
		}
	}
	return changes, left
}

// blame adds file and line to what is wrong with an item.
func (it item) blame(err error) error {
	if it.place == nil {
		return err
	}
	var publish *ivr.PublishError
	if errors.As(err, &publish) {
		var out []error
		for _, p := range publish.Problems {
			out = append(out, &hotline.Error{Kind: hotline.Invalid, Code: p.Code, Field: p.Field, Line: p.Line,
				Message: fmt.Sprintf("%s:%d: %s: %s", it.file, p.Line, p.Field, p.Message)})
		}
		return errors.Join(out...)
	}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, it.blame(e))
		}
		return errors.Join(out...)
	}
	var e *hotline.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s:%d: %w", it.file, it.place.line(""), err)
	}
	blamed := *e
	blamed.Line = it.place.line(e.Field)
	where := ""
	if e.Field != "" {
		where = e.Field + ": "
	}
	blamed.Message = fmt.Sprintf("%s:%d: %s%s", it.file, blamed.Line, where, e.Message)
	return &blamed
}

// text is a document as it is compared and shown.
func text(doc any) string {
	if f, ok := doc.(flowDoc); ok {
		return f.Source
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return err.Error()
	}
	out, err := yamlOf(raw)
	if err != nil {
		return err.Error()
	}
	return string(out)
}
