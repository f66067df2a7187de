-- name: of_user
-- List a user's leases that have no recorded end.
select id::text, user_name, session::text, task, organization, opened_at, last_sign_at, ended_at, ended_because
from slacktide.lease where user_name = %(user)s and ended_at is null
order by opened_at, id;

-- name: of_organization
-- List the leases without a recorded end, of one organization or of all, oldest first.
select id::text, user_name, session::text, task, organization, opened_at, last_sign_at, ended_at, ended_because
from slacktide.lease
where ended_at is null and (%(organization)s::text is null or organization = %(organization)s::text)
order by opened_at, id;

-- name: one
-- Give one lease and keep others from changing it.
select id::text, user_name, session::text, task, organization, opened_at, last_sign_at, ended_at, ended_because
from slacktide.lease where id = %(id)s::bigint
for update;

-- name: hold
-- Keep others from changing the leases without a recorded end, of one organization or of all.
select from slacktide.lease
where ended_at is null and (%(organization)s::text is null or organization = %(organization)s::text)
order by id for update;

-- name: in_hand
-- Give leases that have no recorded end and that nobody else has in hand, and keep others from changing them.
select id::text, user_name, session::text, task, organization, opened_at, last_sign_at, ended_at, ended_because
from slacktide.lease where ended_at is null and id = any(%(ids)s::bigint[])
order by id for update skip locked;

-- name: in_session
-- Give the lease of a task in a session that has no recorded end, and keep others from changing it.
select id::text, user_name, session::text, task, organization, opened_at, last_sign_at, ended_at, ended_because
from slacktide.lease where session = %(session)s::bigint and task = %(task)s and ended_at is null
for update;

-- name: lock
-- Let others who open tasks of the organization for the same user wait; the lock goes with the transaction.
select pg_advisory_xact_lock(hashtextextended('slacktide lease ' || %(organization)s::text || ' ' || %(user)s::text, 0));

-- name: add
-- Add a lease; one of a task that the user had open before lasts from then on.
insert into slacktide.lease (user_name, session, task, organization, opened_at, last_sign_at)
values (%(user)s, %(session)s::bigint, %(task)s, %(organization)s, %(opened_at)s, %(now)s)
returning id::text, user_name, session::text, task, organization, opened_at, last_sign_at, ended_at, ended_because;

-- name: touch
-- Note a sign of life.
update slacktide.lease set last_sign_at = %(now)s where id = %(id)s::bigint;

-- name: end
-- Record the end of a lease.
update slacktide.lease set ended_at = %(at)s, ended_because = %(because)s where id = %(id)s::bigint and ended_at is null;
