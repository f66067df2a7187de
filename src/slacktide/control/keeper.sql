-- name: listen
-- Hear of each change of the schedule from now on.
listen slacktide_schedule;
