-- Everything that the guard keeps in a guarded database. Run as one script, any number of times.
-- The theory, and the events that each line stands against, are in slacktide/guard/__init__.py.

select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('slacktide.guard: install', 0));

create schema if not exists slacktide;

do $$
declare
    wanted text;
begin
    foreach wanted in array array['slacktide_mover', 'slacktide_tester'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            begin
                execute pg_catalog.format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then
                null;  -- another database of this server made it at the same moment
            end;
        end if;
        if not pg_catalog.pg_has_role(current_user, wanted, 'member') then
            execute pg_catalog.format('grant %I to current_user', wanted);
        end if;
    end loop;
end
$$;

-- The state of each organization in this database. '' is the site; '*' stands for all, and is asked by TRUNCATE.
create table if not exists slacktide.guard_closing (
    organization text primary key,
    state text not null default 'open'
        check (state in ('open', 'closing', 'quiet', 'verifying', 'reference only', 'prepared')),
    since timestamptz not null default pg_catalog.clock_timestamp(),
    lives_at text,
    reason text not null default '',
    epoch bigint not null default 0,
    awaits_write boolean not null default false  -- opened as a target, and nobody was seen to write yet
);

-- A guard of before a first write was noted; the table is locked only where it is one.
do $$
begin
    if not exists (select from pg_catalog.pg_attribute
                   where attrelid = 'slacktide.guard_closing'::regclass and attname = 'awaits_write') then
        alter table slacktide.guard_closing add column awaits_write boolean not null default false;
    end if;
end
$$;

-- The first writes of users after an opening. Several may be written by those who came at once; none waits for another.
create table if not exists slacktide.guard_first_write (
    first_write_id bigint generated always as identity primary key,
    organization text not null,
    at timestamptz not null default pg_catalog.clock_timestamp(),
    login text not null,
    relation text not null,
    transaction xid8 not null default pg_catalog.pg_current_xact_id()
);

-- This database's own copy of the windows known beforehand, for interface tables.
create table if not exists slacktide.guard_window (
    window_id bigint generated always as identity primary key,
    scope text not null check (scope in ('site', 'organization')),
    organization text not null,
    starts_at timestamptz not null,
    ends_at timestamptz,
    reason text not null default '',
    check ((scope = 'site') = (organization = ''))
);

-- What testers wrote while an organization was verifying.
create table if not exists slacktide.guard_touched (
    touched_id bigint generated always as identity primary key,
    at timestamptz not null default pg_catalog.clock_timestamp(),
    tester text not null,
    relation text not null,
    operation text not null,
    organizations text[] not null,
    row_count bigint not null
);

-- Statements that may have moved rows between organizations, and, once a closer has drawn its line, who wrote then; until
-- all those have ended.
create table if not exists slacktide.guard_crossing (
    crossing_id bigint generated always as identity primary key,
    organizations text[] not null,
    writers text[]
);

-- A guard of before the writers were noted told them by their start; the table is locked only where it is one.
do $$
begin
    if not exists (select from pg_catalog.pg_attribute
                   where attrelid = 'slacktide.guard_crossing'::regclass and attname = 'writers') then
        alter table slacktide.guard_crossing add column writers text[], drop column if exists settled_at;
    end if;
end
$$;

create or replace function slacktide.guard_lock_class() returns integer
language sql immutable parallel safe as 'select 1936482662';

-- Two organizations with the same key share a lock: one waits for the other's writers, and nothing worse.
create or replace function slacktide.guard_lock_key(organization text) returns integer
language sql immutable parallel safe as 'select pg_catalog.hashtext(organization)';

create or replace function slacktide.guard_epoch_name(organization text) returns text
language sql immutable parallel safe as
$$select 'slacktide.guard_epoch_' || pg_catalog.to_hex(pg_catalog.hashtextextended(organization, 0))$$;

-- Counts the writes that were refused for good: a sequence, for what a refused transaction wrote elsewhere is undone.
create or replace function slacktide.guard_refused_name(organization text) returns text
language sql immutable parallel safe as
$$select 'slacktide.guard_refused_' || pg_catalog.to_hex(pg_catalog.hashtextextended(organization, 0))$$;

-- The epoch as it was last published: outside MVCC, so that an old snapshot sees it too.
create or replace function slacktide.guard_published(organization text) returns bigint
language sql volatile as
$$select coalesce(pg_catalog.pg_sequence_last_value(pg_catalog.to_regclass(slacktide.guard_epoch_name(organization))), 0)$$;

-- Give an organization its row and its epoch.
create or replace function slacktide.guard_register(organization text) returns void
language plpgsql volatile as $$
#variable_conflict use_variable
begin
    -- Two who make the same sequence at once: the second one would be refused, though it is there.
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('slacktide.guard: register', 0));
    execute pg_catalog.format('create sequence if not exists %s', slacktide.guard_epoch_name(organization));
    execute pg_catalog.format('create sequence if not exists %s', slacktide.guard_refused_name(organization));
    insert into slacktide.guard_closing (organization) values (organization) on conflict do nothing;
