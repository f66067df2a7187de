-- name: start
-- Begin a session of a user.
insert into slacktide.session (user_name, idle_limit) values (%(user)s, %(idle_limit)s) returning id::text;

-- name: live
-- Give a session's user if it is live, and keep others from ending it meanwhile.
select user_name from slacktide.session
where id = %(id)s::bigint and ended_at is null and last_seen_at + idle_limit > clock_timestamp()
for share;

-- name: see
-- Note that a live session was used; one that is over stays so.
update slacktide.session set last_seen_at = greatest(last_seen_at, clock_timestamp())
where id = %(id)s::bigint and ended_at is null and last_seen_at + idle_limit > clock_timestamp()
returning user_name, limited;

-- name: limit
-- Limit a session to what its user has open.
update slacktide.session set limited = true where id = %(id)s::bigint;

-- name: widen
-- Lift the limit of a live session of a user.
update slacktide.session set limited = false, last_seen_at = greatest(last_seen_at, clock_timestamp())
where id = %(id)s::bigint and user_name = %(user)s and ended_at is null
    and last_seen_at + idle_limit > clock_timestamp();

-- name: whose
-- Tell whose a session is or was.
select user_name from slacktide.session where id = %(id)s::bigint;

-- name: act
-- Note that a session has acted for an organization.
insert into slacktide.session_organization as known (session, organization) values (%(id)s::bigint, %(organization)s)
on conflict (session, organization) do update set acted_at = greatest(known.acted_at, clock_timestamp());

-- name: end
-- End a session that has not ended; its leases end with it.
update slacktide.session set ended_at = clock_timestamp(), ended_because = %(because)s
where id = %(id)s::bigint and ended_at is null
returning id;

-- name: list
-- List the live sessions: of all, or those that have acted for an organization since an instant, if there is one.
select s.id::text, s.user_name, u.admin and not u.disabled, s.started_at, s.last_seen_at,
    coalesce((select array_agg(o.organization order by o.organization)
              from slacktide.session_organization o where o.session = s.id), '{}')
from slacktide.session s join slacktide.app_user u on u.name = s.user_name
where s.ended_at is null and s.last_seen_at + s.idle_limit > clock_timestamp()
    and (%(organization)s::text is null or exists (
        select from slacktide.session_organization o
        where o.session = s.id and o.organization = %(organization)s::text
            and (%(since)s::timestamptz is null or o.acted_at >= %(since)s::timestamptz)
    ))
order by s.started_at, s.id;
