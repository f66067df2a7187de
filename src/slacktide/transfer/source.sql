-- name: snapshot
-- The snapshot of this transaction, and the instant it was taken at.
select pg_current_snapshot()::text, clock_timestamp()

-- name: insert_position
-- Where the next record of the log will stand, and the sizes that say where its pages begin.
select pg_current_wal_insert_lsn()::text, current_setting('wal_block_size')::int,
    (select setting::bigint from pg_settings where name = 'wal_segment_size')

-- name: flush
-- Write and flush the log up to here. The message itself marks nothing.
select pg_logical_emit_message(true, 'slacktide', '')

-- name: identity
-- Which server and database this is.
select system_identifier::text, (select timeline_id from pg_control_checkpoint()), current_database(),
    pg_is_in_recovery()
from pg_control_system()

-- name: fingerprint
-- What of each table the stream does not say: columns, types, keys, identity, triggers, policies; and, apart, the files
-- of the table and its leaves, which a TRUNCATE or a rewrite changes.
select n.nspname || '.' || c.relname, md5(jsonb_build_object(
    'kind', c.relkind, 'persistence', c.relpersistence, 'identity', c.relreplident,
    'security', array[c.relrowsecurity, c.relforcerowsecurity],
    'columns', (select jsonb_agg(array[a.attnum::text, a.attname, format_type(a.atttypid, a.atttypmod),
            a.attnotnull::text, a.attgenerated::text, a.attisdropped::text] order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0),
    'indexes', (select jsonb_agg(array[pg_get_indexdef(i.indexrelid), i.indisreplident::text] order by i.indexrelid)
        from pg_index i where i.indrelid = c.oid and (i.indisunique or i.indisreplident)),
    'constraints', (select jsonb_agg(pg_get_constraintdef(k.oid) order by k.oid)
        from pg_constraint k where k.conrelid = c.oid),
    'triggers', (select jsonb_agg(array[pg_get_triggerdef(t.oid), t.tgenabled::text] order by t.oid)
        from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal and t.tgname not like 'slacktide%%'),
    'policies', (select jsonb_agg(array[p.polname, pg_get_expr(p.polqual, p.polrelid)] order by p.oid)
        from pg_policy p where p.polrelid = c.oid)
    )::text),
    md5((select jsonb_agg(array[l.oid::text, l.relfilenode::text] order by l.oid)
        from pg_class l where l.oid = c.oid or l.oid in (
            with recursive leaf (oid) as (select inhrelid from pg_inherits where inhparent = c.oid
                union all select h.inhrelid from pg_inherits h join leaf on h.inhparent = leaf.oid)
            select oid from leaf))::text)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = any (%(tables)s)
