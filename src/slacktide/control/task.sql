-- name: one
-- Give one task, which stays as it is until the end of the transaction.
select id, organization, title, assignee, state, note, version from slacktide.task where id = %(id)s for no key update;

-- name: list
-- List the tasks, of one organization or of all, oldest first.
select id, organization, title, assignee, state, note, version from slacktide.task
where %(organization)s::text is null or organization = %(organization)s::text
order by created_at, id;

-- name: of_user
-- List the open tasks that a user may know of: of its organizations, and those assigned to it.
select id, organization, title, assignee, state, note, version from slacktide.task
where state = 'open' and (%(admin)s or organization = any(%(organizations)s) or assignee = %(user)s)
order by created_at, id limit %(most)s;

-- name: organizations
-- Tell which organizations tasks belong to.
select id, organization from slacktide.task where id = any(%(ids)s);

-- name: add
-- Add a task.
insert into slacktide.task (organization, title, assignee) values (%(organization)s, %(title)s, %(user)s)
returning id, organization, title, assignee, state, note, version;

-- name: change
-- Save a changed task; the trigger ends the leases of one that is done or has gone to another organization.
update slacktide.task set organization = %(organization)s, state = %(state)s, assignee = %(user)s,
    note = %(note)s, version = version + 1
where id = %(id)s
returning id, organization, title, assignee, state, note, version;
