-- name: has_column
-- Whether a table has a column.
select 1 from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = %s and c.relname = %s and a.attname = %s and not a.attisdropped

-- name: columns
-- The columns of a table that can be written, in order.
select a.attname from pg_attribute a
where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
order by a.attnum

-- name: lock
-- Hold a move, so that its configuration is copied by one command only, and say whether it was.
select configured_at from slacktide.move where move_id = %(move_id)s for update

-- name: configured
-- Note that the configuration has been copied, and what of it.
update slacktide.move set configured_at = clock_timestamp(),
    facts = jsonb_set(facts, '{configuration}', %(report)s::jsonb)
where move_id = %(move_id)s

-- name: set_plan
-- Change what a move moves, while nothing is prepared, and note the plan as it was given and what was left out of it.
update slacktide.move set plan_text = %(plan_text)s, facts = facts || %(facts)s::jsonb where move_id = %(move_id)s
