-- +goose NO TRANSACTION
-- +goose Up
-- The last contacts of a customer, while the phone rings.
create index concurrently if not exists interaction_of_party on interaction (party_id, at desc) where party_id is not null;
drop index concurrently if exists interaction_by_party;

-- +goose Down
select 'forward only';
