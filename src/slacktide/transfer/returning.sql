-- name: invert
-- Turn the forward move's mappings round: a code that stands for one code only, or for itself among others.
insert into slacktide.conversion (move_id, list, source_code, target_code)
select %(back)s, list, target_code, coalesce(max(source_code) filter (where source_code = target_code), min(source_code))
from slacktide.conversion where move_id = %(forward)s and target_code is not null
group by list, target_code having count(*) = 1 or bool_or(source_code = target_code)
on conflict do nothing

-- name: ambiguous
-- The codes that stand for several of the source's, and for which the way back has no mapping.
select f.list, f.target_code, array_agg(f.source_code order by f.source_code) from slacktide.conversion f
where f.move_id = %(forward)s and f.target_code is not null and not exists (
    select from slacktide.conversion b
    where b.move_id = %(back)s and (b.list, b.source_code) = (f.list, f.target_code))
group by 1, 2 having count(*) > 1 order by 1, 2

-- name: mappings
-- All mappings of a move.
select list, source_code, target_code from slacktide.conversion where move_id = %(move_id)s

-- name: move_no
-- The number of a move into this database.
select move_no from slacktide.mover_move where name = %(move)s

-- name: make_seed
-- What the forward move knows, to be written into the key map of the way back.
create temporary table slacktide_seed (source_key text, target_key text, outside boolean, native boolean) on commit drop

-- name: analyze_seed
-- Give it its statistics.
analyze pg_temp.slacktide_seed

-- name: empty_seed
-- Empty it for the next table.
truncate pg_temp.slacktide_seed

-- name: of_others
-- Objects of other properties that stood here before stay as they are: here they are the originals.
update slacktide.key_map set stays = true
where move_no = %(move_no)s and name = any (%(names)s) and native and outside and batch = 0

-- name: note_content
-- Note the content of objects that are equal on both sides: they need not be written.
update slacktide.key_map k set hash = o.hash from unnest(%(keys)s::text[], %(hashes)s::uuid[]) o (key, hash)
where k.move_no = %(move_no)s and k.name = %(name)s and k.source_key = o.key and k.batch = 0 and k.hash is null

-- name: unwritten
-- The shared objects that the way back has not written: their keys here and there.
select source_key, target_key from slacktide.key_map
where move_no = %(move_no)s and name = %(name)s and outside and batch = 0 and not stays

-- name: unmet
-- The shared objects that were neither equal on both sides nor have come since: their keys where the property lives.
select source_key from slacktide.key_map
where move_no = %(move_no)s and name = %(name)s and native and outside and hash is null and not stays

-- name: content_left
-- What was last written of objects, by the source's key.
select k.source_key, k.hash from slacktide.key_map k join slacktide.mover_move m using (move_no)
where m.name = %(move)s and k.name = %(name)s and k.source_key = any (%(keys)s::text[]) and k.hash is not null

-- name: different
-- What the last verification ahead found different.
select entity, key from slacktide.verified_difference where move_id = %(move_id)s

-- name: let_stay
-- Let objects stay as they are; give their keys here.
update slacktide.key_map set stays = true
where move_no = %(move_no)s and name = %(name)s and source_key = any (%(keys)s::text[])
returning target_key
