-- +goose NO TRANSACTION
-- +goose Up
-- Lists of who sees some queues read them queue by queue; calls and tickets are filed while these are made.
create index concurrently if not exists task_by_queue on task (queue, state, due_at, id);
create index concurrently if not exists call_by_queue on call (queue, started_at desc, id desc);

-- +goose Down
select 'forward only';
