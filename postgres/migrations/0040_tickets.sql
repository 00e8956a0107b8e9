-- +goose Up

-- A state list is read state by state and merged, so every order begins with the state.
drop index ticket_recent;
drop index ticket_by_queue;
drop index ticket_by_owner;
drop index ticket_by_party;
create index ticket_by_owner on ticket (owner_id, state, updated_at desc, number desc) where owner_id is not null;
create index ticket_by_party on ticket (party_id, state, updated_at desc, number desc) where party_id is not null;
create index ticket_by_identity on ticket (identity_id, state, updated_at desc, number desc) where identity_id is not null;
create index ticket_unowned on ticket (state, updated_at desc, number desc) where owner_id is null and state in ('new', 'open', 'pending');
create index ticket_unowned_queue on ticket (queue, state, updated_at desc, number desc) where owner_id is null and state in ('new', 'open', 'pending');
alter table ticket add check ((state in ('resolved', 'closed')) = (resolved_at is not null));
alter table ticket add check (octet_length(subject) between 1 and 1000);

drop index task_open;
create index task_by_state on task (state, due_at, id);
create index party_recent on party (updated_at desc, id desc) where merged_into is null;
create index party_aliases on party (merged_into) where merged_into is not null;
create index interaction_by_party on interaction (party_id) where party_id is not null;
create index call_by_party on call (party_id) where party_id is not null;
create index search_doc_recent on search_doc (at desc, ref desc);
-- A client's key makes sending a form twice harmless.
create unique index interaction_once on interaction ((data ->> 'key')) where data ? 'key';

-- The head of the audit chain: whoever appends holds its row, so the chain cannot fork.
create table audit_head (
	one  boolean primary key default true check (one),
	seq  bigint not null,
	hash bytea not null
);
insert into audit_head (seq, hash) select coalesce(max(seq), 0), coalesce((select hash from audit order by seq desc limit 1), '') from audit;

-- Histories are appended to. Only an erasure may blank what an entry says, and it leaves the entry's digest behind.
-- +goose StatementBegin
create function refuse_change() returns trigger language plpgsql as $$
begin
	if tg_table_name = 'ticket_event' and tg_op = 'UPDATE' and current_setting('hotline.erasing', true) = 'on' then
		return new;
	end if;
	raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
-- +goose StatementEnd
create trigger ticket_event_append_only before update or delete on ticket_event for each row execute function refuse_change();
create trigger audit_append_only before update or delete on audit for each row execute function refuse_change();
create trigger ticket_event_no_truncate before truncate on ticket_event for each statement execute function refuse_change();
create trigger audit_no_truncate before truncate on audit for each statement execute function refuse_change();

-- What a link of a chain is the hash of: the link before, and each field with its length, so that no two entries look the same.
-- +goose StatementBegin
create function link_hash(prev bytea, variadic fields text[]) returns bytea language sql immutable parallel safe as $$
	select sha256(coalesce(prev, '') || convert_to(string_agg(octet_length(coalesce(f, ''))::text || ':' || coalesce(f, '') || E'\n', '' order by n), 'UTF8'))
	from unnest(fields) with ordinality as u (f, n)
$$;
-- +goose StatementEnd

-- +goose Down
select 'forward only';
