-- What was told of the milestones of a move, each once; `key` says which one it is.

create table if not exists slacktide.milestone (
    move_id integer not null references slacktide.move on delete cascade,
    key text not null,
    milestone text not null,
    at timestamptz not null default clock_timestamp(),
    primary key (move_id, key)
);

-- Since when an attempt is in its state: a second pause is another one.
alter table slacktide.procedure add column if not exists state_since timestamptz not null default clock_timestamp();
