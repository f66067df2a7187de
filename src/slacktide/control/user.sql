-- name: one
-- Give one user and keep others from changing it.
select name, email, admin, disabled, password_hash is not null
from slacktide.app_user where name = %(name)s for no key update;

-- name: list
-- List the users by name.
select name, email, admin, disabled, password_hash is not null from slacktide.app_user order by name;

-- name: administrators
-- Tell of every user whether it is an administrator by its current data, and of which organizations.
select u.name, u.admin and not u.disabled,
    coalesce(array_agg(r.organization) filter (where r.organization is not null and not u.disabled), '{}')
from slacktide.app_user u left join slacktide.app_user_role r on r.user_name = u.name and r.role = 'administrator'
group by u.name;

-- name: roles
-- List what users are in organizations, of one user or of all.
select user_name, organization, role from slacktide.app_user_role
where %(name)s::text is null or user_name = %(name)s::text
order by user_name, organization;

-- name: add
-- Add a user, unless the name is taken.
insert into slacktide.app_user (name, email, admin) values (%(name)s, %(email)s, %(admin)s)
on conflict do nothing returning name;

-- name: change
-- Save a changed user.
update slacktide.app_user set email = %(email)s, admin = %(admin)s, disabled = %(disabled)s where name = %(name)s;

-- name: expire
-- Let whatever was remembered of a user count no more, since its rights have changed.
update slacktide.app_user set credentials_at = clock_timestamp() where name = %(name)s;

-- name: end_sessions
-- End the sessions of a user who is disabled, and with them its leases.
update slacktide.session set ended_at = clock_timestamp(), ended_because = 'the user was disabled'
where user_name = %(name)s and ended_at is null;

-- name: set_password
-- Keep the hash of a user's new password.
update slacktide.app_user set password_hash = %(hash)s where name = %(name)s;

-- name: password
-- Give the hash of a password; a disabled user has none.
select password_hash from slacktide.app_user where name = %(name)s and not disabled;

-- name: set_role
-- Give a user a role in an organization.
insert into slacktide.app_user_role (user_name, organization, role) values (%(name)s, %(organization)s, %(role)s)
on conflict (user_name, organization) do update set role = excluded.role;

-- name: remove_role
-- Take a user's role in an organization away.
delete from slacktide.app_user_role where user_name = %(name)s and organization = %(organization)s;

-- name: of_names
-- Tell what users are, by their current data: administrators, of which organizations, and whether they may have leases.
select u.name, u.admin and not u.disabled, u.disabled,
    coalesce(array_agg(r.organization) filter (where r.organization is not null), '{}'),
    coalesce(array_agg(r.organization) filter (where r.role = 'administrator'), '{}'),
    exists (select from slacktide.lease l where l.user_name = u.name and l.ended_at is null)
from slacktide.app_user u left join slacktide.app_user_role r on r.user_name = u.name
where u.name = any(%(names)s)
group by u.name;
