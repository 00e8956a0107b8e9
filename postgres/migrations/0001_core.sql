-- +goose Up
-- Ids are UUIDv7 made in Go. Times are timestamptz. Durations are bigint milliseconds (…_ms).

create extension if not exists pg_trgm;

-- People who use the console, and what they log in with.
create table account (
	id            uuid primary key,
	login         text not null unique check (login = lower(login)),
	name          text not null,
	password_hash text not null,                      -- argon2id, PHC string
	role          text not null check (role in ('agent', 'supervisor', 'engineer', 'admin')),
	locale        text not null default 'en' check (locale in ('en', 'zh-CN')),
	timezone      text not null default 'UTC',
	disabled_at   timestamptz,
	created_at    timestamptz not null default now()
);
create table session (
	token_hash bytea primary key,                     -- sha256 of the cookie's token
	account_id uuid not null references account on delete cascade,
	csrf       text not null,
	created_at timestamptz not null,
	seen_at    timestamptz not null,
	expires_at timestamptz not null,
	remote     text not null default '',
	user_agent text not null default ''
);
create table api_token (
	id         uuid primary key,
	name       text not null unique,
	token_hash bytea not null unique,                 -- sha256
	role       text not null check (role in ('agent', 'supervisor', 'engineer', 'admin')),
	created_at timestamptz not null default now(),
	expires_at timestamptz,
	revoked_at timestamptz
);

