-- name: begin
-- Write down the hidden move of a rehearsal: everything is that of the move, but where it goes to.
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool, rehearses, facts)
select '~' || name, plan, plan_text, property, target_property, source, %(shadow)s, spool || '/rehearsal', move_id, %(facts)s::jsonb
from slacktide.move where move_id = %(move_id)s
returning move_id

-- name: convert
-- Give it the move's conversions.
insert into slacktide.conversion (move_id, list, source_code, target_code)
select %(shadow_id)s, list, source_code, target_code from slacktide.conversion where move_id = %(move_id)s

-- name: left
-- The rehearsals whose hidden move is still there, or that of one move.
select s.name, s.move_id, m.name from slacktide.move s join slacktide.move m on m.move_id = s.rehearses
where %(name)s::text is null or m.name = %(name)s order by 1

-- name: own
-- Take a rehearsal for as long as this connection lives: it is under way, or being cleared away.
select pg_try_advisory_lock(%(class)s, %(shadow_id)s * 8 + %(ordinal)s)

-- name: disown
-- Let it go again.
select pg_advisory_unlock(%(class)s, %(shadow_id)s * 8 + %(ordinal)s)

-- name: hold
-- Have the processes of a move stand still for so many seconds from now; they go on by themselves afterwards.
update slacktide.move_process set held_until = clock_timestamp() + make_interval(secs => %(seconds)s)
where move_id = %(move_id)s

-- name: stop
-- No process of a rehearsal is wanted any more.
update slacktide.move_process set wanted = 'stopped' where move_id = %(shadow_id)s

-- name: owned
-- How many processes of a rehearsal still have an owner.
select count(*) from pg_locks l
where l.locktype = 'advisory' and l.classid = %(class)s and l.objid between %(shadow_id)s * 8 and %(shadow_id)s * 8 + %(ordinal)s - 1
    and l.objsubid = 2 and l.granted and l.database = (select oid from pg_database where datname = current_database())

-- name: end_owners
-- End the connections of those who do not end by themselves.
select pg_terminate_backend(l.pid, 3000) from pg_locks l
where l.locktype = 'advisory' and l.classid = %(class)s and l.objid between %(shadow_id)s * 8 and %(shadow_id)s * 8 + %(ordinal)s - 1
    and l.objsubid = 2 and l.granted and l.pid <> pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())

-- name: forget
-- Forget the hidden move.
select slacktide.forget_rehearsal(%(shadow_id)s)

-- name: note_begun
-- Write down that a rehearsal has begun; give its number.
insert into slacktide.rehearsal (move_id, rehearsal, who, reason, shadow, plan_checksum)
select %(move_id)s, coalesce(max(rehearsal), 0) + 1, %(who)s, %(reason)s, %(shadow)s, %(plan_checksum)s
from slacktide.rehearsal where move_id = %(move_id)s
returning rehearsal

-- name: note_done
-- Note what a rehearsal has measured, and what the one before it would have said.
update slacktide.rehearsal set state = 'done', ended_at = clock_timestamp(), measured = %(measured)s::json,
    predicted = %(predicted)s::json
where move_id = %(move_id)s and rehearsal = %(rehearsal)s

-- name: note_failed
-- Note why the last rehearsal was not done to its end.
update slacktide.rehearsal set state = 'failed', ended_at = clock_timestamp(), error = %(error)s
where move_id = %(move_id)s and state = 'running'

-- name: rehearsals
-- The rehearsals of a move, the last one first.
select rehearsal, who, shadow, plan_checksum, begun_at, ended_at, state, error, measured, predicted
from slacktide.rehearsal where move_id = %(move_id)s order by rehearsal desc
