-- The key of a move's spool, wrapped by the installation's secret key, which is in no table. The journal of a move comes
-- before (0101).
create table if not exists slacktide.spool_key (
    move_id integer primary key references slacktide.move on delete cascade,
    wrapped bytea not null,
    made_at timestamptz not null default clock_timestamp()
);
