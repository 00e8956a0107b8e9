package live

import (
	"slices"
	"testing"

	"hotline"
	"hotline/acd/board"
)

// TestRowsMoveInAndOutOfSight compares boards as somebody of one queue sees them.
func TestRowsMoveInAndOutOfSight(t *testing.T) {
	sales, all := hotline.Scope{Account: "chef", Queues: []string{"sales"}}, hotline.Scope{All: true}
	call := func(queue, phase string) Board {
		return Board{Queues: []board.Queue{{Name: "sales"}, {Name: "billing"}}, Calls: []Call{{ID: "c1", Queue: queue, Phase: phase}}}
	}
	var c Changes
	if !c.Never() {
		t.Error("the zero value was looked at")
	}
	for _, step := range []struct {
		name             string
		to               Board
		changed, goneFor []string
	}{
		{"begins", call("sales", "queued"), []string{"queue:sales", "call:c1"}, nil},
		{"stays", call("sales", "queued"), nil, nil},
		{"talks", call("sales", "talking"), []string{"call:c1"}, nil},
		{"is transferred", call("billing", "talking"), nil, []string{"call:c1"}},
		{"comes back", call("sales", "talking"), []string{"call:c1"}, nil},
		{"ends", Board{Queues: call("", "").Queues}, nil, []string{"call:c1"}},
	} {
		c = Compare(c, step.to.Rows())
		var changed, gone []string
		for _, r := range c.Changed {
			if r.SeenBy(sales) {
				changed = append(changed, r.key())
			}
		}
		for _, r := range c.Gone(sales) {
			gone = append(gone, r.key())
		}
		if !slices.Equal(changed, step.changed) || !slices.Equal(gone, step.goneFor) {
			t.Errorf("it %s: changed %v, gone %v; want %v, %v", step.name, changed, gone, step.changed, step.goneFor)
		}
		if n := len(c.Gone(all)); n != 0 && step.name != "ends" {
			t.Errorf("it %s: %d rows are gone for who sees all", step.name, n)
		}
	}
}

// TestNarrow leaves out what is not in scope, and no list is null.
func TestNarrow(t *testing.T) {
	b := Board{Queues: []board.Queue{{Name: "sales"}, {Name: "billing"}},
		Agents: []board.Agent{{ID: "anna", Queues: []string{"sales"}}, {ID: "ben", Queues: []string{"billing"}}, {ID: "tim"}},
		Calls:  []Call{{ID: "1", Queue: "sales"}, {ID: "2", Agent: &Person{ID: "tim"}}, {ID: "3"}}}
	n := b.Narrow(hotline.Scope{Account: "chef", Queues: []string{"sales"}, People: []string{"tim"}})
	if len(n.Queues) != 1 || len(n.Agents) != 2 || len(n.Calls) != 2 || n.Calls[1].ID != "2" {
		t.Errorf("narrowed to %+v", n)
	}
	if n := b.Narrow(hotline.Scope{}); n.Queues == nil || n.Agents == nil || n.Calls == nil || len(n.Queues)+len(n.Agents)+len(n.Calls) != 0 {
		t.Errorf("who sees nothing sees %+v", n)
	}
}
