-- name: lock
-- Take the process's own lock for as long as this connection lives.
select pg_try_advisory_lock(%(class)s, %(move_id)s * 8 + %(ordinal)s)

-- name: name
-- What the move is called.
select name from slacktide.move where move_id = %(move_id)s

-- name: incarnation
-- The current incarnation and what is known of its slot.
select i.incarnation, i.slot, i.system_id, i.timeline, i.consistent_point::text, i.snapshot, i.fingerprint, i.reached::text
from slacktide.move m join slacktide.move_incarnation i using (move_id, incarnation)
where m.move_id = %(move_id)s

-- name: begin_incarnation
-- Begin a new incarnation behind another one; its slot is not made yet. Batches up to the floor are settled.
with begun as (
    update slacktide.move
    set incarnation = greatest(incarnation, %(behind)s) + 1, number_floor = greatest(number_floor, %(floor)s)
    where move_id = %(move_id)s returning incarnation
)
insert into slacktide.move_incarnation (move_id, incarnation, slot)
select %(move_id)s, incarnation, %(slot)s from begun

-- name: forget_xids
-- Transactions of an earlier incarnation are visible to every snapshot that serves the new one.
update slacktide.journal set xid = null where move_id = %(move_id)s and batch is null

-- name: raise_floor
-- Have a floor cover every batch that is stored by now: none of an earlier incarnation comes behind them.
update slacktide.move m
set number_floor = greatest(number_floor, (select max(number) from slacktide.batch b where b.move_id = m.move_id))
where move_id = %(move_id)s and %(floor)s > 0

-- name: settle_batches
-- Settle the batches that the floor covers: the new incarnation reads everything again.
update slacktide.batch b set state = 'processed' from slacktide.move m
where m.move_id = %(move_id)s and b.move_id = m.move_id and b.number <= m.number_floor and b.state <> 'processed'

-- name: last_processed
-- The floor, and the number of the last batch above it that is committed at the target.
select m.number_floor, (select coalesce(max(b.number), 0) from slacktide.batch b
    where b.move_id = m.move_id and b.number > m.number_floor and b.state = 'processed')
from slacktide.move m where m.move_id = %(move_id)s

-- name: slot_made
-- Write down a slot that has just been made.
update slacktide.move_incarnation
set system_id = %(system_id)s, timeline = %(timeline)s, consistent_point = %(consistent_point)s::pg_lsn,
    snapshot = %(snapshot)s, reached = %(consistent_point)s::pg_lsn
where move_id = %(move_id)s and incarnation = %(incarnation)s

-- name: set_fingerprint
-- Write down what the plan's tables look like, unless something of what was written down was forgotten meanwhile.
update slacktide.move_incarnation set fingerprint = %(fingerprint)s::jsonb
where move_id = %(move_id)s and incarnation = %(incarnation)s and fingerprint is not distinct from %(before)s::jsonb

-- name: forget_fingerprint
-- Forget what some tables looked like: whatever they look like next is taken, and their objects are read again.
update slacktide.move_incarnation set fingerprint = fingerprint - %(tables)s::text[]
where move_id = %(move_id)s and fingerprint is not null

-- name: remember
-- Keep a sentence for the operator.
update slacktide.move set facts = jsonb_set(facts, '{remembered}',
    coalesce(facts -> 'remembered', '[]') || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'text', %(text)s::text)))
where move_id = %(move_id)s

-- name: position
-- The position before which everything is journalled: it is written together with the transactions before it.
select greatest(i.consistent_point, i.reached)::text
from slacktide.move_incarnation i join slacktide.move m using (move_id, incarnation) where m.move_id = %(move_id)s

-- name: append
-- Write transactions of the stream, in order, and give their sequence numbers.
insert into slacktide.journal (move_id, position, xid, committed_at)
select %(move_id)s, t.position, t.xid, t.committed_at
from unnest(%(positions)s::pg_lsn[], %(xids)s::bigint[], %(instants)s::timestamptz[])
    with ordinality t (position, xid, committed_at, n)
order by t.n
returning sequence

-- name: append_objects
-- Write the objects that transactions touched.
insert into slacktide.journal_object (move_id, sequence, entity, key, crossed)
select %(move_id)s, o.sequence, o.entity, o.key, o.crossed
from unnest(%(sequences)s::bigint[], %(entities)s::text[], %(keys)s::text[], %(crossed)s::boolean[])
    o (sequence, entity, key, crossed)

