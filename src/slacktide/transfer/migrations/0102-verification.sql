-- What was verified ahead, in the control database: objects that were equal on both sides as of one batch, and what the
-- control totals measured of each. So what has not changed since need not be read again in the down time.
-- The journal of a move comes before (0101).

create table if not exists slacktide.verification (
    move_id integer primary key references slacktide.move,
    batch integer not null,
    incarnation integer not null,
    plan_checksum text not null,
    business_date date not null,
    verified_at timestamptz not null default clock_timestamp()
);

-- One row for each object that is equal, by the source's key; `counts` are its rows by table, the root's first.
create table if not exists slacktide.verified_object (
    move_id integer not null references slacktide.move,
    entity text not null,
    key text not null,
    own boolean not null,
    counts integer[] not null,
    digest text not null,
    left_out text not null default '',
    primary key (move_id, entity, key)
);
create index if not exists verified_object_left_out on slacktide.verified_object (move_id, entity) where left_out <> '';

create table if not exists slacktide.verified_measure (
    move_id integer not null references slacktide.move,
    total text not null,
    key text not null,
    label text not null,
    value numeric not null,
    primary key (move_id, total, key, label)
);

-- The objects that were not equal: they are read again every time.
create table if not exists slacktide.verified_difference (
    move_id integer not null references slacktide.move,
    entity text not null,
    key text not null,
    primary key (move_id, entity, key)
);

-- The sums of the above, kept with them: rows of each table, and each total by label.
create table if not exists slacktide.verified_rows (
    move_id integer not null references slacktide.move,
    entity text not null,
    ordinal integer not null,
    rows bigint not null,
    primary key (move_id, entity, ordinal)
);

create table if not exists slacktide.verified_total (
    move_id integer not null references slacktide.move,
    total text not null,
    label text not null,
    value numeric not null,
    primary key (move_id, total, label)
);

-- Which transactions went into the batches after one.
create index if not exists journal_batch on slacktide.journal (move_id, batch) where batch is not null;
