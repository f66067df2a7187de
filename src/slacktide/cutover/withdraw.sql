-- name: kept
-- Forget who wanted to abandon an attempt that stays open.
update slacktide.procedure set abandoned_at = null, abandoned_by = null, abandoned_reason = null
where move_id = %(move_id)s and attempt = %(attempt)s

-- name: because
-- What stood in the way when it was judged last that a move stays open.
select after ->> 'because' from slacktide.audit where what = 'move downtime abandon refused' and object = %(move)s
order by id desc limit 1
