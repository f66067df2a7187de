-- name: guarded
-- Whether there is a guard here.
select to_regclass('slacktide.guard_closing') is not null

-- name: guard_needed
-- Whether anything but us needs the guard here: an organization that is not open, a move that reads or writes here, a
-- window that was made known.
select exists (select from slacktide.guard_closing where organization <> '*' and state <> 'open')
    or exists (select from slacktide.guard_window where ends_at is null or ends_at > clock_timestamp())
    or exists (select from pg_publication where starts_with(pubname, 'slacktide_'))
    or to_regclass('slacktide.mover_move') is not null

-- name: left
-- What of a move is still here.
select 'the publication ' || pubname from pg_publication where pubname = %(publication)s
union all
select 'the slot ' || slot_name from pg_replication_slots where database = current_database() and (slot_name ~ %(slots)s or slot_name = any (%(known)s::text[]))

-- name: has_key_map
-- Whether there is a key map here, of whatever move.
select to_regclass('slacktide.mover_move') is not null

-- name: left_of_keys
-- What the key map still knows of a move.
select 'the key map of ' || name from slacktide.mover_move where name = %(move)s

-- name: has_identities
-- Whether replica identities were set here.
select to_regclass('slacktide.identity_before') is not null

-- name: identities
-- The replica identities from before, where no other move reads here.
select relation::text, case when identity = 'i' and index is null then 'd' else identity end::text
from slacktide.identity_before
where not exists (select from pg_publication where starts_with(pubname, 'slacktide_') and pubname <> %(move)s)

-- name: identities_now
-- The replica identities of tables and leaves as they are.
select oid::regclass::text, relreplident::text from pg_class where oid::regclass::text = any (%(relations)s)

-- name: wanted
-- What is wanted to run of a move; its down time is judged by its attempt.
select process from slacktide.move_process
where move_id = %(move_id)s and wanted = 'running' and process <> %(down_time)s

-- name: cleaning
-- Note that a move is being cleaned.
update slacktide.move set state = %(state)s where move_id = %(move_id)s

-- name: taken_back
-- Note that a way back was given up.
update slacktide.move set state = %(state)s where move_id = %(move_id)s

-- name: forget_move
-- Forget a move of which nothing ever began, with its mappings, so that its name is free again.
with forgotten as (
    delete from slacktide.move m where move_id = %(move_id)s and configured_at is null
        and not exists (select from slacktide.procedure p where p.move_id = m.move_id)
        and not exists (select from slacktide.wave_move w where w.move_id = m.move_id)
        and not exists (select from slacktide.move r where r.back_of = m.move_id or r.rehearses = m.move_id)
    returning move_id)
delete from slacktide.conversion where move_id in (select move_id from forgotten)

-- name: forget_guard
-- Take away what the guard keeps in a database where no table is guarded any more, and the schema when it is then empty.
do $$
declare
    item text;
begin
    if exists (select from pg_trigger where tgname like 'slacktide\_guard\_%') then
        return;
    end if;
    for item in
        select format('drop %s %s cascade', case relkind when 'S' then 'sequence' else 'table' end, oid::regclass) from pg_class
        where relnamespace = to_regnamespace('slacktide') and relname like 'guard\_%' and relkind in ('r', 'S')
            and not (relkind = 'S' and exists (select from pg_depend where objid = pg_class.oid and deptype = 'i'))
    loop
        execute item;
    end loop;
    for item in
        select format('drop function %s cascade', oid::regprocedure) from pg_proc
        where pronamespace = to_regnamespace('slacktide') and proname like 'guard\_%'
    loop
        execute item;
    end loop;
    if exists (select from pg_namespace where nspname = 'slacktide')
        and not exists (select from pg_depend where refclassid = 'pg_namespace'::regclass and refobjid = to_regnamespace('slacktide'))
    then
        drop schema slacktide;
    end if;
end $$
