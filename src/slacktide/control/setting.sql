-- name: now
-- Read the one clock: the control database's.
select clock_timestamp();

-- name: list
-- List the settings in the order of their starts: all, or those that matter to an organization.
select id::text, parameter, level, organization, user_name, value, starts_at, ends_at, latched, users, message, contact,
    zone, reason, rrule, length, overrides, sequence, changed_at, testers,
    zone_moved_at, first_reading
from slacktide.setting
where %(organization)s::text is null or organization is null or organization = %(organization)s::text
order by starts_at, id;

-- name: zones
-- The zones in which the settings of the site and of users were entered, by ID.
select id::text, zone from slacktide.setting where organization is null;

-- name: one
-- Give one setting and keep others from changing it.
select id::text, parameter, level, organization, user_name, value, starts_at, ends_at, latched, users, message, contact,
    zone, reason, rrule, length, overrides, sequence, changed_at, testers,
    zone_moved_at, first_reading
from slacktide.setting
where id = %(id)s::bigint
for update;

-- name: add
-- Add a setting.
insert into slacktide.setting (
    parameter, level, organization, user_name, value, starts_at, ends_at, latched, users, message, contact, zone, reason,
    created_by, rrule, length, overrides, first_reading
)
values (
    %(parameter)s, %(level)s, %(organization)s, %(user)s, %(value)s, %(start)s, %(end)s, %(latched)s, %(users)s,
    %(message)s, %(contact)s, %(zone)s, %(reason)s, %(who)s, %(rrule)s, %(length)s, %(overrides)s::jsonb,
    %(first)s
)
returning id::text;

-- name: change
-- Save a changed setting: value, start and end in one act.
update slacktide.setting
set level = %(level)s, organization = %(organization)s, user_name = %(user)s, value = %(value)s, starts_at = %(start)s, ends_at = %(end)s, latched = %(latched)s, users = %(users)s,
    message = %(message)s, contact = %(contact)s, overrides = %(overrides)s::jsonb, testers = %(testers)s,
    zone_moved_at = %(zone_moved_at)s
where id = %(id)s::bigint;

-- name: delete
-- Delete a setting; the trigger refuses one that has begun or is latched.
delete from slacktide.setting where id = %(id)s::bigint;

-- name: lock
-- Wait until nobody else saves a setting of this parameter; the lock goes with the transaction.
select pg_advisory_xact_lock(hashtextextended('slacktide setting ' || %(parameter)s::text, 0));
