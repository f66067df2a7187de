-- name: end_idle
-- End the sessions that are idle beyond their limit for long and have no lease without a recorded end.
update slacktide.session set ended_at = last_seen_at + idle_limit, ended_because = 'idle'
where id in (
    select s.id from slacktide.session s
    where s.ended_at is null and s.last_seen_at + s.idle_limit < clock_timestamp() - %(keep)s::interval
        and not exists (select from slacktide.lease l where l.session = s.id and l.ended_at is null)
    for update skip locked
);

-- name: leases
-- Delete some leases that ended long ago.
delete from slacktide.lease where id in (
    select id from slacktide.lease where ended_at < clock_timestamp() - %(keep)s::interval
    limit %(piece)s for update skip locked
);

-- name: sessions
-- Delete some sessions that ended long ago and have no lease left, with what they have acted for.
with gone as materialized (
    select s.id from slacktide.session s
    where s.ended_at < clock_timestamp() - %(keep)s::interval
        and not exists (select from slacktide.lease l where l.session = s.id)
    limit %(piece)s for update skip locked
), acted as (
    delete from slacktide.session_organization where session in (select id from gone)
)
delete from slacktide.session where id in (select id from gone);
