-- name: snapshot
-- The snapshot of this transaction, the instant it was taken at, and the versions of all catalog rows of the tables:
-- whatever the fingerprint tells apart is written there, so that an equal version is an equal fingerprint.
with recursive relation (oid, attached) as (
    select c.oid, '0'::xid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname || '.' || c.relname = any (%(tables)s)
    union all select h.inhrelid, h.xmin from pg_inherits h join relation on h.inhparent = relation.oid
), version (kind, xmin) as (
    select 1, c.xmin from relation join pg_class c using (oid)
    union all select 2, a.xmin from relation join pg_attribute a on a.attrelid = oid
    union all select 3, i.xmin from relation join pg_index i on i.indrelid = oid
    union all select 4, k.xmin from relation join pg_constraint k on k.conrelid = relation.oid
    union all select 5, t.xmin from relation join pg_trigger t on t.tgrelid = relation.oid
    union all select 6, p.xmin from relation join pg_policy p on p.polrelid = relation.oid
    union all select 7, x.xmin from relation join pg_index i on i.indrelid = relation.oid
        join pg_class x on x.oid = i.indexrelid
    union all select 8, attached from relation
    union all select 9, r.xmin from relation join pg_publication_rel r on r.prrelid = relation.oid
        join pg_publication p on p.oid = r.prpubid where p.pubname = %(publication)s
    union all select 10, p.xmin from pg_publication p where p.pubname = %(publication)s
), summed as (
    select kind, count(*), sum(xmin::text::bigint), max(xmin::text::bigint) from version group by kind
)
select pg_current_snapshot()::text, clock_timestamp(), (select string_agg(summed::text, ' ' order by kind) from summed)

-- name: insert_position
-- Where the next record of the log will stand.
select pg_current_wal_insert_lsn()::text

-- name: sizes
-- The sizes that say where the log's pages and segments begin.
select current_setting('wal_block_size')::int, pg_size_bytes(current_setting('wal_segment_size'))

-- name: flush
-- Write and flush the log up to here. The message itself marks nothing.
select pg_logical_emit_message(true, 'slacktide', '')

-- name: fingerprint
-- What of each table and its partitions the stream does not say: columns, types, keys, identity, triggers, policies;
-- apart, what a TRUNCATE, a rewrite, an ATTACH, a DETACH or a while outside the publication changes: number, file, who
-- attached it, and its place in the publication; and the plan's table.
with recursive relation (oid, attached, top) as (
    select c.oid, '0'::xid, n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname || '.' || c.relname = any (%(tables)s)
    union all select h.inhrelid, h.xmin, relation.top from pg_inherits h join relation on h.inhparent = relation.oid
)
select n.nspname || '.' || c.relname, md5(jsonb_build_object(
    'kind', c.relkind, 'persistence', c.relpersistence, 'identity', c.relreplident,
    'security', array[c.relrowsecurity, c.relforcerowsecurity],
    'columns', (select jsonb_agg(array[a.attnum::text, a.attname, format_type(a.atttypid, a.atttypmod),
            a.attnotnull::text, a.attgenerated::text, a.attisdropped::text] order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0),
    'indexes', (select jsonb_agg(array[pg_get_indexdef(i.indexrelid), i.indisreplident::text] order by i.indexrelid)
        from pg_index i where i.indrelid = c.oid and (i.indisunique or i.indisreplident)),
    'constraints', (select jsonb_agg(pg_get_constraintdef(k.oid) order by k.oid)
        from pg_constraint k where k.conrelid = c.oid and k.conparentid = 0),
    'triggers', (select jsonb_agg(array[pg_get_triggerdef(t.oid), t.tgenabled::text] order by t.oid)
        from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal and t.tgname not like 'slacktide%%'),
    'policies', (select jsonb_agg(array[p.polname, pg_get_expr(p.polqual, p.polrelid)] order by p.oid)
        from pg_policy p where p.polrelid = c.oid)
    )::text),
    md5(array[c.oid::text, c.relfilenode::text, attached::text, (
        select r.oid::text from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
        where p.pubname = %(publication)s and r.prrelid = c.oid)]::text), top
from relation join pg_class c using (oid) join pg_namespace n on n.oid = c.relnamespace

-- name: unpublished
-- The tables that a publication does not hold, neither by name nor with all others.
select t from unnest(%(tables)s::text[]) t where not exists (
    select from pg_publication_tables where pubname = %(publication)s and schemaname || '.' || tablename = t)

-- name: lockers
-- Who holds tables, or a part of them, against reading, and who waits to do so.
with recursive relation (oid) as (
    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname || '.' || c.relname = any (%(tables)s)
    union all select h.inhrelid from pg_inherits h join relation on h.inhparent = relation.oid
)
select distinct case when l.pid is null
    then format('%%s by prepared %%s of %%s since %%s', l.relation::regclass, p.gid, p.owner, p.prepared)
    else format('%%s by %%s of %%s in %%s since %%s: %%s', l.relation::regclass, a.pid, coalesce(a.usename, a.backend_type), a.datname, a.xact_start,
        left(a.query, 80)) end
from pg_locks l join relation on l.relation = relation.oid left join pg_stat_activity a on a.pid = l.pid
    left join pg_prepared_xacts p on l.pid is null and l.virtualtransaction = '-1/' || p.transaction
where l.mode = 'AccessExclusiveLock' and l.database = (select oid from pg_database where datname = current_database())
