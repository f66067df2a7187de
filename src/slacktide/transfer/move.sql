-- name: by_name
-- One move.
select move_id, name, plan, plan_text, property, target_property, source, target, spool, task, state, configured_at, facts,
    coalesce(organization, property), back_of,
    array(select i.slot from slacktide.move_incarnation i where i.move_id = m.move_id),
    (select r.name from slacktide.move r where r.move_id = m.rehearses)
from slacktide.move m where name = %(name)s

-- name: all
-- Every move that is not a rehearsal of another one.
select move_id, name, plan, plan_text, property, target_property, source, target, spool, task, state, configured_at, facts,
    coalesce(organization, property), back_of,
    array(select i.slot from slacktide.move_incarnation i where i.move_id = m.move_id),
    (select r.name from slacktide.move r where r.move_id = m.rehearses)
from slacktide.move m where rehearses is null order by m.name

-- name: create
-- Write down a new move.
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool)
values (%(name)s, %(plan_file)s, %(plan_text)s, %(property)s, %(target_property)s, %(source)s, %(target)s, %(spool)s)

-- name: create_back
-- Write down the way back of a move: the other way round, by the same plan. One that was taken back begins anew.
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool, organization, back_of)
select %(name)s, plan, plan_text, target_property, property, target, source, %(spool)s,
    coalesce(organization, property), move_id
from slacktide.move where move_id = %(move_id)s

-- name: back_of
-- The way back of a move.
select move_id, name, plan, plan_text, property, target_property, source, target, spool, task, state, configured_at, facts,
    coalesce(organization, property), back_of,
    array(select i.slot from slacktide.move_incarnation i where i.move_id = m.move_id)
from slacktide.move m where back_of = %(move_id)s

-- name: by_id
-- The move of this number.
select move_id, name, plan, plan_text, property, target_property, source, target, spool, task, state, configured_at, facts,
    coalesce(organization, property), back_of,
    array(select i.slot from slacktide.move_incarnation i where i.move_id = m.move_id)
from slacktide.move m where move_id = %(move_id)s

-- name: set_task
-- Note the task that a move is on; whoever cleans it notes the rest.
update slacktide.move set task = greatest(task, %(task)s), state = %(state)s
where move_id = %(move_id)s and state not in ('cleaning', 'clean')

-- name: set_fact
-- Keep one fact of a move.
update slacktide.move set facts = jsonb_set(facts, array[%(name)s], %(value)s::jsonb) where move_id = %(move_id)s
