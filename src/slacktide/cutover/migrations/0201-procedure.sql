-- The System Down Time of a move: each attempt, its options, and its steps as they are done.

create table if not exists slacktide.procedure (
    move_id integer not null references slacktide.move on delete cascade,
    attempt integer not null,
    downtime_id text not null,
    business_date date not null,
    open_by timestamptz,
    waived jsonb not null default '{}',
    gos jsonb not null default '{}',
    who text not null,
    reason text not null,
    started_at timestamptz not null default clock_timestamp(),
    state text not null default 'running' check (state in ('running', 'ready', 'paused', 'failed', 'open', 'abandoned')),
    first_batch integer not null default 0,
    final_batch integer,
    verification jsonb,
    error text,
    opened_at timestamptz,
    primary key (move_id, attempt)
);

create table if not exists slacktide.procedure_step (
    move_id integer not null,
    attempt integer not null,
    ordinal integer not null,
    step text not null,
    title text not null,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed')),
    done bigint not null default 0,
    total bigint not null default 0,
    work_seconds double precision not null default 0,
    detail jsonb,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (move_id, attempt, ordinal),
    foreign key (move_id, attempt) references slacktide.procedure on delete cascade
);

-- Forget what was carried; the move itself and its down time stay, for the record.
create or replace function slacktide.forget_journal(of integer) returns void language sql as $$
delete from slacktide.journal where move_id = of;
delete from slacktide.pass_range where move_id = of;
delete from slacktide.batch where move_id = of;
delete from slacktide.message where move_id = of;
delete from slacktide.outside_object where move_id = of;
delete from slacktide.move_incarnation where move_id = of;
delete from slacktide.move_process where move_id = of;
update slacktide.move set state = 'clean' where move_id = of;
$$;
