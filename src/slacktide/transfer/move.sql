-- name: by_name
-- One move.
select move_id, name, plan, plan_text, property, target_property, source, target, spool, task, state, configured_at, facts,
    (select r.name from slacktide.move r where r.move_id = m.rehearses)
from slacktide.move m where name = %(name)s

-- name: all
-- Every move that is not a rehearsal of another one.
select move_id, name, plan, plan_text, property, target_property, source, target, spool, task, state, configured_at, facts,
    (select r.name from slacktide.move r where r.move_id = m.rehearses)
from slacktide.move m where rehearses is null order by m.name

-- name: create
-- Write down a new move.
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool)
values (%(name)s, %(plan_file)s, %(plan_text)s, %(property)s, %(target_property)s, %(source)s, %(target)s, %(spool)s)

-- name: set_task
-- Note the task that a move is on.
update slacktide.move set task = greatest(task, %(task)s), state = %(state)s where move_id = %(move_id)s

-- name: set_fact
-- Keep one fact of a move.
update slacktide.move set facts = jsonb_set(facts, array[%(name)s], %(value)s::jsonb) where move_id = %(move_id)s