-- name: reach
-- Note that everything before a position is journalled; nothing where another incarnation has begun.
update slacktide.move_incarnation i set reached = greatest(i.reached, %(position)s::pg_lsn)
from slacktide.move m
where m.move_id = %(move_id)s and (m.move_id, m.incarnation) = (i.move_id, i.incarnation)
    and i.incarnation = coalesce(%(incarnation)s, i.incarnation)
returning i.incarnation

-- name: reached
-- The position before which everything is journalled.
select i.reached::text from slacktide.move m join slacktide.move_incarnation i using (move_id, incarnation)
where m.move_id = %(move_id)s

-- name: pending
-- The transactions that belong to no batch yet, in the order of commits.
select sequence, xid, committed_at from slacktide.journal
where move_id = %(move_id)s and batch is null order by sequence

-- name: objects_of
-- The objects that some transactions touched, each once.
select entity, array_agg(distinct key), coalesce(array_agg(distinct key) filter (where crossed), '{}')
from slacktide.journal_object
where move_id = %(move_id)s and sequence = any (%(sequences)s) group by entity

-- name: ranges_left
-- The ranges of the pass that belong to no batch yet.
select ordinal, entity, after, upto, absence, objects from slacktide.pass_range
where move_id = %(move_id)s and incarnation = %(incarnation)s and batch is null order by ordinal

-- name: add_ranges
-- Write the ranges of a pass.
insert into slacktide.pass_range (move_id, incarnation, ordinal, entity, after, upto, absence, objects)
select %(move_id)s, %(incarnation)s, r.ordinal, r.entity, r.after, r.upto, r.absence, r.objects
from unnest(%(ordinals)s::int[], %(entities)s::text[], %(afters)s::text[], %(uptos)s::text[], %(absences)s::boolean[],
    %(objects)s::int[]) r (ordinal, entity, after, upto, absence, objects)

-- name: last_range
-- The number of the last range that the pass of this incarnation has.
select coalesce(max(ordinal), 0) from slacktide.pass_range
where move_id = %(move_id)s and incarnation = %(incarnation)s

-- name: passing
-- Whether a batch belongs to the pass, or comes before some of it.
select exists (
    select from slacktide.move m join slacktide.pass_range r using (move_id, incarnation)
    where m.move_id = %(move_id)s and (r.batch is null or r.batch >= %(number)s))

-- name: last_batch
-- The number of the last batch that is stored.
select greatest(m.number_floor, (select max(number) from slacktide.batch b where b.move_id = m.move_id))
from slacktide.move m where m.move_id = %(move_id)s

-- name: store_batch
-- Store a batch of the current incarnation; nothing where another one has begun, for which the lock waits.
with current as (
    select move_id from slacktide.move where move_id = %(move_id)s and incarnation = %(incarnation)s for share
)
insert into slacktide.batch
    (move_id, number, incarnation, snapshot, position, as_of, oldest_commit, file, checksum, bytes, objects, own_objects)
select move_id, %(number)s, %(incarnation)s, %(snapshot)s, %(position)s::pg_lsn, %(as_of)s, %(oldest_commit)s,
    %(file)s, %(checksum)s, %(bytes)s, %(objects)s, %(own_objects)s
from current returning number

-- name: take_transactions
-- Note the batch that transactions went into.
update slacktide.journal set batch = %(number)s where move_id = %(move_id)s and sequence = any (%(sequences)s)

-- name: take_range
-- Note the batch that a range of the pass went into.
update slacktide.pass_range set batch = %(number)s
where move_id = %(move_id)s and incarnation = %(incarnation)s and ordinal = any (%(ordinals)s)

-- name: next_batch
-- The oldest batch that has come no further than a state, and which that is: a later one has to wait for it.
select number, incarnation, snapshot, position::text, as_of, oldest_commit, file, checksum, bytes, objects, state
from slacktide.batch where move_id = %(move_id)s and state <> 'processed' and state = any (%(states)s) order by number limit 1

-- name: batch
-- One batch.
select number, incarnation, snapshot, position::text, as_of, oldest_commit, file, checksum, bytes, objects
from slacktide.batch where move_id = %(move_id)s and number = %(number)s

-- name: batch_transferred
-- Note that a batch lies in the target spool.
update slacktide.batch set state = 'transferred'
where move_id = %(move_id)s and number = %(number)s and state = 'generated'

