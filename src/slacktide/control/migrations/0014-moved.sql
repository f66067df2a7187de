-- As before, and a series has begun too once an occurrence of it has that was moved to before its start.
-- depends: 0002-recurrence

create or replace function slacktide.setting_keep() returns trigger language plpgsql as $body$
declare
    begun boolean;
begin
    if tg_op in ('UPDATE', 'DELETE') then
        begun := old.starts_at <= clock_timestamp() or exists (
            select from jsonb_array_elements(old.overrides) o where (o ->> 'start')::timestamptz <= clock_timestamp()
        );
        if tg_op = 'DELETE' then
            if old.latched or begun then
                raise restrict_violation using message = format('setting %s has begun or is latched and cannot be deleted', old.id);
            end if;
            return old;
        end if;
        if old.rrule is null and (old.ends_at <= clock_timestamp() or old.ends_at = old.starts_at) then
            raise restrict_violation using message = format('setting %s is over and cannot be changed', old.id);
        end if;
        if begun and (new.starts_at, new.parameter, new.level, new.organization, new.user_name,
                new.rrule, new.length)
            is distinct from (old.starts_at, old.parameter, old.level, old.organization, old.user_name, old.rrule, old.length) then
            raise restrict_violation using message = format('setting %s has begun: its start and level cannot be changed', old.id);
        end if;
        if old.rrule is not null and old.ends_at <= clock_timestamp() and new.ends_at is distinct from old.ends_at then
            raise restrict_violation using message = format('setting %s is cancelled and stays so', old.id);
        end if;
        if exists (
            select from jsonb_array_elements(old.overrides) o
            where (o ->> 'end')::timestamptz <= clock_timestamp() and not new.overrides @> jsonb_build_array(o)
        ) then
            raise restrict_violation using message = format('setting %s has an occurrence that is over and cannot be changed', old.id);
        end if;
        if old.latched and not new.latched then
            raise restrict_violation using message = format('setting %s is latched and stays so', old.id);
        end if;
        if new.id <> old.id or new.created_by <> old.created_by or new.created_at <> old.created_at or new.zone <> old.zone then
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
        new.parameter in ('site_scheduled_downtime', 'organization_scheduled_downtime') and new.value = 'Y'
        and new.ends_at is null and new.rrule is null
    );
    return new;
end
$body$;
