-- +goose Up
-- Agents: who they are, what they do, what they were asked to take.

create table team (
	name       text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	title      jsonb not null default '{}',           -- {"en": …, "zh-CN": …}
	version    bigint not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create table team_supervisor (
	team       text not null references team on delete cascade,
	account_id uuid not null references account on delete cascade,
	primary key (team, account_id)
);
create index team_supervisor_account on team_supervisor (account_id);
create table skill (
	name       text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	title      jsonb not null default '{}',
	version    bigint not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create table pause_reason (
	name       text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	title      jsonb not null default '{}',
	max_s      int not null default 0 check (max_s between 0 and 86400), -- then the agent is sent home; 0: 12 hours
	position   int not null default 0,
	version    bigint not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create table wrap_code (
	name       text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	title      jsonb not null default '{}',
	queue      text references queue on delete cascade, -- null: of all queues
	position   int not null default 0,
	version    bigint not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);

-- One row an agent: the account, and what it does. Races for an agent are settled by updates of this row that name the state they
-- begin in.
create table agent (
	account_id   uuid primary key references account on delete cascade,
	team         text references team on delete set null,
	capacity     int not null default 1 check (capacity between 1 and 10),
	version      bigint not null default 1,           -- of the profile
	state        text not null default 'offline' check (state in ('offline', 'ready', 'not_ready', 'reserved', 'ringing', 'talking', 'wrap_up', 'not_responding')),
	reason       text not null default '',
	since        timestamptz not null default now(),
	deadline     timestamptz,                         -- when the state ends by itself
	lease_call   uuid,                                -- no foreign key: the call's row is written later
	lease_offer  uuid,
	lease_kind   text not null default '' check (lease_kind in ('', 'queue', 'direct', 'consult', 'callback', 'dialled')),
	lease_queue  text not null default '',
	after_state  text not null default '' check (after_state in ('', 'ready', 'not_ready', 'offline')),
	after_reason text not null default '',
	wrap_code    text not null default '',            -- given during the call
	wrap_note    text not null default '',
	session      text not null default '',            -- the tab that has the softphone
	media        boolean not null default false,      -- its audio is up
	node         text not null default '',            -- where the tab is connected
	misses       int not null default 0,
	calls        int not null default 0,              -- answered on the day calls_on
	calls_on     date,
	change       bigint not null default 1,           -- counts the writes
	changed_at   timestamptz not null default now(),
	created_at   timestamptz not null default now(),
	check (state in ('offline', 'ready') or deadline is not null),
	check ((state in ('reserved', 'ringing', 'talking', 'wrap_up')) = (lease_call is not null)),
	check (not media or session <> '')
);
create table agent_skill (
	agent uuid not null references agent on delete cascade,
	skill text not null references skill on delete cascade,
	level int not null check (level between 1 and 5),
	primary key (agent, skill)
);
create table queue_member (
	queue text not null references queue on delete cascade,
	agent uuid not null references agent on delete cascade,
	primary key (queue, agent)
);
create index queue_member_agent on queue_member (agent);

-- What agents did, appended to by each change of state: the state that began, and the one that ended with its length.
create table agent_state_log (
	id            bigint generated always as identity primary key,
	agent         uuid not null,
	at            timestamptz not null,
	state         text not null,
	reason        text not null,
	queue         text not null,
	call_id       uuid,
	before        text not null,
	before_reason text not null,
	before_queue  text not null,
	before_ms     bigint not null
);
create index agent_state_log_agent on agent_state_log (agent, at desc);
create index agent_state_log_at on agent_state_log using brin (at);
create trigger agent_state_log_append_only before update or delete on agent_state_log for each row execute function refuse_change();

-- +goose StatementBegin
create function agent_counts() returns trigger language plpgsql as $$
begin
	new.change := old.change + 1;
	new.changed_at := clock_timestamp();
	return new;
end $$;
-- +goose StatementEnd
create trigger agent_counts before update on agent for each row execute function agent_counts();
-- +goose StatementBegin
create function agent_logs() returns trigger language plpgsql as $$
begin
	insert into agent_state_log (agent, at, state, reason, queue, call_id, before, before_reason, before_queue, before_ms)
	values (new.account_id, new.since, new.state, new.reason, new.lease_queue, coalesce(new.lease_call, old.lease_call),
		old.state, old.reason, old.lease_queue, greatest(0, (extract(epoch from new.since - old.since) * 1000)::bigint));
	return null;
end $$;
-- +goose StatementEnd
create trigger agent_logs after update on agent for each row
	when (old.state <> new.state or old.reason <> new.reason or old.lease_call is distinct from new.lease_call)
	execute function agent_logs();

-- An agent is asked to take a call. A call has one live offer, unless all are rung; an agent has one; a round has one winner.
create table work_offer (
	id         uuid primary key,
	round      uuid not null,                         -- offers made together
	call_id    uuid not null,
	kind       text not null check (kind in ('queue', 'direct', 'consult', 'callback')),
	agent      uuid not null,
	queue      text not null default '',
	ring_all   boolean not null default false,
	node       text not null,
	state      text not null default 'live' check (state in ('live', 'answered', 'declined', 'no_answer', 'failed', 'withdrawn')),
	reason     text not null default '',
	at         timestamptz not null,
	ring_until timestamptz not null,
	ended_at   timestamptz,
	check ((state = 'live') = (ended_at is null))
);
create unique index work_offer_one_of_a_call on work_offer (call_id) where state = 'live' and not ring_all;
create unique index work_offer_one_of_an_agent on work_offer (agent) where state = 'live';
create unique index work_offer_one_winner on work_offer (round) where state = 'answered';
create index work_offer_call on work_offer (call_id, at);
create index work_offer_agent on work_offer (agent, at desc);
create index work_offer_at on work_offer using brin (at);

-- Call-backs that were asked for in a queue, with their place in it.
create table callback (
	id          uuid primary key,                     -- the call in which it was asked for
	phone       text not null,
	queue       text not null,
	state       text not null default 'open' check (state in ('open', 'dialling', 'done', 'failed', 'cancelled')),
	rank        timestamptz not null,                 -- in the line
	joined_at   timestamptz not null,
	asked_at    timestamptz not null,
	next_at     timestamptz not null,
	attempts    int not null default 0,
	last_result text not null default '',
	agent       text not null default '',             -- of the last attempt
	done_at     timestamptz,
	check ((state in ('done', 'failed', 'cancelled')) = (done_at is not null))
);
create index callback_open on callback (next_at) where state in ('open', 'dialling');
create index callback_by_state on callback (state, asked_at desc);
create table callback_attempt (
	callback uuid not null references callback on delete cascade,
	n        int not null,
	call_id  uuid not null,                           -- the call that was made
	agent    text not null,
	at       timestamptz not null,
	result   text not null default '',                -- "": it goes on
	ended_at timestamptz,
	primary key (callback, n)
);

-- +goose Down
select 'forward only';