-- name: batch_processed
-- Note that a batch is committed at the target.
update slacktide.batch set state = 'processed', processed_at = clock_timestamp(), written = %(written)s
where move_id = %(move_id)s and number = %(number)s and state <> 'processed'

-- name: settle_messages
-- Forget what stood about objects that have now arrived; tell whether any of them had not.
with settled as (
    delete from slacktide.message m using unnest(%(entities)s::text[], %(keys)s::text[]) o (entity, key)
    where m.move_id = %(move_id)s and (m.entity, m.key) = (o.entity, o.key) and m.batch <= %(number)s
    returning m.state
)
select exists (select from settled where state <> 'warning')

-- name: put_message
-- Say that an object failed, waits or is warned about.
insert into slacktide.message (move_id, entity, key, batch, state, reason, waits_for_entity, waits_for_key)
values (%(move_id)s, %(entity)s, %(key)s, %(batch)s, %(state)s, %(reason)s, %(waits_for_entity)s, %(waits_for_key)s)
on conflict (move_id, entity, key) do update
set batch = excluded.batch, state = excluded.state, reason = excluded.reason, at = clock_timestamp(),
    waits_for_entity = excluded.waits_for_entity, waits_for_key = excluded.waits_for_key
where message.batch <= excluded.batch

-- name: messages_exist
-- Whether anything failed, waits or was warned about.
select exists (select from slacktide.message where move_id = %(move_id)s)

-- name: waiting_for
-- The objects that wait for others which have now arrived; with `stirred`, also those that came into another one's way.
select distinct m.entity, m.key from slacktide.message m
where m.move_id = %(move_id)s and (
    m.state = 'waiting' and exists (select from unnest(%(entities)s::text[], %(keys)s::text[]) o (entity, key)
        where (m.waits_for_entity, m.waits_for_key) = (o.entity, o.key) or m.waits_for_entity like o.entity || '.%%')
    or m.state = 'failed' and m.waits_for_entity = '*' and %(stirred)s)

-- name: pass_ended
-- Whether a batch held the last range of its incarnation's pass.
select exists (select from slacktide.pass_range where move_id = %(move_id)s and batch = %(number)s) and not exists (
    select from slacktide.pass_range p join slacktide.move m using (move_id, incarnation)
    where p.move_id = %(move_id)s and p.batch is null)

-- name: outside
-- The objects of other properties that were sent because something of ours refers to them.
select entity, array_agg(key) from slacktide.outside_object where move_id = %(move_id)s group by entity

-- name: add_outside
-- Note that objects of other properties are sent.
insert into slacktide.outside_object (move_id, entity, key)
select %(move_id)s, o.entity, o.key from unnest(%(entities)s::text[], %(keys)s::text[]) o (entity, key)
on conflict do nothing

-- name: conversions
-- The mappings of codes, list by list.
select list, jsonb_object_agg(source_code, target_code) from slacktide.conversion
where move_id = %(move_id)s group by list

-- name: ask_verification
-- Ask for a verification ahead.
update slacktide.move
set facts = jsonb_set(facts, '{verify_asked}', to_jsonb(coalesce((facts ->> 'verify_asked')::int, 0) + 1))
where move_id = %(move_id)s returning (facts ->> 'verify_asked')::int

