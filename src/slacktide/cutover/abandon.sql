-- name: decided
-- Note who abandoned an attempt and why; of several the first one.
update slacktide.procedure set abandoned_at = coalesce(abandoned_at, clock_timestamp()),
    abandoned_by = coalesce(abandoned_by, %(who)s), abandoned_reason = coalesce(abandoned_reason, %(reason)s)
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: source_opened
-- Note that the source is open, and what still keeps the organization down.
update slacktide.procedure set source_opened_at = coalesce(source_opened_at, clock_timestamp()),
    still_down = %(still_down)s::jsonb
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: noted
-- Note what clearing the target has come to, or what it waits for.
update slacktide.procedure set cleared = coalesce(cleared, '{}') - 'waits_for' || %(cleared)s::jsonb
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: cleared
-- Note that the target is cleared.
update slacktide.procedure set cleared_at = clock_timestamp(), cleared = coalesce(cleared, '{}') - 'waits_for'
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: unopened
-- The moves whose down time is given up and whose source is not open yet, or whose target is to be closed again for that.
select m.name from slacktide.move m join slacktide.procedure p using (move_id)
where p.state = 'withdrawing' or p.state = 'abandoning' and p.source_opened_at is null order by 1

-- name: end_owners
-- End the connections that own a process of a move: whoever still does a step can note nothing any more.
select pg_terminate_backend(l.pid, 3000) from pg_locks l
where l.locktype = 'advisory' and l.classid = %(class)s and l.objid between %(move_id)s * 8 and %(move_id)s * 8 + 7
    and l.objsubid = 2 and l.granted and l.pid <> pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())

-- name: anew
-- Have a move begin again at its third task.
update slacktide.move set task = 3, state = 'abandoned', configured_at = null, steady_since = null,
    facts = facts - 'prepared' - 'verified' - 'configuration' - 'allow_absent' - 'miscellaneous'
where move_id = %(move_id)s

-- name: forget_carried
-- Forget what was carried.
select slacktide.forget_carried(%(move_id)s)
