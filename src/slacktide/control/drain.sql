-- name: set
-- Give a downtime a drain, or another one, which is then to be carried out.
insert into slacktide.drain (setting, after, then_do, set_by, reason)
values (%(id)s::bigint, %(after)s, %(then)s, %(set_by)s, %(reason)s)
on conflict (setting) do update set after = excluded.after, then_do = excluded.then_do, set_by = excluded.set_by,
    reason = excluded.reason, done_for = null, done_at = null, outcome = null;

-- name: one
-- Give a downtime's drain.
select after, then_do, set_by, reason, done_for, outcome from slacktide.drain where setting = %(id)s::bigint;

-- name: open
-- The downtimes with a drain that have begun and are not over, and of series all.
select d.setting::text from slacktide.drain d join slacktide.setting s on s.id = d.setting
where s.starts_at <= clock_timestamp() and (s.ends_at is null or s.ends_at > clock_timestamp())
    and (d.done_for is null or s.rrule is not null)
order by d.setting;

-- name: done
-- Note that a drain has been carried out, for the downtime that began then.
update slacktide.drain set done_for = %(start)s, done_at = clock_timestamp(), outcome = %(outcome)s
where setting = %(id)s::bigint;
