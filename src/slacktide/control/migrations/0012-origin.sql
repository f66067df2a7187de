-- Where this control database belongs, so that a backup that was put back is known for one.
-- depends: 0009-site

-- The server's own number, its timeline, the database and this very table: what a dump, a copy or a backup that was put
-- back has otherwise than was noted. A doubt that was written down stays until somebody confirms the schedule.
create table if not exists slacktide.origin (
    only_one boolean primary key default true check (only_one),
    id uuid not null default gen_random_uuid(),
    system_id bigint not null,
    timeline text,
    database oid not null,
    relation oid not null,
    noted_at timestamptz not null default clock_timestamp(),
    doubted_at timestamptz,
    doubt text check ((doubt is null) = (doubted_at is null))
);

-- What the note would be here and now; a standby that follows does not know its timeline.
create or replace view slacktide.origin_here as
select
    (pg_control_system()).system_identifier as system_id,
    case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline,
    (select d.oid from pg_database d where d.datname = current_database()) as database,
    (select c.oid from pg_class c where c.relname = 'origin' and c.relnamespace = 'slacktide'::regnamespace) as relation;

insert into slacktide.origin (system_id, timeline, database, relation)
select system_id, timeline, database, relation from slacktide.origin_here
on conflict do nothing;

create or replace trigger origin_no_truncate before truncate or delete on slacktide.origin
    for each statement execute function slacktide.refuse();

alter table slacktide.origin enable always trigger origin_no_truncate;
