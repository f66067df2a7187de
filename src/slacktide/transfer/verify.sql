-- name: move
-- A move into this target: its number, and the incarnation and number of its last batch.
select move_no, incarnation, number from slacktide.mover_move where name = %(move)s

-- name: known_of
-- The target's keys of given objects.
select source_key, target_key from slacktide.key_map k
where move_no = %(move_no)s and name = %(name)s and source_key = any (%(keys)s::text[])
    and not k.stays and (not %(returning)s or %(seeding)s or k.hash is not null or not k.native or not k.outside)

-- name: by_reference
-- The objects of one entity that are kept by reference.
select source_key from slacktide.key_map k where move_no = %(move_no)s and name = %(name)s and outside
    and not k.stays and (not %(returning)s or %(seeding)s or k.hash is not null or not k.native or not k.outside)

-- name: known_counts
-- How many objects of each entity the key map knows.
select name, count(*) from slacktide.key_map k where move_no = %(move_no)s and name = any (%(names)s)
    and not k.stays and (not %(returning)s or %(seeding)s or k.hash is not null or not k.native or not k.outside) group by name

-- name: all_known
-- The objects of one entity.
select source_key from slacktide.key_map k where move_no = %(move_no)s and name = %(name)s
    and not k.stays and (not %(returning)s or %(seeding)s or k.hash is not null or not k.native or not k.outside)

-- name: written_since
-- The objects that were written after a batch.
select name, source_key from slacktide.key_map
where move_no = %(move_no)s and batch > %(batch)s and name = any (%(names)s)

-- name: touched_since
-- The objects that the batches after one were made of, and those that stand as failed or waiting.
select o.entity, o.key from slacktide.journal j join slacktide.journal_object o using (move_id, sequence)
where j.move_id = %(move_id)s and j.batch > %(batch)s
union
select m.entity, m.key from slacktide.message m where m.move_id = %(move_id)s and m.state <> 'warning'

-- name: carried
-- What was verified ahead, and of which instant.
select v.batch, v.incarnation, v.plan_checksum, v.business_date from slacktide.verification v where v.move_id = %(move_id)s

-- name: carried_different
-- The objects that were not equal then.
select entity, key from slacktide.verified_difference where move_id = %(move_id)s

-- name: carried_rows
-- How many rows of each table were verified: those of a root are the objects.
select entity, ordinal, rows from slacktide.verified_rows where move_id = %(move_id)s

-- name: carried_totals
-- The control totals of what was verified.
select total, label, value from slacktide.verified_total where move_id = %(move_id)s

-- name: carried_left_out
-- The codes that were left out of verified objects, object by object.
select entity, key, left_out from slacktide.verified_object where move_id = %(move_id)s and left_out <> ''

-- name: objects_of
-- Of given objects: those that were verified, with their rows by table.
select o.key, o.counts from slacktide.verified_object o
where o.move_id = %(move_id)s and o.entity = %(entity)s and o.key = any (%(keys)s::text[])

-- name: measures_of
-- What a total measured of given objects, by label.
select m.label, sum(m.value) from slacktide.verified_measure m
where m.move_id = %(move_id)s and m.total = %(total)s and m.key = any (%(keys)s::text[]) group by m.label

-- name: verified_keys
-- The verified objects of one entity.
select key from slacktide.verified_object where move_id = %(move_id)s and entity = %(entity)s

-- name: forget_objects
-- Forget given objects.
delete from slacktide.verified_object
where move_id = %(move_id)s and entity = %(entity)s and key = any (%(keys)s::text[])

-- name: forget_measures
-- Forget what a total measured of given objects.
delete from slacktide.verified_measure
where move_id = %(move_id)s and total = %(total)s and key = any (%(keys)s::text[])

-- name: sum_rows
-- The rows by table of all that is verified.
select o.entity, c.ordinal::int, sum(c.rows)
from slacktide.verified_object o, unnest(o.counts) with ordinality c (rows, ordinal)
where o.move_id = %(move_id)s group by 1, 2

-- name: sum_measures
-- The control totals of all that is verified.
select m.total, m.label, sum(m.value) from slacktide.verified_measure m where m.move_id = %(move_id)s group by 1, 2

-- name: set_verification
-- Note what was verified, and of which instant.
insert into slacktide.verification (move_id, batch, incarnation, plan_checksum, business_date)
values (%(move_id)s, %(batch)s, %(incarnation)s, %(plan_checksum)s, %(business_date)s)
on conflict (move_id) do update set batch = excluded.batch, incarnation = excluded.incarnation,
    plan_checksum = excluded.plan_checksum, business_date = excluded.business_date, verified_at = clock_timestamp()

-- name: add_differences
-- Note the objects that are not equal.
insert into slacktide.verified_difference (move_id, entity, key)
select distinct %(move_id)s, d.entity, d.key from unnest(%(entities)s::text[], %(keys)s::text[]) d (entity, key)

-- name: add_rows
-- Note how many rows of each table are verified.
insert into slacktide.verified_rows (move_id, entity, ordinal, rows)
select %(move_id)s, r.entity, r.ordinal, r.rows
from unnest(%(entities)s::text[], %(ordinals)s::int[], %(counts)s::bigint[]) r (entity, ordinal, rows)

-- name: add_totals
-- Note the control totals of what is verified.
insert into slacktide.verified_total (move_id, total, label, value)
select %(move_id)s, t.total, t.label, t.value
from unnest(%(totals)s::text[], %(labels)s::text[], %(values)s::numeric[]) t (total, label, value)

-- name: add_since
-- Note what was read since: the digest of each object that is equal on both sides, nothing of any other.
insert into slacktide.verified_since (move_id, entity, key, digest)
select %(move_id)s, %(entity)s, s.key, s.digest from unnest(%(keys)s::text[], %(digests)s::text[]) s (key, digest)

-- name: proven
-- The objects of one entity that were equal at the last comparison, by the bytes of their keys, each with its digest.
select p.key, p.digest from (
    select key, digest from slacktide.verified_since
    where move_id = %(move_id)s and entity = %(entity)s and digest is not null
    union all
    select o.key, o.digest from slacktide.verified_object o
    where o.move_id = %(move_id)s and o.entity = %(entity)s and not exists (
        select from slacktide.verified_since s where (s.move_id, s.entity, s.key) = (o.move_id, o.entity, o.key))) p
order by p.key collate "C"
