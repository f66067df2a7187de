-- name: processes
-- The panel of each process; one whose lock nobody holds does not run, whatever stands there.
select p.process, p.wanted, p.state, p.since, p.pid, p.host, p.waits_for, p.error, p.done, p.rate_per_second,
    case when p.wanted = 'running' and p.beat_at < clock_timestamp() - interval '2 s'
        then greatest(p.lag_seconds, extract(epoch from clock_timestamp() - p.beat_at)::float8) else p.lag_seconds end,
    p.rates, p.uncounted,
    exists (select from pg_locks l where l.locktype = 'advisory' and l.classid = %(class)s and l.granted
        and l.objid = p.move_id * 8 + array_position(%(processes)s::text[], p.process) - 1
        and l.database = (select oid from pg_database where datname = current_database()))
from slacktide.move_process p where p.move_id = %(move_id)s

-- name: queues
-- What waits before each process: entries of the journal and objects of the pass, then batches and their objects.
select
    (select count(*) from slacktide.journal where move_id = %(move_id)s and batch is null),
    (select extract(epoch from clock_timestamp() - min(committed_at))::float8 from slacktide.journal
     where move_id = %(move_id)s and batch is null),
    (select coalesce(sum(r.objects), 0) from slacktide.pass_range r join slacktide.move m using (move_id, incarnation)
     where r.move_id = %(move_id)s and r.batch is null),
    (select count(*) from slacktide.pass_range r join slacktide.move m using (move_id, incarnation)
     where r.move_id = %(move_id)s),
    (select coalesce(sum(objects), 0) from slacktide.batch where move_id = %(move_id)s and state = 'generated'),
    (select extract(epoch from clock_timestamp() - min(made_at))::float8 from slacktide.batch
     where move_id = %(move_id)s and state = 'generated'),
    (select coalesce(sum(objects), 0) from slacktide.batch where move_id = %(move_id)s and state = 'transferred'),
    (select extract(epoch from clock_timestamp() - min(made_at))::float8 from slacktide.batch
     where move_id = %(move_id)s and state = 'transferred')

-- name: pass
-- The objects of the pass, and when it will have ended if it goes on as it went so far.
select p.total, case when p.left_over > 0 and p.total > p.left_over then clock_timestamp()
    + (clock_timestamp() - b.begun) * (p.left_over::float8 / (p.total - p.left_over)) end
from (select coalesce(sum(r.objects), 0)::bigint as total,
        coalesce(sum(r.objects) filter (where r.batch is null), 0)::bigint as left_over
    from slacktide.pass_range r join slacktide.move m using (move_id, incarnation) where r.move_id = %(move_id)s) p,
    (select min(b.made_at) as begun
    from slacktide.batch b join slacktide.move m using (move_id, incarnation) where b.move_id = %(move_id)s) b

-- name: messages
-- Messages by state: those in batches by the state of the batch, and those that failed, wait or are warned about.
select case state when 'generated' then 'generated' when 'transferred' then 'transferred' else 'processed' end, sum(objects)
from slacktide.batch where move_id = %(move_id)s group by 1
union all
select state, count(*) from slacktide.message where move_id = %(move_id)s group by 1

-- name: failures
-- How many objects failed, by the process at which: Generate names no batch that was processed.
select count(*) filter (where state = 'failed'), count(*) filter (where state = 'waiting') from slacktide.message
where move_id = %(move_id)s and not exists (select from slacktide.accepted_error a
    where (a.move_id, a.entity, a.key) = (message.move_id, message.entity, message.key))

-- name: as_of
-- The instant that the target stands at: that of the last applied batch; and whether anything is left before it.
select (select as_of from slacktide.batch where move_id = %(move_id)s and state = 'processed' order by number desc limit 1),
    (select reached::text from slacktide.move_incarnation i join slacktide.move m using (move_id, incarnation)
     where m.move_id = %(move_id)s)

-- name: note_steady
-- Remember since when a move is steady, or that it is not.
update slacktide.move set steady_since = case when %(steady)s then coalesce(steady_since, clock_timestamp()) end
where move_id = %(move_id)s returning steady_since

-- name: problems
-- The objects that did not simply arrive.
select message_id, entity, key, state, m.reason, waits_for_entity, waits_for_key, m.at, batch, a.name
from slacktide.message m left join slacktide.accepted_error a using (move_id, entity, key)
where move_id = %(move_id)s and (%(state)s::text is null or state = %(state)s)
    and (%(entity)s::text is null or entity = %(entity)s)
order by message_id limit %(limit)s
