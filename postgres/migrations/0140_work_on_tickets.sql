-- +goose Up
-- Who of ours took part in a call: they may hear what was said, and see its ticket. at is when the call began, as lists are ordered.
create table call_agent (
	call_id uuid not null,
	agent   uuid not null,
	at      timestamptz not null,
	primary key (call_id, agent)
);
create index call_agent_recent on call_agent (agent, at desc, call_id desc);

-- How an agent closed a call. One an agent and call: what is said again replaces.
create table call_wrap (
	call_id    uuid not null,
	agent      text not null,
	agent_name text not null default '',
	ticket     bigint,
	queue      text not null default '',
	code       text not null default '',
	title      jsonb not null default '{}',           -- of the code, as it was then
	auto       boolean not null default false,        -- nobody said so: the time was up
	at         timestamptz not null,
	primary key (call_id, agent)
);
create index call_wrap_ticket on call_wrap (ticket) where ticket is not null;

-- Who was named in a note, and has to look. Whoever was named may read that ticket.
create table mention (
	id             uuid primary key,
	ticket         bigint not null references ticket on delete cascade,
	seq            bigint not null,                   -- of the note in the ticket's history
	interaction_id uuid not null references interaction on delete cascade,
	account_id     uuid not null references account on delete cascade,
	actor          text not null,
	actor_name     text not null default '',
	at             timestamptz not null,
	read_at        timestamptz
);
create unique index mention_once on mention (interaction_id, account_id);
create index mention_mine on mention (account_id, at desc, id desc);
create index mention_unread on mention (account_id, at desc, id desc) where read_at is null;
create index mention_of_ticket on mention (ticket, account_id);

-- Files at tickets. The bytes lie in parts, so that neither side holds a whole file at once; removed ones keep their row.
create table attachment (
	id         uuid primary key,
	ticket     bigint not null references ticket on delete cascade,
	name       text not null check (octet_length(name) between 1 and 1000), -- for people; nothing is stored by it
	media      text not null,
	bytes      bigint not null default 0,
	sha256     bytea not null,
	actor      text not null,
	actor_name text not null default '',
	key        text,                                  -- chosen by the client: a second sending adds nothing
	at         timestamptz not null,
	removed_at timestamptz
);
create index attachment_of_ticket on attachment (ticket, at);
create unique index attachment_once on attachment (key) where key is not null;
create table attachment_part (
	attachment_id uuid not null references attachment on delete cascade,
	n             int not null,
	data          bytea not null,
	primary key (attachment_id, n)
);
alter table attachment_part alter column data set storage external;

-- +goose Down
select 'forward only';
