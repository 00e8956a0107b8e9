-- +goose Up
-- Where calls may go out, and through which trunks. A destination that no enabled route has is never dialled.
create table outbound_route (
	id          uuid primary key,
	position    int not null check (position between 1 and 999),
	name        text not null unique check (name <> ''),
	enabled     boolean not null default true,
	settings    jsonb not null default '{}',
	version     bigint not null default 1,
	created_at  timestamptz not null default now(),
	updated_at  timestamptz not null default now()
);

-- The trunks of a route in their order. A trunk that a route uses cannot be deleted.
create table outbound_route_trunk (
	route_id  uuid not null references outbound_route on delete cascade,
	trunk_id  uuid not null references trunk,
	position  int not null,
	primary key (route_id, position)
);
create index outbound_route_trunk_trunk on outbound_route_trunk (trunk_id);

-- One row: what is allowed in all.
create table outbound_limits (
	only_one    boolean primary key default true check (only_one),
	settings    jsonb not null default '{}',
	version     bigint not null default 1,
	updated_at  timestamptz not null default now()
);
insert into outbound_limits (settings) values
	('{"calls_per_day": 2000, "minutes_per_day": 6000, "agent_calls_per_day": 300, "agent_minutes_per_day": 600, "max_minutes": 120, "roles": ["agent", "supervisor", "admin"]}');

-- What was used of the caps: a row a day and agent, and one ('') for all calls.
create table outbound_usage (
	day      date not null,
	agent    text not null,
	calls    bigint not null default 0,
	seconds  bigint not null default 0,
	primary key (day, agent)
);

-- +goose Down
select 'forward only';
