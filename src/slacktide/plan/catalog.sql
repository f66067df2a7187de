-- name: tables
-- The tables of some schemas, and their partitions, which may lie in any; a partition names the table at its top.
select
    c.oid::bigint,
    n.nspname as schema,
    c.relname as name,
    c.relkind = 'p' as partitioned,
    c.relpersistence as persistence,
    c.relreplident as identity,
    case when c.relispartition then pg_partition_root(c.oid)::oid::bigint end as top,
    (
        select min(h.inhrelid::regclass::text)
        from pg_inherits h
        join pg_class k on k.oid = h.inhrelid
        where h.inhparent = c.oid and not k.relispartition
    ) as child
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_class t on c.relispartition and t.oid = pg_partition_root(c.oid)
left join pg_namespace s on s.oid = t.relnamespace
where c.relkind in ('r', 'p') and (n.nspname = any(%(schemas)s) or s.nspname = any(%(schemas)s))
order by n.nspname, c.relname;

-- name: columns
-- The columns of some tables; a type can be compared if it has an equality of its own. The mover may write partitions
-- through the table above them in schemas that it must not use.
select
    a.attrelid::bigint as oid,
    a.attname as name,
    format_type(a.atttypid, null) as type,
    format_type(a.atttypid, a.atttypmod) as written,
    format_type(b.oid, case when t.typbasetype = 0 then a.atttypmod else t.typtypmod end) as base,
    not a.attnotnull as nullable,
    a.attgenerated <> '' as generated,
    a.attidentity = 'a' as always,
    a.attidentity <> '' or a.atthasdef as filled,
    case
        when has_schema_privilege(n.oid, 'usage')
            then pg_get_serial_sequence(format('%%I.%%I', n.nspname, c.relname), a.attname)
    end as sequence,
    e.typtype in ('e', 'r', 'm', 'c') or exists (
        select
        from pg_opclass o
        join pg_am m on m.oid = o.opcmethod and m.amname in ('btree', 'hash')
        where o.opcdefault and (
            o.opcintype = e.oid
            or exists (
                select
                from pg_cast k
                where k.castsource = e.oid and k.casttarget = o.opcintype and k.castmethod = 'b'
            )
        )
    ) as comparable,
    (
        select format('%%I.%%I', l.collnamespace::regnamespace, l.collname)
        from pg_collation l
        where l.oid = a.attcollation and l.oid <> 'pg_catalog.default'::regcollation
    ) as collation,
    exists (select from pg_collation l where l.oid = a.attcollation and not l.collisdeterministic) as folding,
    exists (
        select from pg_operator p
        where p.oprname = '=' and (p.oprleft, p.oprright) = (b.oid, b.oid)
            and p.oprnamespace <> 'pg_catalog'::regnamespace
    ) as own_equality
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
join pg_type b on b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
join pg_type e on e.oid = case when b.typcategory = 'A' then coalesce(nullif(b.typelem, 0), b.oid) else b.oid end
where a.attrelid = any(%(tables)s::bigint[]::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum;

-- name: indexes
-- The indexes of some tables: a column that is an expression is null, `uses` has all that they rest on.
select
    i.indrelid::bigint as oid,
    x.relname as name,
    i.indisunique as is_unique,
    i.indisprimary as is_primary,
    i.indisreplident as is_identity,
    i.indisexclusion as exclusion,
    i.indimmediate as immediate,
    i.indisvalid as valid,
    i.indpred is not null as partial,
    not coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) as nulls_distinct,
    array(
        select a.attname::text
        from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality as k (number, place)
        left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
        order by k.place
    ) as columns,
    array(
        select a.attname::text
        from pg_depend d
        join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refobjid = i.indrelid
            and d.refobjsubid > 0
        order by a.attnum
    ) as uses
from pg_index i
join pg_class x on x.oid = i.indexrelid
where i.indrelid = any(%(tables)s::bigint[]::oid[])
order by i.indrelid, not i.indisprimary, x.relname;

-- name: foreign_keys
-- The foreign keys of some tables, without those that partitions inherit.
select
    k.conrelid::bigint as oid,
    k.conname as name,
    k.confrelid::bigint as referred,
    k.confdeltype as on_delete,
    k.confupdtype as on_update,
    k.confmatchtype = 'f' as match_full,
    array(
        select a.attname::text
        from unnest(k.conkey) with ordinality as c (number, place)
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.number
        order by c.place
    ) as columns,
    array(
        select a.attname::text
        from unnest(k.confkey) with ordinality as c (number, place)
        join pg_attribute a on a.attrelid = k.confrelid and a.attnum = c.number
        order by c.place
    ) as referred_columns
from pg_constraint k
where k.conrelid = any(%(tables)s::bigint[]::oid[]) and k.contype = 'f' and k.conparentid = 0
order by k.conrelid, k.conname;

-- name: check_constraints
-- The columns that check constraints look at.
select
    k.conrelid::bigint as oid,
    k.conname as name,
    array(
        select a.attname::text from pg_attribute a where a.attrelid = k.conrelid and a.attnum = any(k.conkey)
    ) as columns
from pg_constraint k
where k.conrelid = any(%(tables)s::bigint[]::oid[]) and k.contype = 'c'
order by k.conrelid, k.conname;

-- name: triggers
-- The triggers that writing would fire, but for PostgreSQL's own and Slacktide's.
select
    t.tgrelid::bigint as oid,
    t.tgname as name,
    p.pronamespace::regnamespace || '.' || p.proname as function
from pg_trigger t
join pg_proc p on p.oid = t.tgfoid
where t.tgrelid = any(%(tables)s::bigint[]::oid[]) and not t.tgisinternal and t.tgenabled in ('O', 'A')
    and p.pronamespace::regnamespace::text <> 'slacktide'
order by t.tgrelid, t.tgname;

-- name: type_name
-- PostgreSQL's own name of a type, however it is written; null if there is no such type.
select format_type(to_regtype(%(type)s), null);

-- name: encoding
-- The encoding of this database.
select pg_encoding_to_char(encoding) from pg_database where datname = current_database();

-- name: schemas
-- The schemas that hold tables of somebody's own, and not PostgreSQL's or Slacktide's.
select distinct n.nspname
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'slacktide')
order by n.nspname;
