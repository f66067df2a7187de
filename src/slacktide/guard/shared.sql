-- name: guarded
-- Tell whether this database has the guard, and whether we may look at it.
select coalesce(has_table_privilege(to_regclass('slacktide.guard_window'), 'select'), false)

-- name: disabled
-- A trigger of the guard that does not always fire, and its table.
select t.tgname::text, n.nspname || '.' || c.relname
from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
where t.tgname like 'slacktide\_guard\_%' and t.tgenabled <> 'A'
order by 2, 1 limit 1

-- name: closed
-- Whose windows last now, by this database's own clock.
select distinct organization from slacktide.guard_window
where starts_at <= clock_timestamp() and (ends_at is null or clock_timestamp() < ends_at)

-- name: lock_timeout
-- How long this transaction waits for a lock.
select set_config('lock_timeout', %(milliseconds)s, true)

-- name: alone
-- The lock of an organization or the site, alone. The numbers are those of guard.sql.
select pg_advisory_xact_lock(1936482662, hashtext(%(organization)s::text))

-- name: sharers
-- Who holds the shared locks of these organizations and the site (''); prepared transactions have no session.
with shared as (
    select o.code, l.pid, l.virtualtransaction
    from unnest(%(organizations)s::text[]) as o (code) join pg_locks l
      on l.objid::bigint = hashtext(o.code)::bigint & 4294967295
    where l.locktype = 'advisory' and l.objsubid = 2 and l.granted and l.mode = 'ShareLock'
      and l.classid::bigint = 1936482662 and l.pid is distinct from pg_backend_pid()
      and l.database = (select oid from pg_database where datname = current_database())
)
select h.code, a.pid || ':' || h.virtualtransaction, a.datname::text, a.usename::text, a.query,
       coalesce(extract(epoch from clock_timestamp() - a.xact_start)::float8, 0), false, coalesce(a.state, '')
from shared h join pg_stat_activity a on a.pid = h.pid
union all
select h.code, 'prepared:' || p.gid, p.database::text, p.owner::text, '',
       extract(epoch from clock_timestamp() - p.prepared)::float8, true, 'prepared'
from shared h
join pg_locks t on h.pid is null and t.pid is null and t.locktype = 'transactionid'
    and t.virtualtransaction = h.virtualtransaction and t.mode = 'ExclusiveLock'
join pg_prepared_xacts p on p.transaction = t.transactionid
order by 6 desc
