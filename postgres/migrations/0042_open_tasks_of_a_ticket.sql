-- +goose Up

-- The open tasks of a ticket are looked up whenever a call ends. Without the state in this index a planner that knows no statistics
-- yet walks all open tasks instead.
drop index task_ticket;
create index task_by_ticket on task (ticket, state, due_at);

-- +goose Down
select 'forward only';
