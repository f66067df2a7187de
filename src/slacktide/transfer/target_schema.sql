-- What a target keeps of the moves into it. Made by `prepare`, taken away by `clean`. `outcome` is what did not arrive with the
-- last batch, and what went without being named by it, see transfer/outcome.py; null where there is nothing of the kind.
create schema if not exists slacktide;

create table if not exists slacktide.mover_move (
    move_no integer generated always as identity primary key,
    name text not null unique,
    property text not null,
    incarnation integer not null default 0,
    number integer not null default 0,
    checksum text not null default '',
    applied_at timestamptz,
    outcome jsonb
);
alter table slacktide.mover_move add column if not exists outcome jsonb;

-- Which target row stands for which source row; `hash` is that of an object's content, null for a part or where
-- what stands at the target is not what was sent. Of a way back, `native` is what stood there before the mover came: what
-- is not the property's own is not deleted; and `stays` is what it never writes nor compares (see transfer/returning.py). Only the primary key begins with move and name: a map that grows fast
-- has no statistics, and the planner would take any index that does for a look by `source_key`. `outside` objects are of other properties and kept by reference.
create table if not exists slacktide.key_map (
    move_no integer not null references slacktide.mover_move,
    name text not null,
    source_key text not null,
    target_key text not null,
    hash uuid,
    outside boolean not null,
    batch integer not null,
    native boolean not null default false,
    stays boolean not null default false,
    primary key (move_no, name, source_key),
    unique (target_key, name, move_no)
);
-- A key map of before there was a way back; the table is locked only where it is one.
do $$ begin
    if not exists (select from pg_attribute where attrelid = 'slacktide.key_map'::regclass and attname = 'stays') then
        alter table slacktide.key_map add native boolean not null default false, add stays boolean not null default false;
    end if;
end $$;
create index if not exists key_map_outside on slacktide.key_map (target_key, name, move_no) where outside;

-- What was written since a batch, for verification.
create index if not exists key_map_batch on slacktide.key_map (batch);

-- Numbers for unique values that are set aside while they change hands.
create sequence if not exists slacktide.parking_number;
