-- name: look
-- The source's identity, and what it says of a slot.
select s.system_identifier::text, (select timeline_id from pg_control_checkpoint()), l.confirmed_flush_lsn::text,
    l.wal_status = 'lost', pg_current_wal_insert_lsn()::text
from pg_control_system() s left join pg_replication_slots l on l.slot_name = %(slot)s and l.plugin = 'pgoutput'
    and l.database = current_database()

-- name: end_user
-- End whoever uses a slot.
select slot_name, case when active_pid is not null then pg_terminate_backend(active_pid) end
from pg_replication_slots where slot_name = %(slot)s

-- name: drop
-- Drop a slot.
select pg_drop_replication_slot(%(slot)s)

-- name: slots
-- The slots that a move has had, in the control database.
select slot from slacktide.move_incarnation where move_id = %(move_id)s order by incarnation

-- name: writers
-- The open transactions of the whole cluster that have written, prepared ones too, as the operator reads them.
select format('%%s of %%s in %%s since %%s: %%s', pid, coalesce(usename, backend_type), datname, xact_start, left(query, 80))
from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
union all
select format('prepared %%s of %%s in %%s since %%s', gid, owner, database, prepared) from pg_prepared_xacts

-- name: oldest_writer
-- The oldest open transaction of the whole cluster that has written, prepared ones too.
select * from (
    select datname, pid, null, coalesce(usename, backend_type), xact_start, extract(epoch from clock_timestamp() - xact_start)::float8, left(query, 200)
    from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
    union all
    select database, null, gid, owner, prepared, extract(epoch from clock_timestamp() - prepared)::float8, null
    from pg_prepared_xacts
) w (database, session, prepared, "user", since, age_seconds, query)
order by since limit 1

-- name: log_kept
-- How much log the source keeps for a slot, and the time.
select clock_timestamp(), coalesce((
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::bigint from pg_replication_slots where slot_name = %(slot)s
), 0)
