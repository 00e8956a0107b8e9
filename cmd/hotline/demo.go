package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.yaml.in/yaml/v3"

	"hotline"
	"hotline/acd/roster"
	"hotline/ivr/demo"
	"hotline/sip"
	"hotline/trunks"
	"hotline/trunks/routes"
)

// demoStaff is what staff.yaml of the demonstration holds.
type demoStaff struct {
	Skills  []roster.Skill  `json:"skills"`
	Teams   []roster.Team   `json:"teams"` // supervisors by login
	Reasons []roster.Reason `json:"reasons"`
	Codes   []roster.Code   `json:"codes"`
	Agents  []roster.Agent  `json:"agents"` // by login
	Phone   struct {
		Host     string   `json:"host"`
		Port     int      `json:"port"`
		Prefixes []string `json:"prefixes"`
		CallerID string   `json:"caller_id"`
	} `json:"phone"`
}

func readDemoStaff() (d demoStaff, err error) {
	raw, err := fs.ReadFile(demo.Files(), "staff.yaml")
	if err != nil {
		return d, err
	}
	var loose any
	if err := yaml.Unmarshal(raw, &loose); err != nil {
		return d, err
	}
	strict, err := json.Marshal(loose)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(strict, &d)
}

// seedStaff makes the accounts agent and supervisor take the demonstration's calls, once in the life of a database: what was changed
// or deleted since stays so.
func (h *house) seedStaff(ctx context.Context) error {
	var seeded bool
	if err := h.pool.QueryRow(ctx, "select exists (select from seeded where name = 'demo-staff')").Scan(&seeded); err != nil || seeded {
		return err
	}
	d, err := readDemoStaff()
	if err != nil {
		return err
	}
	ids, err := h.accountIDs(ctx)
	if err != nil {
		return err
	}
	if err := h.seedRoster(ctx, d, ids); err != nil {
		return err
	}
	if err := h.seedPhone(ctx, d); err != nil {
		return err
	}
	_, err = h.pool.Exec(ctx, "insert into seeded (name, at) values ('demo-staff', now()) on conflict do nothing")
	return err
}

// accountIDs are the ids of accounts by login.
func (h *house) accountIDs(ctx context.Context) (map[string]string, error) {
	rows, err := h.pool.Query(ctx, "select login, id::text from account where disabled_at is null")
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	var login, id string
	_, err = pgx.ForEachRow(rows, []any{&login, &id}, func() error { ids[login] = id; return nil })
	return ids, err
}

func (h *house) seedRoster(ctx context.Context, d demoStaff, ids map[string]string) error {
	r := h.staff.agents.Roster()
	for _, s := range d.Skills {
		if _, err := r.PutSkill(ctx, s); err != nil {
			return fmt.Errorf("skill %s: %w", s.Name, err)
		}
	}
	for _, t := range d.Teams {
		var supervisors []string
		for _, login := range t.Supervisors {
			if id := ids[login]; id != "" {
				supervisors = append(supervisors, id)
			}
		}
		t.Supervisors = supervisors
		if _, err := r.PutTeam(ctx, t); err != nil {
			return fmt.Errorf("team %s: %w", t.Name, err)
		}
	}
	for _, p := range d.Reasons {
		if _, err := r.PutReason(ctx, p); err != nil {
			return fmt.Errorf("pause reason %s: %w", p.Name, err)
		}
	}
	for _, c := range d.Codes {
		if _, err := r.PutCode(ctx, c); err != nil {
			return fmt.Errorf("wrap-up code %s: %w", c.Name, err)
		}
	}
	for _, a := range d.Agents {
		if a.ID, a.Capacity = ids[a.Login], 1; a.ID == "" {
			continue // whoever made the accounts named them otherwise
		}
		if _, err := r.PutAgent(ctx, a); err != nil {
			return fmt.Errorf("agent %s: %w", a.Login, err)
		}
	}
	return nil
}

// seedPhone lets calls out ring at a telephone of this machine, so that nothing costs money before somebody sets up a real trunk.
func (h *house) seedPhone(ctx context.Context, d demoStaff) error {
	t, err := h.directory.CreateTrunk(ctx, sip.Trunk{Name: "demo phone", Enabled: true, Settings: sip.TrunkSettings{Host: d.Phone.Host, Port: d.Phone.Port, Country: "CN"}})
	if hotline.KindOf(err) == hotline.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = h.routes.CreateRoute(ctx, routes.Route{
		Name: "Demo phone", Enabled: true, Trunks: []string{t.ID}, Settings: routes.Settings{Prefixes: d.Phone.Prefixes, CallerID: d.Phone.CallerID},
	})
	return err
}

// seedAsterisk makes the trunk by which calls from this machine come in through the demonstration's Asterisk, once in the life of a
// database.
func seedAsterisk(ctx context.Context, pool *pgxpool.Pool) error {
	var seeded bool
	if err := pool.QueryRow(ctx, "select exists (select from seeded where name = 'demo-asterisk')").Scan(&seeded); err != nil || seeded {
		return err
	}
	d, err := trunks.Open(ctx, pool, nil)
	if err != nil {
		return err
	}
	_, err = d.CreateTrunk(ctx, trunks.Trunk{Name: "demo-asterisk", Enabled: true, Settings: trunks.TrunkSettings{
		Edge: trunks.EdgeAsterisk, MatchAddresses: []string{"127.0.0.1"}, Country: "CN", NationalPrefix: "0", InternationalPrefix: "00"}})
	if err != nil && hotline.KindOf(err) != hotline.Conflict {
		return err
	}
	_, err = pool.Exec(ctx, "insert into seeded (name, at) values ('demo-asterisk', now()) on conflict do nothing")
	return err
}
