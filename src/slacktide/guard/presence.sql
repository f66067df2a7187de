-- name: relations
-- The relation of this name and all below it, with what decides how it is guarded.
with recursive tree as (
    select c.oid, 0 as depth from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %(schema)s and c.relname = %(table)s and c.relkind in ('r', 'p')
    union
    select i.inhrelid, t.depth + 1 from tree t join pg_inherits i on i.inhparent = t.oid
)
select c.oid::bigint, n.nspname, c.relname, c.relkind = 'p' or c.relispartition,
       exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent))
       or exists (select from pg_subscription_rel s where s.srrelid = c.oid)
       or c.relkind = 'p'
from (select oid, min(depth) as depth from tree group by oid) t
join pg_class c on c.oid = t.oid
join pg_namespace n on n.oid = c.relnamespace
order by t.depth, n.nspname, c.relname

-- name: triggers
-- Our triggers on a relation: name, how it fires (A is always), what for, its function, transition tables, clone or not.
select t.tgname::text, t.tgenabled::text, t.tgtype::int, n.nspname || '.' || p.proname,
       t.tgoldtable::text, t.tgnewtable::text, t.tgqual is null and t.tgattr = '', t.tgparentid <> 0
from pg_trigger t
join pg_proc p on p.oid = t.tgfoid
join pg_namespace n on n.oid = p.pronamespace
where t.tgrelid = %(relation)s::bigint::oid and t.tgname like 'slacktide\_guard\_%%'
order by 1

-- name: function
-- A function of ours as it stands: text, definer, volatility, number of settings, whether everybody may execute it.
select p.prosrc, p.prosecdef, p.provolatile::text, coalesce(cardinality(p.proconfig), 0),
       exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'slacktide' and p.proname = %(name)s

-- name: could_still_pass
-- Roles that could pass or take the guard away: superusers, members of the mover, owners and who can act as one.
select r.rolname::text, array_remove(array[
    case when r.rolsuper then 'superuser' end,
    case when not r.rolsuper and pg_has_role(r.oid, 'slacktide_mover', 'member') then 'member of slacktide_mover' end,
    case when not r.rolsuper and exists (
        select from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where t.tgname like 'slacktide\_guard\_%' and pg_has_role(r.oid, c.relowner, 'member')) then 'owner of guarded tables' end,
    case when not r.rolsuper and exists (
        select from pg_namespace n where n.nspname = 'slacktide' and pg_has_role(r.oid, n.nspowner, 'member'))
        then 'owner of the guard' end
], null)
from pg_roles r
where r.rolsuper or pg_has_role(r.oid, 'slacktide_mover', 'member')
   or exists (select from pg_trigger t join pg_class c on c.oid = t.tgrelid
              where t.tgname like 'slacktide\_guard\_%' and pg_has_role(r.oid, c.relowner, 'member'))
   or exists (select from pg_namespace n where n.nspname = 'slacktide' and pg_has_role(r.oid, n.nspowner, 'member'))
order by 1

-- name: holders_of_relations
-- Who holds a relation that installing waits for.
select distinct l.pid from pg_locks l
where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid() and l.relation = any (%(relations)s::bigint[]::oid[])
  and l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  and l.database = (select oid from pg_database where datname = current_database())
order by 1
