-- Waves: moves that go down together. What a move does is written where it always is; here is only what the wave wants of it.

create table if not exists slacktide.wave (
    name text primary key,
    who text not null,
    reason text not null,
    created_at timestamptz not null default clock_timestamp(),
    started_by text,                                   -- null: not started, or stopped
    started_reason text,
    started_at timestamptz,
    business_date date,
    waived jsonb not null default '{}',
    gos jsonb not null default '{}'
);

create table if not exists slacktide.wave_move (
    move_id integer primary key references slacktide.move on delete cascade,
    wave text not null references slacktide.wave,
    downtime_id text,                                  -- its window, where the wave scheduled it
    begun boolean not null default false,              -- its processes were said to be wanted
    source_system text,                                -- the source's server, which has only so many slots
    note text,                                         -- for what it waits
    error text,                                        -- why it cannot go on
    stopped boolean not null default false,            -- so that the wave does nothing more for it, until it is started again
    looked_at timestamptz
);
