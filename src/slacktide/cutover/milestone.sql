-- name: attempts
-- The attempts whose end was not told, or is not the end any more: state, since when, whether with an error, which
-- downtime, whether the target was opened and the source is, which steps are done, and how many there are.
select m.name, p.attempt, p.state, p.state_since, p.error is not null, p.downtime_id, p.opened_at is not null,
    p.source_opened_at is not null,
    (select array_agg(s.step order by s.ordinal) filter (where s.state = 'done') from slacktide.procedure_step s
     where (s.move_id, s.attempt) = (p.move_id, p.attempt)),
    (select count(*) from slacktide.procedure_step s where (s.move_id, s.attempt) = (p.move_id, p.attempt))
from slacktide.procedure p join slacktide.move m using (move_id)
where not exists (select from slacktide.milestone t where t.move_id = p.move_id
    and (t.key = p.attempt || ' abandoned' or t.key = p.attempt || ' open' and p.state = 'open'))
order by p.move_id, p.attempt

-- name: moves
-- The moves that may still have a down time: their property, and when they were made.
select m.name, coalesce(m.organization, m.property), m.created_at from slacktide.move m
where m.state not in ('open', 'cleaning', 'clean') order by m.move_id

-- name: told
-- Note that a milestone is told, unless it was; whoever is second waits for the first one's commit.
insert into slacktide.milestone (move_id, key, milestone)
select move_id, %(key)s, %(milestone)s from slacktide.move where name = %(move)s
on conflict do nothing returning key
