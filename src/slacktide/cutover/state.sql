-- name: guarded
-- Tell whether a database has the guard, and whether we may look at it.
select coalesce(has_table_privilege(to_regclass('slacktide.guard_closing'), 'select'), false)
