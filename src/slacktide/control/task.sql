-- name: one
-- Give one task, which stays as it is until the end of the transaction.
select id, organization, title, assignee, state from slacktide.task where id = %(id)s for no key update;

-- name: list
-- List the tasks, of one organization or of all, oldest first.
select id, organization, title, assignee, state from slacktide.task
where %(organization)s::text is null or organization = %(organization)s::text
order by created_at, id;

-- name: organizations
-- Tell which organizations tasks belong to.
select id, organization from slacktide.task where id = any(%(ids)s);

-- name: add
-- Add a task.
insert into slacktide.task (organization, title, assignee) values (%(organization)s, %(title)s, %(user)s)
returning id, organization, title, assignee, state;

-- name: change
-- Save a changed task; the trigger ends the leases of one that is done or has gone to another organization.
update slacktide.task set organization = %(organization)s, state = %(state)s where id = %(id)s
returning id, organization, title, assignee, state;
