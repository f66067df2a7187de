-- name: begin_anew
-- Let a way back that was given up begin again.
update slacktide.move set state = 'created', task = 1, configured_at = null, steady_since = null, facts = '{}'
where move_id = %(move_id)s and state = %(taken_back)s
