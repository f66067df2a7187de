-- Organizations with their sides, parameter settings, and the audit trail.
--
-- A migration may be killed after it was applied and before that was noted, so every statement here can run again.
-- depends:

create table if not exists slacktide.organization (
    code text primary key check (code <> ''),
    name text not null,
    zone text not null,
    created_at timestamptz not null default clock_timestamp()
);

-- An organization in one database; it has two while it moves. A closed side carries a durable closing.
create table if not exists slacktide.side (
    organization text not null references slacktide.organization,
    side text not null check (side in ('source', 'target')),
    state text not null check (state in ('open', 'closed', 'reference only')),
    since timestamptz not null default clock_timestamp(),
    database text,
    lives_at text,
    primary key (organization, side),
    check ((state = 'reference only') = (lives_at is not null))
);

-- Which levels a parameter allows; the same as the table in slacktide.downtime.parameter, as a test holds.
create table if not exists slacktide.parameter_level (
    parameter text not null,
    level text not null check (level in ('site', 'organization', 'user')),
    primary key (parameter, level)
);

insert into slacktide.parameter_level (parameter, level) values
    ('site_scheduled_downtime', 'site'),
    ('organization_scheduled_downtime', 'organization'),
    ('disable_user_access', 'site'),
    ('disable_user_access', 'organization'),
    ('email_notification_security', 'site'),
    ('email_notification_security', 'organization'),
    ('email_notification_security', 'user'),
    ('email_link_downtime_scope', 'site'),
    ('downtime_message', 'site'),
    ('downtime_message', 'organization'),
    ('downtime_contact', 'site'),
    ('downtime_contact', 'organization'),
    ('downtime_notice_lead_times', 'site'),
    ('downtime_notice_lead_times', 'organization'),
    ('hold_recheck_interval', 'site'),
    ('hold_release_rate', 'site'),
    ('hold_release_rate', 'organization'),
    ('task_lease_limit', 'site'),
    ('task_lease_limit', 'organization'),
    ('task_lease_idle_limit', 'site'),
    ('task_lease_idle_limit', 'organization'),
    ('task_lease_downtime_limit', 'site'),
    ('task_lease_downtime_limit', 'organization')
on conflict do nothing;

-- One row for each parameter setting. The overlap of other parameters than the downtimes' is refused by an exclusion
-- constraint; it needs equality in GiST, which without an extension is the overlap of one-point ranges of a hash.
create table if not exists slacktide.setting (
    id bigint generated always as identity primary key,
    parameter text not null,
    level text not null,
    organization text references slacktide.organization,
    user_name text,
    value text not null,
    starts_at timestamptz not null,
    ends_at timestamptz,
    latched boolean not null default false,
    users text check (users in ('in', 'out')),
    message text,
    contact text,
    zone text not null default 'UTC',
    reason text not null default '',
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    whose int8range generated always as (
        int8range(
            hashtextextended(parameter || '/' || level || '/' || coalesce(organization, user_name, ''), 0),
            hashtextextended(parameter || '/' || level || '/' || coalesce(organization, user_name, ''), 0),
            '[]'
        )
    ) stored,
    constraint setting_level_allowed foreign key (parameter, level) references slacktide.parameter_level,
    constraint setting_level_value check (
        (level = 'organization') = (organization is not null) and (level = 'user') = (user_name is not null)
    ),
    constraint setting_end_after_start check (ends_at >= starts_at),
    constraint setting_downtime_value check (
        parameter not in ('site_scheduled_downtime', 'organization_scheduled_downtime') or value in ('Y', 'N')
    ),
    constraint setting_downtime_carries check (
        parameter in ('site_scheduled_downtime', 'organization_scheduled_downtime')
        or (users is null and message is null and contact is null and not latched)
    ),
    constraint setting_no_overlap exclude using gist (whose with &&, tstzrange(starts_at, ends_at) with &&)
        where (parameter not in ('site_scheduled_downtime', 'organization_scheduled_downtime'))
);

