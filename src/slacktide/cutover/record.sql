-- name: current
-- The last attempt of a move.
select attempt, downtime_id, business_date, open_by, waived, gos, who, reason, started_at, state, first_batch, final_batch,
    verification, error, opened_at, abandoned_at, abandoned_by, abandoned_reason, source_opened_at, still_down, cleared_at, cleared
from slacktide.procedure where move_id = %(move_id)s order by attempt desc limit 1

-- name: lock_move
-- The state of a move; let nobody else begin an attempt of it until we commit.
select state from slacktide.move where move_id = %(move_id)s for no key update

-- name: lock_organization
-- Let no attempt of any move of an organization begin until we commit.
select pg_advisory_xact_lock(hashtextextended('slacktide down time of ' || %(organization)s, 0))

-- name: under_way
-- Another move of the organization that is neither at rest before its down time nor over.
select m.name, p.state from slacktide.move m
join lateral (select state from slacktide.procedure where move_id = m.move_id order by attempt desc limit 1) p on true
where coalesce(m.organization, m.property) = %(organization)s and m.move_id <> %(move_id)s and m.rehearses is null
    and p.state not in ('open', 'abandoned') limit 1

-- name: stopped
-- Tell whether none of the four processes is wanted or said to run.
select not exists (select from slacktide.move_process where move_id = %(move_id)s
    and process in ('synchronization', 'generate', 'transfer', 'process') and wanted = 'running')

-- name: begin
-- Write down a new attempt.
insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, open_by, waived, gos, who, reason, first_batch)
select %(move_id)s, coalesce((select max(attempt) from slacktide.procedure where move_id = %(move_id)s), 0) + 1,
    %(downtime_id)s, %(business_date)s, %(open_by)s, %(waived)s::jsonb, %(gos)s::jsonb, %(who)s, %(reason)s,
    coalesce((select max(number) from slacktide.batch where move_id = %(move_id)s), 0)
returning attempt

-- name: add_step
-- Write down a step that is to be done.
insert into slacktide.procedure_step (move_id, attempt, ordinal, step, title)
values (%(move_id)s, %(attempt)s, %(ordinal)s, %(step)s, %(title)s)

-- name: waits_for
-- What the procedure's process said last that it waits for, while it is wanted.
select waits_for from slacktide.move_process
where move_id = %(move_id)s and process = 'down time' and wanted = 'running' and state = 'waiting'

-- name: steps
-- The steps of an attempt, in order.
select step, title, state, done, total, work_seconds, detail, changed_at from slacktide.procedure_step
where move_id = %(move_id)s and attempt = %(attempt)s order by ordinal

-- name: set_step
-- Note how far a step is.
update slacktide.procedure_step
set state = %(state)s, done = %(done)s, total = %(total)s, detail = coalesce(%(detail)s::jsonb, detail),
    work_seconds = work_seconds + %(seconds)s, changed_at = clock_timestamp()
where move_id = %(move_id)s and attempt = %(attempt)s and step = %(step)s

-- name: void_steps
-- Have everything from the barrier on be done again.
update slacktide.procedure_step set state = 'waiting', done = 0, total = 0
where move_id = %(move_id)s and attempt = %(attempt)s and ordinal >= (
    select ordinal from slacktide.procedure_step
    where move_id = %(move_id)s and attempt = %(attempt)s and step = 'final_synchronization')

-- name: state_for_update
-- The state of the last attempt, kept from changing until we commit.
select p.attempt, p.state from slacktide.procedure p where p.move_id = %(move_id)s
    and p.attempt = (select max(attempt) from slacktide.procedure where move_id = %(move_id)s)
for update

-- name: set_state
-- Note the state of an attempt.
update slacktide.procedure set state = %(state)s, error = %(error)s,
    state_since = case when state = %(state)s and error is not distinct from %(error)s then state_since
        else clock_timestamp() end,
    opened_at = case when %(state)s = 'open' then coalesce(opened_at, clock_timestamp()) else opened_at end
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: rest
-- The procedure is not wanted any more, unless there is something to do: it may be told to go on at this very moment.
update slacktide.move_process set wanted = 'stopped'
where move_id = %(move_id)s and process = 'down time' and not exists (
    select from slacktide.procedure p
    where p.move_id = %(move_id)s and p.attempt = %(attempt)s and (p.state in ('running', 'pausing')
        or p.state in ('opening', 'abandoning') and p.error is null))

-- name: set_final
-- Note the barrier's batch and what was verified at it.
update slacktide.procedure set final_batch = %(batch)s, verification = %(verification)s::jsonb
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: add_go
-- Keep a go by name.
update slacktide.procedure
set gos = gos || jsonb_build_object(%(role)s::text, jsonb_build_object(
    'name', %(name)s::text, 'at', clock_timestamp(), 'who', %(who)s::text, 'checksum', %(checksum)s::text))
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: void_go
-- Mark a go that stands no longer.
update slacktide.procedure set gos = jsonb_set(gos, array[%(role)s, 'void'], to_jsonb(clock_timestamp()))
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: moved
-- Objects applied to the target after Start.
select coalesce(sum(written), 0) from slacktide.batch where move_id = %(move_id)s and number > %(first)s
