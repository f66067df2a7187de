-- name: keep
-- Keep what a user typed into a task, in place of what was kept before.
insert into slacktide.draft (user_name, task, note, because)
select u.name, t.id, %(note)s, %(because)s from slacktide.app_user u, slacktide.task t
where u.name = %(user)s and t.id = %(task)s
on conflict (user_name, task) do update
set note = excluded.note, because = excluded.because, kept_at = clock_timestamp();

-- name: one
-- Give a user's draft of a task.
select note, because, kept_at from slacktide.draft where user_name = %(user)s and task = %(task)s;

-- name: drop
-- Forget a user's draft of a task.
delete from slacktide.draft where user_name = %(user)s and task = %(task)s;
