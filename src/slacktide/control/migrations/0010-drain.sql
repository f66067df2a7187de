-- Drains: how long after a downtime's start those who hold it up may finish, and what happens then.
-- depends: 0008-user-channel

create table if not exists slacktide.drain (
    setting bigint primary key references slacktide.setting on delete cascade,
    after interval not null check (after >= interval '0'),
    then_do text not null check (then_do in ('end', 'wait', 'give-up')),
    set_by text not null,
    reason text not null,
    -- The start of the downtime, or of the occurrence, for which it has been carried out; and what came of it.
    done_for timestamptz,
    done_at timestamptz,
    outcome text,
    check ((done_for is null) = (done_at is null) and (done_for is null) = (outcome is null))
);
