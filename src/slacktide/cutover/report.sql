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
-- What was accepted, with everything that was noted of it: the columns whose names begin so, however many there are.
select m.entity, m.key, m.state, m.reason, (
    select jsonb_object_agg(replace(c.key, 'accepted_', ''), c.value) from jsonb_each_text(to_jsonb(m)) c
    where starts_with(c.key, 'accepted_') and c.value is not null)
from slacktide.message m where m.move_id = %(move_id)s and m.accepted_by is not null order by m.entity, m.key

-- name: target_keys
-- The target's keys of an entity's objects.
select k.source_key, k.target_key from slacktide.key_map k join slacktide.mover_move m using (move_no)
where m.name = %(move)s and k.name = %(entity)s

-- name: keep
-- Keep the last report of a move, with its signature.
insert into slacktide.report (move_id, who, signed) values (%(move_id)s, %(who)s, %(signed)s::text)
on conflict (move_id) do update set who = excluded.who, signed = excluded.signed, made_at = clock_timestamp()

-- name: kept
-- The last report that was kept of a move.
select signed from slacktide.report where move_id = %(move_id)s
