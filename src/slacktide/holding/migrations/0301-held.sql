-- Held work: what waits for a downtime to end, in the control database, with one queue for each organization; the places
-- that it goes to; and a count by which a look knows whether its schedule is still the one that is saved.
--
-- A migration may be killed after it was applied and before that was noted, so every statement here can run again.
-- Organizations, sides and settings come before (0001).

create table if not exists slacktide.held_item (
    id bigint generated always as identity primary key,
    organization text not null references slacktide.organization,
    step text not null check (step in ('insert', 'import')),
    work text not null,
    key text not null unique check (key <> ''),
    payload jsonb not null default '{}',
    state text not null default 'waiting' check (state in ('waiting', 'running', 'sent', 'done', 'failed', 'refused')),
    since timestamptz not null default clock_timestamp(),
    because text not null default '',
    attempts integer not null default 0,
    next_check timestamptz,
    sent_at timestamptz,
    ended_at timestamptz
);

create index if not exists held_item_pending on slacktide.held_item (organization, id)
    where state in ('waiting', 'running', 'sent');

create index if not exists held_item_sent on slacktide.held_item (organization, next_check) where state = 'sent';

create index if not exists held_item_apart on slacktide.held_item (id) where state in ('failed', 'refused');

-- When the work of an organization is looked at next, and why not now. `seen` is the count of the schedule that it is
-- held by: with another one it is looked at at once.
create table if not exists slacktide.held_queue (
    organization text primary key references slacktide.organization,
    kind text not null default 'open' check (kind in ('open', 'hold', 'retry', 'stopped')),
    because text not null default '',
    until timestamptz,
    next_check timestamptz not null default clock_timestamp(),
    failures integer not null default 0,
    seen bigint
);

-- What happened to an item, or (without one) to all work of its organization.
create table if not exists slacktide.held_event (
    id bigint generated always as identity primary key,
    organization text not null,
    held_id bigint references slacktide.held_item,
    at timestamptz not null default clock_timestamp(),
    what text not null,
    because text not null default ''
);

create index if not exists held_event_item on slacktide.held_event (held_id, id);

create index if not exists held_event_organization on slacktide.held_event (organization, at) where held_id is null;

-- The databases that held work goes to: by reference, for one organization or for all that have none of their own.
create table if not exists slacktide.held_place (
    name text primary key,
    address text not null,
    organization text unique references slacktide.organization,
    copied_at timestamptz,
    problem text
);

create unique index if not exists held_place_of_all on slacktide.held_place ((true)) where organization is null;

-- The count rises with each change of the schedule, before that commits, and outside MVCC: whoever reads the same count
-- twice has seen no change commit between.
create sequence if not exists slacktide.schedule_count;

create or replace function slacktide.schedule_counted() returns trigger language plpgsql as $body$
begin
    perform nextval('slacktide.schedule_count');
    return null;
end
$body$;

create or replace trigger schedule_counted after insert or update or delete or truncate on slacktide.organization
    for each statement execute function slacktide.schedule_counted();

create or replace trigger schedule_counted after insert or update or delete or truncate on slacktide.side
    for each statement execute function slacktide.schedule_counted();

create or replace trigger schedule_counted after insert or update or delete or truncate on slacktide.setting
    for each statement execute function slacktide.schedule_counted();

alter table slacktide.organization enable always trigger schedule_counted;

alter table slacktide.side enable always trigger schedule_counted;

alter table slacktide.setting enable always trigger schedule_counted;

-- New work is told, so that it is looked at without waiting.
create or replace function slacktide.held_arrived() returns trigger language plpgsql as $body$
begin
    perform pg_notify('slacktide_held', '');
    return null;
end
$body$;

create or replace trigger held_arrived after insert on slacktide.held_item
    for each statement execute function slacktide.held_arrived();

create or replace trigger held_checked after update of next_check on slacktide.held_queue
    for each row when (new.next_check < old.next_check) execute function slacktide.held_arrived();
