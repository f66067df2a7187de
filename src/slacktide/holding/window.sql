-- name: database
-- Tell whether this database keeps a copy of the windows, and which one it is, by whatever address.
select to_regclass('slacktide.guard_window') is not null, system_identifier || '/' || oid
from pg_control_system(), pg_database where datname = current_database()

-- name: own
-- Be the only one that copies the windows into this database, for as long as this session lives or until it says so.
select pg_advisory_lock(hashtextextended('slacktide windows', 0))

-- name: disown
-- Let others copy them.
select pg_advisory_unlock(hashtextextended('slacktide windows', 0))

-- name: copied
-- Note that a place has the windows, or why it does not.
update slacktide.held_place set copied_at = case when %(problem)s::text is null then clock_timestamp() else copied_at end,
    problem = %(problem)s
where name = %(name)s
