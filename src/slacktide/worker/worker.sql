-- name: live
-- Say that this worker lives, for as long as its connection does.
select pg_advisory_lock_shared(%(class)s, 0)

-- name: workers
-- How many workers live.
select count(*) from pg_locks where locktype = 'advisory' and classid = %(class)s and database = (
    select oid from pg_database where datname = current_database()) and granted

-- name: wanted
-- The processes that are wanted to run and that nobody owns.
select m.name, p.process from slacktide.move_process p join slacktide.move m using (move_id)
where p.wanted = 'running' and not exists (
    select from pg_locks l where l.locktype = 'advisory' and l.classid = %(move_class)s and l.granted
        and l.objid = p.move_id * 8 + array_position(%(processes)s::text[], p.process) - 1
        and l.database = (select oid from pg_database where datname = current_database()))
order by m.move_id, array_position(%(processes)s::text[], p.process)

-- name: demand
-- How many of the four processes of all moves are wanted.
select count(*) from slacktide.move_process where wanted = 'running' and process = any (%(processes)s)

-- name: claim
-- Say that this worker starts a process, so that no other one does; it ends with the connection.
select pg_try_advisory_lock(%(class)s, m.move_id * 8 + array_position(%(processes)s::text[], %(process)s::text) - 1)
from slacktide.move m where m.name = %(name)s

-- name: unclaim
-- Let others start a process again.
select pg_advisory_unlock(%(class)s, m.move_id * 8 + array_position(%(processes)s::text[], %(process)s::text) - 1)
from slacktide.move m where m.name = %(name)s

-- name: unwanted
-- The processes of all moves that are not wanted to run.
select m.name, p.process from slacktide.move_process p join slacktide.move m using (move_id)
where p.wanted = 'stopped' and p.process = any (%(processes)s)
