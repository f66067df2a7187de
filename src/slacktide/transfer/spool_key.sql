-- name: keep_key
-- Keep a move's wrapped key, unless there is one already.
insert into slacktide.spool_key (move_id, wrapped) values (%(move_id)s, %(wrapped)s) on conflict do nothing

-- name: key
-- The wrapped key of a move.
select wrapped from slacktide.spool_key where move_id = %(move_id)s
