-- +goose Up
-- What was seeded once is not seeded again, whatever became of it.
create table seeded (
	name text primary key,
	at   timestamptz not null
);

-- +goose Down
select 'forward only';