-- name: verification_asked
-- The last request to verify ahead, and the last one that was answered.
select coalesce((facts ->> 'verify_asked')::int, 0), coalesce((facts #>> '{verified,answers}')::int, 0)
from slacktide.move where move_id = %(move_id)s

-- name: say
-- Note what a process does now, for its panel.
insert into slacktide.move_process (move_id, process, state, since, pid, host, waits_for, error, beat_at)
values (%(move_id)s, %(process)s, %(state)s, clock_timestamp(), %(pid)s, %(host)s, %(waits_for)s, %(error)s, clock_timestamp())
on conflict (move_id, process) do update
set state = excluded.state, pid = excluded.pid, host = excluded.host, error = excluded.error, beat_at = excluded.beat_at,
    since = case when (move_process.state, move_process.waits_for) is distinct from (excluded.state, excluded.waits_for)
            then excluded.since else move_process.since end,
    waits_for = excluded.waits_for

-- name: beat
-- Write the panel of a process that runs.
update slacktide.move_process
set done = done + %(done)s, rate_per_second = %(rate_per_second)s, beat_at = clock_timestamp(),
    rates = (rates || %(rate_per_second)s::real)[greatest(cardinality(rates) - 238, 1):],
    lag_seconds = %(lag_seconds)s, error = null, pid = %(pid)s, host = %(host)s,
    since = case when waits_for is distinct from %(waits_for)s or state not in ('running', 'waiting')
            then clock_timestamp() else since end,
    state = case when %(waits_for)s::text is null then 'running' else 'waiting' end, waits_for = %(waits_for)s
where move_id = %(move_id)s and process = %(process)s

-- name: note_uncounted
-- Write down what a process saw that Steady does not count.
update slacktide.move_process set uncounted = %(uncounted)s::jsonb where move_id = %(move_id)s and process = %(process)s

-- name: fail
-- Say that a process ended for a reason that does not pass; it is not wanted until it is started again.
update slacktide.move_process
set state = 'failed', wanted = 'stopped', error = %(error)s, waits_for = null, since = clock_timestamp(), beat_at = clock_timestamp()
where move_id = %(move_id)s and process = %(process)s

-- name: ended_as
-- The state of a process that is not wanted.
select state from slacktide.move_process where wanted = 'stopped' and move_id = %(move_id)s and process = %(process)s

-- name: want
-- Say whether a process is wanted to run. One that gave no sign of life, or that no worker ran, was so far behind.
insert into slacktide.move_process (move_id, process, wanted) values (%(move_id)s, %(process)s, %(wanted)s)
on conflict (move_id, process) do update set wanted = excluded.wanted,
    lag_seconds = case when move_process.wanted = 'running' and move_process.beat_at < clock_timestamp() - interval '2 s'
        then greatest(move_process.lag_seconds, extract(epoch from clock_timestamp() - move_process.beat_at)::float8)
        else move_process.lag_seconds end,
    error = case when excluded.wanted = 'running' then null else move_process.error end

-- name: fetch_again
-- Have a batch brought over again.
update slacktide.batch set state = 'generated' where move_id = %(move_id)s and number = %(number)s and state = 'transferred'

-- name: lose
-- Note that a batch is in neither spool any more, or in both as what it never was.
update slacktide.batch set state = 'lost'
where move_id = %(move_id)s and number = %(number)s and state in ('generated', 'transferred')

-- name: first_lost
-- The number of the first batch that is lost, if there is one.
select min(number) from slacktide.batch where move_id = %(move_id)s and state = 'lost'

-- name: free_transactions
-- Have the transactions of a batch and of those behind it belong to none.
update slacktide.journal set batch = null where move_id = %(move_id)s and batch >= %(number)s

-- name: free_ranges
-- Have the ranges of the pass of a batch and of those behind it belong to none.
update slacktide.pass_range set batch = null where move_id = %(move_id)s and batch >= %(number)s

-- name: free_messages
-- Let what stands about objects of the batches behind one be settled by that one, which will hold them.
update slacktide.message set batch = %(number)s where move_id = %(move_id)s and batch > %(number)s

-- name: free_batches
-- Forget a batch and those behind it, none of which is applied; give their files.
delete from slacktide.batch where move_id = %(move_id)s and number >= %(number)s returning file

-- name: own_objects
-- How many objects of the property itself a batch holds; of those that are gone the source cannot tell whose they were.
select own_objects from slacktide.batch where move_id = %(move_id)s and number = %(number)s

-- name: batch_state
-- How far a batch is.
select state from slacktide.batch where move_id = %(move_id)s and number = %(number)s

-- name: batches_queued
-- How many batches are made and not applied.
select count(*) from slacktide.batch where move_id = %(move_id)s and state <> 'processed'

-- name: is_left
-- Whether a range of the pass belongs to no batch yet, or an object that was asked for again: such an entry has no xid.
select exists (select from slacktide.pass_range p join slacktide.move m using (move_id, incarnation)
        where p.move_id = %(move_id)s and p.batch is null)
    or exists (select from slacktide.journal where move_id = %(move_id)s and batch is null and xid is null)

-- name: held
-- Whether a process is to stand still.
select coalesce(held_until > clock_timestamp(), false) from slacktide.move_process
where move_id = %(move_id)s and process = %(process)s

-- name: wanted
-- Whether a process is wanted to run.
select wanted from slacktide.move_process where move_id = %(move_id)s and process = %(process)s
