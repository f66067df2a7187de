-- name: make_differ
-- Forget the content of some objects at the shadow, so that they are written again; give their entities and keys.
update slacktide.key_map k set hash = null
from (
    select o.move_no, o.name, o.source_key from slacktide.key_map o join slacktide.mover_move m using (move_no)
    where m.name = %(move)s and o.hash is not null and not o.outside order by md5(o.source_key) limit %(count)s
) s
where (k.move_no, k.name, k.source_key) = (s.move_no, s.name, s.source_key)
returning k.name, k.source_key

-- name: moved_before
-- Objects that were written at the shadow since Start by the batches before one.
select coalesce(sum(written), 0) from slacktide.batch
where move_id = %(move_id)s and number > %(first)s and number < %(batch)s