end
$$;

select slacktide.guard_register('');
select slacktide.guard_register('*');
select slacktide.guard_register(c.organization) from slacktide.guard_closing c;

-- Raise each sequence to the epoch that is committed; the lock keeps a slow publisher from putting one back.
create or replace function slacktide.guard_publish() returns void
language plpgsql volatile as $$
begin
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('slacktide.guard: publish', 0));
    perform pg_catalog.setval(pg_catalog.to_regclass(slacktide.guard_epoch_name(c.organization)), c.epoch)
    from slacktide.guard_closing c
    where c.epoch > slacktide.guard_published(c.organization);
end
$$;

-- Look: raise a refusal, or tell whether a tester passes whose rows are to be recorded.
create or replace function slacktide.guard_look(scopes text[], acting text, interface boolean, relation text)
returns boolean language plpgsql volatile as $$
#variable_conflict use_variable
declare
    closed record;
    stale text;
begin
    if pg_catalog.current_setting('transaction_isolation') <> 'read committed' then
        select s.scope into stale
        from pg_catalog.unnest(scopes) as s (scope)
        left join slacktide.guard_closing c on c.organization = s.scope
        where coalesce(c.epoch, 0) < slacktide.guard_published(s.scope)
        limit 1;
        if found then
            raise exception using
                errcode = 'serialization_failure',
                message = pg_catalog.format('could not serialize access: the state of %s changed after this transaction''s snapshot',
                                            case stale when '' then 'the site' when '*' then 'an organization' else stale end),
                hint = 'The transaction may be tried again: it will then be judged by the state of now.';
        end if;
    end if;

    -- Asked without an order first: sorting would cost an open organization as much as all the rest.
    perform from slacktide.guard_closing c
    where c.organization = any (scopes) and (c.state <> 'open' or c.awaits_write)
      and not (c.state = 'verifying' and acting = 'slacktide_tester');
    if found then
        select c.organization, c.state, c.since, c.lives_at, c.reason into closed
        from slacktide.guard_closing c
        where c.organization = any (scopes) and c.state <> 'open'
          and not (c.state = 'verifying' and acting = 'slacktide_tester')
        order by c.state = 'reference only' desc, c.organization
        limit 1;
        if found then  -- else it was opened between the two
            perform slacktide.guard_refuse(
                closed.organization, closed.state, closed.since, closed.lives_at, closed.reason, relation);
        end if;
        insert into slacktide.guard_first_write (organization, login, relation)
        select c.organization, session_user, relation from slacktide.guard_closing c
        where c.organization = any (scopes) and c.state = 'open' and c.awaits_write
          and not exists (select from slacktide.guard_first_write w where w.organization = c.organization);
    end if;

    if interface then
        select w.organization, w.starts_at, w.reason into closed
        from slacktide.guard_window w
        where w.organization = any (scopes)
          and w.starts_at <= pg_catalog.clock_timestamp()
          and (w.ends_at is null or pg_catalog.clock_timestamp() < w.ends_at)
        order by w.organization
        limit 1;
        if found then
            perform slacktide.guard_refuse(closed.organization, 'closed', closed.starts_at, null, closed.reason, relation);
        end if;
    end if;

    if acting <> 'slacktide_tester' then
        return false;
    end if;
    return exists (select from slacktide.guard_closing c where c.organization = any (scopes) and c.state = 'verifying');
end
$$;

-- The refusal: which organization, since when, why; for one that has moved, where it lives now.
create or replace function slacktide.guard_refuse(
    organization text, state text, since timestamptz, lives_at text, reason text, relation text)
