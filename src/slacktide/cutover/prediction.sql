-- name: bind
-- Keep what was predicted of a down time when it was started.
insert into slacktide.prediction (move_id, attempt, rehearsal, predicted)
values (%(move_id)s, %(attempt)s, %(rehearsal)s, %(predicted)s::json)
on conflict (move_id, attempt) do nothing

-- name: bound
-- What was predicted of an attempt.
select predicted from slacktide.prediction where move_id = %(move_id)s and attempt = %(attempt)s

-- name: down_times
-- The down times that came to their end, each with what was predicted of it; the last one first.
select 'down time ' || p.attempt, p.started_at, d.predicted, p.opened_at - p.started_at, (
    select json_object_agg(s.step, s.work_seconds order by s.ordinal) from slacktide.procedure_step s
    where s.move_id = p.move_id and s.attempt = p.attempt),
    exists (select from slacktide.verifying v where v.move_id = p.move_id and v.attempt = p.attempt)
from slacktide.prediction d join slacktide.procedure p using (move_id, attempt)
where p.move_id = %(move_id)s and p.opened_at is not null order by p.attempt desc

-- name: trade
-- What is not carried yet: objects that are journalled; how many a second were touched in the last minute before
-- Synchronization was stopped (or now); and how many seconds ago that was.
with standing as (
    select case when p.state = 'stopped' then p.since else clock_timestamp() end as until, p.state = 'stopped' as stopped
    from slacktide.move_process p where p.move_id = %(move_id)s and p.process = 'synchronization'
), late as (
    select j.sequence, j.committed_at from slacktide.journal j
    where j.move_id = %(move_id)s order by j.sequence desc limit 20000
), traded as (
    select count(distinct (o.entity, o.key)) as objects, extract(epoch from max(s.until) - min(l.committed_at))::float8 as seconds
    from standing s join late l on l.committed_at > s.until - interval '60 s'
        join slacktide.journal_object o on o.move_id = %(move_id)s and o.sequence = l.sequence
)
select
    (select count(distinct (o.entity, o.key)) from slacktide.journal j join slacktide.journal_object o using (move_id, sequence)
     where j.move_id = %(move_id)s and j.batch is null),
    (select objects / greatest(coalesce(seconds, 0), 10.0) from traded),
    case when s.stopped then extract(epoch from clock_timestamp() - s.until)::float8 end
from standing s
