-- name: listen
-- Hear of each change of the schedule from now on.
listen slacktide_schedule;

-- name: hear
-- Anything: the messages of what was committed before come ahead of the answer's end.
select;
