-- name: holders
-- Whom the closer of the organization waits for; prepared transactions have no session. An age that we may not see is 0.
select a.pid || ':' || h.virtualtransaction, a.datname::text, a.usename::text, a.query,
       coalesce(extract(epoch from clock_timestamp() - a.xact_start)::float8, 0), false, coalesce(a.state, '')
from slacktide.guard_held(%(organization)s) h join pg_stat_activity a on a.pid = h.pid
union all
select 'prepared:' || p.gid, p.database::text, p.owner::text, '',
       extract(epoch from clock_timestamp() - p.prepared)::float8, true, 'prepared'
from slacktide.guard_held(%(organization)s) h
join pg_locks t on h.pid is null and t.pid is null and t.locktype = 'transactionid'
    and t.virtualtransaction = h.virtualtransaction and t.mode = 'ExclusiveLock'
join pg_prepared_xacts p on p.transaction = t.transactionid
order by 5 desc

-- name: terminate
-- End the session if it is still in that very transaction.
select pg_terminate_backend(l.pid)
from (select distinct l.pid from pg_locks l
      where l.pid = %(pid)s::int and l.virtualtransaction = %(transaction)s
        and l.locktype = 'virtualxid' and l.granted) l

-- name: prepared
-- Tell whether the prepared transaction is there, in this database.
select from pg_prepared_xacts where gid = %(gid)s and database = current_database()
