-- name: mappings
-- The mappings of a move.
select list, source_code, target_code from slacktide.conversion where move_id = %(move_id)s order by list, source_code

-- name: lock
-- Hold a move, so that its mappings are changed by one command only, and give the codes that are still to be read again.
select coalesce(facts -> 'codes_to_read_again', '[]'), incarnation from slacktide.move where move_id = %(move_id)s for update

-- name: put
-- Write mappings; a target code that is null leaves the code out on purpose.
insert into slacktide.conversion (move_id, list, source_code, target_code)
select %(move_id)s, c.list, c.source_code, c.target_code
from unnest(%(lists)s::text[], %(sources)s::text[], %(targets)s::text[]) c (list, source_code, target_code)
on conflict (move_id, list, source_code) do update set target_code = excluded.target_code

-- name: now
-- The time.
select clock_timestamp()
