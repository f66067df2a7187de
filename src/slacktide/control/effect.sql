-- name: users
-- Count the normal users that work for each organization.
select r.organization, count(*)
from slacktide.app_user_role r join slacktide.app_user u on u.name = r.user_name
where not u.admin and not u.disabled
group by r.organization;

-- name: everybody
-- Count all normal users.
select count(*) from slacktide.app_user where not admin and not disabled;

-- name: tasks
-- Count the open tasks of each organization.
select organization, count(*) from slacktide.task where state = 'open' group by organization;
