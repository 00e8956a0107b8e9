package acd

import (
	"maps"
	"slices"
	"testing"
	"time"

	"hotline"
	"hotline/acd/roster"
)

// free makes agents of the queue q, the longest idle first.
func freeAgents(now time.Time, list ...Agent) []Agent {
	for i := range list {
		list[i].State, list[i].Queues, list[i].Since = Ready, []string{"q"}, now.Add(time.Duration(i-len(list))*time.Minute)
	}
	return list
}

func waits(l *Line, s Settings, w Waiter, since time.Time) *Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Queue = "q"
	return l.place(w, s, since)
}

func TestStrategies(t *testing.T) {
	now := time.Now()
	agents := freeAgents(now,
		Agent{ID: "a", Calls: 5, Skills: Skills{"en": 1, "vip": 5}},
		Agent{ID: "b", Calls: 2, Skills: Skills{"en": 4}},
		Agent{ID: "c", Calls: 3, Skills: Skills{"en": 3, "tech": 2}},
	)
	stranger := Agent{ID: "x", State: Ready, Queues: []string{"other"}, Since: now.Add(-time.Hour)}
	for _, c := range []struct {
		strategy Strategy
		skills   Skills
		want     []string // turn after turn
	}{
		{LongestIdle, nil, []string{"a", "a", "a"}},
		{RoundRobin, nil, []string{"a", "b", "c", "a", "b"}},
		{FewestCalls, nil, []string{"b", "b"}},
		{BestSkill, Skills{"en": 1}, []string{"b", "b"}},
		{BestSkill, Skills{"tech": 1, "en": 1}, []string{"c"}},
		{BestSkill, nil, []string{"a"}}, // who can do most
		{LongestIdle, Skills{"en": 3}, []string{"b"}},
		{RoundRobin, Skills{"en": 3}, []string{"b", "c", "b"}},
	} {
		l := NewLine(LineConfig{})
		s := DefaultSettings()
		s.Offering.Strategy, s.Offering.Skills = c.strategy, c.skills
		for i, want := range c.want {
			p := waits(l, s, Waiter{}, now)
			if got := l.choose(p, append([]Agent{stranger}, agents...), now); !slices.Equal(got, []string{want}) {
				t.Errorf("%s %v, turn %d: %v, want %s", c.strategy, c.skills, i, got, want)
			}
		}
	}
	l := NewLine(LineConfig{Agents: &Agents{}})
	s := DefaultSettings()
	s.Offering.Strategy = RingAll
	if got := l.choose(waits(l, s, Waiter{}, now), append(agents, stranger), now); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("ring all: %v", got)
	}
}

// What is asked for falls by a level with each step, and in the end anyone of the queue will do.
func TestSkillsRelax(t *testing.T) {
	now := time.Now()
	agents := freeAgents(now, Agent{ID: "none"}, Agent{ID: "some", Skills: Skills{"en": 2}}, Agent{ID: "good", Skills: Skills{"en": 4, "vip": 1}})
	s := DefaultSettings()
	s.Offering.RelaxS, s.Offering.Skills = 10, Skills{"vip": 1}
	l := NewLine(LineConfig{})
	p := waits(l, s, Waiter{Skills: Skills{"en": 5}}, now)
	for after, want := range map[int]string{0: "", 9: "", 10: "good", 29: "good", 30: "some", 49: "some", 50: "none", 500: "none"} {
		var got []string
		for _, g := range p.eligible(agents, now.Add(time.Duration(after)*time.Second)) {
			got = append(got, g.ID)
		}
		if first := append(got, "")[0]; first != want {
			t.Errorf("after %d s: %v, want %q first", after, got, want)
		}
	}
}

