-- Notices: what was told of each downtime and of each occurrence of a series; the notices; and their deliveries, each of
-- one notice to one user or to the webhook.
--
-- A migration may be killed after it was applied and before that was noted, so every statement here can run again.
-- Settings (0001) and users (0003) come before.

-- What was told last. A setting that has not begun can be deleted, so its ID is no reference. `sequence` is how often the
-- setting had been changed when this was last looked at.
create table if not exists slacktide.notice_subject (
    id bigint generated always as identity primary key,
    downtime bigint not null,
    organization text references slacktide.organization,
    occurrence text not null default '',
    stage text not null check (stage in ('cancelled', 'ahead', 'started', 'ended')),
    starts_at timestamptz not null,
    ends_at timestamptz,
    users text not null check (users in ('in', 'out')),
    lead interval,
    sequence integer not null
);

create unique index if not exists notice_subject_name
    on slacktide.notice_subject (downtime, coalesce(organization, ''), occurrence);

create index if not exists notice_subject_open on slacktide.notice_subject (downtime) where stage in ('ahead', 'started');

-- A notice of a downtime, or (kind `task`, without a subject) a mail that asks to act on a task. `content` is what it
-- tells, so that it reads the same whenever it is sent.
create table if not exists slacktide.notice (
    id bigint generated always as identity primary key,
    subject_id bigint references slacktide.notice_subject,
    kind text not null check (kind in ('ahead', 'changed', 'started', 'ended', 'cancelled', 'task')),
    content jsonb not null,
    planned_at timestamptz not null default clock_timestamp(),
    check ((kind = 'task') = (subject_id is null))
);

create index if not exists notice_of_subject on slacktide.notice (subject_id, id);

-- `key` makes the Message-ID and the webhook-id, which stay the same however often it is tried. `sender` is the number of
-- whoever sends it now; that one's lock goes with its connection.
create table if not exists slacktide.notice_delivery (
    id bigint generated always as identity primary key,
    notice_id bigint not null references slacktide.notice,
    channel text not null check (channel in ('mail', 'webhook')),
    recipient text not null default '',
    key uuid not null unique default gen_random_uuid(),
    state text not null default 'waiting' check (
        state in ('waiting', 'sending', 'sent', 'given up', 'superseded', 'withdrawn', 'not configured')
    ),
    attempts integer not null default 0,
    repeats integer not null default 0,
    next_try timestamptz not null default clock_timestamp(),
    because text not null default '',
    sender integer,
    ended_at timestamptz,
    unique (notice_id, channel, recipient)
);

create index if not exists notice_delivery_waiting on slacktide.notice_delivery (channel, next_try, id) where state = 'waiting';

create index if not exists notice_delivery_sending on slacktide.notice_delivery (notice_id) where state = 'sending';

-- Why a whole channel waits: its server cannot be reached, or does not take our log-in.
create table if not exists slacktide.notice_channel (
    channel text primary key check (channel in ('mail', 'webhook')),
    failures integer not null default 0,
    next_try timestamptz not null default clock_timestamp(),
    because text not null default ''
);

insert into slacktide.notice_channel (channel) values ('mail'), ('webhook') on conflict do nothing;

-- One row: whoever plans holds it, and the time of planning does not go back.
create table if not exists slacktide.notice_look (
    one boolean primary key default true check (one),
    at timestamptz not null default clock_timestamp()
);

insert into slacktide.notice_look default values on conflict do nothing;

create sequence if not exists slacktide.notice_sender as integer cycle;

-- Whom a downtime concerns: the site's all users, an organization's those with a role in it and the administrators. A
-- disabled one is concerned by nothing, and who has no address gets no mail.
create or replace function slacktide.concerned(whose text) returns table (name text, email text) language sql stable as $body$
    select u.name, u.email from slacktide.app_user u
    where not u.disabled and u.email <> '' and (
        whose is null or u.admin
        or exists (select from slacktide.app_user_role r where r.user_name = u.name and r.organization = whose)
    )
$body$;
