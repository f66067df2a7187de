-- How often a job of a queue of somebody's own was held, so that it is not taken for a failure.
-- depends: 0301-held

create table if not exists slacktide.held_job (
    queue text not null,
    task text not null,
    job bigint not null,
    holds integer not null default 1 check (holds > 0),
    last_at timestamptz not null default clock_timestamp(),
    primary key (queue, task, job)
);
