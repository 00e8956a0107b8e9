package roster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"hotline"
)

const agentSQL = `
	select b.id::text, b.login, b.name, b.role, coalesce(a.team, '') as team, a.capacity, b.disabled_at is not null as disabled, a.version,
		array(select queue from queue_member where agent = a.account_id order by 1) as queues,
		coalesce((select jsonb_object_agg(skill, level) from agent_skill where agent = a.account_id), '{}') as skills
	from agent a join account b on b.id = a.account_id`

const maxCapacity = 10

// PutAgent makes an account an agent, or changes one whose version is a.Version (0: whatever it is). Login, Name, Role and Disabled
// are not written.
func (r *Roster) PutAgent(ctx context.Context, a Agent) (Agent, error) {
	if a.Capacity == 0 {
		a.Capacity = 1
	}
	var errs []error
	if a.Capacity < 1 || a.Capacity > maxCapacity {
		errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: "roster.range", Field: "capacity", Message: fmt.Sprintf("capacity is %d; give a number from 1 to %d", a.Capacity, maxCapacity)})
	}
	for _, s := range slices.Sorted(maps.Keys(a.Skills)) {
		if l := a.Skills[s]; l < 1 || l > 5 {
			errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: "roster.level", Field: "skills." + s, Message: fmt.Sprintf("the level is %d; give one from 1 to 5", l)})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return a, err
	}
	if err := r.write(ctx, func(tx pgx.Tx) error { return putAgent(ctx, tx, a) }); err != nil {
		return a, err
	}
	out, _ := r.Agent(a.ID)
	return out, nil
}

func putAgent(ctx context.Context, tx pgx.Tx, a Agent) error {
	if _, err := one(ctx, tx, "the agent", a.ID, `
		insert into agent as t (account_id, team, capacity) values ($1, nullif($2, ''), $3)
		on conflict (account_id) do update set team = nullif($2, ''), capacity = $3, version = t.version + 1 where $4::bigint in (0, t.version)
		returning version`, a.ID, a.Team, a.Capacity, a.Version); err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue(`delete from queue_member where agent = $1 and queue <> all($2::text[])`, a.ID, ids(a.Queues))
	b.Queue(`insert into queue_member (queue, agent) select unnest($2::text[]), $1::uuid on conflict do nothing`, a.ID, ids(a.Queues))
	skills := slices.Sorted(maps.Keys(a.Skills))
	levels := make([]int, len(skills))
	for i, s := range skills {
		levels[i] = a.Skills[s]
	}
	b.Queue(`delete from agent_skill where agent = $1 and skill <> all($2::text[])`, a.ID, ids(skills))
	b.Queue(`insert into agent_skill (agent, skill, level) select $1::uuid, u.* from unnest($2::text[], $3::int[]) u
		on conflict (agent, skill) do update set level = excluded.level`, a.ID, ids(skills), levels)
	return tx.SendBatch(ctx, b).Close()
}

// DeleteAgent lets an account be no agent any more. The error is of kind Conflict while the agent is in a call.
func (r *Roster) DeleteAgent(ctx context.Context, id string) error {
	return r.write(ctx, func(tx pgx.Tx) error {
		var found, gone int
		err := tx.QueryRow(ctx, `
			with gone as (delete from agent where account_id = $1 and lease_call is null returning 1)
			select (select count(*) from agent where account_id = $1), (select count(*) from gone)`, id).Scan(&found, &gone)
		switch {
		case err != nil:
			return err
		case found == 0:
			return hotline.Errorf(hotline.NotFound, "roster.unknown", "there is no agent %q", id)
		case gone == 0:
			return hotline.Errorf(hotline.Conflict, "roster.busy", "this agent is in a call; remove them when it is over")
		}
		return nil
	})
}

// SetMembers replaces the agents of a queue.
func (r *Roster) SetMembers(ctx context.Context, queue string, agents []string) error {
	return r.write(ctx, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(`delete from queue_member where queue = $1 and agent <> all($2::uuid[])`, queue, ids(agents))
		b.Queue(`insert into queue_member (queue, agent) select $1::text, unnest($2::uuid[]) on conflict do nothing`, queue, ids(agents))
		return tx.SendBatch(ctx, b).Close()
	})
}

// Enlist makes an account of the role agent an agent, if it is none yet.
func (r *Roster) Enlist(ctx context.Context, account string) error {
	tag, err := r.pool.Exec(ctx, `
		insert into agent (account_id) select id from account where id = $1 and role = 'agent' and disabled_at is null on conflict do nothing`, account)
	if err != nil || tag.RowsAffected() == 0 {
		return refused(err)
	}
	return r.Reload(ctx)
}
