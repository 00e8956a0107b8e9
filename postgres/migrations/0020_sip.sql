-- +goose Up
-- Trunks and numbers are routed from memory: nodes are told of changes. One notification a statement; they are few.
-- +goose StatementBegin
create function notify_sip_directory() returns trigger language plpgsql as $$
begin
	perform pg_notify('sip_directory', '');
	return null;
end $$;
-- +goose StatementEnd
create trigger trunk_changed after insert or update or delete or truncate on trunk
	for each statement execute function notify_sip_directory();
create trigger number_changed after insert or update or delete or truncate on number
	for each statement execute function notify_sip_directory();

-- Traces are deleted by age.
create index sip_message_at on sip_message using brin (at);

-- +goose Down
select 'forward only';
