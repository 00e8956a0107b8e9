-- +goose NO TRANSACTION
-- +goose Up
-- Figures of a day read the segments of that day; calls are filed while this index is made.
create index concurrently if not exists call_segment_ended on call_segment using brin (ended_at) with (pages_per_range = 32, autosummarize = on);

-- +goose Down
select 'forward only';
