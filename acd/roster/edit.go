package roster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"hotline"
)

const teamSQL = `select name, title, version, array(select account_id::text from team_supervisor where team = name order by 1) as supervisors from team`

// PutTeam makes a team or changes it; version 0 makes one, or overwrites.
func (r *Roster) PutTeam(ctx context.Context, t Team) (Team, error) {
	if err := check("team", t.Name, &t.Title); err != nil {
		return t, err
	}
	slices.Sort(t.Supervisors)
	t.Supervisors = slices.Compact(t.Supervisors)
	err := r.write(ctx, func(tx pgx.Tx) (err error) {
		t.Version, err = one(ctx, tx, "the team", t.Name, `
			insert into team as t (name, title) values ($1, $2)
			on conflict (name) do update set title = $2, version = t.version + 1, updated_at = now() where $3::bigint in (0, t.version)
			returning version`, t.Name, t.Title, t.Version)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from team_supervisor where team = $1 and account_id <> all($2::uuid[])`, t.Name, ids(t.Supervisors)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into team_supervisor (team, account_id) select $1::text, unnest($2::uuid[]) on conflict do nothing`, t.Name, ids(t.Supervisors))
		return err
	})
	return t, err
}

// PutSkill makes a skill or changes it.
func (r *Roster) PutSkill(ctx context.Context, s Skill) (Skill, error) {
	if err := check("skill", s.Name, &s.Title); err != nil {
		return s, err
	}
	err := r.write(ctx, func(tx pgx.Tx) (err error) {
		s.Version, err = one(ctx, tx, "the skill", s.Name, `
			insert into skill as t (name, title) values ($1, $2)
			on conflict (name) do update set title = $2, version = t.version + 1, updated_at = now() where $3::bigint in (0, t.version)
			returning version`, s.Name, s.Title, s.Version)
		return err
	})
	return s, err
}

const maxPause = 24 * 3600 // seconds

// PutReason makes a reason or changes it.
func (r *Roster) PutReason(ctx context.Context, p Reason) (Reason, error) {
	err := check("reason", p.Name, &p.Title)
	if p.MaxS < 0 || p.MaxS > maxPause {
		err = errors.Join(err, &hotline.Error{Kind: hotline.Invalid, Code: "roster.range", Field: "max_s", Message: fmt.Sprintf("max_s is %d; give a number from 0 to %d", p.MaxS, maxPause)})
	}
	if err != nil {
		return p, err
	}
	err = r.write(ctx, func(tx pgx.Tx) (err error) {
		p.Version, err = one(ctx, tx, "the reason", p.Name, `
			insert into pause_reason as t (name, title, max_s, position) values ($1, $2, $4, $5)
			on conflict (name) do update set title = $2, max_s = $4, position = $5, version = t.version + 1, updated_at = now() where $3::bigint in (0, t.version)
			returning version`, p.Name, p.Title, p.Version, p.MaxS, p.Order)
		return err
	})
	return p, err
}

// PutCode makes a code or changes it.
func (r *Roster) PutCode(ctx context.Context, c Code) (Code, error) {
	if err := check("code", c.Name, &c.Title); err != nil {
		return c, err
	}
	err := r.write(ctx, func(tx pgx.Tx) (err error) {
		c.Version, err = one(ctx, tx, "the code", c.Name, `
			insert into wrap_code as t (name, title, queue, position) values ($1, $2, $4, $5)
			on conflict (name) do update set title = $2, queue = $4, position = $5, version = t.version + 1, updated_at = now() where $3::bigint in (0, t.version)
			returning version`, c.Name, c.Title, c.Version, c.Queue, c.Order)
		return err
	})
	return c, err
}

// DeleteTeam removes a team; its agents are in none. Version 0 is whatever it is, here and below.
func (r *Roster) DeleteTeam(ctx context.Context, name string, version int64) error {
	return r.remove(ctx, "team", "team", name, version)
}

// DeleteSkill removes a skill, from agents too.
func (r *Roster) DeleteSkill(ctx context.Context, name string, version int64) error {
	return r.remove(ctx, "skill", "skill", name, version)
}

// DeleteReason removes a reason. Who pauses for it goes on.
func (r *Roster) DeleteReason(ctx context.Context, name string, version int64) error {
	return r.remove(ctx, "pause_reason", "reason", name, version)
}

// DeleteCode removes a code. Calls that were closed with it keep it.
func (r *Roster) DeleteCode(ctx context.Context, name string, version int64) error {
	return r.remove(ctx, "wrap_code", "code", name, version)
}

// remove deletes the row of a name from one of the tables above.
func (r *Roster) remove(ctx context.Context, table, what, name string, version int64) error {
	return r.write(ctx, func(tx pgx.Tx) error {
		var found, gone int
		err := tx.QueryRow(ctx, `
			with gone as (delete from `+table+` where name = $1 and $2::bigint in (0, version) returning 1)
			select (select count(*) from `+table+` where name = $1), (select count(*) from gone)`, name, version).Scan(&found, &gone)
		switch {
		case err != nil:
			return err
		case found == 0:
			return hotline.Errorf(hotline.NotFound, "roster.unknown", "there is no %s %q", what, name)
		case gone == 0:
			return hotline.Errorf(hotline.Conflict, "roster.version", "the %s %q was changed by somebody else; load it again", what, name)
		}
		return nil
	})
}

const maxTitle = 100 // characters

// check refuses what cannot name something.
func check(what, name string, title *Title) error {
	var errs []error
	if !validName(name) {
		errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: "roster.name", Field: "name", Message: fmt.Sprintf("%q cannot name a %s; use 1 to 63 of a-z, 0-9 and -, not beginning with -", name, what)})
	}
	if *title == nil {
		*title = Title{}
	}
	for _, lang := range slices.Sorted(maps.Keys(*title)) {
		if lang != "en" && lang != "zh-CN" {
			errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: "roster.language", Field: "title." + lang, Message: fmt.Sprintf("%q is no language of the hotline; give en or zh-CN", lang)})
		}
		if t := (*title)[lang]; utf8.RuneCountInString(t) > maxTitle || !utf8.ValidString(t) || strings.ContainsFunc(t, func(r rune) bool { return r < ' ' }) {
			errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: "roster.title", Field: "title." + lang, Message: fmt.Sprintf("a title has at most %d characters, and no control characters", maxTitle)})
		}
	}
	return errors.Join(errs...)
}

// validName is the rule of the schema.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') })
}

// ids makes a list of accounts fit for a statement: never null.
func ids(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// refused turns what the schema says into what a person is told.
func refused(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "23503": // foreign_key_violation
		field, what := "agents", "one of the agents does not exist"
		switch {
		case strings.Contains(pg.ConstraintName, "skill_skill"):
			field, what = "skills", "one of the skills does not exist; add it to the list of skills first"
		case strings.Contains(pg.ConstraintName, "queue"):
			field, what = "queues", "one of the queues does not exist"
		case strings.Contains(pg.ConstraintName, "agent_team"):
			field, what = "team", "there is no such team"
		case strings.Contains(pg.ConstraintName, "account"):
			field, what = "id", "there is no such account"
		}
		return &hotline.Error{Kind: hotline.Invalid, Code: "roster.reference", Field: field, Message: what, Err: err}
	case "22P02": // invalid_text_representation
		return &hotline.Error{Kind: hotline.NotFound, Code: "roster.unknown", Message: "there is no such account", Err: err}
	}
	return err
}
