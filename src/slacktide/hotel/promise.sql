-- name: has_key_map
-- Whether this is the target of a move, where objects have keys of their own.
select to_regclass('slacktide.key_map') is not null

-- name: translate
-- The keys at the target, by the keys at the source.
select source_key, target_key from slacktide.key_map where name = %(entity)s and source_key = any (%(keys)s)

-- name: versions
-- The versions of those objects that are there.
select {key}::text, version from {table} where {key} = any (%(keys)s::bigint[]) and {belongs}
