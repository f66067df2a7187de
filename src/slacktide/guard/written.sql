-- name: first_write
-- The first write of a user since the organization was opened in this database.
select at, login, relation from slacktide.guard_first_write where organization = %(organization)s order by at limit 1

-- name: stop_awaiting
-- Spare those who write the question: the first write is known.
update slacktide.guard_closing set awaits_write = false
where organization = %(organization)s and awaits_write
    and exists (select from slacktide.guard_first_write w where w.organization = %(organization)s)

-- name: disown
-- Take back what this very transaction noted.
delete from slacktide.guard_first_write
where organization = %(organization)s and transaction = pg_current_xact_id()

-- name: refused
-- How many writes were refused because the organization lives elsewhere; a crash of the server may add up to 32.
select coalesce(pg_sequence_last_value(to_regclass(slacktide.guard_refused_name(%(organization)s))), 0)
