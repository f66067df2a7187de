-- name: now
-- The one clock, and the count of the schedule's changes, committed or about to be.
select clock_timestamp(), last_value + is_called::int from slacktide.schedule_count

-- name: lock_timeout
-- How long this transaction waits for whoever is changing the schedule.
select set_config('lock_timeout', %(milliseconds)s, true)

-- name: still
-- Wait until nobody is in the middle of a change of the schedule, and keep others from beginning one until we have read.
lock table slacktide.organization, slacktide.side, slacktide.setting, slacktide.origin in share mode
