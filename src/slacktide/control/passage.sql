-- name: hold
-- Hold a scope's shared lock, as everybody does who opens tasks in it; the lock goes with the transaction.
select pg_advisory_xact_lock_shared(hashtextextended('slacktide people ' || %(scope)s::text, 0));

-- name: timeout
-- Wait only so long for a lock, in this transaction.
select set_config('lock_timeout', %(milliseconds)s, true);

-- name: close
-- Hold a scope's lock alone: nobody who passed a decision before is left without a trace.
select pg_advisory_xact_lock(hashtextextended('slacktide people ' || %(scope)s::text, 0));
