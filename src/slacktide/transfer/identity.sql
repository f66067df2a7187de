-- name: remember
-- Write down a table's identity as it is before we set it; what an earlier `prepare` wrote down stays.
insert into slacktide.identity_before
select c.oid, c.relreplident, (select i.indexrelid from pg_index i where i.indrelid = c.oid and i.indisreplident)
from pg_class c where c.oid = {relation}::regclass
on conflict do nothing

-- name: full
-- Have the whole old row in the log.
alter table {relation} replica identity full

-- name: using_index
-- Have the columns of an index in the log.
alter table {relation} replica identity using index {index}

-- name: default
-- Have the primary key in the log.
alter table {relation} replica identity default

-- name: nothing
-- Have nothing of the old row in the log.
alter table {relation} replica identity nothing

-- name: touch
-- Write a row as it is.
update {relation} set {column} = {column} where ctid = (select ctid from {relation} limit 1 for update skip locked)

-- name: before
-- The tables whose identity was set and that are still there, under the names that they have now, with what they had.
select n.nspname::text, c.relname::text, b.identity::text, x.relname::text
from slacktide.identity_before b
join pg_class c on c.oid = b.relation
join pg_namespace n on n.oid = c.relnamespace
left join pg_index i on i.indexrelid = b.index and i.indrelid = c.oid
left join pg_class x on x.oid = i.indexrelid
order by 1, 2
