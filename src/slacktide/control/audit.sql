-- name: add
-- Note who changed what, when and why.
insert into slacktide.audit (who, what, object, before, after, reason)
values (%(who)s, %(what)s, %(object)s, %(before)s, %(after)s, %(reason)s);

-- name: list
-- List the trail, oldest first, from an instant on.
select at, who, what, object, before, after, reason
from slacktide.audit
where %(since)s::timestamptz is null or at >= %(since)s::timestamptz
order by at, id;
