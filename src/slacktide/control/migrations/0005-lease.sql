-- Tasks, sessions, and the leases of tasks.
-- depends: 0003-user

create sequence if not exists slacktide.task_number;

create table if not exists slacktide.task (
    id text primary key default nextval('slacktide.task_number')::text check (id <> ''),
    organization text not null references slacktide.organization,
    title text not null default '',
    assignee text references slacktide.app_user,
    state text not null default 'open' check (state in ('open', 'done')),
    created_at timestamptz not null default clock_timestamp()
);

create index if not exists task_organization on slacktide.task (organization) where state = 'open';

-- A session lives until it ends or is idle for longer than its limit.
create table if not exists slacktide.session (
    id bigint generated always as identity primary key,
    user_name text not null references slacktide.app_user,
    started_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    idle_limit interval not null check (idle_limit > interval '0'),
    ended_at timestamptz,
    ended_because text,
    check ((ended_at is null) = (ended_because is null))
);

create index if not exists session_of_user on slacktide.session (user_name) where ended_at is null;

-- For which organizations a session has acted, and when last.
create table if not exists slacktide.session_organization (
    session bigint not null references slacktide.session,
    organization text not null references slacktide.organization,
    acted_at timestamptz not null default clock_timestamp(),
    primary key (session, organization)
);

create index if not exists session_organization_acted on slacktide.session_organization (organization, acted_at);

-- A lease belongs to a user and a session and stays theirs; its organization is the task's at the time it was taken.
create table if not exists slacktide.lease (
    id bigint generated always as identity primary key,
    user_name text not null references slacktide.app_user,
    session bigint not null references slacktide.session,
    task text not null references slacktide.task,
    organization text not null references slacktide.organization,
    opened_at timestamptz not null default clock_timestamp(),
    last_sign_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    ended_because text,
    check ((ended_at is null) = (ended_because is null)),
    check (last_sign_at >= opened_at)
);

create unique index if not exists lease_once on slacktide.lease (session, task) where ended_at is null;

create index if not exists lease_of_user on slacktide.lease (user_name) where ended_at is null;

create index if not exists lease_of_organization on slacktide.lease (organization) where ended_at is null;

create index if not exists lease_of_task on slacktide.lease (task) where ended_at is null;

-- Whose a lease is stays, what has ended stays so, and a sign of life never comes from before the last one.
create or replace function slacktide.lease_keep() returns trigger language plpgsql as $body$
begin
    if tg_op = 'DELETE' then
        raise restrict_violation using message = format('lease %s cannot be deleted: end it', old.id);
    end if;
    if (new.id, new.user_name, new.session, new.task, new.organization, new.opened_at)
        is distinct from (old.id, old.user_name, old.session, old.task, old.organization, old.opened_at) then
        raise restrict_violation using message = format('lease %s is never passed on', old.id);
    end if;
    if old.ended_at is not null then
        raise restrict_violation using message = format('lease %s has ended and stays so', old.id);
    end if;
    new.last_sign_at := greatest(new.last_sign_at, old.last_sign_at);
    return new;
end
$body$;

create or replace trigger lease_keep before update or delete on slacktide.lease
    for each row execute function slacktide.lease_keep();

-- A lease must be of the session's own user and of the task's organization.
create or replace function slacktide.lease_fits() returns trigger language plpgsql as $body$
begin
    if not exists (
        select from slacktide.session s, slacktide.task t
        where s.id = new.session and s.user_name = new.user_name and s.ended_at is null
            and t.id = new.task and t.organization = new.organization and t.state = 'open'
    ) then
        raise check_violation using message = format('a lease of task %s is of its organization and of a live session', new.task);
    end if;
    return new;
end
$body$;

create or replace trigger lease_fits before insert on slacktide.lease
    for each row execute function slacktide.lease_fits();

-- What ends leases with it: their session's end, their task's change of organization or its end.
create or replace function slacktide.session_ends() returns trigger language plpgsql as $body$
begin
    if old.ended_at is not null then
        raise restrict_violation using message = format('session %s has ended and stays so', old.id);
    end if;
    update slacktide.lease set ended_at = new.ended_at, ended_because = new.ended_because
    where session = new.id and ended_at is null;
    return null;
end
$body$;

create or replace trigger session_ends after update of ended_at on slacktide.session
    for each row when (new.ended_at is not null) execute function slacktide.session_ends();

create or replace function slacktide.task_leaves() returns trigger language plpgsql as $body$
begin
    update slacktide.lease set ended_at = clock_timestamp(),
        ended_because = case when new.state = 'done' then 'done' else 'another organization' end
    where task = new.id and ended_at is null;
    return null;
end
$body$;

create or replace trigger task_leaves after update on slacktide.task
    for each row when (new.organization <> old.organization or (new.state = 'done' and old.state <> 'done'))
    execute function slacktide.task_leaves();

-- Whoever waits for a closing is told when a lease or a session has come or gone; a sign of life tells nobody.
create or replace function slacktide.holder_changed() returns trigger language plpgsql as $body$
begin
    perform pg_notify('slacktide_holder', '');
    return null;
end
$body$;

create or replace trigger holder_changed after insert or update of ended_at on slacktide.lease
    for each statement execute function slacktide.holder_changed();

create or replace trigger holder_changed after insert or update of ended_at on slacktide.session
    for each statement execute function slacktide.holder_changed();

create or replace trigger holder_changed after insert on slacktide.session_organization
    for each statement execute function slacktide.holder_changed();
