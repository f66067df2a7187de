-- name: sequences
-- The sequences by which a column gets its value: its own, its identity's, and those that its default names.
select distinct n.nspname, s.relname, q.seqincrement
from pg_attribute a
left join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
join pg_depend d
    on d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        and (d.refclassid, d.refobjid, d.refobjsubid) = ('pg_class'::regclass, a.attrelid, a.attnum)
    or d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
join pg_class s on s.oid = case when d.classid = 'pg_class'::regclass then d.objid else d.refobjid end and s.relkind = 'S'
join pg_namespace n on n.oid = s.relnamespace
join pg_sequence q on q.seqrelid = s.oid
where a.attrelid = to_regclass(%(table)s) and a.attname = %(column)s
order by 1, 2

-- name: draw
-- Draw numbers until the sequence has come to one: who draws at the same time is never put back.
select max(nextval(%(sequence)s::regclass)) from generate_series(1, %(count)s)

-- name: set
-- Set a sequence to a number that is far ahead.
select setval(%(sequence)s::regclass, %(value)s)
