-- name: errors
-- The objects that failed, wait, were warned about, or differed and were not touched since, each with whoever accepted it.
with found as (
    select m.message_id, m.entity, m.key, m.state, m.reason, m.waits_for_entity, m.waits_for_key, m.at, m.batch
    from slacktide.message m where m.move_id = %(move_id)s
    union all
    select null, d.entity, d.key, 'different', 'the comparison of both sides found another content', null, null,
        v.verified_at, v.batch
    from slacktide.verified_difference d join slacktide.verification v using (move_id)
    where d.move_id = %(move_id)s and not exists (
        select from slacktide.message m where (m.move_id, m.entity, m.key) = (d.move_id, d.entity, d.key))
        and not exists (select from slacktide.journal_object o join slacktide.journal j using (move_id, sequence)
            where (o.move_id, o.entity, o.key) = (d.move_id, d.entity, d.key) and (j.batch is null or j.batch > v.batch))
)
select f.message_id, f.entity, f.key, f.state, f.reason, f.waits_for_entity, f.waits_for_key, f.at, f.batch,
    a.name, a.role, a.reason, a.at
from found f left join slacktide.accepted_error a on a.move_id = %(move_id)s and (a.entity, a.key) = (f.entity, f.key)
order by f.entity, f.key

-- name: under_way
-- Tell whether an object was touched behind a batch: what is known of it is not what comes.
select exists (select from slacktide.journal_object o join slacktide.journal j using (move_id, sequence)
    where o.move_id = %(move_id)s and (o.entity, o.key) = (%(entity)s, %(key)s)
        and (j.batch is null or j.batch > %(batch)s))

-- name: accept
-- Keep who accepted an object's error, and why.
insert into slacktide.accepted_error (move_id, entity, key, error, name, role, reason, who)
values (%(move_id)s, %(entity)s, %(key)s, %(error)s, %(name)s, %(role)s, %(reason)s, %(who)s)
on conflict (move_id, entity, key) do update set error = excluded.error, name = excluded.name, role = excluded.role,
    reason = excluded.reason, who = excluded.who, at = clock_timestamp()

-- name: accepted
-- The objects whose error is accepted, with by whom and why.
select entity, key, error, name, role, reason, at from slacktide.accepted_error where move_id = %(move_id)s
order by entity, key

-- name: different
-- How many objects differed in the last comparison, were not touched since, and are not accepted.
select count(*) from slacktide.verified_difference d join slacktide.verification v using (move_id)
where d.move_id = %(move_id)s and not exists (
    select from slacktide.accepted_error a where (a.move_id, a.entity, a.key) = (d.move_id, d.entity, d.key))
    and not exists (select from slacktide.journal_object o join slacktide.journal j using (move_id, sequence)
        where (o.move_id, o.entity, o.key) = (d.move_id, d.entity, d.key) and (j.batch is null or j.batch > v.batch))
