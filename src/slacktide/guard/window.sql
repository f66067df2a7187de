-- name: remove
-- The windows of one scope as they were.
delete from slacktide.guard_window where organization = %(organization)s

-- name: add
-- One window.
insert into slacktide.guard_window (scope, organization, starts_at, ends_at, reason)
values (case %(organization)s::text when '' then 'site' else 'organization' end, %(organization)s::text,
        %(start)s, %(end)s, %(reason)s)

-- name: windows
-- All windows, earliest first.
select organization, starts_at, ends_at, reason from slacktide.guard_window
order by starts_at, organization, window_id
