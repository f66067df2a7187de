-- Contingency packs and their numbered forms. A number is given out once in a move and never again, also when the pack was
-- not finished; so no two sheets of paper can have the same one.

create table if not exists slacktide.contingency_pack (
    move_id integer not null references slacktide.move on delete cascade,
    pack integer not null,
    who text not null,
    begun_at timestamptz not null default clock_timestamp(),  -- before it is read: it is at least as new
    instant timestamptz,                                      -- of the source's snapshot
    folder text,
    made_at timestamptz,                                      -- null: under way, or failed
    error text,
    primary key (move_id, pack)
);

create table if not exists slacktide.contingency_form (
    move_id integer not null,
    number integer not null,
    pack integer not null,
    kind text not null,
    state text not null default 'printed' check (state in ('printed', 'entered', 'voided')),
    who text,
    at timestamptz,
    reason text,
    primary key (move_id, number),
    foreign key (move_id, pack) references slacktide.contingency_pack on delete cascade,
    check ((state = 'printed') = (who is null))
);
