-- name: enter
-- Note that testers may enter in an attempt, beside those who may already.
insert into slacktide.verifying (move_id, attempt, testers, who, reason)
values (%(move_id)s, %(attempt)s, %(testers)s, %(who)s, %(reason)s)
on conflict (move_id, attempt) do update set who = excluded.who, reason = excluded.reason, ended_at = null,
    testers = (select array_agg(distinct t order by t) from unnest(verifying.testers || excluded.testers) t)

-- name: current
-- The testers of the last attempt.
select testers, who, reason, began_at, ended_at, wrote from slacktide.verifying v
where v.move_id = %(move_id)s and v.attempt = (select max(attempt) from slacktide.procedure where move_id = %(move_id)s)

-- name: wrote
-- Note what the testers wrote.
update slacktide.verifying set wrote = %(wrote)s::jsonb where move_id = %(move_id)s and attempt = %(attempt)s

-- name: ended
-- Note that what the testers wrote is gone.
update slacktide.verifying set ended_at = clock_timestamp()
where move_id = %(move_id)s and attempt = %(attempt)s and ended_at is null

-- name: touched
-- What testers wrote of an organization, by tester, table and operation.
select tester, relation, lower(operation), sum(row_count)::bigint from slacktide.guard_touched
where %(organization)s = any (organizations) and at >= %(since)s group by 1, 2, 3 order by 1, 2, 3

-- name: is_there
-- Tell whether a table is in this database.
select from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relname = %(table)s and c.relkind in ('r', 'p')

-- name: forget_hash
-- Have objects written again, whatever the key map says of their content.
update slacktide.key_map k set hash = null
from slacktide.mover_move m, unnest(%(names)s::text[], %(keys)s::text[]) o (name, key)
where m.name = %(move)s and k.move_no = m.move_no and (k.name, k.source_key) = (o.name, o.key)