// The agent whom the caller knows is rung if free, waited for a while if busy, and not if away.
func TestTheStickyAgent(t *testing.T) {
	now := time.Now()
	all := freeAgents(now, Agent{ID: "a"}, Agent{ID: "b"})
	s := DefaultSettings()
	s.Offering.StickyS = 15
	f := newFloor(t, 0, nil)
	l := f.line
	id := f.account("sticky", "agent")
	if err := f.agents.roster.Enlist(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := f.pool.Exec(t.Context(), `insert into queue_member (queue, agent) values ('q', $1)`, id); err != nil {
		t.Fatal(err)
	}
	if err := f.agents.roster.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		who   Agent
		free  []Agent
		after int
		want  []string
	}{
		{"free", Agent{ID: "b", State: Ready, Session: "tab"}, all, 0, []string{"b"}},
		{"busy", Agent{ID: "b", State: Talking, Session: "tab", Queues: []string{"q"}}, all[:1], 14, nil},
		{"busy for too long", Agent{ID: "b", State: Talking, Session: "tab", Queues: []string{"q"}}, all[:1], 15, []string{"a"}},
		{"paused", Agent{ID: "b", State: NotReady, Session: "tab", Queues: []string{"q"}}, all[:1], 0, []string{"a"}},
		{"at home", Agent{ID: "b", State: Talking, Queues: []string{"q"}}, all[:1], 0, []string{"a"}},
	} {
		c.who.ID = id
		f.agents.copy[id] = &c.who
		free := slices.Clone(c.free)
		for i := range free {
			if free[i].ID == "b" {
				free[i].ID = id
			}
		}
		p := waits(l, s, Waiter{Sticky: id}, now)
		got := l.choose(p, free, now.Add(time.Duration(c.after)*time.Second))
		if len(got) == 1 && got[0] == id {
			got[0] = "b"
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// The language that a caller chose is a skill where there is such a skill.
func TestTheLanguageIsASkill(t *testing.T) {
	f := newFloor(t, 0, nil)
	if _, err := f.agents.Roster().PutSkill(t.Context(), roster.Skill{Name: "zh-cn"}); err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string]Skills{"zh-CN": {"zh-cn": 1}, "en": {}, "": {}} {
		if got := waits(f.line, DefaultSettings(), Waiter{Language: lang}, time.Now()).required(); !maps.Equal(got, want) {
			t.Errorf("%q asks for %v", lang, got)
		}
	}
}

// A VIP is known by the number and goes ahead; so does who comes back to the front; the agent who talked with a caller last is found.
func TestCallersAreLookedUp(t *testing.T) {
	f := newFloor(t, 1, func(s *Settings) { s.VIPPriorityS, s.Offering.StickyS = 600, 10 })
	ctx := t.Context()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := f.pool.Exec(ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	party, identity, call := hotline.NewID(), hotline.NewID(), hotline.NewID()
	exec(`insert into party (id, name, vip) values ($1, 'Li', true)`, party)
	exec(`insert into identity (id, kind, value) values ($1, 'phone', '+861')`, identity)
	exec(`insert into party_identity (party_id, identity_id, level) values ($1, $2, 'known')`, party, identity)
	exec(`insert into call (id, node, direction, phase, caller, dialled, started_at) values ($1, 'n', 'in', 'ended', '+861', '4000', now() - interval '1 day')`, call)
	exec(`insert into call_segment (id, call_id, kind, queue, agent, started_at, ended_at, duration_ms, reason) values ($1, $2, 'talk', 'q', $3, now(), now(), 1, 'hung_up')`, hotline.NewID(), call, f.ids[0])
	defer f.run()()
	other := f.join(Waiter{Caller: "+862"})
	vip := f.join(Waiter{Caller: "+861"})
	front := f.join(Waiter{Caller: "+863", Front: true})
	f.until("the VIP is ahead", func() bool { return vip.Position() == 2 && other.Position() == 3 && front.Position() == 1 })
	f.line.mu.Lock()
	sticky := vip.waiter.Sticky
	f.line.mu.Unlock()
	if sticky != f.ids[0] {
		t.Errorf("the agent who talked with the caller is %q", sticky)
	}
	// Who is first in the line is offered first.
	f.ready(f.ids[0])
	if o := f.offered(); o.CallID != front.waiter.CallID {
		t.Errorf("%+v", o)
	}
}
