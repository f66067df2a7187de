-- The partners' checklist: for each interface of a property who answers for it, how it is stopped and pointed to the target,
-- and what proves that it works there.

create table if not exists slacktide.partner (
    move_id integer not null references slacktide.move on delete cascade,
    partner text not null,
    owner text not null default '',
    stop text not null default '',
    repoint text not null default '',
    test text not null default '',
    who text not null,
    at timestamptz not null default clock_timestamp(),
    primary key (move_id, partner)
);
