-- name: judged
-- Tell whether this session may ask the database's own guard.
select coalesce(has_function_privilege(to_regprocedure('slacktide.guard_judge(text[], boolean, text, boolean)'), 'execute'), false)

-- name: judge
-- Take the shared locks of site and organization until the transaction ends, then look, as the guard does for a write.
select slacktide.guard_judge(array[%(organization)s::text], true, %(what)s)

-- name: lock
-- The same locks where the guard may not be asked: the site's, then the organization's. The numbers are those of guard.sql.
select pg_advisory_xact_lock_shared(1936482662, hashtext('')),
       pg_advisory_xact_lock_shared(1936482662, hashtext(%(organization)s::text))
