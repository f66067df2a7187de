-- name: end_connections
-- End the connections of these names, and wait until they have gone.
select pg_terminate_backend(pid, 3000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
    and application_name = any (%(names)s::text[])

-- name: pass_by
-- Begin an incarnation in which nothing is applied: whoever applies a batch is waited for, and none of an earlier one passes.
update slacktide.mover_move set incarnation = incarnation + 1, checksum = ''
where name = %(move)s returning move_no, incarnation, number

-- name: stand
-- The number of a move at the target.
select move_no from slacktide.mover_move where name = %(move)s

-- name: forget_content
-- What stays because others refer to it may be changed by them: it is written again when it comes again.
update slacktide.key_map set hash = null where move_no = %(move_no)s and hash is not null
