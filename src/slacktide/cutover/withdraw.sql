-- name: kept
-- Forget who wanted to abandon an attempt that stays open.
update slacktide.procedure set abandoned_at = null, abandoned_by = null, abandoned_reason = null
where move_id = %(move_id)s and attempt = %(attempt)s
