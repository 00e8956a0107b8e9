-- +goose Up
-- What is needed to go on with a call whose leg outlives the process: call.Kept. Null for the others, and when the call has ended.
alter table call add column resume jsonb;
