-- name: doubt
-- Tell since when and why the schedule is in doubt; nothing where it is not.
select coalesce(o.doubted_at, greatest(o.noted_at, pg_postmaster_start_time())), found.why
from (select) only_one
left join slacktide.origin o on true
left join slacktide.origin_here h on true
cross join lateral (
    select case
        when o.id is null then 'the note of where the control database belongs is gone'
        when o.doubt is not null then o.doubt
        when o.system_id <> h.system_id then 'the control database is in another server than was noted'
        when h.timeline is null then 'the server is a standby or still recovers from a backup, and may be behind'
        when o.timeline <> h.timeline then 'the server went on from a backup or a standby'
        when (o.database, o.relation) <> (h.database, h.relation) then 'the control database was loaded from a dump or copied'
    end as why
) found
where found.why is not null;

-- name: write_doubt
-- Write a doubt down, unless there is one.
update slacktide.origin set doubted_at = clock_timestamp(), doubt = %(why)s where doubt is null;

-- name: confirm
-- Note where the database belongs now, without a doubt; make the note again where it is gone.
insert into slacktide.origin (system_id, timeline, database, relation)
select system_id, timeline, database, relation from slacktide.origin_here
on conflict (only_one) do update set
    system_id = excluded.system_id, timeline = excluded.timeline, database = excluded.database,
    relation = excluded.relation, noted_at = clock_timestamp(), doubted_at = null, doubt = null;

-- name: tell
-- Have everybody who keeps the schedule read all of it anew.
select pg_notify('slacktide_schedule', '');

-- name: latest
-- Give which database this is, since when it is not in doubt, and the last entry of its trail.
select o.id::text, o.noted_at, a.id, a.at, clock_timestamp()
from slacktide.origin o
left join lateral (select id, at from slacktide.audit order by id desc limit 1) a on true;

-- name: lacks
-- Tell whether an entry that was seen is not in the trail any more, though the trail goes back so far.
select not exists (select from slacktide.audit where id = %(id)s and at = %(at)s)
    and not coalesce((select min(at) > %(at)s::timestamptz from slacktide.audit), false);