returns void language plpgsql volatile as $$
declare
    named text := case organization when '' then 'The site' else organization end;
    instant text := pg_catalog.to_char(since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
    because text := case reason when '' then '' else ': ' || reason end;
begin
    if state in ('reference only', 'prepared') then
        perform pg_catalog.nextval(pg_catalog.to_regclass(slacktide.guard_refused_name(organization)))
        where pg_catalog.to_regclass(slacktide.guard_refused_name(organization)) is not null;
    end if;
    if state = 'reference only' then
        raise exception using
            errcode = 'ST002',
            message = pg_catalog.format('%s is reference only in this database since %s%s', named, instant, because),
            detail = pg_catalog.format('A write to %s was refused.', relation),
            hint = pg_catalog.format('It lives now at %s. Reading works here; write there.', lives_at);
    end if;
    raise exception using
        errcode = 'ST001',
        message = pg_catalog.format('%s is closed to writes since %s (%s)%s', named, instant, state, because),
        detail = pg_catalog.format('A write to %s was refused.', relation),
        hint = 'Nothing was written. Try again after the downtime.';
end
$$;

-- The guard: locks, then looks. `organizations` are those of the old and new rows; NULL means all (TRUNCATE).
-- With `crossing` the statement may have moved rows from one of them to another. It is for functions that act as the
-- schema's owner by a search path of their own, as our triggers do: to set that once more costs as much as the look.
create or replace function slacktide.guard_decide(
    organizations text[], interface boolean, relation text, crossing boolean default false)
returns boolean language plpgsql volatile as $$
declare
    acting text := case current_setting('role') when 'none' then session_user else current_setting('role') end;
    named constant text[] := coalesce(array_remove(organizations, null), array['*']);
    scopes text[] := array[''] || named;
    keys integer[];
    key integer;
begin
    if acting = 'slacktide_mover' then
        return false;
    end if;
    if cardinality(named) <= 1 then
        keys := array[slacktide.guard_lock_key(named[1])];
    else
        keys := array(select distinct slacktide.guard_lock_key(n) from unnest(named) as n order by 1);
    end if;
    if organizations is null then
        scopes := scopes || array(select c.organization from slacktide.guard_closing c);
        acting := coalesce(nullif(acting, 'slacktide_tester'), '');
    end if;
    foreach key in array slacktide.guard_lock_key('') || keys loop
        continue when key is null;
        if not pg_try_advisory_xact_lock_shared(slacktide.guard_lock_class(), key) then
            -- The precheck: whoever is refused anyway does not queue behind the closer.
            perform slacktide.guard_look(scopes, acting, interface, relation);
            perform pg_advisory_xact_lock_shared(slacktide.guard_lock_class(), key);
        end if;
    end loop;
    if crossing and cardinality(organizations) > 1 then
        insert into slacktide.guard_crossing (organizations) values (array_replace(organizations, null, ''));
    end if;
    -- A further statement: in READ COMMITTED it has a snapshot of its own, taken under the lock.
    return slacktide.guard_look(scopes, acting, interface, relation);
end
$$;

-- The same for whoever was granted to ask it.
create or replace function slacktide.guard_judge(
    organizations text[], interface boolean, relation text, crossing boolean default false)
returns boolean language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    return slacktide.guard_decide(organizations, interface, relation, crossing);
end
$$;

-- The transactions that have a guarded table open for writing, whatever organization they write, and judged or not yet.
create or replace function slacktide.guard_writers()
returns table (pid integer, virtualtransaction text) language sql volatile as $$
    select distinct l.pid, l.virtualtransaction
    from pg_catalog.pg_locks l
    where l.locktype = 'relation' and l.granted and l.mode = 'RowExclusiveLock'
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
      and l.relation in (select t.tgrelid from pg_catalog.pg_trigger t where t.tgname like 'slacktide\_guard\_%')
$$;

-- The transactions that a closer of the organization waits for: those that hold its lock or TRUNCATE's, and,
-- after rows have crossed, those that wrote when the line was drawn. One that was prepared has another name since.
create or replace function slacktide.guard_held(organization text)
returns table (pid integer, virtualtransaction text) language sql volatile as $$
    select l.pid, l.virtualtransaction
    from pg_catalog.pg_locks l
    where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
      and l.pid is distinct from pg_catalog.pg_backend_pid()
      and l.classid::bigint = slacktide.guard_lock_class()
      and l.objid::bigint in (slacktide.guard_lock_key($1)::bigint & 4294967295,
                              slacktide.guard_lock_key('*')::bigint & 4294967295)
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
    union
    select w.pid, w.virtualtransaction
    from slacktide.guard_writers() w
    where w.pid is distinct from pg_catalog.pg_backend_pid()
      and exists (select from slacktide.guard_crossing c
                  where $1 = any (c.organizations) and c.writers is not null
                    and (w.pid is null or w.virtualtransaction = any (c.writers)))
$$;

do $$
declare
    own regprocedure;
begin
    for own in select p.oid from pg_catalog.pg_proc p
               where p.pronamespace = 'slacktide'::regnamespace and p.proname like 'guard\_%' loop
        execute pg_catalog.format('revoke all on function %s from public', own);
    end loop;
end
$$;
