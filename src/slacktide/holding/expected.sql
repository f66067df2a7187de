-- name: record
-- Tell since when there is a record of arrivals, how much arrived in all, and how much waits now.
select min(first), coalesce(sum(greatest(inserts, imports)), 0)::bigint, coalesce(sum(waiting), 0)::bigint
from (
    select min(since) as first, count(*) filter (where step = 'insert') as inserts,
        count(*) filter (where step = 'import') as imports,
        count(*) filter (where state in ('waiting', 'running', 'sent')) as waiting
    from slacktide.held_item
    where %(organization)s::text is null or organization = %(organization)s::text
    group by organization
) c

-- name: arrivals
-- Count what arrived in each of some windows; an insert and the import that follows from it count once.
select coalesce((
    select sum(greatest(c.inserts, c.imports)) from (
        select count(*) filter (where step = 'insert') as inserts, count(*) filter (where step = 'import') as imports
        from slacktide.held_item
        where since >= w.begins and since < w.ends
            and (%(organization)s::text is null or organization = %(organization)s::text)
        group by organization
    ) c
), 0)::bigint
from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) as w (begins, ends)
