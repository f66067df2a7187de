-- name: create
-- Write down a wave; nothing where there is one of this name.
insert into slacktide.wave (name, who, reason) values (%(name)s, %(who)s, %(reason)s) on conflict do nothing returning name

-- name: add
-- Put a move into a wave; nothing where it is in one.
insert into slacktide.wave_move (move_id, wave, downtime_id) values (%(move_id)s, %(wave)s, %(downtime)s)
on conflict do nothing returning move_id

-- name: wave_of
-- The wave that a move is in.
select wave from slacktide.wave_move where move_id = %(move_id)s

-- name: waves
-- Every wave, or one, in the order in which they were made.
select name, who, reason, started_by, started_reason, started_at, business_date, waived, gos from slacktide.wave
where %(name)s::text is null or name = %(name)s order by created_at, name

-- name: start
-- Have workers see to the moves of a wave, those too that were stopped by an error.
with started as (
    update slacktide.wave set started_by = %(who)s, started_reason = %(reason)s, started_at = clock_timestamp(),
        business_date = %(business_date)s, waived = waived || %(waived)s::jsonb, gos = gos || %(gos)s::jsonb
    where name = %(name)s
)
update slacktide.wave_move set error = null, note = null, stopped = false where wave = %(name)s

-- name: stop
-- Have nothing more begin in a wave.
update slacktide.wave set started_by = null where name = %(name)s

-- name: still
-- Tell whether a wave is started, and let nobody stop it until we commit.
select name from slacktide.wave where name = %(name)s and started_by is not null for share

-- name: members
-- The moves of a wave, by name.
select m.move_id, m.name, w.wave, w.begun, w.downtime_id, w.note, w.error, w.stopped, w.halted
from slacktide.wave_move w join slacktide.move m using (move_id) where w.wave = %(wave)s order by m.name

-- name: due
-- The moves that a started wave has still to see to, or one if it is: that first at which nobody has looked the longest.
select m.move_id, m.name, w.wave, w.begun, w.downtime_id, w.note, w.error, w.stopped, w.halted
from slacktide.wave_move w join slacktide.move m using (move_id) join slacktide.wave v on v.name = w.wave
where v.started_by is not null and not w.stopped
    and (w.looked_at is null or w.looked_at < clock_timestamp() - interval '0.4 seconds')
    and not exists (select from slacktide.procedure p where p.move_id = w.move_id)
    and (%(move_id)s::integer is null or w.move_id = %(move_id)s)
order by w.looked_at nulls first, m.move_id

-- name: own
-- Take the lock of a move, as its wave has it; 0 is that of preparing.
select pg_try_advisory_lock(%(class)s, %(key)s)

-- name: leave
-- Give it back.
select pg_advisory_unlock(%(class)s, %(key)s)

-- name: looked
-- Note what was seen of a move.
update slacktide.wave_move set note = %(note)s, error = %(error)s, stopped = %(stopped)s,
    looked_at = clock_timestamp() where move_id = %(move_id)s

-- name: begin
-- Note that a move's processes are wanted, and on which server its source is.
update slacktide.wave_move set begun = true, source_system = %(system)s where move_id = %(move_id)s

-- name: halt
-- Note that the wave stops a process of a move for its window.
update slacktide.wave_move set halted = halted || %(process)s::text where move_id = %(move_id)s

-- name: go_on
-- Forget which processes were stopped for the window, and give them; none where the down time has begun.
update slacktide.wave_move w set halted = '{}' from slacktide.wave_move before
where w.move_id = %(move_id)s and before.move_id = w.move_id and w.halted <> '{}'
    and not exists (select from slacktide.procedure p where p.move_id = w.move_id)
returning before.halted

-- name: reserved
-- How many moves on a server have begun and have no slot yet.
select count(*) from slacktide.wave_move w join slacktide.move m using (move_id)
where w.begun and w.source_system = %(system)s and not exists (
    select from slacktide.move_incarnation i where i.move_id = m.move_id and i.incarnation = m.incarnation and i.snapshot is not null)

-- name: free_connections
-- How many connections a server has left, and how many it has.
select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - count(*),
    current_setting('max_connections')::int
from pg_stat_activity where backend_type = 'client backend'