create index if not exists setting_organization on slacktide.setting (organization);

-- What has begun or is over cannot be rewritten, and what was once open without an end stays latched. "Over" and
-- "begun" are judged by the running clock; an end given as now is compared with the transaction's start, since it was
-- read a moment ago.
create or replace function slacktide.setting_keep() returns trigger language plpgsql as $body$
begin
    if tg_op in ('UPDATE', 'DELETE') then
        if tg_op = 'DELETE' then
            if old.latched or old.starts_at <= clock_timestamp() then
                raise restrict_violation using message = format('setting %s has begun or is latched and cannot be deleted', old.id);
            end if;
            return old;
        end if;
        if old.ends_at <= clock_timestamp() or old.ends_at = old.starts_at then
            raise restrict_violation using message = format('setting %s is over and cannot be changed', old.id);
        end if;
        if old.starts_at <= clock_timestamp() and (new.starts_at, new.parameter, new.level, new.organization, new.user_name)
            is distinct from (old.starts_at, old.parameter, old.level, old.organization, old.user_name) then
            raise restrict_violation using message = format('setting %s has begun: its start and level cannot be changed', old.id);
        end if;
        if old.latched and not new.latched then
            raise restrict_violation using message = format('setting %s is latched and stays so', old.id);
        end if;
        if new.id <> old.id or new.created_by <> old.created_by or new.created_at <> old.created_at then
            raise restrict_violation using message = format('setting %s keeps its origin', old.id);
        end if;
    end if;
    if new.ends_at = new.starts_at and (tg_op = 'INSERT' or new.starts_at <> old.starts_at or old.starts_at <= clock_timestamp()) then
        raise check_violation using message = 'only what has not begun can end at its start';
    end if;
    if new.ends_at < now() and (tg_op = 'INSERT' or new.ends_at is distinct from old.ends_at) then
        raise check_violation using message = 'the end of a setting cannot be before now';
    end if;
    new.latched := new.latched or (
        new.parameter in ('site_scheduled_downtime', 'organization_scheduled_downtime') and new.value = 'Y' and new.ends_at is null
    );
    return new;
end
$body$;

create or replace trigger setting_keep before insert or update or delete on slacktide.setting
    for each row execute function slacktide.setting_keep();

-- Who changed what, when and why. Rows are only ever added.
create table if not exists slacktide.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    who text not null,
    what text not null,
    object text not null,
    before jsonb,
    after jsonb,
    reason text not null
);

create index if not exists audit_at on slacktide.audit (at);

create or replace function slacktide.refuse() returns trigger language plpgsql as $body$
begin
    raise restrict_violation using message = format('%s of slacktide.%s is refused', tg_op, tg_table_name);
end
$body$;

create or replace trigger audit_append_only before update or delete on slacktide.audit
    for each row execute function slacktide.refuse();

create or replace trigger audit_no_truncate before truncate on slacktide.audit
    for each statement execute function slacktide.refuse();

create or replace trigger setting_no_truncate before truncate on slacktide.setting
    for each statement execute function slacktide.refuse();

alter table slacktide.audit enable always trigger audit_append_only;

alter table slacktide.audit enable always trigger audit_no_truncate;

alter table slacktide.setting enable always trigger setting_keep;

alter table slacktide.setting enable always trigger setting_no_truncate;

-- Whoever keeps the schedule is told of every change; the message says only that there is one.
create or replace function slacktide.schedule_changed() returns trigger language plpgsql as $body$
begin
    perform pg_notify('slacktide_schedule', '');
    return null;
end
$body$;

create or replace trigger schedule_changed after insert or update or delete on slacktide.organization
    for each statement execute function slacktide.schedule_changed();

create or replace trigger schedule_changed after insert or update or delete on slacktide.side
    for each statement execute function slacktide.schedule_changed();

create or replace trigger schedule_changed after insert or update or delete on slacktide.setting
    for each statement execute function slacktide.schedule_changed();
