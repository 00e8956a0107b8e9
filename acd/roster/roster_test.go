package roster

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func open(t *testing.T) (*Roster, *pgxpool.Pool, func(login, role string) string) {
	t.Helper()
	pool := pgtest.New(t)
	r, err := Open(t.Context(), pool, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"sales", "tech"} {
		if _, err := pool.Exec(t.Context(), `insert into queue (name, title) values ($1, '{}')`, q); err != nil {
			t.Fatal(err)
		}
	}
	return r, pool, func(login, role string) string {
		t.Helper()
		id := hotline.NewID()
		if _, err := pool.Exec(t.Context(), `insert into account (id, login, name, password_hash, role) values ($1, $2, $2, '', $3)`, id, login, role); err != nil {
			t.Fatal(err)
		}
		return id
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestAgents(t *testing.T) {
	r, _, account := open(t)
	ctx := t.Context()
	mei, tom, boss := account("mei", "agent"), account("tom", "supervisor"), account("boss", "supervisor")
	must[Skill](t)(r.PutSkill(ctx, Skill{Name: "en"}))
	must[Skill](t)(r.PutSkill(ctx, Skill{Name: "vip"}))
	must[Team](t)(r.PutTeam(ctx, Team{Name: "east", Supervisors: []string{boss}}))
	a := must[Agent](t)(r.PutAgent(ctx, Agent{ID: mei, Team: "east", Queues: []string{"tech", "sales"}, Skills: map[string]int{"en": 5, "vip": 1}}))
	if a.Name != "mei" || a.Team != "east" || !slices.Equal(a.Queues, []string{"sales", "tech"}) || !maps.Equal(a.Skills, map[string]int{"en": 5, "vip": 1}) || a.Capacity != 1 || a.Version != 1 {
		t.Errorf("%+v", a)
	}
	a.Queues, a.Skills, a.Team = []string{"tech"}, map[string]int{"en": 3}, ""
	b := must[Agent](t)(r.PutAgent(ctx, a))
	if b.Team != "" || !slices.Equal(b.Queues, []string{"tech"}) || !maps.Equal(b.Skills, map[string]int{"en": 3}) || b.Version != 2 {
		t.Errorf("%+v", b)
	}
	if _, err := r.PutAgent(ctx, a); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("an old version was written: %v", err)
	}
	for field, bad := range map[string]Agent{
		"skills.en": {ID: mei, Skills: map[string]int{"en": 6}}, "skills": {ID: mei, Skills: map[string]int{"zz": 1}}, "queues": {ID: mei, Queues: []string{"none"}},
		"team": {ID: mei, Team: "none"}, "capacity": {ID: mei, Capacity: 11}, "id": {ID: hotline.NewID()},
	} {
		_, err := r.PutAgent(ctx, bad)
		var e *hotline.Error
		if !errors.As(err, &e) || e.Kind != hotline.Invalid || e.Field != field {
			t.Errorf("%s: %#v", field, err)
		}
	}
	if again, _ := r.Agent(mei); again.Version != 2 || !slices.Equal(again.Queues, []string{"tech"}) {
		t.Errorf("what was refused was written: %+v", again)
	}
	must[Agent](t)(r.PutAgent(ctx, Agent{ID: tom, Team: "east", Queues: []string{"sales"}}))
	if teams, queues := r.Supervised(boss); !slices.Equal(teams, []string{"east"}) || !slices.Equal(queues, []string{"sales"}) {
		t.Errorf("%v %v", teams, queues)
	}
	if err := r.SetMembers(ctx, "sales", []string{mei}); err != nil {
		t.Fatal(err)
	}
	if m := r.Members("sales"); len(m) != 1 || m[0].ID != mei || len(r.Members("tech")) != 1 || len(r.Agents()) != 2 {
		t.Errorf("%+v", m)
	}
	if err := r.DeleteAgent(ctx, mei); err != nil {
		t.Error(err)
	}
	if err := r.DeleteAgent(ctx, mei); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
	if _, ok := r.Agent(mei); ok || len(r.Members("sales")) != 0 {
		t.Error("an agent is there who is none any more")
	}
}

// Accounts of the role agent become agents when they arrive, others do not.
func TestEnlist(t *testing.T) {
	r, pool, account := open(t)
	mei, boss, gone := account("mei", "agent"), account("boss", "supervisor"), account("gone", "agent")
	if _, err := pool.Exec(t.Context(), `update account set disabled_at = now() where id = $1`, gone); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{mei, mei, boss, gone, hotline.NewID()} {
		if err := r.Enlist(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if list := r.Agents(); len(list) != 1 || list[0].ID != mei {
		t.Errorf("%+v", list)
	}
}

// Reasons and codes have an order, versions, and names that are checked.
func TestReasonsAndCodes(t *testing.T) {
	r, _, _ := open(t)
	ctx := t.Context()
	must[Reason](t)(r.PutReason(ctx, Reason{Name: "lunch", MaxS: 3600, Order: 2, Title: Title{"en": "Lunch", "zh-CN": "午餐"}}))
	must[Reason](t)(r.PutReason(ctx, Reason{Name: "training", Order: 1}))
	if list := r.Reasons(); len(list) != 2 || list[0].Name != "training" || list[1].Title["zh-CN"] != "午餐" || list[1].MaxS != 3600 {
		t.Errorf("%+v", list)
	}
	sales := "sales"
	c := must[Code](t)(r.PutCode(ctx, Code{Name: "sold", Queue: &sales}))
	must[Code](t)(r.PutCode(ctx, Code{Name: "spam"}))
	if got := []int{len(r.Codes()), len(r.CodesOf("sales")), len(r.CodesOf("tech"))}; !slices.Equal(got, []int{2, 2, 1}) {
		t.Errorf("%v", got)
	}
	c.Title = Title{"en": "Sold"}
	if c = must[Code](t)(r.PutCode(ctx, c)); c.Version != 2 {
		t.Errorf("%+v", c)
	}
	if err := r.DeleteCode(ctx, "sold", 1); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("an old version was deleted: %v", err)
	}
	for _, err := range []error{r.DeleteCode(ctx, "sold", 2), r.DeleteReason(ctx, "lunch", 0)} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := r.DeleteSkill(ctx, "none", 0); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
	for field, f := range map[string]func() error{
		"name":     func() error { _, err := r.PutReason(ctx, Reason{Name: "Lunch!"}); return err },
		"title.fr": func() error { _, err := r.PutSkill(ctx, Skill{Name: "x", Title: Title{"fr": "x"}}); return err },
		"title.en": func() error { _, err := r.PutTeam(ctx, Team{Name: "x", Title: Title{"en": "a\nb"}}); return err },
		"max_s":    func() error { _, err := r.PutReason(ctx, Reason{Name: "x", MaxS: -1}); return err },
		"queues": func() error {
			none := "none"
			_, err := r.PutCode(ctx, Code{Name: "x", Queue: &none})
			return err
		},
	} {
		var e *hotline.Error
		if err := f(); !errors.As(err, &e) || e.Kind != hotline.Invalid || e.Field != field {
			t.Errorf("%s: %#v", field, err)
		}
	}
}

func TestRunEnds(t *testing.T) {
	r, _, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Error(err)
	}
}
