-- name: lock
-- Give out numbers of a move one after the other.
select from slacktide.move where move_id = %(move_id)s for update

-- name: begin
-- Write down that a pack is being made.
insert into slacktide.contingency_pack (move_id, pack, who)
select %(move_id)s, coalesce(max(pack), 0) + 1, %(who)s from slacktide.contingency_pack where move_id = %(move_id)s
returning pack

-- name: give_out
-- Give the next numbers to a pack's forms, in the order of their kinds.
insert into slacktide.contingency_form (move_id, number, pack, kind)
select %(move_id)s, k.place + coalesce((select max(number) from slacktide.contingency_form where move_id = %(move_id)s), 0),
       %(pack)s, k.kind
from unnest(%(kinds)s::text[]) with ordinality k (kind, place)
returning number, kind

-- name: made
-- Note that a pack's files are there.
update slacktide.contingency_pack set made_at = clock_timestamp(), instant = %(instant)s, folder = %(folder)s, error = null
where move_id = %(move_id)s and pack = %(pack)s

-- name: failed
-- Note why a pack was not made.
update slacktide.contingency_pack set error = %(error)s where move_id = %(move_id)s and pack = %(pack)s

-- name: given_up
-- Note why the pack of a move that is under way will not be made.
update slacktide.contingency_pack c set error = %(error)s from slacktide.move m
where m.name = %(name)s and c.move_id = m.move_id and c.made_at is null and c.error is null
    and c.pack = (select max(pack) from slacktide.contingency_pack where move_id = m.move_id)

-- name: last_made
-- The last pack that was made.
select pack, begun_at, instant, folder from slacktide.contingency_pack
where move_id = %(move_id)s and made_at is not null order by pack desc limit 1

-- name: problem
-- Why the last pack was not made, if it was not.
select pack, begun_at, error from (
    select * from slacktide.contingency_pack where move_id = %(move_id)s and (made_at is not null or error is not null)
    order by pack desc limit 1) p
where error is not null

-- name: forms
-- All forms of the packs that were made, in order; `counts` says whether its pack does: the last one, the last one before
-- a Start, and every one of which a form was entered, for then it was in use.
with made as (
    select * from slacktide.contingency_pack where move_id = %(move_id)s and made_at is not null
), counted as (
    select max(pack) as pack from made
    union select (select max(pack) from made where made_at <= a.started_at)
    from slacktide.procedure a where a.move_id = %(move_id)s
    union select pack from slacktide.contingency_form where move_id = %(move_id)s and state = 'entered'
)
select f.number, f.kind, f.pack, f.state, f.who, f.at, f.reason, f.pack in (select pack from counted where pack is not null)
from slacktide.contingency_form f join made using (move_id, pack)
order by f.number

-- name: settle
-- Note that a form was entered or voided; one that was voided may turn up.
update slacktide.contingency_form
set state = %(state)s, who = %(who)s, at = clock_timestamp(), reason = %(reason)s
where move_id = %(move_id)s and number = any (%(numbers)s) and (state = 'printed' or state = 'voided' and %(state)s::text = 'entered')

-- name: due
-- Moves that a pack is due for: their processes were started once, their down time was not, and the last pack is too old
-- or, where it was not made, was tried too long ago.
select m.name from slacktide.move m
where m.state <> 'clean' and m.rehearses is null
    and exists (select from slacktide.move_process p where p.move_id = m.move_id and p.process = 'synchronization')
    and not exists (
        select from slacktide.procedure a where a.move_id = m.move_id and a.state <> 'abandoned'
            and a.attempt = (select max(attempt) from slacktide.procedure where move_id = m.move_id))
    and not exists (
        select from slacktide.contingency_pack c where c.move_id = m.move_id
            and c.begun_at > clock_timestamp() - case when c.made_at is null then %(again)s else %(every)s end::interval)
order by m.move_id

-- name: own
-- Take a move's pack for this session, so that two workers do not make it at once.
select pg_try_advisory_lock(%(class)s, %(move_id)s)
