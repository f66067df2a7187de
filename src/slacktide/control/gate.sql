-- name: note
-- Note what a gate says of itself.
insert into slacktide.gate as present (token, name, version, schedule, offset_seconds, age_seconds, seen_at)
values (%(token)s, %(name)s, %(version)s, %(schedule)s, %(offset_seconds)s, %(age_seconds)s, %(seen_at)s)
on conflict (token, name) do update
set version = excluded.version, schedule = excluded.schedule, offset_seconds = excluded.offset_seconds,
    age_seconds = excluded.age_seconds, seen_at = excluded.seen_at
where present.seen_at < excluded.seen_at;

-- name: forget
-- Forget the gates that have not been heard of for a week.
delete from slacktide.gate where seen_at < clock_timestamp() - interval '7 days';

-- name: list
-- List the gates, each with how long ago it last had the schedule.
select token, name, version, schedule, offset_seconds, extract(epoch from clock_timestamp() - seen_at)::float8, seen_at
from slacktide.gate
order by token, name;
