-- Rehearsals: hidden moves into a shadow target, what each measured, and what was predicted of each down time.

alter table slacktide.move add column if not exists rehearses integer references slacktide.move;
create unique index if not exists move_rehearses on slacktide.move (rehearses);

-- Nobody can give a move the name of a rehearsal, nor the reverse: their slots and key maps are told apart by it.
alter table slacktide.move drop constraint if exists move_name_check;
alter table slacktide.move add constraint move_name_check check (
    name ~ case when rehearses is null then '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$' else '^~[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$' end);

create table if not exists slacktide.rehearsal (
    move_id integer not null references slacktide.move on delete cascade,
    rehearsal integer not null,
    who text not null,
    reason text not null,
    shadow text not null,
    plan_checksum text not null,
    begun_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    state text not null default 'running' check (state in ('running', 'done', 'failed')),
    error text,
    measured json,       -- when it is done; its steps in their order
    predicted json,      -- what the one before it would have said of it
    primary key (move_id, rehearsal)
);

-- What was predicted of a down time when it was started. What came of it stands in its attempt.
create table if not exists slacktide.prediction (
    move_id integer not null,
    attempt integer not null,
    rehearsal integer not null,
    predicted json not null,
    primary key (move_id, attempt),
    foreign key (move_id, attempt) references slacktide.procedure on delete cascade
);

-- Forget a rehearsal's move with all that it carried; what it measured stays with the move that it stood for.
create or replace function slacktide.forget_rehearsal(of integer) returns void language sql as $$
select slacktide.forget_carried(of);
select slacktide.forget_journal(of);
delete from slacktide.conversion where move_id = of;
delete from slacktide.move where move_id = of and rehearses is not null;
$$;
