-- name: listen_schedule
-- Hear of each change of the schedule from now on.
listen slacktide_schedule;

-- name: listen_holder
-- Hear of each lease and session that comes or goes from now on.
listen slacktide_holder;
