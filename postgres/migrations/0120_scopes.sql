-- +goose Up
-- What people see of others' work: '' is what their role says. Who could see everything goes on to until an administrator narrows it.
alter table account add column scope text not null default '' check (scope in ('', 'own', 'team', 'queue', 'all'));
update account set scope = 'all' where role <> 'admin';
-- What a program sees: null is everything, a list is those queues.
alter table api_token add column queues text[];

-- +goose Down
select 'forward only';
