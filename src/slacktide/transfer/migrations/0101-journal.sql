-- The journal of moves, in the control database: what was seen at the source, which batches were made of it, and how
-- far each is. Written only over the connection that holds the process's lock.

create table if not exists slacktide.move (
    move_id integer generated always as identity primary key,
    name text not null unique check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
    plan text not null,
    plan_text text not null,
    property text not null,
    target_property text not null,
    source text not null,
    target text not null,
    spool text not null,
    task smallint not null default 1 check (task between 1 and 8),
    state text not null default 'created',
    created_at timestamptz not null default clock_timestamp(),
    configured_at timestamptz,
    incarnation integer not null default 0,
    number_floor integer not null default 0, -- batches up to here are settled, whatever became of them
    steady_since timestamptz,
    facts jsonb not null default '{}'
);

-- One slot after another; a new one begins with a pass over everything.
create table if not exists slacktide.move_incarnation (
    move_id integer not null references slacktide.move,
    incarnation integer not null,
    slot text not null,
    system_id text,
    timeline integer,
    consistent_point pg_lsn,
    snapshot text,
    fingerprint jsonb,
    reached pg_lsn,
    primary key (move_id, incarnation)
);

create table if not exists slacktide.move_process (
    move_id integer not null references slacktide.move,
    process text not null check (process in ('synchronization', 'generate', 'transfer', 'process', 'down time')),
    wanted text not null default 'stopped' check (wanted in ('stopped', 'running')),
    state text not null default 'stopped' check (state in ('stopped', 'running', 'waiting', 'failed')),
    since timestamptz not null default clock_timestamp(),
    pid integer,
    host text,
    waits_for text,
    error text,
    done bigint not null default 0,
    rate_per_second double precision not null default 0,
    lag_seconds double precision,
    beat_at timestamptz,
    primary key (move_id, process)
);

-- What the stream said, in the order of commits, and what was asked for otherwise (xid is null: visible to all).
create table if not exists slacktide.journal (
    move_id integer not null references slacktide.move,
    sequence bigint generated always as identity,
    position pg_lsn not null,
    xid bigint,
    committed_at timestamptz not null,
    batch integer,
    primary key (move_id, sequence)
);
create index if not exists journal_waiting on slacktide.journal (move_id, sequence) where batch is null;

create table if not exists slacktide.journal_object (
    move_id integer not null,
    sequence bigint not null,
    entity text not null,
    key text not null,
    crossed boolean not null,
    primary key (move_id, sequence, entity, key),
    foreign key (move_id, sequence) references slacktide.journal on delete cascade
);

-- The key ranges of the pass, in order: (after, upto]. Those that end a later pass say what is absent.
create table if not exists slacktide.pass_range (
    move_id integer not null references slacktide.move,
    incarnation integer not null,
    ordinal integer not null,
    entity text not null,
    after text,
    upto text,
    absence boolean not null default false,
    objects integer not null default 0,
    batch integer,
    primary key (move_id, incarnation, ordinal)
);

create table if not exists slacktide.batch (
    move_id integer not null references slacktide.move,
    number integer not null,
    incarnation integer not null,
    state text not null default 'generated' check (state in ('lost', 'generated', 'transferred', 'processed')),
    snapshot text not null,
    position pg_lsn not null,
    as_of timestamptz not null,
    oldest_commit timestamptz,
    file text not null,
    checksum text not null,
    bytes bigint not null,
    objects integer not null,
    own_objects integer not null default 0,
    made_at timestamptz not null default clock_timestamp(),
    processed_at timestamptz,
    written integer,
    primary key (move_id, number)
);
create index if not exists batch_waiting on slacktide.batch (move_id, number) where state <> 'processed';

-- The messages that are not simply processed: one row for each object that failed, waits or was warned about.
create table if not exists slacktide.message (
    message_id bigint generated always as identity primary key,
    move_id integer not null references slacktide.move,
    entity text not null,
    key text not null,
    batch integer not null,
    state text not null check (state in ('warning', 'failed', 'waiting')),
    reason text not null,
    waits_for_entity text,
    waits_for_key text,
    at timestamptz not null default clock_timestamp(),
    accepted_by text,
    accepted_reason text,
    unique (move_id, entity, key)
);

-- Objects of other properties that were sent because something of ours refers to them (shared ones are not listed).
create table if not exists slacktide.outside_object (
    move_id integer not null references slacktide.move,
    entity text not null,
    key text not null,
    primary key (move_id, entity, key)
);

create table if not exists slacktide.conversion (
    move_id integer not null references slacktide.move,
    list text not null,
    source_code text not null,
    target_code text,
    primary key (move_id, list, source_code)
);
