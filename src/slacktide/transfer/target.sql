-- name: claim
-- Let the last number go from k-1 to k: who cannot is not the owner any more. A new incarnation may begin further on.
update slacktide.mover_move
set number = %(number)s, incarnation = %(incarnation)s, checksum = %(checksum)s, applied_at = clock_timestamp(), outcome = null
where name = %(move)s and (number = %(number)s - 1 and incarnation = %(incarnation)s
    or number < %(number)s and incarnation < %(incarnation)s)
returning move_no

-- name: keep_outcome
-- Keep what became of the batch, as far as the batch itself does not say it.
update slacktide.mover_move set outcome = %(outcome)s::jsonb where move_no = %(move_no)s

-- name: standing
-- What was applied last, and what became of it.
select move_no, incarnation, number, checksum, outcome from slacktide.mover_move where name = %(move)s

-- name: known
-- What the key map says of given rows. One look by its index for each: a map that grows fast has no statistics.
select o.name, o.key, k.target_key, k.hash, k.outside, k.stays
from unnest(%(names)s::text[], %(keys)s::text[]) o (name, key), lateral (
    select target_key, hash, outside, stays from slacktide.key_map
    where move_no = %(move_no)s and name = o.name and source_key = o.key offset 0) k

-- name: known_in_range
-- The property's own objects in a key range, of which the batch holds every one.
select source_key, target_key from slacktide.key_map where move_no = %(move_no)s and name = %(name)s and not outside and not stays

-- name: any_known
-- The names of which the key map knows anything.
select n from unnest(%(names)s::text[]) n
where exists (select from slacktide.key_map where move_no = %(move_no)s and name = n)

-- name: draw
-- Draw keys from a table's own sequence.
select nextval(%(sequence)s::regclass)::text from generate_series(1, %(count)s)

-- name: sequence
-- The sequence that a table's key is drawn from.
select pg_get_serial_sequence(%(table)s, %(column)s)

-- name: renew
-- Note the content of objects that were written again.
update slacktide.key_map k set hash = o.hash, outside = o.outside, batch = %(batch)s
from unnest(%(names)s::text[], %(keys)s::text[], %(hashes)s::uuid[], %(outside)s::boolean[]) o (name, key, hash, outside)
where k.move_no = %(move_no)s and (k.name, k.source_key) = (o.name, o.key)

-- name: forget
-- Forget rows that are gone, by their keys at the target.
delete from slacktide.key_map where move_no = %(move_no)s and name = %(name)s and target_key = any (%(keys)s)

-- name: outside
-- Of given target keys: those that are kept by reference, with their source keys.
select o.key, k.source_key from unnest(%(keys)s::text[]) o (key), lateral (
    select source_key from slacktide.key_map
    where target_key = o.key and name = %(name)s and move_no = %(move_no)s and outside and not native offset 0) k

-- name: source_key
-- The source's key of an object that has this key at the target.
select source_key from slacktide.key_map where move_no = %(move_no)s and name = %(name)s and target_key = %(key)s

-- name: let_go
-- Forget objects that go and are not the property's own, and were at the target before the mover came: they stay there.
delete from slacktide.key_map k using unnest(%(names)s::text[], %(keys)s::text[]) o (name, key)
where k.move_no = %(move_no)s and (k.name, k.source_key) = (o.name, o.key) and k.native and k.outside
returning k.name, k.source_key, k.target_key

-- name: known_by_source_key
-- The source's and the target's key of the object that has this key at the source.
select source_key, target_key from slacktide.key_map k join slacktide.mover_move m using (move_no)
where m.name = %(move)s and k.name = %(name)s and source_key = %(key)s

-- name: known_by_target_key
-- The source's and the target's key of the object that has this key at the target.
select source_key, target_key from slacktide.key_map k join slacktide.mover_move m using (move_no)
where m.name = %(move)s and k.name = %(name)s and target_key = %(key)s
