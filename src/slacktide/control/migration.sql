-- name: is_migrated
-- Tell whether any migration was ever noted.
select to_regclass('slacktide._yoyo_migration') is not null;

-- name: applied
-- List the migrations that are noted as applied.
select migration_id from slacktide._yoyo_migration;

-- name: make_schema
-- Make the schema of everything of ours.
create schema if not exists slacktide;

-- name: lock
-- Wait until nobody else migrates this database; the lock goes with the session.
select pg_advisory_lock(hashtextextended('slacktide migrate', 0));

-- name: unlock
-- Let the next one migrate.
select pg_advisory_unlock(hashtextextended('slacktide migrate', 0));