-- Edge configuration.
create table trunk (
	id           uuid primary key,
	name         text not null unique,
	enabled      boolean not null default true,
	settings     jsonb not null,                      -- sip.TrunkSettings
	version      bigint not null default 1,
	created_at   timestamptz not null default now(),
	updated_at   timestamptz not null default now()
);
create table queue (
	name       text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	title      jsonb not null,                        -- {"en": …, "zh-CN": …}
	settings   jsonb not null default '{}',           -- acd.QueueSettings
	version    bigint not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create table flow (
	name              text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	draft             text,                           -- YAML; null when equal to the published one
	draft_by          text,
	draft_at          timestamptz,
	published_version bigint,
	created_at        timestamptz not null default now()
);
create table flow_version (
	flow         text not null references flow on delete cascade,
	version      bigint not null,
	source       text not null,                       -- YAML
	comment      text not null default '',
	published_by text not null,
	published_at timestamptz not null,
	primary key (flow, version)
);
create table number (
	number     text primary key,                      -- E.164 with "+", or an extension or short code
	title      text not null default '',
	flow       text not null references flow,
	queue      text references queue,
	trunk_id   uuid references trunk,                 -- null: reachable through any trunk
	language   text not null default 'zh-CN' check (language in ('en', 'zh-CN')),
	version    bigint not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create table prompt (
	name       text not null check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	language   text not null check (language in ('en', 'zh-CN')),
	kind       text not null check (kind in ('audio', 'speech')),
	text       text not null default '',              -- what is said; for audio: what was recorded, if known
	audio      bytea,                                 -- WAV as uploaded, for kind audio
	duration_ms bigint not null default 0,
	version    bigint not null default 1,
	updated_by text not null default '',
	updated_at timestamptz not null default now(),
	primary key (name, language)
);
create table hours (
	name       text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	title      jsonb not null default '{}',
	timezone   text not null,
	schedule   jsonb not null,                        -- ivr.Schedule: weekly, holidays, overrides
	version    bigint not null default 1,
	updated_at timestamptz not null default now()
);

-- Calls. All metrics derive from call_segment (append-only).
create table call (
	id           uuid primary key,
	node         text not null,                       -- the process that holds or held it
	direction    text not null check (direction in ('in', 'out')),
	phase        text not null check (phase in ('ringing', 'menu', 'queued', 'talking', 'voicemail', 'transfer', 'ended')),
	caller       text not null default '',            -- E.164 or ""
	caller_name  text not null default '',
	verified     boolean not null default false,
	dialled      text not null,
	trunk_id     uuid,
	trunk_name   text not null default '',
	flow         text not null default '',
	flow_version bigint,
	queue        text not null default '',            -- last queue entered
	language     text not null default '',
	party_id     uuid,
	ticket       bigint,                              -- the ticket made or joined when it rang
	path         jsonb not null default '[]',         -- [{"at","node","kind","digits"}], secret digits masked
	started_at   timestamptz not null,
	answered_at  timestamptz,
	ended_at     timestamptz,
	result       text not null default '' check (result in ('', 'completed', 'answered', 'abandoned', 'voicemail', 'callback', 'transferred', 'rejected', 'failed', 'cut_by_system')),
	cause        jsonb not null default '{}'          -- call.Cause
);
create index call_recent on call (started_at desc, id desc);
create index call_by_caller on call (caller, started_at desc, id desc) where caller <> '';
create index call_by_ticket on call (ticket, started_at desc) where ticket is not null;
create index call_open on call (node) where ended_at is null;
create table call_leg (
	id          uuid primary key,
	call_id     uuid not null references call on delete cascade,
	direction   text not null,
	edge        text not null,
	foreign_id  text not null default '',             -- SIP Call-ID
	remote      text not null default '',
	party       jsonb not null default '{}',          -- call.Party
	codec       text not null default '',
	started_at  timestamptz not null,
	answered_at timestamptz,
	ended_at    timestamptz,
	cause       jsonb not null default '{}',
	quality     jsonb not null default '{}'           -- media.Quality
);
create index call_leg_call on call_leg (call_id);
create table call_segment (
	id         uuid primary key,
	call_id    uuid not null references call on delete cascade,
	kind       text not null check (kind in ('ring', 'menu', 'queue', 'offer', 'talk', 'hold', 'voicemail', 'transfer', 'wrap')),
	queue      text not null default '',
	agent      text not null default '',
	started_at timestamptz not null,
	ended_at   timestamptz not null,
	duration_ms bigint not null,                      -- monotonic clock
	reason     text not null,                         -- why it was left: for queue one of answered, abandoned, timeout, callback, voicemail, overflow, transfer, cut
	detail     jsonb not null default '{}'
);
create index call_segment_call on call_segment (call_id, started_at);
create table sip_message (
	call_id    uuid not null,                         -- no foreign key: written by another writer, maybe earlier
	seq        bigint not null,                       -- order within the call
	at         timestamptz not null,
	sent       boolean not null,                      -- true: by us
	transport  text not null,
	local      text not null,
	remote     text not null,
	summary    text not null,                         -- start line
	body       text not null,                         -- whole message; credentials removed
	primary key (call_id, seq)
);

-- People who call, and how they are reached.
create table party (
	id          uuid primary key,
	kind        text not null default 'person' check (kind in ('person', 'organisation')),
	name        text not null default '',
	company     text not null default '',
	language    text not null default '',
	vip         boolean not null default false,
	notes       text not null default '',
	merged_into uuid references party,
	version     bigint not null default 1,
	created_at  timestamptz not null default now(),
	updated_at  timestamptz not null default now()
);
create table identity (
	id         uuid primary key,
	kind       text not null check (kind in ('phone', 'email', 'wechat', 'whatsapp', 'slack', 'telegram', 'web')),
	value      text not null,                         -- normalised
	created_at timestamptz not null default now(),
	unique (kind, value)
);
create table party_identity (
	party_id    uuid not null references party on delete cascade,
	identity_id uuid not null references identity on delete cascade,
	level       text not null check (level in ('verified', 'known', 'maybe')),
	created_at  timestamptz not null default now(),
	primary key (party_id, identity_id)
);
create index party_identity_identity on party_identity (identity_id);

-- Cases.
create table ticket (
	number        bigint generated by default as identity (start with 1001) primary key,
	subject       text not null,
	state         text not null default 'new' check (state in ('new', 'open', 'pending', 'resolved', 'closed')),
	priority      text not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
	category      text not null default '',
	queue         text not null default '',
	owner_id      uuid references account,
	party_id      uuid references party,
	identity_id   uuid references identity,           -- how they reached us first
	channel       text not null default 'call',       -- of the first interaction
	language      text not null default '',
	fields        jsonb not null default '{}',
	waiting_since timestamptz,                        -- the customer waits for us since
	next_due_at   timestamptz,
	resolved_at   timestamptz,
	created_at    timestamptz not null,
	updated_at    timestamptz not null,               -- last event
	last_seq      bigint not null default 0,          -- of ticket_event
	last_hash     bytea,                              -- of ticket_event
	version       bigint not null default 1
);
create index ticket_recent on ticket (updated_at desc, number desc);
create index ticket_by_state on ticket (state, updated_at desc, number desc);
create index ticket_by_queue on ticket (queue, updated_at desc, number desc);
create index ticket_by_queue_state on ticket (queue, state, updated_at desc, number desc);
create index ticket_by_owner on ticket (owner_id, updated_at desc, number desc) where owner_id is not null;
create index ticket_by_party on ticket (party_id, updated_at desc, number desc);
create table interaction (
	id         uuid primary key,
	kind       text not null check (kind in ('call', 'voicemail', 'mail', 'chat', 'im', 'form', 'note')),
	direction  text not null default 'in' check (direction in ('in', 'out', 'internal')),
	party_id   uuid references party,
	call_id    uuid,
	author     text not null default '',              -- account id, or "" for the customer or the system
	body       text not null default '',
	data       jsonb not null default '{}',
	at         timestamptz not null
);
create index interaction_call on interaction (call_id) where call_id is not null;
create table ticket_interaction (
	ticket         bigint not null references ticket on delete cascade,
	interaction_id uuid not null references interaction on delete cascade,
	primary key (ticket, interaction_id)
);
create index ticket_interaction_interaction on ticket_interaction (interaction_id);
-- Append-only, hash-chained per ticket: timeline, audit and catch-up in one.
create table ticket_event (
	ticket         bigint not null references ticket on delete cascade,
	seq            bigint not null,
	kind           text not null,                     -- created, call, voicemail, note, state, owner, queue, priority, subject, field, party, task, …
	actor          text not null default '',          -- account id, "token:NAME", or "system"
	actor_name     text not null default '',
	interaction_id uuid references interaction,
	data           jsonb not null default '{}',
	at             timestamptz not null,
	hash           bytea not null,                    -- sha256(previous hash, canonical fields)
	primary key (ticket, seq)
);
create table task (
	id         uuid primary key,
	kind       text not null check (kind in ('callback', 'follow_up')),
	ticket     bigint not null references ticket on delete cascade,
	call_id    uuid,
	phone      text not null default '',
	reason     text not null,                         -- abandoned, asked, voicemail, cut_by_system
	queue      text not null default '',
	due_at     timestamptz not null,
	state      text not null default 'open' check (state in ('open', 'done', 'cancelled')),
	done_by    text not null default '',
	done_at    timestamptz,
	created_at timestamptz not null
);
create index task_open on task (due_at, id) where state = 'open';
create index task_ticket on task (ticket);
create unique index task_once on task (call_id, kind) where call_id is not null;

-- Everything that was done by whom, outside tickets: configuration, listening, logins.
create table audit (
	seq        bigint generated always as identity primary key,
	at         timestamptz not null,
	actor      text not null,
	actor_name text not null default '',
	action     text not null,                         -- recording.play, recording.download, trunk.update, flow.publish, login.failed, …
	subject    text not null,                         -- what it was done to: "recording:ID"
	remote     text not null default '',
	data       jsonb not null default '{}',
	hash       bytea not null                         -- chained like ticket_event
);
create index audit_subject on audit (subject, seq desc);

-- Recordings: the audio is a file, encrypted; the row is the index.
create table recording (
	id          uuid primary key,
	call_id     uuid not null,
	leg_id      uuid,
	ticket      bigint,
	kind        text not null check (kind in ('call', 'voicemail')),
	state       text not null check (state in ('recording', 'complete', 'partial', 'expired', 'lost')),
	file        text not null,                        -- name below the recordings folder, made by us
	channels    int not null,
	duration_ms bigint not null default 0,
	bytes       bigint not null default 0,
	sha256      bytea,                                -- of the encrypted file
	waveform    bytea,                                -- peaks, 0-255, at most 400 a channel, channel after channel
	started_at  timestamptz not null,
	ended_at    timestamptz,
	expires_at  timestamptz
);
create index recording_call on recording (call_id);
create index recording_expiry on recording (expires_at) where state <> 'expired';

-- Tokens made in Go: words, and bigrams of CJK text.
create table search_doc (
	kind    text not null check (kind in ('ticket', 'note', 'party', 'call')),
	ref     text not null,                            -- id of what was found
	ticket  bigint,
	at      timestamptz not null,
	tokens  tsvector not null,
	primary key (kind, ref)
);
create index search_doc_tokens on search_doc using gin (tokens);
create index search_doc_ticket on search_doc (ticket) where ticket is not null;

-- Facts that could not be applied: nothing is ever dropped.
create table fact_quarantine (
	id      text primary key,
	call_id text not null,
	kind    text not null,
	at      timestamptz not null,
	data    jsonb not null,
	error   text not null,
	seen_at timestamptz not null
);
-- Facts that were applied lately: makes the journal's replay harmless.
create table fact_applied (
	id uuid primary key,
	at timestamptz not null
);
create index fact_applied_at on fact_applied (at);

-- +goose Down
select 'forward only';
