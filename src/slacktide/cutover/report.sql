-- name: attempts
-- Every attempt at a move's down time, oldest first: how it stands, who began it, who gave it up and why.
select attempt, state, who, reason, started_at, opened_at, abandoned_at, abandoned_by, abandoned_reason, source_opened_at
from slacktide.procedure where move_id = %(move_id)s order by attempt

-- name: trail
-- What the audit trail has of a move, of its property and of the downtimes of its attempts, oldest first.
select at, who, what, object, reason from slacktide.audit
where object = any (%(objects)s) and at >= (select created_at from slacktide.move where move_id = %(move_id)s)
order by at, id

-- name: downtimes
-- The downtimes that the attempts were made in.
select distinct downtime_id from slacktide.procedure where move_id = %(move_id)s

-- name: messages
-- The messages that stand: failed, waiting, warned about.
select entity, key, state, reason, at from slacktide.message where move_id = %(move_id)s order by entity, key, message_id

-- name: accepted
-- What was accepted: the error as it was then, how the message stands now, and by whom, as what, why and when.
select a.entity, a.key, coalesce(m.state, 'settled'), a.error,
    jsonb_build_object('name', a.name, 'role', a.role, 'why', a.reason, 'noted by', a.who, 'at', a.at::text)
from slacktide.accepted_error a left join slacktide.message m using (move_id, entity, key)
where a.move_id = %(move_id)s order by a.entity, a.key

-- name: target_keys
-- The target's keys of an entity's objects.
select k.source_key, k.target_key from slacktide.key_map k join slacktide.mover_move m using (move_no)
where m.name = %(move)s and k.name = %(entity)s

-- name: late_keys
-- What is kept by reference and came behind the barrier, by name and the source's key.
select k.name, k.source_key from slacktide.key_map k join slacktide.mover_move m using (move_no)
where m.name = %(move)s and k.outside and k.batch > %(final)s

-- name: keep
-- Keep the last report of a move, with its signature.
insert into slacktide.report (move_id, who, signed) values (%(move_id)s, %(who)s, %(signed)s::text)
on conflict (move_id) do update set who = excluded.who, signed = excluded.signed, made_at = clock_timestamp()

-- name: kept
-- The last report that was kept of a move.
select signed from slacktide.report where move_id = %(move_id)s
