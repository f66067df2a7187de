-- name: judged
-- Tell whether this session may ask the database's own guard; by the catalog, for a name in a schema that it may not use
-- is refused.
select coalesce(bool_or(has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')), false)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'slacktide' and p.proname = 'guard_judge'
  and pg_get_function_identity_arguments(p.oid) = 'organizations text[], interface boolean, relation text, crossing boolean'

-- name: judge
-- Take the shared locks of site and organization until the transaction ends, then look, as the guard does for a write.
select slacktide.guard_judge(array[%(organization)s::text], true, %(what)s)

-- name: lock
-- The same locks where the guard may not be asked: the site's, then the organization's. The numbers are those of guard.sql.
select pg_advisory_xact_lock_shared(1936482662, hashtext('')),
       pg_advisory_xact_lock_shared(1936482662, hashtext(%(organization)s::text))
