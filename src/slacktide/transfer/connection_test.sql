-- name: facts
-- What one query tells of a database and of our role in it.
select current_setting('server_version_num')::int, current_setting('server_version'),
    pg_encoding_to_char(d.encoding), r.rolname, r.rolsuper, r.rolreplication, r.rolcreaterole, r.rolbypassrls,
    has_database_privilege(current_database(), 'create'),
    current_setting('wal_level'),
    current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots),
    current_setting('max_wal_senders')::int - (select count(*) from pg_stat_replication),
    current_setting('max_slot_wal_keep_size'),
    (select count(*) from pg_largeobject_metadata),
    (select count(*) from pg_roles g where g.rolname in ('slacktide_mover', 'slacktide_tester')),
    (select count(*) from pg_roles g where g.rolname in ('slacktide_mover', 'slacktide_tester')
        and pg_has_role(g.oid, 'member'))
from pg_roles r, pg_database d where r.rolname = current_user and d.datname = current_database()

-- name: not_owned
-- The tables, partitions too, that our role does not own, by itself or by a role that it is a member of.
select format('%%I.%%I', n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = any (array(
    select coalesce(p.relid, to_regclass(t))
    from unnest(%(tables)s::text[]) t left join lateral pg_partition_tree(to_regclass(t)) p on true))
    and not pg_has_role(c.relowner, 'usage')
order by 1

-- name: secured
-- The tables whose row level security counts for our role.
select format('%%I.%%I', n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = any (array(select to_regclass(t) from unnest(%(tables)s::text[]) t)) and c.relrowsecurity
    and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'usage'))
order by 1

-- name: subscribed
-- The tables that a subscription writes into, partitions too.
select distinct s.srrelid::regclass::text from pg_subscription_rel s
where s.srrelid = any (array(
    select coalesce(p.relid, to_regclass(t))
    from unnest(%(tables)s::text[]) t left join lateral pg_partition_tree(to_regclass(t)) p on true))
order by 1

-- name: size
-- How large the plan's tables are, partitions too.
select coalesce(sum(pg_table_size(coalesce(p.relid, c))), 0)::bigint
from unnest(%(tables)s::text[]) t, to_regclass(t) c left join lateral pg_partition_tree(c) p on true where c is not null

-- name: kept
-- The slots of this move, the log that each keeps, and whether the source no longer keeps what it needs.
select slot_name, coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn), 0)::bigint, wal_status = 'lost'
from pg_replication_slots where slot_name ~ %(slots)s or slot_name = any (%(known)s::text[]) order by 1

-- name: now
-- The time.
select clock_timestamp()

-- name: lock
-- Take a lock that is this database's own, until the session ends or lets go.
select pg_advisory_lock(20811, %(key)s)

-- name: try_lock
-- Try to take it in the database of another session.
select pg_try_advisory_lock(20811, %(key)s)

-- name: unlock
-- Let go.
select pg_advisory_unlock(20811, %(key)s)
