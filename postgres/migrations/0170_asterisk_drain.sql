-- +goose Up
-- The Asterisks that take no new calls, until somebody takes that back: who wanted it, and when.
create table asterisk_drain (
	node       text primary key,
	account    text not null,
	name       text not null,
	drained_at timestamptz not null default now()
);
