-- name: lock
-- Wait until nobody else makes the control database; the lock goes with the session.
select pg_advisory_lock(hashtextextended('slacktide create', 0));
